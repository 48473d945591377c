"""The files of the page, as the server sends them."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from minisched import catalogue
from minisched.api import static_files
from minisched.api.context import Request, RequestContext, Response
from minisched.api.routing import Match
from minisched.api.shorten import shorten
from minisched.catalogue import runs
from support.programs import ROOT, environment

STATIC = ROOT / "minisched" / "api" / "static"
SCRIPTS = sorted(name for name in static_files.FILES if name.endswith(".js") and name != static_files.MESSAGES)
TOP_LEVEL = re.compile(r"^(?:export )?(?:async )?(?:function\*?|const|let|class) (\w+)", re.MULTILINE)
ALL_PACKED_MAX = 130 * 1024  # bytes


def get(path: str, **headers: str) -> tuple[Response, dict[str, str]]:
    found = static_files.find("GET", path)
    assert isinstance(found, Match)
    request = Request("GET", path, found.route, headers={name.replace("_", "-"): v for name, v in headers.items()})
    response = found.route.handler(RequestContext(None, request, {}, {}))
    return response, dict(response.headers)


def test_every_file_of_the_folder_is_listed() -> None:
    there = {path for path in STATIC.rglob("*") if path.is_file()}
    assert {STATIC / name for name in static_files.FILES} == there


@pytest.mark.parametrize("path", static_files.NAMES)
def test_a_file_comes_in_gzip_or_plain_and_is_sent_once(path: str) -> None:
    plain, fields = get(path)
    assert (plain.status, plain.content_type) == (200, static_files.TYPES[Path(static_files.NAMES[path]).suffix])
    assert "Content-Encoding" not in fields
    packed, packed_fields = get(path, accept_encoding="br;q=1.0, GZIP;q=0.8")
    assert gzip.decompress(packed.body) == plain.body
    assert packed_fields == {**fields, "Content-Encoding": "gzip"}
    assert (fields["Vary"], fields["Cache-Control"]) == ("Accept-Encoding", "no-cache")
    for accepted in ("", "gzip"):
        again, again_fields = get(path, accept_encoding=accepted, if_none_match=f'"other", {fields["ETag"]}')
        assert (again.status, again.body, again_fields) == (304, b"", fields)
    assert get(path, if_none_match='"other"')[0].status == 200


@pytest.mark.parametrize("accepted", ["identity", "gzip;q=0", "deflate, gzip; q=0.0", "gzipped", "*"])
def test_a_client_that_does_not_ask_for_gzip_gets_none(accepted: str) -> None:
    assert "Content-Encoding" not in get("/", accept_encoding=accepted)[1]


@pytest.mark.parametrize("texts", static_files.LATER_TEXTS)
def test_all_files_that_a_browser_loads_are_small_when_compressed(texts: str) -> None:
    loaded = {bundle[-1] for bundle in static_files.bundles().values()}  # the other modules are in one of these
    loaded -= static_files.LATER_TEXTS.keys() - {texts}
    sizes = {
        path: len(get(path, accept_encoding="gzip")[0].body)
        for path, name in static_files.NAMES.items()
        if name in loaded or not name.endswith(".js")
    }
    assert sum(sizes.values()) < ALL_PACKED_MAX, sizes


def test_each_module_is_part_of_one_bundle_and_of_no_other() -> None:
    bundles = set(static_files.bundles().values())
    modules = [module for bundle in bundles for module in bundle]
    assert sorted(modules) == sorted({*SCRIPTS, *static_files.GENERATED})
    assert len(static_files.bundles()[static_files.ENTRY]) > 10
    for bundle in bundles:
        served = static_files.joined(bundle[-1])
        imported = {
            STATIC.joinpath(bundle[-1]).parent.joinpath(path).resolve().relative_to(STATIC).as_posix(): names.split(",")
            for names, path in re.findall(r'\bimport\{([\w,]*)\}from"(.+?)";', served)
        }
        assert served.count("import{") == len(imported)
        assert imported.keys() <= {other[-1] for other in bundles} - {bundle[-1]}
        assert bundle[-1] != static_files.EARLY or not imported
        assert bundle[-1] != static_files.ENTRY or [*imported] == [static_files.EARLY]
        # Modules of a bundle share one scope.
        names = [name for found in imported.values() for name in found]
        names += [name for module in bundle for name in TOP_LEVEL.findall(source(module))]
        assert len(names) == len(set(names)), sorted(name for name in set(names) if names.count(name) > 1)
        for module in bundle[:-1]:
            found = re.fullmatch(r'export \* from "(.+)";\n', static_files.content(module).decode())
            assert found and (STATIC / module).parent.joinpath(found[1]).resolve() == STATIC / bundle[-1]


def source(name: str) -> str:
    return "" if name in static_files.GENERATED else (STATIC / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_written_so_that_comments_and_imports_can_be_left_out(name: str) -> None:
    for line in source(name).splitlines():
        assert line.replace('"`"', "").count("`") % 2 == 0, line  # no text goes over several lines
        if re.match(r"import\b|.*\bimport\(", line):
            assert re.match(r'import (\{ [\w, ]+ \} from )?"\.\.?/[\w/.]+";$|.*\bimport\(["`]\.\.?/', line), line
            assert " as " not in line, line
    served = static_files.content(name).decode()
    assert not re.search(r"^\s*(?://|/?\*)", served, re.MULTILINE)
    for other in re.findall(r'(?:from |import\()"(.+?)"', source(name)):
        path = (STATIC / name).parent.joinpath(other).resolve().relative_to(STATIC)
        assert path.as_posix() in static_files.NAMES.values(), other


@pytest.mark.parametrize("name", static_files.LATER_TEXTS)
def test_the_texts_of_a_language_are_served_as_a_module(name: str) -> None:
    messages, templates = static_files.generated(name).splitlines()
    index = static_files.LATER_TEXTS[name]
    tables = [catalogue.table(area) for area in static_files.RENDERED_AREAS]
    shown = {code: pair[index] for table in tables for code, pair in table.items() if static_files.is_rendered(code)}
    served = json.loads(templates.removeprefix("export const TEMPLATES = ").removesuffix(";"))
    assert served == {code: text for code, text in shown.items() if code not in runs.FIRST_VIEW}
    assert len(re.findall(r"[{,]\w+:", messages)) >= source(static_files.MESSAGES).count("\n  ed_") > 100
    assert ("Retry" in messages, "重试" in messages) == ((True, False), (False, True))[index]


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_dynamic_import_means_the_same_from_the_bundle(name: str) -> None:
    bundle = STATIC / static_files.bundles()[name][-1]
    for path in re.findall(r'\bimport\(["`](.+?)["`]\)', source(name)):
        assert (STATIC / name).parent.joinpath(path).resolve() == bundle.parent.joinpath(path).resolve()


def test_the_page_is_read_from_a_zip_too(tmp_path: Path) -> None:
    archive = tmp_path / "minisched.pyz"
    with zipfile.ZipFile(archive, "w") as file:
        for path in (ROOT / "minisched").rglob("*"):
            if path.suffix in (".py", *static_files.TYPES):
                file.write(path, path.relative_to(ROOT))
    code = "from minisched.api import static_files as s; print(list(s.NAMES)); print(s.content('core/app.js'))"
    env = {**environment(), "PYTHONPATH": str(archive)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=env, cwd=tmp_path, check=True)
    names, body = done.stdout.decode().splitlines()
    assert names == repr(list(static_files.NAMES))
    assert body == repr(get("/core/app.js")[0].body)


@pytest.mark.parametrize(
    ("script", "short"),
    [
        ('import{setText}from"./a.js";setText(el);', 'import{setText as a}from"./a.js";a(el);'),
        ("export const shown=(rows)=>rows.length;shown(rows);", "export const shown=(a)=>a.length;shown(a);"),
        ("const one={rows,name:rows,list:[rows,rows]};", "const b={rows:a,name:a,list:[a,a]};"),
        ("const{rows,last=rows,first:other}=given;", "const{rows:a,last:b=a,first:c}=d;"),
        ("const key=`${rows} rows ${{rows}} ${`rows${rows}`}`;", "const b=`${a} rows ${{rows:a}} ${`rows${a}`}`;"),
        ("text=/rows[/]/.test(text)?rows/2:'rows';", "a=/rows[/]/.test(a)?b/2:'rows';"),
        ("class Rows{show(rows){this.rows=rows;}get size(){}}", "class b{show(a){this.rows=a;}get size(){}}"),
        ("if(rows){rows=null;}else{show(rows,{show(){}});}", "if(a){a=null;}else{b(a,{show(){}});}"),
        ("f([ 1, rows ]) ; g ( - -rows );return rows;", "f([1,a]);g(- -a);return a;"),
        ("addEventListener;document.title=location.hash;a=rows;", "b;document.title=location.hash;a=c;"),
    ],
)  # fmt: skip
def test_variables_get_short_names_and_nothing_else(script: str, short: str) -> None:
    assert shorten(script) == short

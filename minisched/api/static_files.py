"""The files of the page.

The allowed paths are listed once, with the first request: no path of a request ever becomes the path of a file. A file
is read when it is first requested, and kept compressed.

The page has to be small, and each request costs a connection. So comments and most spaces are not served, and modules
are served in bundles: the modules of the first view in one, what all later views share in another one, and each view
that is loaded later with the modules that only it imports. A module that is part of a bundle with another name is
served as a re-export of it, so none is evaluated twice. The style sheets of later views are one file, which is half as
large as many.

Of the texts that the first view does not need, a browser gets those of its language: a module of each is generated from
the messages of the page and from `minisched.catalogue`.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from functools import cache

from minisched import catalogue
from minisched.api.context import GZIP, RequestContext, Response, gzipped
from minisched.api.routing import OPEN, Match, NotAllowed, Route
from minisched.catalogue import runs
from minisched.namedtuple import NamedTuple
from minisched.osutil import PACKAGE, Importing, list_carried, read_carried

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional, Union

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}
INDEX = "index.html"
EARLY = "core/api.js"  # the module that index.html loads first: the server proves itself while the next one is loaded
ENTRY = "core/app.js"  # the module of the first view
SHARED = "core/shared.js"  # the module that is loaded before all that the first view does not need
FIRST_STYLE = "core/style.css"  # the style sheet of the first view
SHARED_STYLE = "core/shared.css"  # that of all later ones
_FOLDER = os.path.join(PACKAGE, "api", "static")

# Scripts and style sheets are written so that this is safe: an import is one line, and no text goes over several lines.
# A comment is left out only if it has lines of its own.
_IMPORT = re.compile(r'^import (?:\{ (.*) \} from )?"(\..+)";\n', re.MULTILINE)
_MESSAGE = re.compile(r'^  (\w+): \[("(?:[^"\\]|\\.)*"), ("(?:[^"\\]|\\.)*")\],$', re.MULTILINE)
_LOADED_LATER = re.compile(r'\("(?:\.\./)?(\w+/\w+\.js)"')  # by core/lazy.js, or by import()
_COMMENT = re.compile(r"^[ \t]*(?://[^\n]*|/\*(?:(?!\*/).)*\*/[ \t]*)\n", re.MULTILINE | re.DOTALL)
_STYLE_SPACE = re.compile(r" ?([{};,])\s*|(:) ")
_NEEDLESS_END = re.compile(r";\n(?=})|,\n(?=[}\])])")  # before the end of a block, an object, a list
_DECLARATIONS = re.compile(r"^(const|let) .*;\n(?:\1 .*;\n)+", re.MULTILINE)  # of a line each: become one
_LINE_END = re.compile(r"([{};,(\[])\n")
_INDENT = re.compile(r"^\s+", re.MULTILINE)


class File(NamedTuple):
    packed: bytes  # in gzip
    etag: str  # weak, since it stands for the compressed and the plain file


FILES = [name for name in list_carried(_FOLDER) if os.path.splitext(name)[1] in TYPES]
MESSAGES = "i18n/messages.js"  # is not served itself
# Areas of the catalogue that the page renders; what others say comes from the API in both languages.
RENDERED_AREAS = ("config", "notify", "runs")
# Of the errors in a config, those that are the `reason` of a run that was not started.
RENDERED_OF_CONFIG = re.compile(r"config\.(error|error\.file|file\.(above_)?(writable|owner))")
# Of notifications, what messages are made of, and what commands print.
NOT_RENDERED_OF_NOTIFY = re.compile(
    r"notify\.(tested|headline|with_id|on_host|in_a_row|recovered|first_line|line|status|reason|is_\w+)(\..*)?"
)
FIRST_VIEW = "i18n/catalogue/first_view.js"  # the texts of runs that the first view needs
# All other texts by language: those of MESSAGES and of the catalogue.
LATER_TEXTS = {f"i18n/texts_{language}.js": index for index, language in enumerate(catalogue.LANGUAGES)}
GENERATED = (FIRST_VIEW, *LATER_TEXTS)
LATER_STYLES = [name for name in FILES if name.endswith(".css") and name not in (FIRST_STYLE, SHARED_STYLE)]
NAMES = {  # by the path of the request
    "/" if name == INDEX else f"/{name}": name for name in (*FILES, *GENERATED) if name not in (MESSAGES, *LATER_STYLES)
}


def find(method: str, path: str) -> Optional[Union[Match, NotAllowed]]:
    """As `routing.match`; None if the path is not one of the page's."""
    if path not in NAMES:
        return None
    return _FILES if method in ("GET", "HEAD") else NotAllowed("GET, HEAD", open=True)


def respond(context: RequestContext) -> Response:
    """The file at a path that `find` knows. A browser asks each time whether its copy is current (`no-cache`). Raises
    OSError."""
    request = context.request
    name = NAMES[request.path]
    file = _file(name)
    headers = [("ETag", file.etag), ("Cache-Control", "no-cache"), ("Vary", "Accept-Encoding")]
    if request.has_copy(file.etag):
        return Response(304, headers=tuple(headers))
    body = file.packed
    if request.takes_gzip:
        headers.append(("Content-Encoding", "gzip"))
    else:
        body = zlib.decompress(body, GZIP)
    return Response(200, body, TYPES[os.path.splitext(name)[1]], tuple(headers))


_FILES = Match(Route("GET", "", "The page and its files.", (), respond, access=OPEN))


@cache
def _file(name: str) -> File:
    body = content(name)
    # Which memory is best depends on how much the parts of a file differ. More than these makes none smaller.
    packed = min((gzipped(body, 9, memory) for memory in (5, 6, 7)), key=len)
    return File(packed, f'W/"{zlib.crc32(body):08x}-{len(body)}"')


def content(name: str) -> bytes:
    """What is served under a name, not compressed. Raises OSError."""
    if name.endswith(".css"):
        return "".join(map(_source, (name, *(LATER_STYLES if name == SHARED_STYLE else ())))).encode()
    if not name.endswith(".js"):
        return _read(name)
    bundle = bundles()[name][-1]
    if name != bundle:
        return f'export * from "{_seen_from(name, bundle)}";\n'.encode()
    with Importing():
        from minisched.api.shorten import shorten  # the scripts are made once
    return shorten(joined(name)).encode()


def _seen_from(name: str, other: str) -> str:
    """The path of a file in an import of another one. With an absolute path, `relpath` needs no current folder, which
    may be deleted."""
    return f"./{os.path.relpath(f'/{other}', os.path.dirname(f'/{name}'))}"


def joined(name: str) -> str:
    """The modules of a bundle as one script, its variables with their own names. Raises OSError."""
    modules = bundles()[name]
    names: dict[str, set[str]] = {}  # that the bundle imports, by the bundle that they are from
    for module in modules:
        for imported, found in _imports(module):
            if imported not in modules:
                names.setdefault(bundles()[imported][-1], set()).update(found)
    lines = [f'import{{{",".join(sorted(names[it]))}}}from"{_seen_from(name, it)}";\n' for it in sorted(names)]
    whole = "".join([*lines, *map(_source, modules)])
    whole = _DECLARATIONS.sub(lambda found: found[0].replace(f";\n{found[1]} ", ",\n"), whole)
    return _LINE_END.sub(r"\1", _NEEDLESS_END.sub("", whole))


@cache
def bundles() -> dict[str, tuple[str, ...]]:
    """The modules that a module is served with, by its name. Each comes after those that it imports; the bundle has the
    name of the last one. A module that several views import is bundled with those that the same views import. Raises
    OSError."""
    loaded = [SHARED, *LATER_TEXTS]
    for module in FILES:
        if module.endswith(".js"):
            loaded += [name for name in _LOADED_LATER.findall(_read(module).decode()) if name in FILES]
    users: dict[str, list[str]] = {}  # the modules that are loaded by themselves, by those that they need
    for root in dict.fromkeys((EARLY, ENTRY, *loaded)):
        for module in _needed(root, []):
            users.setdefault(module, []).append(root)
    together: dict[tuple[str, ...], list[str]] = {}
    for module, roots in users.items():
        key = roots[:1] if roots[0] in (EARLY, ENTRY, SHARED) else roots
        together.setdefault(tuple(key), []).append(module)
    return {module: tuple(modules) for modules in together.values() for module in modules}


def _needed(name: str, found: list[str]) -> list[str]:
    """`found`, with a module and all that it imports, each after those that it needs itself."""
    for imported, _ in _imports(name):
        if imported not in found:
            _needed(imported, found)
    found.append(name)
    return found


@cache
def _imports(name: str) -> list[tuple[str, list[str]]]:
    """The modules that a module imports, with the names that it takes from them."""
    text = "" if name in GENERATED else _read(name).decode()
    path = f"{os.path.dirname(name)}/%s"
    return [(os.path.normpath(path % to), names.split(", ") if names else []) for names, to in _IMPORT.findall(text)]


def generated(name: str) -> str:
    """A module with texts of the catalogue by code; those of a language also with the messages of the page by key."""
    if name == FIRST_VIEW:
        return f"export const TEXTS = {_json(runs.FIRST_VIEW)};\n"
    index = LATER_TEXTS[name]
    tables = [catalogue.table(area) for area in RENDERED_AREAS]
    templates = {
        code: pair[index]
        for table in tables
        for code, pair in table.items()
        if is_rendered(code) and code not in runs.FIRST_VIEW
    }
    messages = ",".join(f"{key}:{pair[index]}" for key, *pair in _MESSAGE.findall(_read(MESSAGES).decode()))
    return f"export const MESSAGES = {{{messages}}};\nexport const TEMPLATES = {_json(templates)};\n"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def is_rendered(code: str) -> bool:
    if code.startswith("config."):
        return RENDERED_OF_CONFIG.fullmatch(code) is not None
    return NOT_RENDERED_OF_NOTIFY.fullmatch(code) is None


def _source(name: str) -> str:
    """A script without its imports, or a style sheet, as it is served."""
    if name in GENERATED:
        return generated(name)
    text = _INDENT.sub("", _COMMENT.sub("", _IMPORT.sub("", _read(name).decode())))
    return _STYLE_SPACE.sub(r"\1\2", text) if name.endswith(".css") else text


def _read(name: str) -> bytes:
    return read_carried(os.path.join(_FOLDER, name))

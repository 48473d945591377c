"""The files of the page.

The allowed paths are listed once, when the server starts: no path of a request ever becomes the path of a file. A file
is read when it is first requested, and kept compressed.

The first load has to be small, and each request costs a connection. So comments and most spaces are not served, and
`core/app.js` is served with all modules that it imports, which are the ones of the first view, in one file. Views that
are opened later import from the same modules: a module that is part of that file is served as a re-export of it.

The texts of the engine come from `minisched.catalogue`: a module is generated from each of its areas.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from functools import cache
from typing import NamedTuple, Optional, Union

from minisched import catalogue
from minisched.api.context import GZIP, RequestContext, Response, gzipped
from minisched.api.routing import OPEN, Match, NotAllowed, Route
from minisched.catalogue import runs
from minisched.osutil import PACKAGE, list_carried, read_carried

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
INDEX = "index.html"
ENTRY = "core/app.js"  # the module that index.html loads
_FOLDER = os.path.join(PACKAGE, "api", "static")
_CATALOGUE = os.path.join(PACKAGE, "catalogue")

# Scripts and style sheets are written so that this is safe: an import is one line, and no text goes over several lines.
# A comment is left out only if it has lines of its own.
_IMPORT = re.compile(r'^import .* from "(\..+)";\n', re.MULTILINE)
_COMMENT = re.compile(r"^[ \t]*(?://[^\n]*|/\*(?:(?!\*/).)*\*/[ \t]*)\n", re.MULTILINE | re.DOTALL)
_TEXT = re.compile(r'("(?:[^"\\]|\\.)*")')
_SPACE = re.compile(r" ?([=*<>?:&|,;{}()\[\]!]+) ?")
_LINE_END = re.compile(r"([{;,(\[])\n")
_INDENT = re.compile(r"^\s+", re.MULTILINE)


class File(NamedTuple):
    packed: bytes  # in gzip
    etag: str  # weak, since it stands for the compressed and the plain file


FILES = [name for name in list_carried(_FOLDER) if os.path.splitext(name)[1] in TYPES]
# Areas of the catalogue that the page renders nothing of: what they say comes from the API in both languages.
NOT_RENDERED = ("api", "cli", "doctor", "engine", "export", "log", "migration", "schedules", "why")
# Of the errors in a config, those that are the `reason` of a run that was not started.
RENDERED_OF_CONFIG = re.compile(r"config\.(error|error\.file|file\.(above_)?(writable|owner))")
# The generated modules, with the area of the catalogue.
GENERATED = {
    f"i18n/catalogue/{name[:-3]}.js": name[:-3]
    for name in list_carried(_CATALOGUE)
    if name.endswith(".py") and name[:-3] not in ("__init__", *NOT_RENDERED)
}
FIRST_VIEW = "i18n/catalogue/first_view.js"  # only the texts of runs that the first view needs
GENERATED[FIRST_VIEW] = "runs"
NAMES = {"/" if name == INDEX else f"/{name}": name for name in (*FILES, *GENERATED)}  # by the path of the request


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
    return File(gzipped(body, 9), f'W/"{zlib.crc32(body):08x}-{len(body)}"')


def content(name: str) -> bytes:
    """What is served under a name, not compressed. Raises OSError."""
    if name == ENTRY:
        whole = "".join(_IMPORT.sub("", _source(module)) for module in entry_modules())
        return _LINE_END.sub(r"\1", whole).encode()
    if name in entry_modules():
        return f'export * from "./{os.path.relpath(ENTRY, os.path.dirname(name))}";\n'.encode()
    return _source(name).encode() if name.endswith((".js", ".css")) else _read(name)


@cache
def entry_modules() -> tuple[str, ...]:
    """ENTRY and the modules that it imports, each after those that it needs itself. Raises OSError."""
    found: list[str] = []

    def collect(name: str) -> None:
        for path in _IMPORT.findall(_source(name)):
            imported = os.path.normpath(os.path.join(os.path.dirname(name), path))
            if imported not in found:
                collect(imported)
        found.append(name)

    collect(ENTRY)
    return tuple(found)


def generated(name: str) -> str:
    """A module with the templates of an area, by code."""
    table = runs.FIRST_VIEW if name == FIRST_VIEW else catalogue.table(GENERATED[name])
    texts = {code: text for code, text in table.items() if is_rendered(code)}
    return f"export const TEXTS = {json.dumps(texts, ensure_ascii=False, separators=(',', ':'))};\n"


def is_rendered(code: str) -> bool:
    return not code.startswith("config.") or RENDERED_OF_CONFIG.fullmatch(code) is not None


def _source(name: str) -> str:
    if name in GENERATED:
        return generated(name)
    text = _INDENT.sub("", _COMMENT.sub("", _read(name).decode()))
    return "\n".join(map(_without_spaces, text.split("\n"))) if name.endswith(".js") else text


def _without_spaces(line: str) -> str:
    """A line of a script without the spaces around its signs; one that may have a text of another kind as it is."""
    parts = _TEXT.split(line)  # each second one is a text
    if line.startswith("import") or any(re.search("[`'/]", part) for part in parts[::2]):
        return line
    return "".join(part if index % 2 else _SPACE.sub(r"\1", part) for index, part in enumerate(parts))


def _read(name: str) -> bytes:
    return read_carried(os.path.join(_FOLDER, name))

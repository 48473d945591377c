"""The page's files: a fixed table, each read once and kept. No path of a request ever becomes the path of a file."""

from __future__ import annotations

import os.path
from binascii import crc32
from typing import Any, NamedTuple, Optional, Union

from minisched.api.message import Request, Response
from minisched.api.routes import OPEN, Match, NotAllowed, Route

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
INDEX = "index.html"
# All of `static/`; a test compares.
FILES = (
    "acts.js",
    "api.js",
    "app.js",
    "axis.js",
    "card.js",
    "cards.js",
    "dark.css",
    "dialog.js",
    "dom.js",
    "download.js",
    "editor.js",
    "engine.js",
    "failure.js",
    "favicon.svg",
    "fields.js",
    "form.js",
    "graph.js",
    "history.js",
    "i18n.js",
    "index.html",
    "layers.js",
    "link.js",
    "log.js",
    "logsearch.js",
    "logview.js",
    "marks.js",
    "menu.js",
    "messages.js",
    "messages_first.js",
    "more.css",
    "outbox.js",
    "overview.js",
    "paths.js",
    "picker.js",
    "rooms.css",
    "rooms.js",
    "run.js",
    "schedules.js",
    "sentences.js",
    "signin.js",
    "store.js",
    "style.css",
    "timeline.js",
    "trial.js",
    "viewport.js",
    "widgets.js",
    "words.js",
)
NAMES = {"/" if name == INDEX else f"/{name}": name for name in FILES}  # by the path of the request

_PLACE = Match(Route("GET", "", "", "The page and its files.", (), access=OPEN), {})
_NO_PLACE = NotAllowed("GET, HEAD")


class File(NamedTuple):
    body: bytes
    etag: str


_kept: dict[str, File] = {}


def find(method: str, path: str) -> Optional[Union[Match, NotAllowed]]:
    """As `routes.match`; None where the path is none of the page's."""
    if path not in NAMES:
        return None
    return _PLACE if method in ("GET", "HEAD") else _NO_PLACE


def respond(request: Request) -> Response:
    """The file of a path that `find` knows. It is looked after by each use (`no-cache`), and sent only if the browser
    has another one. Raises OSError."""
    name = NAMES[request.path]
    file = _kept.get(name)
    if file is None:
        body = _read(name)
        file = _kept[name] = File(body, f'"{crc32(body):08x}-{len(body)}"')
    headers = (("ETag", file.etag), ("Cache-Control", "no-cache"))
    known = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
    if file.etag in known:
        return Response(304, headers=headers)
    return Response(200, file.body, TYPES[os.path.splitext(name)[1]], headers)


def _read(name: str) -> bytes:
    """As pkgutil.get_data does, so that it works from a zip too, without that import."""
    loader: Any = globals()["__loader__"]
    data: bytes = loader.get_data(os.path.join(os.path.dirname(__file__), "static", name))
    return data

"""Routes: what can be requested, with which token, parameters and body, and what is answered.

A route is declared beside its handler by `@route`. The gate matches a request once, and the match travels with it; the
dispatch, OpenAPI and docs/api.md are made of the same declarations.

The modules with the handlers are imported when a request needs them: all of them take 0.5 MB more than those that a
page needs while it only shows the tasks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import tzinfo
from importlib import import_module
from threading import Lock
from types import MappingProxyType

from minisched.model import Status, Text, Trigger, Word
from minisched.namedtuple import NamedTuple
from minisched.osutil import Importing
from minisched.timetable import parse_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional, TypeVar, Union

BASE = "/api/scheduler"
COMMAND_LINE = "minisched"  # the User-Agent of the commands
USER_HEADER = "X-Minisched-User"  # by which the commands name the user who calls them
ROOT_TOO = ("/healthz", "/metrics")  # also without BASE, where monitoring looks for them
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

OPEN = "open"  # without the token
PUBLIC = "public"  # with any token; without one if `http.public_status` is true
READ = "read"  # with any token
TOKEN = "token"

_NUMBER = "[1-9][0-9]{0,15}"
IDS = {"task_id": "[A-Za-z0-9_-]{1,64}", "run_id": _NUMBER, "delivery_id": _NUMBER}  # no other text reaches a handler

MAX_CHARACTERS = 1000  # of one parameter; the request line has 2 KiB as a whole
PAGE_SIZE = 20
MAX_PAGE_SIZE = 200
MAX_PAGE = 10**9


# ---------------------------------------------------------------------------------------------------------- parameters


# Each has a `rule`, which ends the sentence "expected ...", a `schema()` for OpenAPI, and `read(text, zone)`, which
# returns the value or raises ValueError. A time without an offset is one of `zone`.


class IntParam:
    """A whole number from `low` to `high`, in plain digits."""

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high
        self.rule = Text("api.rule.integer", low=low, high=high)

    def read(self, text: str, zone: tzinfo) -> int:
        if re.fullmatch(r"[0-9]{1,18}", text) and self.low <= int(text) <= self.high:
            return int(text)
        raise ValueError

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


class EnumParam:
    """One or more words of an enum, separated by commas."""

    def __init__(self, kind: type[Word]) -> None:
        self.kind = kind
        self.words = [word.value for word in kind]
        self.rule = Text("api.rule.words", words=self.words)

    def read(self, text: str, zone: tzinfo) -> tuple[Word, ...]:
        words = text.split(",")
        if len(words) > len(self.words) or not all(word in self.words for word in words):
            raise ValueError
        return tuple(self.kind(word) for word in words)

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": {"enum": self.words}, "minItems": 1, "maxItems": len(self.words)}


class StrParam:
    """Any text; with a pattern, one that matches it as a whole."""

    def __init__(self, max_characters: int = MAX_CHARACTERS, pattern: str = "", rule: Optional[Text] = None) -> None:
        self.max_characters, self.pattern = max_characters, pattern
        self.rule = rule or Text("api.rule.text", max=max_characters)

    def read(self, text: str, zone: tzinfo) -> str:
        if len(text) > self.max_characters or (self.pattern and not re.fullmatch(self.pattern, text)):
            raise ValueError
        return text

    def schema(self) -> dict[str, Any]:
        limit = {"pattern": f"^{self.pattern}$"} if self.pattern else {"maxLength": self.max_characters}
        return {"type": "string", **limit}


class TimeParam:
    """ISO 8601, such as `2026-11-23T02:30:00+08:00`; without an offset in the time zone of the engine."""

    rule = Text("api.rule.time")

    def read(self, text: str, zone: tzinfo) -> float:
        return parse_time(text, zone)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "anyOf": [{"format": "date-time"}, {"format": "date"}]}


class BoolParam:
    """1 or 0."""

    rule = Text("api.rule.flag")

    def read(self, text: str, zone: tzinfo) -> bool:
        if text not in ("0", "1"):
            raise ValueError
        return text == "1"

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "enum": [0, 1]}


class Parameter(NamedTuple):
    """`default` is the value if the request has none; `many`: it may be repeated, and the value is a tuple."""

    name: str
    kind: Union[IntParam, EnumParam, StrParam, TimeParam, BoolParam]
    help: str
    default: Any = None
    many: bool = False
    required: bool = False


PAGE = Parameter("page", IntParam(1, MAX_PAGE), "The page, from 1.", 1)
PAGES = (PAGE, Parameter("page_size", IntParam(1, MAX_PAGE_SIZE), "Items per page.", PAGE_SIZE))
RUNS = (
    *PAGES,
    Parameter("status", EnumParam(Status), "Only runs in one of these statuses.", ()),
    Parameter("trigger", EnumParam(Trigger), "Only runs with one of these triggers.", ()),
    Parameter("since", TimeParam(), "Only runs created at this time or later."),
    Parameter("until", TimeParam(), "Only runs created before this time."),
)
TASK_ID = StrParam(pattern=IDS["task_id"], rule=Text("api.rule.task_id"))
TASK = Parameter("task", TASK_ID, "Only of this task, which may have been removed.")


# -------------------------------------------------------------------------------------------------------------- routes


class Answer(NamedTuple):
    """A response of a route that is no error."""

    status: int
    schema: str  # a name in `openapi.SCHEMAS`; "" for no body
    meaning: str


class Body(NamedTuple):
    schema: str  # a name in `openapi.SCHEMAS`
    required: bool = True  # False: an empty body is the same as {}
    fields: Optional[tuple[str, ...]] = None  # all that it may have; None: the rules of the config apply


EMPTY = Body("Empty", False, ())


class Route(NamedTuple):
    """`handler` is called with a RequestContext and the ids of the path, by name."""

    method: str
    path: str  # without BASE; `{task_id}`, `{run_id}` and the like stand for what IDS allow
    summary: str
    answers: tuple[Answer, ...]
    handler: Callable[..., Any]
    access: str = TOKEN
    query: tuple[Parameter, ...] = ()
    body: Optional[Body] = None
    errors: tuple[str, ...] = ()  # codes of `context.STATUSES`, beside those that any route can answer with
    costly: bool = False  # the answer may take a second to compute: `context.Turns`, and `busy` for those without one


class Match(NamedTuple):
    route: Route
    ids: Mapping[str, Any] = MappingProxyType({})  # by the names in the path; numbers are converted


class NotFound(NamedTuple):
    """No such path."""


class NotAllowed(NamedTuple):
    """The path is known, the method is not one of its own."""

    allow: str  # value of the `Allow` header
    open: bool = False  # a method of the path needs no token


if TYPE_CHECKING:
    Found = Union[Match, NotFound, NotAllowed]
    Handler = TypeVar("Handler", bound=Callable[..., Any])

# The modules that declare routes, in the order in which they are imported: first those that a page needs while it only
# shows the tasks.
MODULES = ("engine", "tasks", "events", "runs", "timeline", "logs", "edit", "why", "backfill")
_later = [*MODULES]  # those that are not imported yet
_lock = Lock()  # held while one is imported
_declared: list[Route] = []


class _Table(NamedTuple):
    """The routes of the modules that are imported. It is replaced as a whole, so it can be read without the lock."""

    plain: dict[str, dict[str, Route]]  # paths without ids -> their routes by method
    patterns: list[tuple[re.Pattern[str], dict[str, Route]]]  # paths with ids

    @classmethod
    def of(cls, routes: list[Route]) -> _Table:
        by_path: dict[str, dict[str, Route]] = {}
        for one in routes:
            for path in (BASE + one.path, *([one.path] if one.path in ROOT_TOO else ())):
                by_path.setdefault(path, {})[one.method] = one
        plain = {path: found for path, found in by_path.items() if "{" not in path}
        patterns = [(_pattern(path), found) for path, found in by_path.items() if "{" in path]
        return cls(plain, patterns)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", lambda found: f"(?P<{found[1]}>{IDS[found[1]]})", path))


_table = _Table({}, [])


def route(
    method: str,
    path: str,
    summary: str,
    *answers: Answer,
    access: str = TOKEN,
    query: tuple[Parameter, ...] = (),
    body: Optional[Body] = None,
    errors: tuple[str, ...] = (),
    costly: bool = False,
) -> Callable[[Handler], Handler]:
    """Declare the route that the decorated function handles."""

    def declare(handler: Handler) -> Handler:
        all_errors = (*errors, "busy") if costly else errors
        _declared.append(Route(method, path, summary, answers, handler, access, query, body, all_errors, costly))
        return handler

    return declare


def _import_more(table: _Table) -> bool:
    """Import the next module, unless another thread has done so since it had `table`; False if there is none. The
    routes of a module are in the table when all of it is there."""
    global _table
    with _lock:
        if table is _table:
            if not _later:
                return False
            with Importing():
                import_module(f"minisched.api.{_later[0]}")
            del _later[0]
            _table = _Table.of(_declared)
        return True


def routes() -> list[Route]:
    """All of them, by path and method."""
    while _import_more(_table):
        pass
    return sorted(_declared, key=lambda route: (route.path, METHODS.index(route.method)))


def is_of_api(path: str) -> bool:
    return path.startswith(BASE) or path in ROOT_TOO


def match(method: str, path: str) -> Found:
    """The route of a decoded path. HEAD is as GET. Raises ImportError or OSError if the module of the route cannot
    be imported."""
    while True:
        table = _table
        found = _match(method, path, table)
        if isinstance(found, Match) or not _import_more(table):
            return found


def _match(method: str, path: str, table: _Table) -> Found:
    ids: dict[str, Any] = {}
    methods = table.plain.get(path)
    if methods is None:
        for pattern, found in table.patterns:
            matched = pattern.fullmatch(path)
            if matched:
                methods = found
                ids = {name: int(text) if IDS[name] == _NUMBER else text for name, text in matched.groupdict().items()}
                break
        else:
            return NotFound()
    wanted = methods.get("GET" if method == "HEAD" else method)
    if wanted is None:
        allowed = ", ".join(known for known in METHODS if known in methods or (known == "HEAD" and "GET" in methods))
        return NotAllowed(allowed, any(route.access == OPEN for route in methods.values()))
    return Match(wanted, ids)

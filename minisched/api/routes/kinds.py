"""What a row of the route table is."""

# Without `from __future__ import annotations`: NamedTuple compiles every annotation that is a text.
from typing import NamedTuple, Optional

from minisched.api.parameters import Parameter

BASE = "/api/scheduler"
ROOT_TOO = ("/healthz", "/metrics")  # also without BASE, where monitoring looks for them

OPEN = "open"  # without the token
PUBLIC = "public"  # without it where `http.public_status` is true
TOKEN = "token"

NUMBER = "[1-9][0-9]{0,15}"
IDS = {"task_id": "[A-Za-z0-9_-]{1,64}", "run_id": NUMBER, "delivery_id": NUMBER}  # no other text is ever taken for one


class Answer(NamedTuple):
    status: int
    schema: str  # a name in `schemas`; "" for no body
    meaning: str


class Body(NamedTuple):
    schema: str  # a name in `schemas`
    required: bool = True  # False: an empty body is as good as {}
    fields: Optional[tuple[str, ...]] = None  # all that may stand in it; None: the config's rules say


class Route(NamedTuple):
    method: str
    path: str  # without BASE; `{task_id}`, `{run_id}` and the like stand for what IDS allow
    handler: str  # the room in `minisched.api` and the function in it, imported by the first call
    summary: str
    answers: tuple[Answer, ...]
    access: str = TOKEN
    query: tuple[Parameter, ...] = ()
    body: Optional[Body] = None
    errors: tuple[str, ...] = ()  # codes of `errors.ERRORS` beside those that any route may answer with


class Match(NamedTuple):
    route: Route
    ids: dict[str, str]  # by the names in the path


class NotFound(NamedTuple):
    """No such path."""


class NotAllowed(NamedTuple):
    """The path is known, the method is not one of its own."""

    allow: str  # value of the `Allow` header

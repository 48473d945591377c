"""The route table: what may be asked, by whom, with what, and what is answered.

The gate, the dispatch, OpenAPI and docs/api.md are made of these rows alone.
"""

from __future__ import annotations

import re
from typing import Union

from minisched.api.routes.engine import ENGINE
from minisched.api.routes.kinds import (
    BASE,
    IDS,
    OPEN,
    PUBLIC,
    ROOT_TOO,
    TOKEN,
    Answer,
    Body,
    Match,
    NotAllowed,
    NotFound,
    Route,
)
from minisched.api.routes.runs import EXECUTIONS
from minisched.api.routes.tasks import TASKS

__all__ = [
    "BASE",
    "IDS",
    "OPEN",
    "PUBLIC",
    "ROOT_TOO",
    "ROUTES",
    "TOKEN",
    "Answer",
    "Body",
    "Match",
    "NotAllowed",
    "NotFound",
    "Route",
    "match",
]

ROUTES = (*TASKS, *EXECUTIONS, *ENGINE)


def _index() -> tuple[dict[str, dict[str, Route]], list[tuple[re.Pattern[str], dict[str, Route]]]]:
    """The paths without ids, and those with ids as expressions; for each its routes by method."""
    plain: dict[str, dict[str, Route]] = {}
    for route in ROUTES:
        for path in (BASE + route.path, *([route.path] if route.path in ROOT_TOO else ())):
            plain.setdefault(path, {})[route.method] = route
    patterns = []
    for path in [path for path in plain if "{" in path]:
        expression = re.sub(r"\{(\w+)\}", lambda found: f"(?P<{found[1]}>{IDS[found[1]]})", path)
        patterns.append((re.compile(expression), plain.pop(path)))
    return plain, patterns


_PLAIN, _PATTERNS = _index()


def match(method: str, path: str) -> Union[Match, NotFound, NotAllowed]:
    """The route of a decoded path. HEAD is as GET."""
    ids: dict[str, str] = {}
    methods = _PLAIN.get(path)
    if methods is None:
        for pattern, found in _PATTERNS:
            matched = pattern.fullmatch(path)
            if matched:
                methods, ids = found, matched.groupdict()
                break
        else:
            return NotFound()
    route = methods.get("GET" if method == "HEAD" else method)
    if route is None:
        return NotAllowed(
            ", ".join(name for known in methods for name in ((known, "HEAD") if known == "GET" else (known,)))
        )
    return Match(route, ids)

"""Every error the API answers with: its code, its status, what it means; and the form they all have."""

# Without `from __future__ import annotations`: NamedTuple compiles every annotation that is a text.
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from minisched.api.message import Response
from minisched.catalogue import ENGLISH, LANGUAGES, render, shown
from minisched.model import FieldError


class Meaning(NamedTuple):
    status: int
    meaning: str


ERRORS = {
    "bad_request": Meaning(400, "The request is malformed, or has a parameter or field that is unknown or wrong."),
    "unauthorized": Meaning(401, "The token is missing or wrong."),
    "forbidden": Meaning(403, "The request comes from another site's page."),
    "not_found": Meaning(404, "There is no such path, task, run, rule or message."),
    "method_not_allowed": Meaning(405, "The path is known, with the methods of `Allow`."),
    "timeout": Meaning(408, "The request was not in within 15 s."),
    "exists": Meaning(409, "A task of that id exists; upper and lower case do not tell two apart."),
    "config_changed": Meaning(409, "The config file was changed by hand and is not in force (yet); read it again."),
    "has_dependents": Meaning(409, "Other tasks depend on the task."),
    "ended": Meaning(409, "The run has ended already."),
    "foreign": Meaning(409, "The run is that of an `exec`, which alone can end it."),
    "pending": Meaning(409, "The message is pending already."),
    "output_gone": Meaning(410, "The run's output is in no log any more; `output_tail` of the run has its end."),
    "length_required": Meaning(411, "`Content-Length` is missing."),
    "stale": Meaning(412, "`If-Match` names another state of the config file than the present one."),
    "too_large": Meaning(413, "The body has more than 256 KiB."),
    "uri_too_long": Meaning(414, "The request line is too long."),
    "unsupported_media_type": Meaning(415, "`Content-Type` must be application/json, without a content encoding."),
    "expectation_failed": Meaning(417, "`Expect` asks for what is not done here."),
    "misdirected": Meaning(421, "`Host` is none of the names by which this page may be reached."),
    "invalid_config": Meaning(422, "The config would have the problems that are told; nothing was changed."),
    "headers_too_large": Meaning(431, "The headers are too many or too large."),
    "internal": Meaning(500, "A bug of minisched; logs/minisched.log has it."),
    "not_implemented": Meaning(501, "The method or the transfer encoding is not known here."),
    "busy": Meaning(503, "The engine did not answer within 5 s, or too many requests are under way; try again."),
    "stopping": Meaning(503, "The engine is stopping."),
    "unavailable": Meaning(503, "The history or the config file cannot be read or written now; try again."),
    "too_many_listeners": Meaning(503, "There are 16 listeners to events already; poll instead."),
    "version_not_supported": Meaning(505, "Only HTTP/1.0 and HTTP/1.1 are spoken here."),
    "disk_full": Meaning(507, "The disk is full; nothing was changed."),
}


class Refused(Exception):
    """A request cannot be answered as asked; `code` is one of ERRORS."""

    def __init__(
        self,
        code: str,
        message: str = "",
        problems: Sequence[FieldError] = (),
        headers: tuple[tuple[str, str], ...] = (),
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.problems = problems
        self.headers = headers
        self.more = more  # further members of the error, such as the dependents' names

    def response(self) -> Response:
        return refusal(self.code, str(self), self.problems, self.headers, **self.more)


def refusal(
    code: str,
    message: str = "",
    problems: Sequence[FieldError] = (),
    headers: tuple[tuple[str, str], ...] = (),
    **more: Any,
) -> Response:
    """The answer that says so; without a message, what the code means."""
    status, meaning = ERRORS[code]
    error = {"code": code, "message": message or meaning, "problems": [problem_json(one) for one in problems], **more}
    return Response(status, json.dumps({"error": error}).encode(), headers=headers)


def problem_json(problem: FieldError) -> dict[str, Any]:
    """`path` is the field inside its task, as `task_retry.delay`; "" is the whole."""
    return {
        "file": problem.file,
        "place": shown(problem.place, ENGLISH),
        "place_words": {language: shown(problem.place, language) for language in LANGUAGES},
        "path": problem.path,
        "message": render(problem.text),
        "words": {language: render(problem.text, language) for language in LANGUAGES},
    }

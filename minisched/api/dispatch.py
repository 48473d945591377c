"""From a request to its route, and from one that has passed the gate to its response."""

from __future__ import annotations

import errno

from minisched.api.context import ApiError, RequestContext, bad_body
from minisched.api.routing import NotFound, is_of_api, match
from minisched.config.strict_json import parse
from minisched.model import StoreError, Text, TextError
from minisched.osutil import Importing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minisched.api.context import AppContext, Request, Response
    from minisched.api.routing import Body, Found

_FULL = (errno.ENOSPC, errno.EDQUOT)


def find(method: str, path: str) -> Found:
    """The route of a request: one of the API, or of the page's files. Raises ApiError."""
    try:
        if is_of_api(path):
            return match(method, path)
        with Importing():
            from minisched.api import static_files  # most clients without a browser request none
        return static_files.find(method, path) or NotFound()
    except (OSError, ImportError):  # no descriptor is left
        raise ApiError("unavailable") from None


def respond(request: Request, app: AppContext) -> Response:
    """The answer to a request. Raises nothing that a client can cause."""
    try:
        if not request.route.costly:
            return _answer(request, app)
        with app.turns.take(request.authorized):
            return _answer(request, app)
    except ApiError as error:
        return error.response()
    except StoreError as error:
        app.report_unreadable(error)
        code, text = "disk_full" if error.kind == "full" else "unavailable", Text("api.history", why=error.text)
    except (OSError, ImportError) as error:  # ImportError: no descriptor is left to read a module's file
        full = isinstance(error, OSError) and error.errno in _FULL
        code, text = "disk_full" if full else "unavailable", _reason(error)
    return ApiError(code, text if request.authorized else None).response()


def _answer(request: Request, app: AppContext) -> Response:
    context = RequestContext(app, request, _query(request, app), _body(request, request.route.body))
    response: Response = request.route.handler(context, **request.ids)
    return response


def _reason(error: Exception) -> Text:
    """The file and what is wrong with it, without the number that Python prints."""
    if not isinstance(error, OSError) or not error.strerror:
        return Text("text", text=str(error))
    return (
        Text("unreadable", path=error.filename, reason=error.strerror)
        if error.filename
        else Text("text", text=error.strerror)
    )


def _query(request: Request, app: AppContext) -> dict[str, Any]:
    known = {parameter.name: parameter for parameter in request.route.query}
    for name in request.query:
        if name not in known:
            text = Text("api.known", names=[*known]) if known else Text("api.query.none")
            raise ApiError("bad_request", Text("api.query.unknown", name=name[:60], text=text))
    values: dict[str, Any] = {}
    for name, parameter in known.items():
        texts = request.query.get(name, ())
        if len(texts) > 1 and not parameter.many:
            raise ApiError("bad_request", Text("api.query.repeated", name=name, count=len(texts)))
        if not texts and parameter.required:
            raise ApiError("bad_request", Text("api.query.missing", name=name, rule=parameter.kind.rule))
        if not texts:
            values[name] = parameter.default
            continue
        try:
            read = tuple(parameter.kind.read(text, app.zone) for text in texts)
        except (ValueError, TextError):
            raise ApiError("bad_request", Text("api.query.wrong", name=name, rule=parameter.kind.rule)) from None
        values[name] = read if parameter.many else read[0]
    return values


def _body(request: Request, body: Body | None) -> dict[str, Any]:
    if body is None or (not request.body and not body.required):
        return {}
    document, errors = parse(request.body, portable=True)
    if errors:
        raise bad_body(errors[0].located_text, pointer=errors[0].pointer)
    if not isinstance(document, dict):
        raise bad_body(Text("api.body.object"))
    for name in document:
        if body.fields is not None and name not in body.fields:
            known = Text("api.known", names=[*body.fields]) if body.fields else Text("api.body.none_known")
            raise bad_body(Text("api.body.unknown", text=known), name)
    return document

"""From a request that has passed the gate to its response. Never raises for anything a client can send."""

from __future__ import annotations

import errno
from importlib import import_module
from typing import TYPE_CHECKING, Any

from minisched.api.body import bad_body, pointed, read_body
from minisched.api.call import Call, engine_zone
from minisched.api.errors import Refused, refusal
from minisched.api.routes import OPEN, PUBLIC, Match, NotFound, match
from minisched.model import LocalizedText, StoreError

if TYPE_CHECKING:
    from minisched.api.message import Request, Response
    from minisched.api.ports import Ports
    from minisched.api.routes import Body, Route

_FULL = (errno.ENOSPC, errno.EDQUOT)


def respond(request: Request, ports: Ports) -> Response:
    """The answer to a request, by the route table."""
    try:
        return _respond(request, ports)
    except Refused as error:
        return error.response()
    except StoreError as error:
        code = "disk_full" if error.kind == "full" else "unavailable"
        return refusal(code, f"the history cannot be read now: {error}" if request.authorized else "")
    except (OSError, ImportError) as error:  # ImportError: no descriptor is left for a room's file
        code = "disk_full" if isinstance(error, OSError) and error.errno in _FULL else "unavailable"
        return refusal(code, str(error) if request.authorized else "")


def _respond(request: Request, ports: Ports) -> Response:
    found = match(request.method, request.path)
    if not isinstance(found, Match):
        if isinstance(found, NotFound):
            raise Refused("not_found", "there is no such path")
        raise Refused("method_not_allowed", f"allowed are {found.allow}", headers=(("Allow", found.allow),))
    route = found.route
    if not (request.authorized or route.access == OPEN or (route.access == PUBLIC and ports.public_status)):
        raise Refused("unauthorized", "", headers=(("WWW-Authenticate", "Bearer"),))  # the gate should have known
    call = Call(request, ports, found.ids, _query(request, route, ports), _body(request, route.body))
    room, function = route.handler.split(".")
    answer: Response = getattr(import_module(f"minisched.api.{room}"), function)(call)
    return answer


def _query(request: Request, route: Route, ports: Ports) -> dict[str, Any]:
    known = {parameter.name: parameter for parameter in route.query}
    for name in request.query:
        if name not in known:
            names = f"known are {', '.join(known)}" if known else "this path takes none"
            raise Refused("bad_request", f'unknown query parameter "{name[:60]}"; {names}')
    values: dict[str, Any] = {}
    for name, parameter in known.items():
        texts = request.query.get(name, ())
        if len(texts) > 1 and not parameter.many:
            raise Refused("bad_request", f'query parameter "{name}" is given {len(texts)} times; expected once')
        if not texts and parameter.required:
            raise Refused("bad_request", f'query parameter "{name}" is missing; expected {parameter.kind.rule}')
        if not texts:
            values[name] = parameter.default
            continue
        try:
            read = tuple(parameter.kind.read(text, engine_zone(ports)) for text in texts)
        except ValueError as error:
            raise Refused("bad_request", f'query parameter "{name}": expected {error}') from None
        values[name] = read if parameter.many else read[0]
    return values


def _body(request: Request, body: Body | None) -> dict[str, Any]:
    if body is None or (not request.body and not body.required):
        return {}
    document = read_body(request.body)
    for name in document:
        if body.fields is not None and name not in body.fields:
            known = LocalizedText("none is known here", "此处没有可用字段")
            if body.fields:
                known = LocalizedText(f"known are {', '.join(body.fields)}", f"已知的有 {'、'.join(body.fields)}")
            raise bad_body(pointed("", name), LocalizedText("unknown field; ", "未知字段；").then(known))
    return document

"""The API as OpenAPI 3.1, made of the route table and the field table."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from minisched.api.call import json_answer
from minisched.api.errors import ERRORS
from minisched.api.parameters import EnumParam
from minisched.api.routes import BASE, IDS, OPEN, PUBLIC, ROOT_TOO, ROUTES
from minisched.api.schemas import SCHEMAS, ref

if TYPE_CHECKING:
    from minisched.api.call import Call
    from minisched.api.message import Response
    from minisched.api.parameters import Parameter
    from minisched.api.routes import Answer, Route

# What any request may be answered with, by the gate in front of all routes; and a request with a body.
ALWAYS = (
    "bad_request",
    "forbidden",
    "timeout",
    "uri_too_long",
    "expectation_failed",
    "misdirected",
    "headers_too_large",
    "internal",
    "not_implemented",
    "busy",
    "version_not_supported",
)
WITH_A_BODY = ("length_required", "too_large", "unsupported_media_type")
OTHER_TYPES = {"Metrics": ("text/plain",), "Events": ("text/event-stream",)}
RAW_TYPE = "application/octet-stream"
ETAG = {"ETag": {"description": "Of what is answered.", "schema": {"type": "string"}}}


def read(call: Call) -> Response:
    return json_answer(200, document(call.ports.version))


def document(version: str) -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(BASE + route.path, {})[route.method.lower()] = _operation(route)
        if route.path in ROOT_TOO:
            paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, "_at_root")
    return {
        "openapi": "3.1.0",
        "info": {"title": "minisched", "version": version, "license": {"name": "MIT", "identifier": "MIT"}},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "The text in `var/token` of the home."}
            },
        },
    }


def _operation(route: Route, suffix: str = "") -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.handler.replace(".", "_") + suffix,
        "summary": route.summary,
        "security": [] if route.access == OPEN else [{"token": []}, *([{}] if route.access == PUBLIC else [])],
        "parameters": [
            *(_path_parameter(name) for name in re.findall(r"\{(\w+)\}", route.path)),
            *(_query_parameter(parameter) for parameter in route.query),
            *_header_parameters(route),
        ],
        "responses": responses(route),
    }
    if route.body is not None:
        content = {"application/json": {"schema": ref(route.body.schema)}}
        operation["requestBody"] = {"required": route.body.required, "content": content}
    return operation


def _path_parameter(name: str) -> dict[str, Any]:
    schema = {"type": "string", "pattern": f"^{IDS[name]}$"}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameter(parameter: Parameter) -> dict[str, Any]:
    schema = parameter.kind.schema()
    told: dict[str, Any] = {"name": parameter.name, "in": "query", "description": parameter.help, "schema": schema}
    if isinstance(parameter.kind, EnumParam):
        told.update(style="form", explode=False)
    if parameter.many:
        told["schema"] = {"type": "array", "items": schema, "minItems": 1}
    if parameter.required:
        told["required"] = True
    elif parameter.default not in (None, (), False):
        schema["default"] = parameter.default
    return told


def _header_parameters(route: Route) -> list[dict[str, Any]]:
    """The conditions, as the answers and errors of the row have them."""
    names = []
    if any(answer.status == 304 for answer in route.answers):
        names.append(("If-None-Match", "An `ETag` that is known: 304 where it still holds."))
    if "stale" in route.errors:
        names.append(("If-Match", "The `ETag` of what was read: 412 where the config file is another one by now."))
    return [{"name": name, "in": "header", "description": text, "schema": {"type": "string"}} for name, text in names]


def codes(route: Route) -> list[str]:
    """All errors that a route may answer with."""
    found = [*ALWAYS, *(() if route.access == OPEN else ("unauthorized",)), *route.errors]
    if route.body is not None:
        found += WITH_A_BODY
    return [code for code in ERRORS if code in found]


def responses(route: Route) -> dict[str, Any]:
    """By status; several errors of one status are told together."""
    told = {str(answer.status): _answer(route, answer) for answer in route.answers}
    meanings: dict[str, list[str]] = {}
    for code in codes(route):
        meanings.setdefault(str(ERRORS[code].status), []).append(f"`{code}`: {ERRORS[code].meaning}")
    for status, texts in sorted(meanings.items()):
        error = {"description": " ".join(texts), "content": {"application/json": {"schema": ref("Error")}}}
        if status in told:  # /healthz: 503 is an answer of its own
            schemas = [told[status]["content"]["application/json"]["schema"], ref("Error")]
            error = {**told[status], "content": {"application/json": {"schema": {"anyOf": schemas}}}}
        if status == "401":
            error["headers"] = {"WWW-Authenticate": {"schema": {"const": "Bearer"}}}
        told[status] = error
    return told


def _answer(route: Route, answer: Answer) -> dict[str, Any]:
    told: dict[str, Any] = {"description": answer.meaning}
    if answer.schema:
        types = OTHER_TYPES.get(answer.schema, ("application/json",))
        told["content"] = {kind: {"schema": ref(answer.schema)} for kind in types}
        if any(parameter.name == "raw" for parameter in route.query):
            told["content"][RAW_TYPE] = {"schema": {"type": "string"}}
    if (_header_parameters(route) and route.method != "DELETE") or answer.schema == "TaskDetail":
        told["headers"] = dict(ETAG)
    if answer.status == 201:
        told["headers"]["Location"] = {"description": "Where the task is.", "schema": {"type": "string"}}
    return told

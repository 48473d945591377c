"""The route table as Markdown, for `docs/api.md`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minisched.api.errors import ERRORS
from minisched.api.openapi import ALWAYS, WITH_A_BODY
from minisched.api.routes import OPEN, PUBLIC, ROOT_TOO, ROUTES
from minisched.api.schemas import SCHEMAS

if TYPE_CHECKING:
    from minisched.api.parameters import Parameter
    from minisched.api.routes import Route

BEGIN = "<!-- generated from the route table by: python -m minisched.api -->"
END = "<!-- end of the generated part -->"

WHO = {OPEN: "Open to everyone.", PUBLIC: "Without the token only where `http.public_status` is true."}
# Told field by field; the others are a text, a page of these, or the config's.
SHAPES = (
    "Card",
    "Run",
    "Attempt",
    "Outcome",
    "RunDetail",
    "TaskDetail",
    "LogPage",
    "Timeline",
    "Preview",
    "Status",
    "Notification",
    "Trial",
)


def reference_markdown() -> str:
    calls = "\n".join(f"| [`{_title(route)}`](#{_anchor(route)}) | {route.summary} |" for route in ROUTES)
    parts = [f"## Calls\n\n| call | what |\n| --- | --- |\n{calls}"]
    parts += [_call(route) for route in ROUTES]
    parts.append(f"## Errors by code\n\n{_errors()}")
    parts.append("## What is answered")
    parts += [f"### `{name}`\n\n{_fields(SCHEMAS[name])}" for name in SHAPES]
    return "\n\n".join(parts)


def _title(route: Route) -> str:
    return f"{route.method} {route.path}"


def _anchor(route: Route) -> str:
    """As GitHub makes it of a heading."""
    return "".join(char for char in _title(route).lower().replace(" ", "-") if char.isalnum() or char in "-_")


def _call(route: Route) -> str:
    lines = [f"### `{_title(route)}`", f"{route.summary} {WHO.get(route.access, '')}".strip()]
    if route.path in ROOT_TOO:
        lines.append(f"The same at `{route.path}` itself.")
    if route.query:
        rows = "\n".join(f"| `{one.name}` | {_kind(one)} | {one.help} |" for one in route.query)
        lines.append(f"| parameter | value | meaning |\n| --- | --- | --- |\n{rows}")
    if route.body is not None:
        empty = "" if route.body.required else " or nothing"
        lines.append(f"Body: {_shape(route.body.schema)}{empty}.")
    for answer in route.answers:
        shape = f" {_shape(answer.schema)}." if answer.schema else ""
        lines.append(f"{answer.status}: {answer.meaning}{shape}")
    if route.errors:
        lines.append(f"Errors: {', '.join(f'`{code}`' for code in route.errors)}.")
    return "\n\n".join(lines)


def _kind(parameter: Parameter) -> str:
    rule = parameter.kind.rule.replace("|", "\\|")
    if parameter.required:
        return f"{rule}; needed"
    default = parameter.default
    return rule if default in (None, (), False) else f"{rule}; {default} if not given"


def _shape(name: str) -> str:
    if name in SHAPES:
        return f"[`{name}`](#{name.lower()})"
    return {
        "CardPage": "A page of [`Card`](#card)",
        "NotificationPage": "A page of [`Notification`](#notification)",
        "RunPage": "A page of [`Run`](#run)",
        "Task": "a task as [the config file](configuration.md) has it",
        "TaskPatch": "some fields of a task",
        "RunOptions": '`{"env": {"NAME": "text"}}`',
        "TestOptions": '`{"rule": "its name"}`',
        "Trials": '`{"results": [...]}`, each a [`Trial`](#trial)',
        "Empty": "`{}`",
        "Validate": '`{"task": ...}` or `{"config": ...}`',
        "TaskId": '`{"task_id": ...}`',
        "RunId": '`{"run_id": ...}`',
        "Validity": '`{"valid": true, "problems": []}`',
        "Problems": '`{"problems": []}`',
        "FieldTable": '`{"json_schema": {}, "fields": []}`',
        "Health": '`{"status": "ok"}` or `"degraded"`, with the token also `reasons`',
        "Events": "`text/event-stream`",
        "Metrics": "`text/plain`",
        "OpenApi": "JSON",
    }[name]


def _errors() -> str:
    rows = "\n".join(f"| {one.status} | `{code}` | {one.meaning} |" for code, one in ERRORS.items())
    always = ", ".join(f"`{code}`" for code in (*ALWAYS, "unauthorized"))
    body = ", ".join(f"`{code}`" for code in WITH_A_BODY)
    return (
        f"| status | code | meaning |\n| --- | --- | --- |\n{rows}\n\n"
        f"Any call may be answered with {always}; one with a body also with {body}."
    )


def _fields(schema: dict[str, Any], prefix: str = "") -> str:
    rows = "\n".join(_rows(schema, prefix))
    return f"| field | value | meaning |\n| --- | --- | --- |\n{rows}"


def _rows(schema: dict[str, Any], prefix: str) -> list[str]:
    rows = []
    for name, each in schema["properties"].items():
        rows.append(f"| `{prefix}{name}` | {_type(each)} | {each.get('description', '')} |")
        inner = each.get("items", each)
        if "properties" in inner and inner is not SCHEMAS.get(name):
            rows += _rows(inner, f"{prefix}{name}{'[]' if 'items' in each else ''}.")
    return rows


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[`{name}`](#{name.lower()})" if name in SHAPES else "problem"
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    if schema["type"] == "array":
        return f"list of {_type(schema['items'])}"
    if schema.get("format") == "date-time":
        return "time"
    words = {"string": "text", "boolean": "true or false", "null": "null", "integer": "whole number"}
    return words.get(schema["type"], str(schema["type"]))


def renewed(text: str) -> str:
    """The document with its generated part made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{reference_markdown()}\n\n{END}{after}"

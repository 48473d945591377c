"""The field table for other programs: as JSON Schema for editors, and as JSON for the page's form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .containers import ListOf, MapOf, Shared, Table, Variants, row_schema
from .field_types import (
    Bool,
    Choice,
    Duration,
    FieldType,
    Integer,
    Number,
    ScheduleText,
    SecretText,
    Size,
    Template,
    Text,
    Zone,
)
from .notify_fields import Command
from .task_fields import OWN_FIELDS, TASK, TASK_ID
from .validate import DOCUMENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .containers import Field

# Each kind's word, and the attributes of it that a form has to know under their names there.
_FIELD_TYPES: Mapping[type[FieldType], tuple[str, Mapping[str, str]]] = {
    Bool: ("bool", {}),
    Integer: ("integer", {"low": "low", "high": "high"}),
    Number: ("number", {"low": "low", "high": "high"}),
    Duration: ("duration", {"low": "low"}),
    Size: ("size", {"low": "low"}),
    Choice: ("choice", {"choices": "values"}),
    Zone: ("zone", {}),
    ScheduleText: ("schedule", {}),
    Command: ("command", {}),
    Text: ("text", {"multiline": "lines", "most": "most"}),
    SecretText: ("secret", {"secret": "redact", "text": "text"}),
    Template: ("template", {"variables": "variables", "json": "json", "text": "text"}),
    ListOf: ("list", {"item": "item", "least": "least", "one": "one"}),
    MapOf: ("map", {"item": "item", "name_rule": "name"}),
    Table: ("object", {"fields": "rows"}),
    Variants: ("variants", {"variants": "tables"}),
}


def json_schema() -> dict[str, Any]:
    """The schema of a whole config file. What takes more than one field (cycles, logs) it cannot tell."""
    schema = DOCUMENT.schema()
    names = {name: {"$ref": f"#/$defs/{name}"} for name in TASK.rows}
    task = {"type": "object", "properties": names, "required": TASK.required, "additionalProperties": False}
    defaults = {name: reference for name, reference in names.items() if name not in OWN_FIELDS}
    schema["properties"]["tasks"]["items"] = task
    schema["properties"]["defaults"]["properties"] = defaults
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "minisched config",
        **schema,
        "$defs": {name: row_schema(row) for name, row in TASK.rows.items()},
    }


def form_fields() -> list[dict[str, Any]]:
    """The fields of a task, in the order of the table.

    A field has name, help, required, default, example, nullable, default_words, and its kind with rule, words and what
    goes with that kind: choices; low, high; the item of a list or map; the fields of an object; those of each variant;
    the variables of a template; multiline; secret, where the API shows a text as stars.
    """
    return [_field(row) for row in TASK.rows.values()]


def _field(row: Field) -> dict[str, Any]:
    return {
        "name": row.name,
        **_told(row.kind),
        "help": {"en": row.help, "zh": row.help_zh},
        "required": row.required,
        "default": row.default,
        "default_words": row.default_words._asdict(),
        "example": row.example,
        "nullable": row.nullable,
    }


def _told(kind: FieldType) -> dict[str, Any]:
    if isinstance(kind, Shared):
        return _told(kind.kind)
    told: dict[str, Any] = {"kind": "", "rule": kind.rule._asdict(), "words": kind.words._asdict()}
    if isinstance(kind, ListOf) and kind.item is TASK_ID:
        return {**told, "kind": "task_ids"}
    base = next(base for base in type(kind).__mro__ if base in _FIELD_TYPES)
    told["kind"], attributes = _FIELD_TYPES[base]
    for name, attribute in attributes.items():
        told.update(_attribute(name, getattr(kind, attribute)))
    return told


def _attribute(name: str, value: Any) -> dict[str, Any]:
    if name == "text":  # what a secret or a template is like as a text
        return {"multiline": value.lines}
    if name == "item":
        return {name: _told(value)}
    if name == "fields":
        return {name: [_field(row) for row in value.values()]}
    if name == "variants":
        return {name: {word: [_field(row) for row in table.rows.values()] for word, table in value.items()}}
    if name == "name_rule":
        return {name: value.rule._asdict()}
    return {name: list(value) if isinstance(value, (dict, tuple)) else value}

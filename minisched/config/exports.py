"""The field table for other programs: as JSON Schema for editors, and as JSON for the page's form."""

from __future__ import annotations

from minisched.catalogue import LANGUAGES, render

from .containers import ListOf, MapOf, NameOrTable, Table, Variants, row_schema
from .field_types import (
    Bool,
    Choice,
    Duration,
    FieldType,
    Integer,
    Number,
    ScheduleText,
    SecretString,
    Size,
    String,
    Template,
    Zone,
)
from .notify_fields import Command
from .task_fields import DEPENDENCY, OWN_FIELDS, TASK, TaskDependency, Within
from .validate import DOCUMENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Optional

    from minisched.model import Text

    from .containers import Field

# The name of each type in the form, and its members there: name -> attribute of the type.
_FORM_TYPES: Mapping[type[FieldType], tuple[str, Mapping[str, str]]] = {
    Bool: ("bool", {}),
    Integer: ("integer", {"low": "min", "high": "max"}),
    Number: ("number", {"low": "min", "high": "max"}),
    Duration: ("duration", {"low": "min"}),
    Within: ("duration", {"low": "min", "ever": "ever"}),
    Size: ("size", {"low": "min"}),
    Choice: ("choice", {"choices": "values"}),
    Zone: ("zone", {}),
    ScheduleText: ("schedule", {}),
    Command: ("command", {}),
    String: ("text", {"multiline": "lines", "most": "max_length"}),
    SecretString: ("secret", {"secret": "redacted", "text": "text"}),
    Template: ("template", {"variables": "variables", "json": "json", "text": "text"}),
    ListOf: ("list", {"item": "item", "least": "min_items", "one": "one"}),
    MapOf: ("map", {"item": "item", "name_rule": "name"}),
    NameOrTable: ("name_or_object", {"fields": "rows"}),
    Table: ("object", {"fields": "rows"}),
    Variants: ("variants", {"variants": "tables"}),
}


def json_schema() -> dict[str, Any]:
    """The schema of a whole config file. It cannot express rules across fields (cycles, logs)."""
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

    Each has name, help, required, default, example, nullable, default_words, and its type as `kind` with rule, words
    and members that depend on it: choices; low, high; the item of a list or map; the fields of an object or of each
    variant; the variables of a template; multiline; secret, if the API shows a text as stars; the fields of a
    dependency that is written as an object; ever, if a duration may be "ever".
    """
    return [_field(row) for row in TASK.rows.values()]


def _field(row: Field) -> dict[str, Any]:
    return {
        "name": row.name,
        **_type(row.type),
        "help": _localized(row.help),
        "required": row.required,
        "default": row.default,
        "default_words": _localized(row.default_text),
        "example": row.example,
        "nullable": row.nullable,
    }


def _type(kind: FieldType) -> dict[str, Any]:
    described: dict[str, Any] = {"kind": "", "rule": _localized(kind.rule), "words": _localized(kind.type_name)}
    if isinstance(kind, ListOf) and isinstance(kind.item, TaskDependency):
        return {**described, "kind": "task_ids", "fields": [_field(row) for row in DEPENDENCY.rows.values()]}
    base = next(base for base in type(kind).__mro__ if base in _FORM_TYPES)
    described["kind"], members = _FORM_TYPES[base]
    for name, attribute in members.items():
        described.update(_member(name, getattr(kind, attribute)))
    return described


def _member(name: str, value: Any) -> dict[str, Any]:
    if name == "text":  # of a secret or a template: how its text is edited
        return {"multiline": value.lines}
    if name == "item":
        return {name: _type(value)}
    if name == "fields":
        return {name: [_field(row) for row in value.values()]}
    if name == "variants":
        return {name: {word: [_field(row) for row in table.rows.values()] for word, table in value.items()}}
    if name == "name_rule":
        return {name: _localized(value.rule)}
    return {name: list(value) if isinstance(value, (dict, tuple)) else value}


def _localized(text: Optional[Text]) -> dict[str, str]:
    return {language: render(text, language) if text else "" for language in LANGUAGES}

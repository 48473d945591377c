"""The field table as JSON Schema 2020-12, for editors that complete and check while one types."""

from __future__ import annotations

from typing import Any

from .containers import row_schema
from .fields import DOCUMENT
from .task_fields import OWN_FIELDS, TASK


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

"""Fields of records: how a record is stored, shown as JSON and described in OpenAPI follows from one list of them.

A new field of a record is an attribute of its class, a line in the list below the class, and a column in a migration of
`store.schema`.
"""

from __future__ import annotations

from operator import attrgetter

from minisched.model.status import Word
from minisched.model.text import iso

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo
    from typing import Any, Callable, Optional, Union


class Field:
    """One field of a record.

    `name`: the attribute.
    `type`: an enum, or a word that `store.rows` and `api.openapi` know: text, task_id, id (from 1), count (from 0),
    positive (from 1), integer, seconds, time, flag, detail (a Text), texts (by name), process, log; reporter and
    reported are a task_id and an id, "" and 0 for none. With "?" the value may be None.
    `text`: for OpenAPI, if the name does not say enough.
    `member`: its name in JSON; "" if it is not shown.
    `columns`: its names in the table; () if it is not stored there.
    `fixed`: stored when the row is made, and never changed.
    """

    __slots__ = ("columns", "fixed", "member", "name", "nullable", "text", "type")

    def __init__(
        self,
        name: str,
        type: Union[str, type[Word]],
        text: str = "",
        member: Optional[str] = None,
        columns: Optional[tuple[str, ...]] = None,
        fixed: bool = False,
    ) -> None:
        self.name = name
        self.type = type.rstrip("?") if isinstance(type, str) else type
        self.nullable = isinstance(type, str) and type.endswith("?")
        self.text = text
        self.member = name if member is None else member
        self.columns = (name,) if columns is None else columns
        self.fixed = fixed


_TO_JSON: dict[str, Callable[[Any, tzinfo], Any]] = {
    "time": iso,
    "detail": lambda value, zone: None if value is None else value.as_json(),
    "reporter": lambda value, zone: value or None,
    "reported": lambda value, zone: value or None,
    "process": lambda value, zone: None if value is None else value.pid,
}


def json_encoder(fields: Sequence[Field]) -> Callable[[Any, tzinfo], dict[str, Any]]:
    """Makes a record's JSON: the fields that are shown, in their order; times are ISO 8601 with the zone's offset."""
    listed = [field for field in fields if field.member]
    get = attrgetter(*(field.name if isinstance(field.type, str) else f"{field.name}._value_" for field in listed))
    members = [field.member for field in listed]
    converters = [
        (field.member, _TO_JSON[field.type])
        for field in listed
        if isinstance(field.type, str) and field.type in _TO_JSON
    ]

    def encode(record: Any, zone: tzinfo) -> dict[str, Any]:
        shown = dict(zip(members, get(record)))
        for member, convert in converters:
            shown[member] = convert(shown[member], zone)
        return shown

    return encode

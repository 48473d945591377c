"""Types that contain other types: lists, maps, objects with a table of fields, objects whose `type` selects a table."""

from __future__ import annotations

import json
from types import MappingProxyType

from minisched.catalogue import render
from minisched.model import FieldError, Text
from minisched.namedtuple import NamedTuple

from .field_types import FieldType, SecretString, String, one_of
from .problems import (
    MAX_SHOWN,
    ParseContext,
    ValidationError,
    expected,
    invalid,
    is_but,
    missing,
    printable,
    show,
    with_character,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Callable, Optional


class ListOf(FieldType):
    """A list, read to a tuple of at least `min_items`; with `key`, no two items may have the same key.

    one: a single item may be written without brackets. shared: equal items become one object.
    """

    has_parts = True

    def __init__(
        self,
        item: FieldType,
        min_items: int = 0,
        one: bool = False,
        key: Optional[Callable[[Any], Any]] = None,
        shared: bool = False,
    ) -> None:
        self.item, self.min_items, self.one, self.key = item, min_items, one, key
        self._read_item = item.read_shared if shared else item.read

    @property
    def rule(self) -> Text:
        if self.one:
            return Text("config.rule.one_or_list", rule=self.item.rule)
        return Text("config.rule.list_min" if self.min_items else "config.rule.list")

    @property
    def type_name(self) -> Text:
        return Text("config.type.one_or_list" if self.one else "config.type.list", type=self.item.type_name)

    def read(self, value: Any, context: ParseContext, base: Any) -> tuple[Any, ...]:
        if self.one and not isinstance(value, list):
            return (self.item.read(value, context, None),)
        if isinstance(value, (str, dict)) and value and not isinstance(self.item, SecretString):
            item = show(value)
            raise invalid(value, Text("config.rule.list_of", rule=self.rule, item=item))
        if not isinstance(value, list) or len(value) < self.min_items:
            raise invalid(value, self.rule)
        items: dict[Any, Any] = {}
        errors: list[FieldError] = []
        for index, each in enumerate(value):
            try:
                item = self._read_item(each, context, None)
            except ValidationError as error:
                errors += [found.inside(f"[{index}]") for found in error.errors]
                continue
            key = self.key(item) if self.key else index
            if key in items:
                errors.append(FieldError(f"[{index}]", Text("config.duplicate", value=show(key)), sentence=True))
            items[key] = item
        if errors:
            raise ValidationError(errors)
        return tuple(items.values())

    def schema(self) -> dict[str, Any]:
        item = self.item.schema()
        array = {"type": "array", "items": item, **({"minItems": self.min_items} if self.min_items else {})}
        return {"anyOf": [item, array]} if self.one else array


class MapOf(FieldType):
    """An object with names that the user chooses, merged into the base by name."""

    has_parts = True

    def __init__(self, name: String, item: FieldType, example: Optional[dict[str, Any]] = None) -> None:
        self.name, self.item, self.example = name, item, example

    @property
    def rule(self) -> Text:
        return object_rule(self.example)

    @property
    def type_name(self) -> Text:
        return Text("config.type.map", type=self.item.type_name)

    def read(self, value: Any, context: ParseContext, base: Optional[Mapping[str, Any]]) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise invalid(value, self.rule, hidden=isinstance(self.item, SecretString) and self.item.redacted)
        items = dict(base or {})
        errors: list[FieldError] = []
        for name, each in value.items():
            try:
                self.name.read(name, context, None)
            except ValidationError:
                text = Text("config.bad_name", name=show(name), why=with_character(expected(self.name.rule), name))
                errors.append(FieldError("", text, sentence=True))
                continue
            try:
                items[name] = self.item.read(each, context, None)
            except ValidationError as error:
                errors += [found.inside(name) for found in error.errors]
        if errors:
            raise ValidationError(errors)
        return MappingProxyType(items)

    def schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "propertyNames": self.name.schema(),
            "additionalProperties": self.item.schema(),
        }


class Field(NamedTuple):
    """A row of the table. `default` is written as in the file; None means "none", and then `null` may be written.

    The meaning of the field, for people, is in the catalogue under `config.field.<code>`.
    """

    name: str
    type: FieldType
    default: Any = None
    required: bool = False
    null: bool = False  # `null` may be written though there is a default
    example: Any = None
    attribute: str = ""  # of the value that is built, if not `name`
    default_text: Optional[Text] = None  # of a default that is computed
    code: str = ""  # by default `<name of the table>.<name>`

    @property
    def nullable(self) -> bool:
        return self.null or (self.default is None and not self.required)

    @property
    def help(self) -> Text:
        return Text(f"config.field.{self.code}")


def object_rule(example: Optional[dict[str, Any]]) -> Text:
    if example is None:
        return Text("config.rule.object")
    return Text("config.rule.object_such_as", example=json.dumps(example))


class Table(FieldType):
    """An object with the fields of `rows`. Absent fields have the value of the base; `build` makes the result of all.

    check: called with all values once every field is valid; returns errors.
    forbidden: fields that a user may expect here, with the reason why they are not allowed. aliases: names of fields in
    other programs, and ours. example: of the object, for errors. shared: equal lists and objects in its fields become
    one object each.
    """

    has_parts = True
    type_name = Text("config.type.object")

    @property
    def rule(self) -> Text:
        return object_rule(self.example)

    def __init__(
        self,
        name: str,
        *rows: Field,
        build: Callable[..., Any],
        check: Optional[Callable[[Mapping[str, Any]], list[FieldError]]] = None,
        forbidden: Optional[Mapping[str, Text]] = None,
        aliases: Optional[Mapping[str, str]] = None,
        example: Optional[dict[str, Any]] = None,
        shared: bool = False,
    ) -> None:
        self.forbidden = forbidden or {}
        self.aliases = aliases or {}
        self.example = example
        self.rows = {row.name: row if row.code else row._replace(code=f"{name}.{row.name}") for row in rows}
        readers = {row.name: row.type.read_shared if shared and row.type.has_parts else row.type.read for row in rows}
        self._readers = {row.name: (row.attribute or row.name, readers[row.name]) for row in rows}
        self.required = [row.name for row in rows if row.required]
        self.build, self.check = build, check
        context = ParseContext()
        self.defaults: dict[str, Any] = {
            row.attribute or row.name: None if row.default is None else row.type.read(row.default, context, None)
            for row in rows
        }

    def read(self, value: Any, context: ParseContext, base: Any) -> Any:
        errors: list[FieldError] = []
        inherited = self.defaults if base is None else base if isinstance(base, dict) else base._asdict()
        values = {**inherited, **self.collect(value, context, inherited, errors)}
        if not errors and self.check:
            errors = self.check(values)
        if errors:
            raise ValidationError(errors)
        return self.build(**values)

    def collect(
        self, value: Any, context: ParseContext, base: Mapping[str, Any], errors: list[FieldError]
    ) -> dict[str, Any]:
        """The valid fields of an object, by attribute. Appends to `errors`."""
        values: dict[str, Any] = {}
        if not isinstance(value, dict):
            errors += invalid(value, self.rule).errors
            return values
        readers = self._readers
        for name, each in value.items():
            if name not in readers:
                errors.append(self._unknown(name, context))
                continue
            attribute, read = readers[name]
            if each is None and self.rows[name].nullable:
                values[attribute] = None
                continue
            try:
                values[attribute] = read(each, context, base.get(attribute))
            except ValidationError as error:
                errors += [found.inside(name) for found in error.errors]
        for name in self.required:
            if name not in value:
                errors.append(FieldError(name, missing(expected(self.rows[name].type.rule))))
        return values

    def _unknown(self, name: str, context: ParseContext) -> FieldError:
        if name in self.forbidden:
            return FieldError(name, self.forbidden[name])
        shown = printable(name[:MAX_SHOWN])
        alias = self.aliases.get(name.lower())
        hint = (Text("config.did_you_mean", word=alias) if alias else context.belongs(name)) or context.hint(
            name, self.rows
        )
        text = Text("config.unknown_field", name=shown, hint=hint)
        return FieldError("", text, sentence=True)

    def schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {row.name: row_schema(row) for row in self.rows.values()},
            **({"required": self.required} if self.required else {}),
            "additionalProperties": False,
        }


def row_schema(row: Field) -> dict[str, Any]:
    schema = row.type.schema()
    if row.nullable:
        schema = {"anyOf": [schema, {"type": "null"}]}
    schema["description"] = render(row.help)
    if row.default is not None:
        schema["default"] = row.default
    if row.example is not None:
        schema["examples"] = [row.example]
    return schema


class NameOrTable(Table):
    """An object, or the text of its field `name` alone."""

    @property
    def type_name(self) -> Text:  # type: ignore[override]
        return Text("config.type.name_or_object")

    @property
    def rule(self) -> Text:
        return Text("config.rule.name_or_object", example=json.dumps(self.example))

    def read(self, value: Any, context: ParseContext, base: Any) -> Any:
        return super().read({"name": value} if isinstance(value, str) else value, context, None)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self.rows["name"].type.schema(), super().schema()]}


class Variants(FieldType):
    """An object whose field `type` selects the table of its other fields; `build(type, fields)` makes the result."""

    rule = object_rule({"type": "email", "recipients": ["ops@example.org"]})
    type_name = Text("config.type.variants")

    def __init__(self, build: Callable[[str, Mapping[str, Any]], Any], **tables: Table) -> None:
        self.build, self.tables = build, tables

    def read(self, value: Any, context: ParseContext, base: Any) -> Any:
        if not isinstance(value, dict):
            raise invalid(value, self.rule)
        given = value.get("type")
        if not isinstance(given, str) or given not in self.tables:
            why = expected(one_of(self.tables))
            raise ValidationError([FieldError("type", is_but(show(given), why) if "type" in value else missing(why))])
        fields = {name: each for name, each in value.items() if name != "type"}
        return self.build(given, self.tables[given].read(fields, context, None))

    def schema(self) -> dict[str, Any]:
        return {"oneOf": [self._variant(name, table.schema()) for name, table in self.tables.items()]}

    def _variant(self, name: str, schema: dict[str, Any]) -> dict[str, Any]:
        schema["properties"] = {"type": {"const": name}, **schema["properties"]}
        schema["required"] = ["type", *schema.get("required", [])]
        return schema

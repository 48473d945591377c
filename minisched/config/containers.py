"""Kinds that hold other kinds: lists, maps, objects with a table of fields, objects told apart by a `type`."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional

from minisched.model import LocalizedText

from .field_types import FieldType, one_of
from .problems import SHOWN, Fault, ParseContext, ValidationError, expected, missing, printable, refusal, refused, show

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .field_types import Text


AN_OBJECT = LocalizedText("an object", "对象")


class ListOf(FieldType):
    """A list, read to a tuple; of at least `least` items; no two with the same `key` where one is given.

    one: a single item may stand without the brackets.
    """

    def __init__(
        self, item: FieldType, least: int = 0, one: bool = False, key: Optional[Callable[[Any], Any]] = None
    ) -> None:
        self.item, self.least, self.one, self.key = item, least, one, key
        listed = LocalizedText(f"list of {item.words.en}", f"{item.words.zh}的列表")
        self.words = item.words.then(LocalizedText(", or a list of such", "，或其列表")) if one else listed

    @property
    def rule(self) -> LocalizedText:
        if self.one:
            return self.item.rule.then(LocalizedText(", or a list of such", "，或其列表"))
        return LocalizedText("a list that is not empty", "非空列表") if self.least else LocalizedText("a list", "列表")

    def read(self, value: Any, context: ParseContext, base: Any) -> tuple[Any, ...]:
        if self.one and not isinstance(value, list):
            return (self.item.read(value, context, None),)
        if not isinstance(value, list) or len(value) < self.least:
            raise refusal(value, self.rule)
        items: dict[Any, Any] = {}
        faults: list[Fault] = []
        for index, each in enumerate(value):
            try:
                item = self.item.read(each, context, None)
            except ValidationError as wrong:
                faults += [fault.inside(f"[{index}]") for fault in wrong.faults]
                continue
            key = self.key(item) if self.key else index
            if key in items:
                twice = LocalizedText(f"{show(key)} stands twice in this list", f"{show(key)} 在此列表中重复")
                faults.append(Fault(f"[{index}]", twice, sentence=True))
            items[key] = item
        if faults:
            raise ValidationError(faults)
        return tuple(items.values())

    def schema(self) -> dict[str, Any]:
        item = self.item.schema()
        array = {"type": "array", "items": item, **({"minItems": self.least} if self.least else {})}
        return {"anyOf": [item, array]} if self.one else array


class MapOf(FieldType):
    """An object with names of the user's own, laid over the base by name."""

    rule = AN_OBJECT

    def __init__(self, name: Text, item: FieldType) -> None:
        self.name, self.item = name, item
        self.words = LocalizedText(f"object: name to {item.words.en}", f"对象：名称到{item.words.zh}")

    def read(self, value: Any, context: ParseContext, base: Optional[Mapping[str, Any]]) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise refusal(value, self.rule, hidden=getattr(self.item, "redact", False))
        items = dict(base or {})
        faults: list[Fault] = []
        for name, each in value.items():
            try:
                self.name.read(name, context, None)
            except ValidationError:
                why = expected(self.name.rule)
                told = LocalizedText(
                    f"{show(name)} is no name here; {why.en}", f"{show(name)} 不能用作此处的名称；{why.zh}"
                )
                faults.append(Fault("", told, sentence=True))
                continue
            try:
                items[name] = self.item.read(each, context, None)
            except ValidationError as wrong:
                faults += [fault.inside(name) for fault in wrong.faults]
        if faults:
            raise ValidationError(faults)
        return MappingProxyType(items)

    def schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "propertyNames": self.name.schema(),
            "additionalProperties": self.item.schema(),
        }


class Field(NamedTuple):
    """A row of the table. `default` is as the file would have it; None is "none", and then `null` may be written."""

    name: str
    kind: FieldType
    default: Any
    help: str
    help_zh: str
    required: bool = False
    null: bool = False  # `null` may be written though there is a default
    example: Any = None
    attribute: str = ""  # where it is kept, if not under its name
    default_words: LocalizedText = LocalizedText("", "")  # of a default that is worked out

    @property
    def nullable(self) -> bool:
        return self.null or (self.default is None and not self.required)


class Table(FieldType):
    """An object of the rows' fields. What is absent holds its base; `build` makes the value of all of them.

    check: looks at the whole once every field is right; the faults it finds. forbidden: fields that the user may well
    expect here, and why they are not.
    """

    rule = AN_OBJECT

    def __init__(
        self,
        *rows: Field,
        build: Callable[..., Any],
        check: Optional[Callable[[Mapping[str, Any]], list[Fault]]] = None,
        forbidden: Optional[Mapping[str, LocalizedText]] = None,
    ) -> None:
        self.forbidden = forbidden or {}
        self.rows = {row.name: row for row in rows}
        self._readers = {row.name: (row.attribute or row.name, row.kind.read) for row in rows}
        self.required = [row.name for row in rows if row.required]
        self.build, self.check = build, check
        self.words = LocalizedText("object", "对象")
        context = ParseContext()
        self.defaults: dict[str, Any] = {
            row.attribute or row.name: None if row.default is None else row.kind.read(row.default, context, None)
            for row in rows
        }

    def read(self, value: Any, context: ParseContext, base: Any) -> Any:
        faults: list[Fault] = []
        before = self.defaults if base is None else base if isinstance(base, dict) else base._asdict()
        values = {**before, **self.collect(value, context, before, faults)}
        if not faults and self.check:
            faults = self.check(values)
        if faults:
            raise ValidationError(faults)
        return self.build(**values)

    def collect(
        self, value: Any, context: ParseContext, base: Mapping[str, Any], faults: list[Fault]
    ) -> dict[str, Any]:
        """The fields that are there and right, by attribute; what is wrong goes to `faults`."""
        values: dict[str, Any] = {}
        if not isinstance(value, dict):
            faults += refusal(value, self.rule).faults
            return values
        readers = self._readers
        for name, each in value.items():
            if name not in readers:
                faults.append(self._unknown(name, context))
                continue
            attribute, read = readers[name]
            if each is None and self.rows[name].nullable:
                values[attribute] = None
                continue
            try:
                values[attribute] = read(each, context, base.get(attribute))
            except ValidationError as wrong:
                faults += [fault.inside(name) for fault in wrong.faults]
        for name in self.required:
            if name not in value:
                faults.append(Fault(name, missing(expected(self.rows[name].kind.rule))))
        return values

    def _unknown(self, name: str, context: ParseContext) -> Fault:
        if name in self.forbidden:
            return Fault(name, self.forbidden[name])
        shown = printable(name[:SHOWN])
        unknown = LocalizedText(f'unknown field "{shown}"', f'未知字段 "{shown}"')
        return Fault("", unknown.then(context.hint_or_all(name, self.rows)), sentence=True)

    def schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {row.name: row_schema(row) for row in self.rows.values()},
            **({"required": self.required} if self.required else {}),
            "additionalProperties": False,
        }


def row_schema(row: Field) -> dict[str, Any]:
    schema = row.kind.schema()
    if row.nullable:
        schema = {"anyOf": [schema, {"type": "null"}]}
    schema["description"] = row.help
    if row.default is not None:
        schema["default"] = row.default
    if row.example is not None:
        schema["examples"] = [row.example]
    return schema


class Variants(FieldType):
    """An object whose field `type` says which table its other fields are of; `build(type, fields)` makes the value."""

    rule = AN_OBJECT

    def __init__(self, build: Callable[[str, Mapping[str, Any]], Any], **tables: Table) -> None:
        self.build, self.tables = build, tables
        self.words = LocalizedText("object by its `type`", "对象，由 `type` 决定")

    def read(self, value: Any, context: ParseContext, base: Any) -> Any:
        if not isinstance(value, dict):
            raise refusal(value, self.rule)
        given = value.get("type")
        if not isinstance(given, str) or given not in self.tables:
            types = one_of(self.tables)
            why = expected(LocalizedText(f"one of {types.en}", types.zh))
            raise ValidationError([Fault("type", refused(show(given), why) if "type" in value else missing(why))])
        fields = {name: each for name, each in value.items() if name != "type"}
        return self.build(given, self.tables[given].read(fields, context, None))

    def schema(self) -> dict[str, Any]:
        return {"oneOf": [self._variant(name, table.schema()) for name, table in self.tables.items()]}

    def _variant(self, name: str, schema: dict[str, Any]) -> dict[str, Any]:
        schema["properties"] = {"type": {"const": name}, **schema["properties"]}
        schema["required"] = ["type", *schema.get("required", [])]
        return schema


class Shared(FieldType):
    """A kind of which values that are written the same, over the same base, become one object, read once."""

    def __init__(self, kind: FieldType) -> None:
        self.kind = kind
        self.words = kind.words

    @property
    def rule(self) -> LocalizedText:
        return self.kind.rule

    def read(self, value: Any, context: ParseContext, base: Any) -> Any:
        key = (self, id(base), repr(value))
        if key not in context.memo:
            # The base is kept with the value: no other object can get its id while the key stands.
            context.memo[key] = (self.kind.read(value, context, base), base)
        return context.memo[key][0]

    def schema(self) -> dict[str, Any]:
        return self.kind.schema()

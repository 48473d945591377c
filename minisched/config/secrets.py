"""Secrets leave and enter the API as stars: values are redacted, and `***` is restored from the current config.

The field table says which fields are secret. The source of a secret ({"from_env": "NAME"}) is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from itertools import chain

from minisched.model import Dependency, FieldError, Secret, Task, Text

from .containers import ListOf, MapOf, Table, Variants
from .field_types import SecretString
from .problems import STARS, expected
from .task_fields import TASK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from typing import Any, Optional

    from minisched.model import Config

    from .field_types import FieldType

OWN_PREFIX = "MINISCHED_"  # of environment variables that minisched sets

_ABSENT = object()  # the current config has no such value
_MOVED = object()  # it has one, but the new value would be sent to another address
_ADDRESS = "url"  # where the secrets beside it are sent


def redact(value: Any, kind: FieldType = TASK) -> Any:
    """A valid value as in the file (a task unless `kind` says otherwise), with its secrets as stars."""
    if isinstance(kind, SecretString):
        return STARS if kind.redacted and isinstance(value, str) else value
    if isinstance(value, dict):
        return {name: redact(each, inner) for name, each, inner in _members(kind, value)}
    if isinstance(value, list) and isinstance(kind, ListOf):
        return [redact(each, kind.item) for each in value]
    return value


def restore(value: Any, current: Any, defaults: Any = None) -> tuple[Any, list[FieldError]]:
    """A task from the API, with each `***` replaced by the value in `current`, the task in the config file.

    defaults: the file's, for what the current task does not set. Returns the task, and an error for each `***` that has
    no counterpart or more than one.
    """
    errors: list[FieldError] = []
    old = {**(defaults or {}), **(current or {})}
    return _restored(TASK, value, old, "", errors), errors


def serialize(value: Any, kind: FieldType = TASK) -> Any:
    """A value as the engine uses it (a `Task` unless `kind` says otherwise) as JSON, with its secrets as stars: all
    fields with their defaults, durations in seconds, sizes in bytes."""
    if isinstance(value, Secret):
        return STARS if value.source == "text" else {value.source: value.place}
    if isinstance(kind, SecretString) and kind.redacted and value is not None:
        return STARS
    if isinstance(value, Dependency):
        return value.as_json()
    if value is None:
        return None
    if isinstance(kind, Variants):
        return {"type": value.type, **serialize(value.options, kind.tables[value.type])}
    if isinstance(kind, Table):
        fields = value if isinstance(value, Mapping) else value._asdict()
        return {row.name: serialize(fields[row.attribute or row.name], row.type) for row in kind.rows.values()}
    if isinstance(kind, MapOf):
        return {name: serialize(each, kind.item) for name, each in value.items()}
    if isinstance(kind, ListOf):
        return [serialize(each, kind.item) for each in value]
    if isinstance(value, Enum):
        return value.value
    return list(value) if isinstance(value, tuple) else value


def effective_task(task: Task) -> dict[str, Any]:
    """All fields of a task as the engine uses it."""
    fields: dict[str, Any] = serialize(task._replace(task_log=task.log_file, task_calendar=None))
    return {**fields, "task_calendar": calendar_member(task)}


def calendar_member(task: Task) -> Optional[dict[str, str]]:
    """`task_calendar` of a task as the config has it, without what is in the calendar."""
    rule = task.task_calendar
    return None if rule is None else {"name": rule.name, "days": rule.days}


def _members(kind: FieldType, value: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """The members of an object: name, value and type; None as type of an unknown field."""
    if isinstance(kind, MapOf):
        return [(name, each, kind.item) for name, each in value.items()]
    table = kind
    if isinstance(kind, Variants):
        table = kind.tables.get(str(value.get("type")), kind)
    rows = table.rows if isinstance(table, Table) else {}
    return [(name, each, rows[name].type if name in rows else None) for name, each in value.items()]


def _restored(kind: Any, value: Any, old: Any, path: str, errors: list[FieldError]) -> Any:
    if isinstance(kind, SecretString):
        if not kind.redacted or value != STARS:
            return value
        if old is _ABSENT or old is _MOVED or old is None:
            code = "config.secret.moved" if old is _MOVED else "config.secret.absent"
            text = Text(code, stars=STARS, field=_ADDRESS, rule=expected(kind.rule))
            errors.append(FieldError(path, text))
        return value if old is _ABSENT or old is _MOVED else old
    if isinstance(value, dict):
        current = old if isinstance(old, dict) else {}
        absent = old if old is _MOVED else _ABSENT
        if isinstance(kind, Variants):
            if current.get("type") != value.get("type"):
                current = {}
            elif _ADDRESS in current and value.get(_ADDRESS) not in (STARS, current[_ADDRESS]):
                current, absent = {}, _MOVED
        return {
            name: _restored(inner, each, current.get(name, absent), f"{path}.{name}".lstrip("."), errors)
            for name, each, inner in _members(kind, value)
        }
    if isinstance(value, list) and isinstance(kind, ListOf):
        pairs = _paired(kind.item, value, old if isinstance(old, list) else [])
        return [
            _restored(kind.item, each, pairs[index], f"{path}[{index}]", errors) for index, each in enumerate(value)
        ]
    return value


def _paired(kind: FieldType, values: Sequence[Any], current: Sequence[Any]) -> list[Any]:
    """For each item of a list its counterpart in the current list, or _ABSENT.

    A secret must never get into another item: if two counterparts are possible, there is none. First come items that
    are unchanged, then those with the same name. One item that is left is paired with the one that is left there; the
    position in the list proves nothing, because one item may have been removed and another added.
    """
    found: list[Any] = [_ABSENT] * len(values)
    redacted = [redact(item, kind) for item in current]
    free = set(range(len(current)))
    for index, value in enumerate(values):
        same = [at for at in sorted(free) if redacted[at] == value]
        alike = [current[at] for at in range(len(current)) if redacted[at] == value]
        if same and (values.count(value) == len(alike) or all(one == alike[0] for one in alike)):
            found[index] = current[same[0]]
            free.discard(same[0])
    for index, value in enumerate(values):
        if found[index] is _ABSENT:
            name = _name(value)
            named = [at for at in sorted(free) if name is not None and _name(current[at]) == name]
            if len(named) == 1:
                found[index] = current[named[0]]
                free.discard(named[0])
    left = [index for index, one in enumerate(found) if one is _ABSENT]
    if len(left) == len(free) == 1:
        found[left[0]] = current[free.pop()]
    return found


def _name(value: Any) -> Any:
    return value.get("name") if isinstance(value, dict) else None


def base_environment(
    environ: Mapping[str, str], config: Config, secret: Optional[Collection[str]] = None
) -> dict[str, str]:
    """The part of the engine's environment that every task and command gets.

    Without the variables in `secret`, by default those that the config reads secrets from: only a task that names one
    gets it. Without `MINISCHED_*`: a task gets those of its own run, not those of a task that started this engine.
    Without `TASK_LOG`: a script that finds it would write to that file, although its output is captured.
    """
    names = {"TASK_LOG", *(secret_variables(config) if secret is None else secret)}
    return {name: value for name, value in environ.items() if name not in names and not name.startswith(OWN_PREFIX)}


def secret_variables(config: Config) -> set[str]:
    """The environment variables that the config reads secrets from."""
    settings = config.settings
    places: list[Any] = [settings.smtp and settings.smtp.password, settings.heartbeat and settings.heartbeat.url]
    values = chain.from_iterable(task.task_env.values() for task in config.tasks.values())
    places += [value for value in values if not isinstance(value, str)]  # most are texts
    shared = {id(task.task_notify): task.task_notify for task in config.tasks.values()}  # many tasks, few rules
    rules = chain(settings.notify.engine, *shared.values())
    places += [channel.options for rule in rules for channel in rule.channels]
    return {name for place in places for name in _variables(place)}


def _variables(value: Any) -> Iterator[str]:
    """The environment variables that the secrets in a value come from, at any depth."""
    if isinstance(value, Secret):
        if value.source == "from_env":
            yield value.place
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _variables(inner)

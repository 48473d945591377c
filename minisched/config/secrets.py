"""Secrets on their way out and back in: shown as stars, kept where the stars come back. The field table says which.

What is a place of a secret ({"from_env": "NAME"}) is shown: it is no secret itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

from minisched.model import LocalizedText, Secret, Task

from .containers import ListOf, MapOf, Shared, Table, Variants
from .field_types import SecretText
from .problems import STARS, Fault, expected
from .task_fields import TASK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from minisched.model import Config

    from .field_types import FieldType

OWN_PREFIX = "MINISCHED_"

_NOTHING = object()  # there is no value of before
_MOVED = object()  # there is one, but it would now go to another address
_ADDRESS = "url"  # where the secrets that stand beside it are sent


def redact(value: Any, kind: FieldType = TASK) -> Any:
    """A right value as the file has it (of a task, if no other kind is given) with its secrets as stars."""
    if isinstance(kind, Shared):
        return redact(value, kind.kind)
    if isinstance(kind, SecretText):
        return STARS if kind.redact and isinstance(value, str) else value
    if isinstance(value, dict):
        return {name: redact(each, inner) for name, each, inner in _members(kind, value)}
    if isinstance(value, list) and isinstance(kind, ListOf):
        return [redact(each, kind.item) for each in value]
    return value


def restore(value: Any, before: Any, defaults: Any = None) -> tuple[Any, list[Fault]]:
    """A task as it came back, with the secrets of the task of before where it has stars; and where there is none to
    keep, or it cannot be told which. defaults: the file's, whose values hold where the task of before has none."""
    faults: list[Fault] = []
    old = {**(defaults or {}), **(before or {})}
    return _restored(TASK, value, old, "", faults), faults


def shown(value: Any, kind: FieldType = TASK) -> Any:
    """A value as the engine uses it (a `Task`, if no other kind is given) as JSON, with its secrets as stars: every
    field, with its default; durations in seconds, sizes in bytes."""
    if isinstance(kind, Shared):
        return shown(value, kind.kind)
    if isinstance(value, Secret):
        return STARS if value.source == "text" else {value.source: value.place}
    if isinstance(kind, SecretText) and kind.redact and value is not None:
        return STARS
    if value is None:
        return None
    if isinstance(kind, Variants):
        return {"type": value.type, **shown(value.options, kind.tables[value.type])}
    if isinstance(kind, Table):
        fields = value if isinstance(value, Mapping) else value._asdict()
        return {row.name: shown(fields[row.attribute or row.name], row.kind) for row in kind.rows.values()}
    if isinstance(kind, MapOf):
        return {name: shown(each, kind.item) for name, each in value.items()}
    if isinstance(kind, ListOf):
        return [shown(each, kind.item) for each in value]
    if isinstance(value, Enum):
        return value.value
    return list(value) if isinstance(value, tuple) else value


def effective_task(task: Task) -> dict[str, Any]:
    """All fields of a task that is in force."""
    fields: dict[str, Any] = shown(task)
    return fields


def _members(kind: FieldType, value: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """The members of an object, each with its kind; None: nothing is known of it."""
    if isinstance(kind, MapOf):
        return [(name, each, kind.item) for name, each in value.items()]
    table = kind
    if isinstance(kind, Variants):
        table = kind.tables.get(str(value.get("type")), kind)
    rows = table.rows if isinstance(table, Table) else {}
    return [(name, each, rows[name].kind if name in rows else None) for name, each in value.items()]


def _restored(kind: Any, value: Any, old: Any, path: str, faults: list[Fault]) -> Any:
    if isinstance(kind, Shared):
        return _restored(kind.kind, value, old, path, faults)
    if isinstance(kind, SecretText):
        if not kind.redact or value != STARS:
            return value
        if old is _NOTHING or old is _MOVED or old is None:
            faults.append(Fault(path, _not_kept(old is _MOVED, expected(kind.rule))))
        return value if old is _NOTHING or old is _MOVED else old
    if isinstance(value, dict):
        before = old if isinstance(old, dict) else {}
        absent = old if old is _MOVED else _NOTHING
        if isinstance(kind, Variants):
            if before.get("type") != value.get("type"):
                before = {}
            elif _ADDRESS in before and value.get(_ADDRESS) not in (STARS, before[_ADDRESS]):
                before, absent = {}, _MOVED
        return {
            name: _restored(inner, each, before.get(name, absent), f"{path}.{name}".lstrip("."), faults)
            for name, each, inner in _members(kind, value)
        }
    if isinstance(value, list) and isinstance(kind, ListOf):
        pairs = _paired(kind.item, value, old if isinstance(old, list) else [])
        return [
            _restored(kind.item, each, pairs[index], f"{path}[{index}]", faults) for index, each in enumerate(value)
        ]
    return value


def _not_kept(moved: bool, rule: LocalizedText) -> LocalizedText:
    why = LocalizedText("there is no value to keep", "没有可保留的原值")
    if moved:
        why = LocalizedText(f"its {_ADDRESS} is another one: give it anew", f"其 {_ADDRESS} 已更改，须重新填写")
    return LocalizedText(f'is "{STARS}", and {why.en}; {rule.en}', f'值为 "{STARS}"，但{why.zh}；{rule.zh}')


def _paired(kind: FieldType, values: Sequence[Any], before: Sequence[Any]) -> list[Any]:
    """For each item of a list the item of before that it is, or _NOTHING. A secret must never reach another's place:
    where it could be either of two, it is none.

    First those that came back as they were shown, then those of the same name. What then is left is a pair only where
    it is one of each: the place in the list says nothing, as one may have been removed and another one added.
    """
    found: list[Any] = [_NOTHING] * len(values)
    shown_before = [redact(item, kind) for item in before]
    free = set(range(len(before)))
    for index, value in enumerate(values):
        same = [at for at in sorted(free) if shown_before[at] == value]
        alike = [before[at] for at in range(len(before)) if shown_before[at] == value]
        if same and (values.count(value) == len(alike) or all(one == alike[0] for one in alike)):
            found[index] = before[same[0]]
            free.discard(same[0])
    for index, value in enumerate(values):
        if found[index] is _NOTHING:
            name = _name(value)
            named = [at for at in sorted(free) if name is not None and _name(before[at]) == name]
            if len(named) == 1:
                found[index] = before[named[0]]
                free.discard(named[0])
    left = [index for index, one in enumerate(found) if one is _NOTHING]
    if len(left) == len(free) == 1:
        found[left[0]] = before[free.pop()]
    return found


def _name(value: Any) -> Any:
    return value.get("name") if isinstance(value, dict) else None


def base_environment(environ: Mapping[str, str], config: Config) -> dict[str, str]:
    """What every task and command gets of the engine's environment.

    Without the variables that the config reads secrets from: only the task that names one gets it. Without
    `MINISCHED_*`: a task has those of its own run, not of a task that started this engine. Without `TASK_LOG`: a script
    that finds it would write to that file, while its output is captured anyway.
    """
    names = {"TASK_LOG", *_variables(config.settings.smtp and config.settings.smtp.password)}
    for task in config.tasks.values():
        names.update(_variables(task.task_env))
        for rule in task.task_notify:
            for channel in rule.channels:
                names.update(_variables(channel.options))
    return {name: value for name, value in environ.items() if name not in names and not name.startswith(OWN_PREFIX)}


def _variables(value: Any) -> Iterator[str]:
    """The environment variables that the secrets in a checked value come from, at any depth."""
    if isinstance(value, Secret):
        if value.source == "from_env":
            yield value.place
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _variables(inner)

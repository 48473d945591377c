"""`show`, `notifications`, `url`: a task with the source of each field; the outbox; the page's address."""

from __future__ import annotations

import json
import sys

from minisched.cli.output import print_error, print_facts, print_json, shown, text
from minisched.cli.tables import print_table, table_time, why
from minisched.cli.tasks import parse_words
from minisched.cli.view import View, due_times, task_named, with_view
from minisched.config import ConfigError, parse_json, read_config
from minisched.config.containers import MapOf, NameOrTable, Table
from minisched.config.secrets import effective_task, redact
from minisched.config.task_fields import TASK
from minisched.model import EXIT_OK, DeliveryState, Text
from minisched.namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator
    from datetime import tzinfo
    from typing import Any

    from minisched.model import Delivery, Task

SHOWN_DUE_TIMES = 3
FILE, DEFAULTS, SETTINGS, BUILT_IN = "file", "defaults", "settings", "built-in"


class Value(NamedTuple):
    """An effective value of a field, and where it comes from."""

    field: str  # as in `task_retry.delay`
    value: Any
    source: str


# ---------------------------------------------------------------------------------------------------------------- show


@with_view
def show(view: View, options: Namespace) -> int:
    """A task as the engine uses it, its last run, and its next due times."""
    zone = view.table_zone(options.tz)
    task = task_named(options.task, view.valid_config())
    runs, _ = view.history.page(task_id=task.task_id, page_size=1)
    last = view.as_json(runs[0]) if runs else None
    times = due_times(task, SHOWN_DUE_TIMES)
    values = list(values_of(task, view.home.config))
    if options.json:
        fields = {one.field: {"value": one.value, "from": one.source} for one in values}
        print_json({"task_id": task.task_id, "fields": fields, "last_run": last, "next_run_times": times})
        return EXIT_OK
    facts = [("task", task.task_id)]
    if last:
        moment = table_time(last["end_time"] or last["start_time"], zone)
        words = text("cli.comma").join(filter(None, (last["status"], why(last), moment)))
        facts.append(("last_run", text("cli.run_of", run_id=last["run_id"], words=words)))
    facts.append(("next", text("cli.comma").join(table_time(moment, zone) for moment in times) or "-"))
    print_facts(facts)
    print()
    rows = [(one.field, _shown(one.value), text(f"cli.from.{one.source}")) for one in values]
    print_table(("field", "value", "source"), rows, shrink={"value": 12})
    return EXIT_OK


def values_of(task: Task, path: str) -> Iterator[Value]:
    """Every field of a task, and of the objects in it. Values of the file are as written there, secrets as stars."""
    try:
        document, _ = parse_json(read_config(path))
    except ConfigError:
        document = None  # it was replaced just now
    tasks = (document or {}).get("tasks") or ()
    own: Any = next((one for one in tasks if one.get("task_id") == task.task_id), {})
    yield from _values("", TASK, effective_task(task), redact(own), redact((document or {}).get("defaults") or {}))


def _values(prefix: str, kind: Any, effective: dict[str, Any], own: Any, defaults: Any) -> Iterator[Value]:
    rows = kind.rows if isinstance(kind, Table) else {}
    for name, value in effective.items():
        field = f"{prefix}{name}"
        inner = rows[name].type if name in rows else None
        if isinstance(inner, (Table, MapOf)) and isinstance(value, dict) and value:
            as_written: tuple[Any, ...] = (_member(own, name), _member(defaults, name))
            if isinstance(inner, NameOrTable):
                as_written = tuple({"name": one} if isinstance(one, str) else one for one in as_written)
            yield from _values(f"{field}.", inner, value, *as_written)
        elif name in (own or ()):
            yield Value(field, own[name], FILE)
        elif name in (defaults or ()):
            yield Value(field, defaults[name], DEFAULTS)
        elif field == "task_timezone":
            yield Value(field, value, SETTINGS)
        else:
            default = rows[name].default if name in rows else None
            yield Value(field, value if default is None else default, BUILT_IN)


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else "-" if value is None else json.dumps(value, ensure_ascii=False)


# ------------------------------------------------------------------------------------------------------- notifications


@with_view
def notifications(view: View, options: Namespace) -> int:
    """The outbox, newest first; or one message of it is sent again."""
    zone = view.table_zone(options.tz)
    states = parse_words(options.status, DeliveryState)
    if options.resend is not None:
        return _resend(options)
    if options.task is not None:
        task_named(options.task, view.valid_config())
    found, total = view.history.deliveries(states, options.page, options.n, options.task)
    if options.json:
        items = [one.as_json(view.zone_of(one.task_id)) for one in found]
        print_json({"items": items, "page": options.page, "page_size": options.n, "total": total})
        return EXIT_OK
    if found:
        columns = ("message", "task", "state", "created", "error", "rule", "channel", "run", "tries")
        rows = [_message_row(view, one, zone) for one in found]
        print_table(columns, rows, shrink={"rule": 8, "task": 12, "error": 16})
    if total > len(found):
        print(
            text("cli.page_of_messages", shown=len(found), total=total, page=options.page, pages=-(-total // options.n))
        )
    elif not total:
        print(text("cli.no_messages"))
    return EXIT_OK


def _message_row(view: View, one: Delivery, zone: tzinfo) -> tuple[Any, ...]:
    created = one.as_json(view.zone_of(one.task_id))["created_time"]
    return (
        one.delivery_id,
        one.task_id,
        one.state.value,
        table_time(created, zone),
        shown(one.error) if one.error else "",
        one.rule,
        one.channel_type,
        one.run_id,
        one.attempts,
    )


def _resend(options: Namespace) -> int:
    from minisched.cli.client import engine_of

    message = engine_of(options).call("POST", f"/notifications/{options.resend}/resend")
    if options.json:
        print_json(message)
    else:
        print(text("cli.resent", message=options.resend))
    return EXIT_OK


# ----------------------------------------------------------------------------------------------------------------- url


def url(options: Namespace) -> int:
    """The address of the page with its token, as the engine prints it at its start."""
    from minisched.cli.client import engine_of

    engine = engine_of(options)
    address = f"http://{engine.address}/#token={engine.token}"
    if options.json:
        print_json({"url": address})
        return EXIT_OK
    print(address)
    if sys.stdout.isatty():
        sys.stdout.flush()
        print_error(Text("cli.url_is_secret"))
    return EXIT_OK

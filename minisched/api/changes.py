"""The config file as the API reads and writes it: only what is in force is changed, whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional

from minisched.api.call import ANSWER_S, ask
from minisched.api.errors import Refused
from minisched.config import (
    ConfigChanged,
    ConfigError,
    check_permissions,
    config_hash,
    parse_document,
    parse_json,
    read_config,
    save_config,
)
from minisched.model import Reload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from minisched.api.call import Call
    from minisched.api.ports import Ports
    from minisched.model import FieldError

CHANGED = "the config file was changed by hand and is not in force yet; read the task again"


class ConfigText(NamedTuple):
    """The file as it stands there."""

    document: Any  # None where it is no right config
    hash: str  # "" where it cannot be read
    in_force: bool  # it is the very file that the engine goes by

    @property
    def etag(self) -> str:
        return f'"{self.hash}"'

    def task(self, task_id: str) -> Optional[dict[str, Any]]:
        tasks = self.document["tasks"] if self.document else ()
        return next((task for task in tasks if task["task_id"] == task_id), None)

    @property
    def defaults(self) -> dict[str, Any]:
        return (self.document or {}).get("defaults") or {}


def read_text(ports: Ports) -> ConfigText:
    stamp = ports.config_stamp()
    try:
        data = read_config(ports.config_path)
    except ConfigError:
        return ConfigText(None, "", False)
    in_force = stamp == ports.config_stamp() == ports.board.engine.config_stamp
    document, problems = parse_json(data)
    if problems or (not in_force and parse_document(document, home=ports.home)[1]):
        document = None  # nothing is shown of it: where its secrets stand is not known
    return ConfigText(document, config_hash(data), in_force and document is not None)


def problems_of(document: Any, ports: Ports) -> list[FieldError]:
    return parse_document(document, home=ports.home)[1]


def invalid(problems: Sequence[FieldError]) -> Refused:
    count = len(problems)
    return Refused("invalid_config", f"{count} problem{'' if count == 1 else 's'}; nothing was changed", problems)


def change(call: Call, edit: Callable[[ConfigText], dict[str, Any]], what: str) -> str:
    """Save what `edit` makes of the config's document, put it in force, and give the new file's hash. Raises Refused,
    OSError; after them the file is as it was, unless the message says otherwise."""
    ports = call.ports
    if not ports.write_lock.acquire(timeout=ANSWER_S):
        raise Refused("busy", "another change is being written")
    try:
        text = read_text(ports)
        _refuse_stale(call, text)
        if not text.in_force:
            raise Refused("config_changed", CHANGED)
        document = edit(text)
        problems = check_permissions(ports.config_path) + problems_of(document, ports)
        if problems:
            raise invalid(problems)
        try:
            saved = save_config(ports.config_path, document, expected_hash=text.hash)
        except ConfigChanged:
            raise Refused("config_changed", CHANGED) from None
        except ConfigError as error:
            raise invalid(error.problems) from None
        try:
            put_in_force(call, what)
        except Refused as error:
            yet = "" if error.code == "invalid_config" else " yet"
            told = f"the file is written, but not in force{yet}: {error}"
            raise Refused(error.code, told, error.problems) from None
        return saved
    finally:
        ports.write_lock.release()


def _refuse_stale(call: Call, text: ConfigText) -> None:
    """`If-Match` (RFC 9110, 13.1.1): one of these files, or `*` for any."""
    wanted = call.request.headers.get("if-match", "").strip()
    if wanted and wanted != "*" and text.etag not in [one.strip() for one in wanted.split(",")]:
        raise Refused("stale", "the config file is another one than that of If-Match; read the task again")


def put_in_force(call: Call, what: str) -> None:
    """Let the engine load the file; when it answers, the Snapshot shows it. Raises Refused."""
    ask(call.ports, lambda asked: Reload(asked, f"{what}, {call.by}"))

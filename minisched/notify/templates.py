"""What messages say: templates filled with values, and the default subject and texts. Pure.

`{{ name }}` becomes a value. A value is data wherever it lands, and is never read as a template again. Python's own
formatting is not used: `str.format` reaches from a value to its class and to every global, and a single width in a
template can take all memory.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import timezone

from minisched import catalogue
from minisched.catalogue import Text, render, shown
from minisched.config.field_types import ESCAPED
from minisched.config.notify_fields import STRING_OR_VARIABLE, VARIABLE
from minisched.model import iso
from minisched.model.notification import Message, NotificationEvent
from minisched.model.text import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Union

LINE_CHARS_MAX = 200  # of a subject, title or header: servers cut or refuse longer ones
NAME_CHARS_MAX = 120  # of a task's name in a subject, which leaves room for the status
TAIL_BYTES_MAX = 16 * 1024  # of a log tail
ELLIPSIS = "..."

# The lines of the default text after the reason: the text `notify.line.*`, the variable it shows, and the values that
# make it superfluous.
LINES = (
    ("details", "explanation", ()),
    ("exit_code", "exit_code", ()),
    ("due", "scheduled_time", ()),
    ("started", "execution_start_time", ()),
    ("ended", "execution_end_time", ()),
    ("duration", "execution_duration", ()),
    ("attempt", "attempt", ("0", "1")),
    ("in_a_row", "threshold_count", ("0", "1")),
    ("suppressed", "suppressed_count", ("0",)),
    ("run", "execution_id", ()),
)

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_LINE_BREAK = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # all that some reader takes for one, and other controls
_PLAIN = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


# ---------------------------------------------------------------------------------------------------------- templates


def fill(template: str, values: Mapping[str, str], quote: Callable[[str], str] = str) -> str:
    """The template with its variables filled in, each through `quote`, and `{{{{` as `{{`. A name that is not in
    `values` stays as it is; the config accepts none."""

    def place(found: re.Match[str]) -> str:
        if found[0] == ESCAPED:
            return "{{"
        return quote(values[found[1]]) if found[1] in values else found[0]

    return re.sub(rf"\{{{{4}}|{VARIABLE}", place, template)


def fill_json(template: Any, values: Mapping[str, str]) -> Any:
    """A JSON value with the variables in its texts filled in. Keys are not templates."""
    if isinstance(template, str):
        return fill(template, values)
    if isinstance(template, list):
        return [fill_json(item, values) for item in template]
    if isinstance(template, dict):
        return {key: fill_json(item, values) for key, item in template.items()}
    return template


def fill_json_text(template: str, values: Mapping[str, str]) -> str:
    """A template of JSON, or of one JSON value per line, that stays JSON whatever the values are.

    Within a string a value is escaped. Elsewhere a number stays a number, an empty value becomes `null`, and any other
    value a string.
    """

    def place(found: re.Match[str]) -> str:
        if found[1]:
            return fill(found[1], values, lambda value: to_json(value)[1:-1])
        value = values.get(found[2], "")
        return value if _NUMBER.fullmatch(value) else to_json(value) if value else "null"

    # Line by line: a JSON string cannot span lines, so an unbalanced quote affects only its own line.
    return "\n".join(re.sub(STRING_OR_VARIABLE, place, line) for line in template.split("\n"))


def to_json(value: Any) -> str:
    """JSON on one line. A lone surrogate, which neither UTF-8 nor strict JSON can carry, is shown as `\\ud800`."""
    return _SURROGATE.sub(lambda half: f"\\\\u{ord(half[0]):04x}", json.dumps(value, ensure_ascii=False))


def one_line(text: str, max_chars: int = LINE_CHARS_MAX) -> str:
    """The text on one line: line breaks and control characters become blanks; cut to `max_chars`."""
    line = _LINE_BREAK.sub(" ", text).strip()
    return line if len(line) <= max_chars else line[: max_chars - len(ELLIPSIS)] + ELLIPSIS


def header_value(text: str, name: str, fold: str = "\r\n ") -> str:
    """The value of the header `name` that every reader decodes to exactly this text.

    Plain ASCII stays as it is, other text becomes encoded words (RFC 2047), separated by `fold`. A text that holds an
    encoded word is encoded too: a reader would decode it, including line breaks within it.
    """
    if _PLAIN.fullmatch(text) and "=?" not in text:
        return text
    from email.header import Header  # the email package; most channels do without it

    return Header(text, "utf-8", header_name=name).encode(linesep="\n").replace("\n ", fold)


def visible_values(values: Mapping[str, str]) -> dict[str, str]:
    """The variables as templates get them, with escapes for what is not printable: a task wrote part of them."""
    return {name: visible(value) for name, value in values.items()}


# ----------------------------------------------------------------------------------------------------------- log tails


def log_tail(output: Union[bytes, str], max_lines: int, max_bytes: int = TAIL_BYTES_MAX) -> str:
    """The last whole lines of a run's output: at most `max_lines` and `max_bytes` of UTF-8, without control characters.

    An output of `max_bytes` or more was cut somewhere, so its first line is not a whole one. Of a single line that is
    longer than the limit the end is kept, and marked.
    """
    text = output.decode("utf-8", "backslashreplace") if isinstance(output, bytes) else output
    text = visible(text.replace("\r\n", "\n").replace("\r", "\n")).strip("\n")
    lines = text.split("\n")
    if len(output) >= max_bytes and len(lines) > 1:
        del lines[0]
    kept = "\n".join(lines[-max_lines:]) if max_lines > 0 else ""
    return last_lines(kept, max_bytes)


def last_lines(text: str, max_bytes: int) -> str:
    """The last whole lines of a text that fit into `max_bytes` of UTF-8."""
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= max_bytes:
        return text
    data = data[len(data) - max_bytes - 1 :]  # one byte more: the cut may fall between two lines
    _, end, rest = data.partition(b"\n")
    if end and rest:
        return rest.decode("utf-8", "ignore")
    room = max_bytes - len(ELLIPSIS)
    return ELLIPSIS + data[-room:].decode("utf-8", "ignore") if room > 0 else ""


# ----------------------------------------------------------------------------------------------------- default messages


def default_subject(message: Message) -> str:
    """One line with task and status, marked if it is a test."""
    values = visible_values(message.variables)
    if "subject" in values:  # it was composed as a sentence
        return one_line(subject_mark(message) + values["subject"])
    name = one_line(values.get("task_name") or values.get("task_id", ""), NAME_CHARS_MAX)
    recovery = message.event == NotificationEvent.RECOVERY
    status = Text("notify.recovered") if recovery else _status(values, message.language)
    count = values.get("threshold_count", "")
    in_a_row = Text("notify.in_a_row", count=count) if count not in ("", "0", "1") else ""
    subject = render(Text("notify.headline", what=name, status=status), message.language)
    return one_line(subject_mark(message) + subject + shown(in_a_row, message.language))


def default_text(message: Message, tail_bytes: int) -> str:
    """The facts, one per line, and at most `tail_bytes` of the log's tail."""
    values = visible_values(message.variables)
    what: Union[Text, str] = values.get("task_name", "")
    if values.get("task_id"):
        what = Text("notify.with_id", name=what, id=values["task_id"])
    if values.get("host_name"):
        what = Text("notify.on_host", what=what, host=values["host_name"])
    lines: list[Union[Text, str]] = []
    if message.event != NotificationEvent.EVENT:
        lines.append(Text(f"notify.first_line.{message.event}"))
    if "subject" in values:
        lines += [values["subject"], ""]
    lines.append(Text("notify.headline", what=what, status=_status(values, message.language)))
    if values.get("execution_reason") not in (None, "", "exit_code"):  # the exit code has a line of its own
        lines.append(Text("notify.line.reason", value=_reason(values, message.language)))
    for name, variable, superfluous in LINES:
        if values.get(variable, "") not in ("", *superfluous):
            lines.append(Text(f"notify.line.{name}", value=values[variable]))
    if values.get("task_url"):
        lines.append(values["task_url"])
    tail = last_lines(values.get("execution_log_tail", ""), tail_bytes)
    if tail:
        lines += ["", Text("notify.line.tail"), tail]
    return "".join(f"{shown(line, message.language)}\n" for line in lines)


def _in_words(language: str, *codes: str) -> str:
    """The first of these texts that exists, or ""."""
    return next((render(Text(code), language) for code in codes if catalogue.template(code, language) != code), "")


def _status(values: Mapping[str, str], language: str) -> str:
    status = values.get("execution_status", "")
    return _in_words(language, f"notify.status.{status}") or status


def _reason(values: Mapping[str, str], language: str) -> str:
    """What the code means, and the code."""
    reason = values["execution_reason"]
    why = f"why_{values.get('execution_status', '')}_{reason}"
    words = _in_words(language, why, f"notify.reason.{reason}")
    return render(Text("notify.reason", words=words, reason=reason), language) if words else reason


def subject_mark(message: Message) -> str:
    """What marks a test in a subject, also in one by the user's own template. The same in every language: filters of
    mail look for it."""
    return "[test] " if message.event == NotificationEvent.TEST else ""


def text_mark(message: Message) -> str:
    """What marks a test in a text, also in one by the user's own template."""
    test = message.event == NotificationEvent.TEST
    return f"{render(Text('notify.first_line.test'), message.language)}\n\n" if test else ""


def message_json(message: Message) -> dict[str, Any]:
    """The message as commands, files and webhooks without a template get it."""
    return {
        "delivery": message.message_id,
        "event": NotificationEvent(message.event).value,
        "recovered": message.event == NotificationEvent.RECOVERY,
        "test": message.event == NotificationEvent.TEST,
        "created_time": iso(int(message.created_time), timezone.utc),
        **visible_values(message.variables),
        "subject": default_subject(message),
    }

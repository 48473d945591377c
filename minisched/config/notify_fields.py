"""The field table: notification rules and their channels."""

from __future__ import annotations

import re
from functools import partial
from types import MappingProxyType

from minisched.model import Channel, FieldError, NotifyRule, Text
from minisched.model.task import TemplateVariables

from .containers import Field, ListOf, MapOf, Table, Variants
from .field_types import PATH, Bool, Choice, Duration, FieldType, Integer, SecretString, String, Template
from .problems import invalid
from .strict_json import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .problems import ParseContext

TRIGGERS = ("success", "business_failure", "technical_failure", "timeout", "missed", "skipped", "slow", "late")
ENGINE_TRIGGERS = ("problem", "problem_gone")
# Patterns, compiled by `re` at their first use: a config without templates needs neither.
VARIABLE = r"\{\{\s*(\w+)\s*\}\}"
# The closing quote is optional: an unclosed string then extends to the end, instead of being tried from each quote.
STRING_OR_VARIABLE = r'(?s:("[^"\\]*(?:\\.[^"\\]*)*"?))|' + VARIABLE
PRESETS = ("slack", "dingtalk", "feishu", "wecom", "ntfy")

# RFC 5322 dot-atom at a host name or an address literal: every server accepts it, and all software reads it alike.
# smtplib would send a mail for `a(b)@x.org` to `a@x.org`, which is another person.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,64}"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_MAILBOX = rf"{_ATOM}(?:\.{_ATOM}){{0,30}}@(?:{_LABEL}(?:\.{_LABEL}){{0,30}}|\[(?:IPv6:)?[0-9A-Fa-f.:]{{2,45}}\])"
_NO_NAME = r"\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\"\\"
_QUOTED = rf'"((?:[^{_NO_NAME}]|\\["\\]){{1,200}})"'
_NAME = rf"([^\s<>@,;:()\[\]{_NO_NAME}][^<>@,;:()\[\]{_NO_NAME}]{{0,199}})"
_SENDER = rf"({_MAILBOX})|(?:{_QUOTED}|{_NAME}) *<({_MAILBOX})>"
ADDRESS = String("address", _MAILBOX, "address")
SENDER = String("sender", _SENDER, "sender")
# No user name and no template in the host: rendered values must not decide where a request goes.
URL = String(
    "url",
    r"[Hh][Tt][Tt][Pp][Ss]?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
    r"(?:[/?#][A-Za-z0-9._~:/?#@!$&'()*+,;=%\[\]-]*)?",
    "url",
)
HEADER_NAME = String("header_name", r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
HEADER = String("header", r"[ -~]{0,4096}")


def name_and_address(sender: str) -> tuple[str, str]:
    """The two parts of a SENDER; the name may be empty."""
    found = re.fullmatch(_SENDER, sender)
    assert found
    alone, quoted, name, address = found.groups("")
    return re.sub(r'\\(["\\])', r"\1", quoted) or name.strip(), alone or address


class Command(FieldType):
    """What to run: a text for `/bin/sh -c`, or the list of a program and its arguments."""

    rule = Text("config.rule.command")
    type_name = Text("config.type.command")
    text = String(lines=True, max_length=100_000)  # the kernel accepts 128 KiB in one argument
    arguments = ListOf(text, min_items=1)

    def read(self, value: Any, context: ParseContext, base: Any) -> Any:
        command = self.arguments.read(value, context, None) if isinstance(value, list) and value else value
        if isinstance(command, tuple):
            filled = command[0].strip()
        else:
            filled = isinstance(value, str) and self.text.read(value, context, None).strip()
        if not filled:
            raise invalid(value, self.rule)
        return command

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "minLength": 1}, self.arguments.schema()]}


def media_type(headers: Mapping[str, object]) -> str:
    """The media type in a channel's own headers; "" if none is set, or only in the environment."""
    found = [value for name, value in headers.items() if name.lower() == "content-type" and isinstance(value, str)]
    return found[0].partition(";")[0].strip().lower() if found else ""


def is_json(template: str, types: tuple[type, ...] = (dict, list)) -> bool:
    """Whether a template renders to JSON, wherever its variables are: to an object or array unless `types` says
    otherwise."""
    try:
        value = loads(re.sub(STRING_OR_VARIABLE, lambda found: found[1] or "0", template))
    except ValueError:
        return False
    return isinstance(value, types)


def is_broken(template: object, headers: Mapping[str, object]) -> bool:
    """Whether a template is not JSON though its Content-Type says that the whole body is. `application/x-ndjson` and
    the like have one JSON on each line."""
    declared = media_type(headers).endswith(("/json", "+json"))
    return declared and isinstance(template, str) and not is_json(template, (object,))


def _check_webhook(values: Mapping[str, Any]) -> list[FieldError]:
    if values["preset"] and values["body_template"] is not None:
        return [FieldError("", Text("config.webhook.two_bodies"))]
    if not values["preset"] and values["text_template"] is not None:
        return [FieldError("text_template", Text("config.webhook.no_preset"))]
    if values["headers"] and is_broken(values["body_template"], values["headers"]):
        return [FieldError("body_template", Text("config.webhook.not_json"))]
    return []


def _channel(kind: str, options: Mapping[str, Any]) -> Channel:
    return Channel(kind, MappingProxyType(dict(options)))


BUILT_IN_TEXT = Text("config.default.text")
CA_FILE = Field(
    "ca_file", PATH, example="var/ca.pem", default_text=Text("config.default.system_certificates"), code="ca_file"
)

CHANNEL = Variants(
    _channel,
    email=Table(
        "email",
        Field("recipients", ListOf(ADDRESS, min_items=1), required=True, example=["ops@example.org"]),
        Field(
            "subject_template",
            Template(TemplateVariables._fields, lines=False),
            example="{{ task_name }}: {{ execution_status }}",
            default_text=Text("config.default.subject"),
        ),
        Field("body_template", Template(TemplateVariables._fields), default_text=BUILT_IN_TEXT),
        build=dict,
    ),
    webhook=Table(
        "webhook",
        Field("url", SecretString(URL, "url"), required=True, example="https://chat.example.org/hooks/ops"),
        Field("method", Choice("POST", "PUT", "PATCH", "GET"), "POST"),
        Field(
            "headers",
            # Most contain a token.
            MapOf(HEADER_NAME, SecretString(HEADER, plain=True, redacted=True), {"X-Token": {"from_env": "TOKEN"}}),
            {},
            example={"Authorization": {"from_env": "HOOK_TOKEN"}},
        ),
        Field(
            "body_template",
            Template(TemplateVariables._fields, json=True),
            example={"text": "{{ task_name }}: {{ execution_status }}"},
            default_text=Text("config.default.json"),
        ),
        Field("secret", SecretString(String(min_length=1)), example={"from_file": "var/hook.key"}),
        Field("preset", Choice(*PRESETS), example="slack"),
        Field("text_template", Template(TemplateVariables._fields), default_text=BUILT_IN_TEXT),
        CA_FILE,
        build=dict,
        check=_check_webhook,
    ),
    command=Table(
        "command",
        Field("task_exec", Command(), required=True, example=["tasks/tell.sh", "ops"]),
        build=dict,
    ),
    file=Table(
        "file",
        Field("path", PATH, required=True, example="logs/notices.jsonl"),
        build=dict,
    ),
)

# Fields of all rules.
ENABLED = Field("enabled", Bool(), True, code="rule.enabled")
CHANNELS = Field(
    "channels",
    ListOf(CHANNEL, min_items=1),
    required=True,
    example=[{"type": "email", "recipients": ["ops@example.org"]}],
    code="rule.channels",
)

RULE = Table(
    "rule",
    Field("name", String(min_length=1, max_length=200, shared=True), required=True, example="tell ops"),
    ENABLED,
    Field(
        "triggers",
        ListOf(Choice(*TRIGGERS), min_items=1, key=str),
        required=True,
        example=["technical_failure"],
    ),
    Field("threshold", Integer(1, 10_000), 1),
    Field("cooldown", Duration(), 0, example="1h"),
    Field("recovery", Bool(), False),
    CHANNELS,
    build=NotifyRule,
    example={"name": "tell ops", "triggers": ["technical_failure"], "channels": [{"type": "email", "...": "..."}]},
)


ENGINE_RULE = Table(
    "engine_rule",
    Field("name", String(min_length=1, max_length=200, shared=True), required=True, example="engine"),
    ENABLED,
    Field("triggers", ListOf(Choice(*ENGINE_TRIGGERS), min_items=1, key=str), required=True, example=["problem"]),
    Field("cooldown", Duration(), 0, example="1h"),
    CHANNELS,
    build=partial(NotifyRule, threshold=1, recovery=False),
    forbidden={
        "threshold": Text("config.engine_rule.threshold"),
        "recovery": Text("config.engine_rule.recovery"),
    },
    example={"name": "engine", "triggers": ["problem"], "channels": [{"type": "email", "...": "..."}]},
)

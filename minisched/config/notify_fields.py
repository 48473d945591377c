"""The field table: who is told of what, and how: rules and channels."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from minisched.model import Channel, LocalizedText, NotifyRule

from .containers import Field, ListOf, MapOf, Table, Variants
from .field_types import PATH, Bool, Choice, Duration, FieldType, Integer, Name, SecretText, Template, Text
from .problems import Fault, refusal
from .strict_json import loads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .problems import ParseContext

TEMPLATE_VARIABLES = (
    "task_id",
    "task_name",
    "execution_status",
    "execution_start_time",
    "execution_end_time",
    "execution_duration",
    "threshold_count",
    "execution_log_tail",
    "execution_id",
    "execution_reason",
    "exit_code",
    "attempt",
    "scheduled_time",
    "host_name",
    "task_url",
    "suppressed_count",
)
TRIGGERS = ("success", "business_failure", "technical_failure", "timeout", "missed", "skipped")
# Kept as texts, and compiled where a template is rendered: a config without templates needs neither.
VARIABLE = r"\{\{\s*(\w+)\s*\}\}"
# The closing quote is optional, so that an unclosed string reaches to the end: else each quote in it would be tried as
# the start of a string.
STRING_OR_VARIABLE = r'(?s:("[^"\\]*(?:\\.[^"\\]*)*"?))|' + VARIABLE
PRESETS = ("slack", "dingtalk", "feishu", "wecom", "ntfy")

# RFC 5322 dot-atom at a host name or an address literal: what every server takes, and what nobody reads otherwise. Of
# `a(b)@x.org` smtplib makes `a@x.org`, who is somebody else.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,64}"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_MAILBOX = rf"{_ATOM}(?:\.{_ATOM}){{0,30}}@(?:{_LABEL}(?:\.{_LABEL}){{0,30}}|\[(?:IPv6:)?[0-9A-Fa-f.:]{{2,45}}\])"
_NO_NAME = r"\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\"\\"
_QUOTED = rf'"((?:[^{_NO_NAME}]|\\["\\]){{1,200}})"'
_NAME = rf"([^\s<>@,;:()\[\]{_NO_NAME}][^<>@,;:()\[\]{_NO_NAME}]{{0,199}})"
_SENDER = rf"({_MAILBOX})|(?:{_QUOTED}|{_NAME}) *<({_MAILBOX})>"
ADDRESS = Text(
    LocalizedText(
        'a mail address such as "ops@example.org": in ASCII, without a comment, no dot at an end or beside another one',
        '邮件地址，如 "ops@example.org"：仅 ASCII 字符，不含注释，点号不在两端且不相连',
    ),
    LocalizedText("mail address", "邮件地址"),
    _MAILBOX,
)
SENDER = Text(
    ADDRESS.rule.then(
        LocalizedText(
            "; or a name and an address, such as Ops <ops@example.org>, the name in double quotes if one of"
            " , ; : @ ( ) [ ] stands in it",
            "；或名称加地址，如 Ops <ops@example.org>，名称中含有 , ; : @ ( ) [ ] 之一时须用双引号括起",
        )
    ),
    LocalizedText("mail address, or `name <address>`", "邮件地址，或 `名称 <地址>`"),
    _SENDER,
)
# The host holds no template and no user: what is rendered or sent never decides where it goes (FAULTS, N3).
URL = Text(
    LocalizedText(
        "an http:// or https:// address without a user name, blanks or templates",
        "以 http:// 或 https:// 开头的地址，不含用户名、空白和模板",
    ),
    LocalizedText("http(s) address", "http(s) 地址"),
    r"[Hh][Tt][Tt][Pp][Ss]?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
    r"(?:[/?#][A-Za-z0-9._~:/?#@!$&'()*+,;=%\[\]-]*)?",
)
HEADER_NAME = Text(
    LocalizedText("the name of an HTTP header", "名称合法的 HTTP 头"),
    LocalizedText("header name", "头名称"),
    r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}",
)
HEADER = Text(
    LocalizedText("a text of printable ASCII characters", "由可打印 ASCII 字符组成的文本"), pattern=r"[ -~]{0,4096}"
)


def name_and_address(sender: str) -> tuple[str, str]:
    """The two parts of a SENDER; the name may be empty."""
    found = re.fullmatch(_SENDER, sender)
    assert found
    alone, quoted, name, address = found.groups("")
    return re.sub(r'\\(["\\])', r"\1", quoted) or name.strip(), alone or address


class Command(FieldType):
    """What to run: a text for `/bin/sh -c`, or the list of a program and its arguments."""

    rule = LocalizedText(
        "a command: a text for /bin/sh, or a list of a program and its arguments",
        "命令：交给 /bin/sh 的文本，或由程序及其参数组成的列表",
    )
    words = LocalizedText(
        "text (run by `/bin/sh -c`), or list of texts (run as it is)",
        "文本（由 `/bin/sh -c` 执行）或文本列表（直接执行）",
    )
    text = Text(lines=True, most=100_000)  # the kernel takes 128 KiB in one argument
    arguments = ListOf(text, least=1)

    def read(self, value: Any, context: ParseContext, base: Any) -> Any:
        command = self.arguments.read(value, context, None) if isinstance(value, list) and value else value
        if isinstance(command, tuple):
            filled = command[0].strip()
        else:
            filled = isinstance(value, str) and self.text.read(value, context, None).strip()
        if not filled:
            raise refusal(value, self.rule)
        return command

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "minLength": 1}, self.arguments.schema()]}


def media_type(headers: Mapping[str, object]) -> str:
    """The media type that a channel's own headers name; "" where none does, or only the environment knows."""
    found = [value for name, value in headers.items() if name.lower() == "content-type" and isinstance(value, str)]
    return found[0].partition(";")[0].strip().lower() if found else ""


def is_json(template: str, kinds: tuple[type, ...] = (dict, list)) -> bool:
    """Whether a text is a template of JSON, of an object or array if not of another kind, wherever its variables stand
    in it."""
    try:
        return isinstance(loads(re.sub(STRING_OR_VARIABLE, lambda found: found[1] or "0", template)), kinds)
    except ValueError:
        return False


def is_broken(template: object, headers: Mapping[str, object]) -> bool:
    """Whether a text is no JSON though its type says that all of it is. Types such as `application/x-ndjson` hold one
    on each line."""
    kind = media_type(headers)
    whole = kind.endswith(("/json", "+json"))
    return whole and isinstance(template, str) and not is_json(template, (object,))


def _webhook(values: Mapping[str, Any]) -> list[Fault]:
    if values["preset"] and values["body_template"] is not None:
        both = LocalizedText(
            "has both preset and body_template; expected one of them",
            "同时设置了 preset 和 body_template；只能设置其一",
        )
        return [Fault("", both)]
    if values["headers"] and is_broken(values["body_template"], values["headers"]):
        no_json = LocalizedText(
            "is no JSON, but the header Content-Type says that it is; expected JSON, or the type"
            ' "application/x-ndjson" for a JSON on each line',
            "不是 JSON，而 Content-Type 头声明其为 JSON；应为 JSON，或将类型设为"
            ' "application/x-ndjson"（每行一个 JSON）',
        )
        return [Fault("body_template", no_json)]
    return []


def _channel(kind: str, options: Mapping[str, Any]) -> Channel:
    return Channel(kind, MappingProxyType(dict(options)))


BUILT_IN = LocalizedText("a good one", "内置模板")
CA_FILE = Field(
    "ca_file",
    PATH,
    None,
    "Certificates (PEM) of the authorities to trust, in place of the machine's.",
    "所信任的 CA 证书（PEM），取代本机的证书库。",
    example="var/ca.pem",
    default_words=LocalizedText("the machine's", "本机证书库"),
)

CHANNEL = Variants(
    _channel,
    email=Table(
        Field(
            "recipients",
            ListOf(ADDRESS, least=1),
            None,
            "Who gets the mail.",
            "收件人。",
            required=True,
            example=["ops@example.org"],
        ),
        Field(
            "subject_template",
            Template(TEMPLATE_VARIABLES, lines=False),
            None,
            "The subject.",
            "邮件主题。",
            example="{{ task_name }}: {{ execution_status }}",
            default_words=BUILT_IN,
        ),
        Field(
            "body_template",
            Template(TEMPLATE_VARIABLES),
            None,
            "The text of the mail.",
            "邮件正文。",
            default_words=BUILT_IN,
        ),
        build=dict,
    ),
    webhook=Table(
        Field(
            "url",
            SecretText(URL, URL.words),
            None,
            "Where the request goes; never shown, for many such addresses hold a token.",
            "请求地址；地址中常含令牌，因此从不显示。",
            required=True,
            example="https://chat.example.org/hooks/ops",
        ),
        Field("method", Choice("POST", "PUT", "PATCH", "GET"), "POST", "The HTTP method.", "HTTP 方法。"),
        Field(
            "headers",
            MapOf(HEADER_NAME, SecretText(HEADER, plain=True, redact=True)),  # most hold a token
            {},
            "Headers to add.",
            "附加的请求头。",
            example={"Authorization": {"from_env": "HOOK_TOKEN"}},
        ),
        Field(
            "body_template",
            Template(TEMPLATE_VARIABLES, json=True),
            None,
            "The body: a text, or a JSON object whose texts are templates.",
            "请求体：文本，或其中文本均为模板的 JSON 对象。",
            example={"text": "{{ task_name }}: {{ execution_status }}"},
            default_words=BUILT_IN,
        ),
        Field(
            "secret",
            SecretText(Text(least=1)),
            None,
            "Key of the `X-Minisched-Signature` header, HMAC-SHA256 of the body; with `dingtalk` and `feishu` the key"
            " of the robot's own sign.",
            "`X-Minisched-Signature` 头的密钥，对请求体做 HMAC-SHA256；"
            "预设为 `dingtalk`、`feishu` 时是机器人的加签密钥。",
            example={"from_file": "var/hook.key"},
        ),
        Field(
            "preset", Choice(*PRESETS), None, "A ready body for a service.", "某项服务的现成请求体。", example="slack"
        ),
        CA_FILE,
        build=dict,
        check=_webhook,
    ),
    command=Table(
        Field(
            "task_exec",
            Command(),
            None,
            "What to run, as a task's; it gets the message as JSON on its standard input.",
            "要执行的命令，写法同任务；消息以 JSON 从标准输入传入。",
            required=True,
            example=["tasks/tell.sh", "ops"],
        ),
        build=dict,
    ),
    file=Table(
        Field(
            "path",
            PATH,
            None,
            "The file that gets a JSON line per message; a relative one starts from the home.",
            "每条消息追加一行 JSON 的文件；相对路径从主目录算起。",
            required=True,
            example="logs/notices.jsonl",
        ),
        build=dict,
    ),
)

RULE = Table(
    Field(
        "name",
        Name(least=1, most=200),
        None,
        "Its name, unique in the task.",
        "名称，在任务内唯一。",
        required=True,
        example="tell ops",
    ),
    Field("enabled", Bool(), True, "false: never fires.", "false：从不触发。"),
    Field(
        "triggers",
        ListOf(Choice(*TRIGGERS), least=1, key=str),
        None,
        "The ends of a run that count. `technical_failure` has the timeouts in it.",
        "计入的运行结果。`technical_failure` 包含超时。",
        required=True,
        example=["technical_failure"],
    ),
    Field("threshold", Integer(1, 10_000), 1, "Fires on every N-th event in a row.", "连续每 N 次事件触发一次。"),
    Field("cooldown", Duration(), 0, "No second message within it.", "在此时长内不发第二条消息。", example="1h"),
    Field("recovery", Bool(), False, "Tells the first success after it fired.", "触发后首次成功时再通知一次。"),
    Field(
        "channels",
        ListOf(CHANNEL, least=1),
        None,
        "Where the message goes.",
        "消息发往何处。",
        required=True,
        example=[{"type": "email", "recipients": ["ops@example.org"]}],
    ),
    build=NotifyRule,
)

"""The field table: the settings of the engine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from minisched.model import (
    HistorySettings,
    HttpSettings,
    LocalizedText,
    LogSettings,
    NotifySettings,
    Settings,
    SmtpSettings,
)

from .containers import Field, ListOf, Table
from .field_types import MIN_WAIT_S, Bool, Choice, Duration, Integer, SecretText, Size, Text, Zone
from .notify_fields import CA_FILE, SENDER
from .problems import Fault, missing, refusal, refused, show

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .problems import ParseContext

HOST = Text(
    LocalizedText("a host name or an address", "主机名或地址"),
    LocalizedText("host name or address", "主机名或地址"),
    r"[A-Za-z0-9._:-]{1,253}",
)
ALLOWED_HOST = Text(
    LocalizedText(
        'a host name or an address, with its port if it has one, such as "plant.example.org:8787"; "*" is not allowed',
        '主机名或地址，有端口则一并写出，如 "plant.example.org:8787"；不允许 "*"',
    ),
    LocalizedText("host, or host:port", "主机，或 主机:端口"),
    r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?",
)
_LOOPBACK = re.compile(r"127(?:\.[0-9]{1,3}){3}|::1")
_BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"

# Lines that were read at once are written at once and stand in one file: 64 KiB, that of empty ones are 0.5 MB by their
# stamps. A smaller limit would not hold.
MIN_LOG_BYTES = 2**20

SMTP_PORTS = {"none": 25, "starttls": 587, "ssl": 465}


class ListenAddress(Text):
    """An address to listen on. No name: it would be looked up by the engine's thread, which a slow answer holds up for
    half a minute each time."""

    def read(self, value: Any, context: ParseContext, base: Any) -> str:
        address = super().read(value, context, base)
        if ":" in address:
            from ipaddress import IPv6Address  # 3 ms that most do without

            try:
                IPv6Address(address)
            except ValueError:
                raise refusal(value, self.rule) from None
        return "127.0.0.1" if address.lower() == "localhost" else address


LISTEN = ListenAddress(
    LocalizedText(
        'an IP address such as "127.0.0.1", "0.0.0.0" or "::1", or "localhost", which is the first of them; other names'
        " are not looked up, and those by which browsers reach the page go into allowed_hosts",
        '本机的 IP 地址，如 "127.0.0.1"、"0.0.0.0" 或 "::1"，或 "localhost"（即第一个）；其他名称不作解析，'
        "浏览器访问页面所用的名称写入 allowed_hosts",
    ),
    LocalizedText("IP address, or `localhost`", "IP 地址，或 `localhost`"),
    rf"[Ll][Oo][Cc][Aa][Ll][Hh][Oo][Ss][Tt]|(?:{_BYTE}\.){{3}}{_BYTE}|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]{{1,45}}",
)


def _http(values: Mapping[str, Any]) -> list[Fault]:
    if values["enabled"] and not _LOOPBACK.fullmatch(values["host"]) and not values["allowed_hosts"]:
        why = LocalizedText(
            "a host other than loopback needs allowed_hosts: the names by which browsers reach the page",
            "非回环地址须设置 allowed_hosts：浏览器访问页面所用的名称",
        )
        return [Fault("host", refused(show(values["host"]), why))]
    return []


def _smtp(values: Mapping[str, Any]) -> list[Fault]:
    if (values["username"] is None) != (values["password"] is None):
        other = "password" if values["password"] is None else "username"
        why = LocalizedText("username and password go together", "username 与 password 须同时设置")
        return [Fault(other, missing(why))]
    return []


def _build_smtp(**values: Any) -> SmtpSettings:
    port = SMTP_PORTS[values["security"]] if values["port"] is None else values["port"]
    return SmtpSettings(**{**values, "port": port})


LOG = Table(
    Field("when", Choice("midnight"), "midnight", "When a log is rotated.", "日志何时轮转。"),
    Field("backup_count", Integer(0, 10_000), 3, "Rotated files kept; 0: all.", "保留的轮转文件数；0：全部。"),
    Field(
        "max_bytes",
        Size(MIN_LOG_BYTES, or_zero=True),
        "50MB",
        "A log is rotated before it grows larger; 0: at midnight only.",
        "超过前轮转；0：仅在午夜轮转。",
    ),
    build=LogSettings,
)

HISTORY = Table(
    Field("keep_days", Integer(1, 36_500), 90, "Older runs are deleted.", "更早的运行记录被删除。"),
    Field("keep_runs", Integer(1, 1_000_000), 1000, "Runs kept per task.", "每个任务保留的运行数。"),
    build=HistorySettings,
)

HTTP = Table(
    Field("enabled", Bool(), True, "false: no page and no API.", "false：没有页面和 API。"),
    Field("host", LISTEN, "127.0.0.1", "The address to listen on.", "监听地址。"),
    Field("port", Integer(0, 65_535), 8787, "The port; 0: any free one.", "端口；0：任一空闲端口。"),
    Field("public_status", Bool(), False, "Task states are read without the token.", "无需令牌即可读取任务状态。"),
    Field(
        "allowed_hosts",
        ListOf(ALLOWED_HOST),
        [],
        "Names by which browsers may reach the page, beside loopback.",
        "除回环地址外，浏览器访问页面可用的名称。",
        example=["plant.example.org:8787"],
    ),
    build=HttpSettings,
    check=_http,
)

SMTP = Table(
    Field("host", HOST, None, "The mail server.", "邮件服务器。", required=True, example="mail.example.org"),
    Field(
        "port",
        Integer(1, 65_535),
        None,
        "Its port.",
        "端口。",
        example=587,
        default_words=LocalizedText("25 (none), 587 (starttls), 465 (ssl)", "25（none）、587（starttls）、465（ssl）"),
    ),
    Field("security", Choice(*SMTP_PORTS), "starttls", "How the connection is kept secret.", "连接的加密方式。"),
    Field("username", Text(least=1), None, "To log in with.", "登录用户名。"),
    Field(
        "password",
        SecretText(Text(least=1)),
        None,
        "To log in with; never shown.",
        "登录密码；从不显示。",
        example={"from_file": "var/smtp.password"},
    ),
    Field("from", SENDER, None, "The sender.", "发件人。", example="minisched@example.org", attribute="sender"),
    Field("timeout", Duration(MIN_WAIT_S), "30s", "For one message as a whole.", "单封邮件的总时限。"),
    CA_FILE,
    build=_build_smtp,
    check=_smtp,
)

NOTIFY = Table(
    Field("max_attempts", Integer(1, 100), 8, "Tries to send a message.", "每条消息的发送尝试次数。"),
    Field("log_tail_lines", Integer(0, 1000), 50, "Lines in `execution_log_tail`.", "`execution_log_tail` 的行数。"),
    build=NotifySettings,
)

SETTINGS = Table(
    Field(
        "timezone",
        Zone(),
        None,
        "The time zone of schedules and of times shown.",
        "时间表和显示时间所用时区。",
        example="Asia/Shanghai",
        default_words=LocalizedText("the machine's", "本机时区"),
    ),
    Field("max_running", Integer(1, 1000), 10, "Processes at once, over all tasks.", "所有任务同时运行的进程数。"),
    Field("log", LOG, {}, "How logs are rotated.", "日志轮转。"),
    Field("history", HISTORY, {}, "How long runs are kept.", "运行记录的保留。"),
    Field("http", HTTP, {}, "The page and the API.", "页面与 API。"),
    Field("smtp", SMTP, None, "The mail server for `email` channels.", "`email` 通道所用的邮件服务器。"),
    Field("notify", NOTIFY, {}, "How messages are sent.", "消息的发送。"),
    Field(
        "shutdown_grace",
        Duration(),
        "30s",
        "For running tasks when the engine ends.",
        "引擎退出时留给运行中任务的时间。",
    ),
    build=Settings,
)

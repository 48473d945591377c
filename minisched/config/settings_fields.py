"""The field table: the settings of the engine."""

from __future__ import annotations

from minisched.catalogue import LANGUAGES
from minisched.model import (
    FieldError,
    HeartbeatSettings,
    HistorySettings,
    HttpSettings,
    LogSettings,
    NotifySettings,
    Settings,
    SmtpSettings,
    Text,
)
from minisched.put_off import lazy_pattern

from .containers import Field, ListOf, MapOf, Table
from .field_types import MIN_WAIT_S, PATH, Bool, Choice, Duration, Integer, SecretString, Size, String, Zone
from .notify_fields import CA_FILE, ENGINE_RULE, SENDER, URL
from .problems import invalid, is_but, missing, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .problems import ParseContext

CALENDAR_NAME = String("calendar_name", "[A-Za-z0-9_-]{1,64}", "name", shared=True)
LOCK = String("lock", "[A-Za-z0-9_-]{1,64}", "name", shared=True)
HOST = String("host", r"[A-Za-z0-9._:-]{1,253}", "host")
ALLOWED_HOST = String(
    "allowed_host", r"(?:https?://)?(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", "allowed_host"
)
_LOOPBACK = lazy_pattern(r"127(?:\.[0-9]{1,3}){3}|::1")
_BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"

# Lines that are read together are written to one file: up to 64 KiB, which are 0.5 MB of empty lines with their
# timestamps. A smaller limit would be exceeded.
MIN_LOG_BYTES = 2**20
MIN_HISTORY_BYTES = 10 * 2**20  # the state of 10,000 tasks and the latest failure of each take 8 MB
MIN_HEARTBEAT_S = 10.0  # each wakes the engine, and takes the place of other messages

SMTP_PORTS = {"none": 25, "starttls": 587, "ssl": 465}


class ListenAddress(String):
    """An address to listen on. Names are not allowed: the engine's thread would look them up, and a slow DNS server
    would block it for half a minute each time."""

    def read(self, value: Any, context: ParseContext, base: Any) -> str:
        address = super().read(value, context, base)
        if ":" in address:
            from ipaddress import IPv6Address  # 3 ms, which most configs do not need

            try:
                IPv6Address(address)
            except ValueError:
                raise invalid(value, self.rule) from None
        return "127.0.0.1" if address.lower() == "localhost" else address


LISTEN = ListenAddress(
    "listen",
    rf"[Ll][Oo][Cc][Aa][Ll][Hh][Oo][Ss][Tt]|(?:{_BYTE}\.){{3}}{_BYTE}|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]{{1,45}}",
    "listen",
)


def _check_http(values: Mapping[str, Any]) -> list[FieldError]:
    if values["enabled"] and not _LOOPBACK.fullmatch(values["host"]) and not values["allowed_hosts"]:
        return [FieldError("host", is_but(show(values["host"]), Text("config.http.allowed_hosts")))]
    return []


def _check_smtp(values: Mapping[str, Any]) -> list[FieldError]:
    if (values["username"] is None) != (values["password"] is None):
        absent = "password" if values["password"] is None else "username"
        return [FieldError(absent, missing(Text("config.smtp.login")))]
    return []


def _build_smtp(**values: Any) -> SmtpSettings:
    port = SMTP_PORTS[values["security"]] if values["port"] is None else values["port"]
    return SmtpSettings(**{**values, "port": port})


LOG = Table(
    "log",
    Field("when", Choice("midnight"), "midnight"),
    Field("backup_count", Integer(0, 10_000), 3),
    Field("max_bytes", Size(MIN_LOG_BYTES, or_zero=True), "50MB"),
    build=LogSettings,
    example={"max_bytes": "10MB"},
)

HISTORY = Table(
    "history",
    Field("keep_days", Integer(1, 36_500), 90),
    Field("keep_runs", Integer(1, 1_000_000), 20_000),
    Field("max_bytes", Size(MIN_HISTORY_BYTES, or_zero=True), "500MB"),
    build=HistorySettings,
    example={"keep_days": 30},
)

HTTP = Table(
    "http",
    Field("enabled", Bool(), True),
    Field("host", LISTEN, "127.0.0.1"),
    Field("port", Integer(0, 65_535), 8787),
    Field("public_status", Bool(), False),
    Field("allowed_hosts", ListOf(ALLOWED_HOST), [], example=["plant.example.org:8787"]),
    build=HttpSettings,
    example={"port": 8787},
    check=_check_http,
)

SMTP = Table(
    "smtp",
    Field("host", HOST, required=True, example="mail.example.org"),
    Field("port", Integer(1, 65_535), example=587, default_text=Text("config.default.smtp_port")),
    Field("security", Choice(*SMTP_PORTS), "starttls"),
    Field("username", String(min_length=1)),
    Field("password", SecretString(String(min_length=1)), example={"from_file": "var/smtp.password"}),
    Field("from", SENDER, example="minisched@example.org", attribute="sender"),
    Field("timeout", Duration(MIN_WAIT_S), "30s"),
    CA_FILE,
    build=_build_smtp,
    example={"host": "mail.example.org", "from": "minisched@example.org"},
    check=_check_smtp,
)

NOTIFY = Table(
    "notify",
    Field("max_attempts", Integer(1, 100), 8),
    Field("log_tail_lines", Integer(0, 1000), 50),
    Field("engine", ListOf(ENGINE_RULE, key=lambda rule: rule.name), []),
    build=NotifySettings,
    example={"max_attempts": 8},
)

CALENDAR = Table(
    "calendar",
    Field("file", PATH, required=True, example="tasks/calendars/cn.txt"),
    build=lambda file: file,  # `validate` puts the calendar in its place
    example={"file": "tasks/calendars/cn.txt"},
)

HEARTBEAT = Table(
    "heartbeat",
    Field("url", SecretString(URL, "url"), required=True, example="https://hc.example.org/ping/..."),
    Field("every", Duration(MIN_HEARTBEAT_S), "1m"),
    CA_FILE,
    build=HeartbeatSettings,
    example={"url": "https://hc.example.org/ping/...", "every": "1m"},
)

SETTINGS = Table(
    "settings",
    Field("timezone", Zone(), example="Asia/Shanghai", default_text=Text("config.default.system_zone")),
    Field("max_running", Integer(1, 1000), 10),
    Field("locks", MapOf(LOCK, Integer(1, 1000), {"db": 2}), {}, example={"db": 2}),
    Field("log", LOG, {}),
    Field("history", HISTORY, {}),
    Field("language", Choice("auto", *LANGUAGES), "auto"),
    Field("paused", Bool(), False),
    Field("http", HTTP, {}),
    Field("smtp", SMTP),
    Field("notify", NOTIFY, {}),
    Field("calendars", MapOf(CALENDAR_NAME, CALENDAR, {"cn": {"file": "tasks/calendars/cn.txt"}}), {}),
    Field("heartbeat", HEARTBEAT),
    Field("shutdown_grace", Duration(), "30s"),
    build=Settings,
    example={"timezone": "Asia/Shanghai"},
)

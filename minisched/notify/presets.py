"""Requests to chat services, and what their answers mean. Pure: the time is an argument.

Sources, as of 2026:
- slack: docs.slack.dev/messaging/sending-messages-using-incoming-webhooks and /messaging/formatting-message-text
  (`&`, `<` and `>` as entities; `ok` as the answer)
- dingtalk: open.dingtalk.com/document/robots/custom-robot-access and /customize-robot-security-settings (`timestamp` in
  milliseconds and `sign` in the query; 20,000 bytes; 20 messages a minute)
- feishu: open.feishu.cn/document/client-docs/bot-v3/add-custom-bot (`timestamp` in seconds and `sign` in the body, the
  key being timestamp and secret, the message empty; 20 KB; 100 messages a minute, 5 a second)
- wecom: developer.work.weixin.qq.com/document/path/91770 (2,048 bytes of text; 20 messages a minute)
- ntfy: docs.ntfy.sh/publish (text as the body, the rest in headers, RFC 2047 since 2.4.0; 4,096 bytes, more becomes an
  attachment)
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import Any, Callable, NamedTuple, Optional
from urllib.parse import quote_plus

from minisched.config.strict_json import loads
from minisched.model import Text
from minisched.model.notification import Message, NotificationEvent, SendResult, SendStatus
from minisched.notify.templates import TAIL_BYTES_MAX, default_subject, default_text, header_value, to_json

JSON_TYPE = "application/json; charset=utf-8"
TEXT_TYPE = "text/plain; charset=utf-8"


class PreparedRequest(NamedTuple):
    """A request: the address with the service's own query parameters, headers, the exact body."""

    url: str
    headers: dict[str, str]
    body: bytes


class Preset(NamedTuple):
    """How to talk to a service.

    prepare: (message, url, secret or None, now in seconds) -> the request.
    check_response: the body of a 2xx answer -> whether the service took the message, and why not.
    """

    prepare: Callable[[Message, str, Optional[str], float], PreparedRequest]
    check_response: Callable[[bytes], SendResult]
    signs: bool  # the channel's `secret` is the key of the service's own signature


def _fitting(message: Message, max_bytes: int, build: Callable[[str], bytes]) -> bytes:
    """The body with as much of the log's tail as keeps it within `max_bytes`."""
    tail_bytes = min(TAIL_BYTES_MAX, max_bytes)
    while True:
        body = build(f"{default_subject(message)}\n{default_text(message, tail_bytes)}")
        if len(body) <= max_bytes or not tail_bytes:
            return body
        # Escapes count too, and a tail is cut at a line break: reduce it in steps of what is too much.
        tail_bytes = max(0, tail_bytes - max(len(body) - max_bytes, tail_bytes // 8, 16))


def _json(value: Any) -> bytes:
    return to_json(value).encode()


def _slack(message: Message, url: str, secret: Optional[str], now: float) -> PreparedRequest:
    def build(text: str) -> bytes:
        # Unescaped, `<!channel>` in a log would notify everybody.
        escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return _json({"text": escaped, "mrkdwn": False})

    body = _fitting(message, 38_000, build)  # Slack cuts a text of more than 40,000 characters
    return PreparedRequest(url, {"Content-Type": JSON_TYPE}, body)


def _dingtalk(message: Message, url: str, secret: Optional[str], now: float) -> PreparedRequest:
    if secret is not None:
        timestamp = str(round(now * 1000))
        sign = quote_plus(_mac(secret.encode(), f"{timestamp}\n{secret}".encode()))
        url += f"{'&' if '?' in url else '?'}timestamp={timestamp}&sign={sign}"
    body = _fitting(message, 20_000, lambda text: _json({"msgtype": "text", "text": {"content": text}}))
    return PreparedRequest(url, {"Content-Type": JSON_TYPE}, body)


def _feishu(message: Message, url: str, secret: Optional[str], now: float) -> PreparedRequest:
    signed = {}
    if secret is not None:
        timestamp = str(int(now))
        signed = {"timestamp": timestamp, "sign": _mac(f"{timestamp}\n{secret}".encode(), b"")}

    def build(text: str) -> bytes:
        return _json({**signed, "msg_type": "text", "content": {"text": _without_mentions(text)}})

    return PreparedRequest(url, {"Content-Type": JSON_TYPE}, _fitting(message, 20_000, build))


def _wecom(message: Message, url: str, secret: Optional[str], now: float) -> PreparedRequest:
    text = _fitting(message, 2048, lambda text: _without_mentions(text).encode())[:2048].decode("utf-8", "ignore")
    return PreparedRequest(url, {"Content-Type": JSON_TYPE}, _json({"msgtype": "text", "text": {"content": text}}))


def _ntfy(message: Message, url: str, secret: Optional[str], now: float) -> PreparedRequest:
    status = message.variables.get("execution_status")
    good = status == "success" or message.event != NotificationEvent.EVENT
    headers = {
        "Content-Type": TEXT_TYPE,
        "Title": header_value(default_subject(message), "Title", fold=" "),
        "Priority": "3" if good else "4",
        "Tags": "white_check_mark" if good else "warning",
    }
    body = _fitting(message, 4096, lambda text: text.partition("\n")[2].encode())[:4096]
    return PreparedRequest(url, headers, body.decode("utf-8", "ignore").encode())


def _mac(key: bytes, message: bytes) -> str:
    return base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode("ascii")


def _without_mentions(text: str) -> str:
    """`<at user_id="all">` and `<@all>` notify people, also if they come from a log; a blank makes them plain text."""
    return re.sub(r"<(?=/?(?:at\b|@))", "< ", text, flags=re.IGNORECASE)


def _by_code(field: str, temporary: tuple[int, ...], *others: str) -> Callable[[bytes], SendResult]:
    """The answer is a JSON object with a number, 0 for success. temporary: the numbers that are worth a further try;
    others: older names of the field."""

    def check_response(answer: bytes) -> SendResult:
        try:
            found = loads(answer.decode("utf-8-sig"))
            code = next(found[name] for name in (field, *others) if name in found)
        except (ValueError, TypeError, StopIteration):
            return SendResult(SendStatus.RETRY, Text("notify.no_code", field=field))
        if code == 0:
            return SendResult(SendStatus.SENT)
        status = SendStatus.RETRY if code in temporary else SendStatus.FAILED
        return SendResult(status, Text("notify.code", field=field, value=str(code)))

    return check_response


def _by_ok(answer: bytes) -> SendResult:
    if answer.strip() == b"ok":
        return SendResult(SendStatus.SENT)
    return SendResult(SendStatus.RETRY, Text("notify.not_ok"))


def _by_http_status(answer: bytes) -> SendResult:
    return SendResult(SendStatus.SENT)


PRESETS = {
    "slack": Preset(_slack, _by_ok, signs=False),
    # -1: busy; 130101, 410100: too many messages; 310000: sign, keyword or address refused, to be fixed at the robot
    "dingtalk": Preset(_dingtalk, _by_code("errcode", (-1, 130101, 410100, 310000)), signs=True),
    # 9499, 11232: too many messages; 19021: sign or clock; 19022, 19024: address or keyword, to be fixed at the robot
    "feishu": Preset(_feishu, _by_code("code", (9499, 11232, 19021, 19022, 19024), "StatusCode"), signs=True),
    # -1: busy; 45009, 45033: too many messages
    "wecom": Preset(_wecom, _by_code("errcode", (-1, 45009, 45033)), signs=False),
    "ntfy": Preset(_ntfy, _by_http_status, signs=False),
}

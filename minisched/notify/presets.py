"""Ready requests for chat services, and what their answers mean. Pure: the time is an argument.

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
from minisched.model.notification import Message, NotificationEvent, SendStatus
from minisched.notify import defaults
from minisched.notify.headers import unstructured
from minisched.notify.templates import TAIL_MAX, to_json

JSON_TYPE = "application/json; charset=utf-8"
TEXT_TYPE = "text/plain; charset=utf-8"


class Ready(NamedTuple):
    """A request: the address with what the service wants in its query, headers, the exact body."""

    url: str
    headers: dict[str, str]
    body: bytes


class Preset(NamedTuple):
    """How a service is spoken to: (message, url, secret or None, now in seconds) -> request; and its answer of 2xx
    -> what it means, with words for a person where it is not `sent`."""

    prepare: Callable[[Message, str, Optional[str], float], Ready]
    judge: Callable[[bytes], tuple[SendStatus, str]]
    signs: bool  # the channel's `secret` is the service's own, not ours


def _fitting(message: Message, most: int, build: Callable[[str], bytes]) -> bytes:
    """The body with as much of the log's tail as leaves it at most `most` bytes long."""
    tail_bytes = min(TAIL_MAX, most)
    while True:
        body = build(f"{defaults.subject(message)}\n{defaults.text(message, tail_bytes)}")
        if len(body) <= most or not tail_bytes:
            return body
        # Escapes take room too, and a tail is cut at a line: come near in steps of what is over.
        tail_bytes = max(0, tail_bytes - max(len(body) - most, tail_bytes // 8, 16))


def _json(value: Any) -> bytes:
    return to_json(value).encode()


def _slack(message: Message, url: str, secret: Optional[str], now: float) -> Ready:
    def build(text: str) -> bytes:
        escaped = (
            text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        )  # else <!channel> calls everybody
        return _json({"text": escaped, "mrkdwn": False})

    return Ready(url, {"Content-Type": JSON_TYPE}, _fitting(message, 38_000, build))  # text over 40,000 is cut


def _dingtalk(message: Message, url: str, secret: Optional[str], now: float) -> Ready:
    if secret is not None:
        timestamp = str(round(now * 1000))
        sign = quote_plus(_mac(secret.encode(), f"{timestamp}\n{secret}".encode()))
        url += f"{'&' if '?' in url else '?'}timestamp={timestamp}&sign={sign}"
    body = _fitting(message, 20_000, lambda text: _json({"msgtype": "text", "text": {"content": text}}))
    return Ready(url, {"Content-Type": JSON_TYPE}, body)


def _feishu(message: Message, url: str, secret: Optional[str], now: float) -> Ready:
    signed = {}
    if secret is not None:
        timestamp = str(int(now))
        signed = {"timestamp": timestamp, "sign": _mac(f"{timestamp}\n{secret}".encode(), b"")}

    def build(text: str) -> bytes:
        return _json({**signed, "msg_type": "text", "content": {"text": _no_mention(text)}})

    return Ready(url, {"Content-Type": JSON_TYPE}, _fitting(message, 20_000, build))


def _wecom(message: Message, url: str, secret: Optional[str], now: float) -> Ready:
    content = _fitting(message, 2048, lambda text: _no_mention(text).encode())[:2048].decode("utf-8", "ignore")
    return Ready(url, {"Content-Type": JSON_TYPE}, _json({"msgtype": "text", "text": {"content": content}}))


def _ntfy(message: Message, url: str, secret: Optional[str], now: float) -> Ready:
    status = message.variables.get("execution_status")
    good = status == "success" or message.event != NotificationEvent.EVENT
    headers = {
        "Content-Type": TEXT_TYPE,
        "Title": unstructured(defaults.subject(message)),
        "Priority": "3" if good else "4",
        "Tags": "white_check_mark" if good else "warning",
    }
    body = _fitting(message, 4096, lambda text: text.partition("\n")[2].encode())[:4096]
    return Ready(url, headers, body.decode("utf-8", "ignore").encode())


def _mac(key: bytes, message: bytes) -> str:
    return base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode("ascii")


def _no_mention(text: str) -> str:
    """`<at user_id="all">` and `<@all>` call people, also out of a log: a blank after the bracket makes them text."""
    return re.sub(r"<(?=/?(?:at\b|@))", "< ", text, flags=re.IGNORECASE)


def _by_code(field: str, passing: tuple[int, ...], *others: str) -> Callable[[bytes], tuple[SendStatus, str]]:
    """The answer is a JSON object with a number that is 0 for success; `passing`: those that go by with time."""

    def judge(answer: bytes) -> tuple[SendStatus, str]:
        try:
            found = loads(answer.decode("utf-8-sig"))
            code = next(found[name] for name in (field, *others) if name in found)
        except (ValueError, TypeError, StopIteration):
            return SendStatus.RETRY, f"the answer has no {field}: it may be another server's"
        if code == 0:
            return SendStatus.SENT, ""
        return SendStatus.RETRY if code in passing else SendStatus.FAILED, f"the service answers {field} {code}"

    return judge


def _by_ok(answer: bytes) -> tuple[SendStatus, str]:
    if answer.strip() == b"ok":
        return SendStatus.SENT, ""
    return SendStatus.RETRY, 'the service does not answer "ok"'


def _by_status(answer: bytes) -> tuple[SendStatus, str]:
    return SendStatus.SENT, ""


PRESETS = {
    "slack": Preset(_slack, _by_ok, signs=False),
    # -1: busy; 130101, 410100: too many messages; 310000: sign, keyword or address refused, mended at the robot
    "dingtalk": Preset(_dingtalk, _by_code("errcode", (-1, 130101, 410100, 310000)), signs=True),
    # 9499, 11232: too many messages; 19021: sign or clock; 19022, 19024: address or keyword, mended at the robot
    "feishu": Preset(_feishu, _by_code("code", (9499, 11232, 19021, 19022, 19024), "StatusCode"), signs=True),
    # -1: busy; 45009, 45033: too many messages
    "wecom": Preset(_wecom, _by_code("errcode", (-1, 45009, 45033)), signs=False),
    "ntfy": Preset(_ntfy, _by_status, signs=False),
}

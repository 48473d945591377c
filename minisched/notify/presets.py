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
from urllib.parse import quote_plus

from minisched.config.strict_json import loads
from minisched.model import Text
from minisched.model.notification import Message, NotificationEvent, SendResult, SendStatus
from minisched.namedtuple import NamedTuple
from minisched.notify import templates
from minisched.notify.redact import first_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Optional

JSON_TYPE = "application/json; charset=utf-8"
TEXT_TYPE = "text/plain; charset=utf-8"


class PreparedRequest(NamedTuple):
    """A request: the address with the service's own query parameters, headers, the exact body."""

    url: str
    headers: dict[str, str]
    body: bytes


class Preset(NamedTuple):
    """How to talk to a service.

    prepare: (message, text_template or None, url, secret or None, now in seconds) -> the request.
    check_response: the body of a 2xx answer -> whether the service took the message, and why not.
    """

    prepare: Callable[[Message, Optional[str], str, Optional[str], float], PreparedRequest]
    check_response: Callable[[bytes], SendResult]
    signs: bool  # the channel's `secret` is the key of the service's own signature


def _fitting(
    message: Message,
    template: Optional[str],
    max_bytes: int,
    build: Callable[[str], bytes],
    escape: Callable[[str], str] = str,
    subject: bool = True,
) -> bytes:
    """The body of the channel's own text, or of the default one, with as much of the log's tail as keeps it within
    `max_bytes`. If that is not enough the text is cut at its end.

    escape: what makes a value plain text to the service; the user's own text may use the service's marks.
    subject: the default text begins with the subject.
    """
    values, tail_bytes = templates.visible_values(message.variables), min(templates.TAIL_BYTES_MAX, max_bytes)
    tail = values.get("execution_log_tail", "")
    while True:
        if template is None:
            head = f"{templates.default_subject(message)}\n" if subject else ""
            text = escape(head + templates.default_text(message, tail_bytes))
        else:
            values["execution_log_tail"] = templates.last_lines(tail, tail_bytes)
            text = templates.text_mark(message) + templates.fill(template, values, escape)
        body = build(text)
        over = len(body) - max_bytes
        if over <= 0:
            return body
        if not tail_bytes:
            return build(first_bytes(text, max(0, len(text.encode()) - over)))
        # Escapes count too, and a tail is cut at a line break: reduce it in steps of what is too much.
        tail_bytes = max(0, tail_bytes - max(over, tail_bytes // 8, 16))


def _json(value: Any) -> bytes:
    return templates.to_json(value).encode()


def _json_request(url: str, body: bytes) -> PreparedRequest:
    return PreparedRequest(url, {"Content-Type": JSON_TYPE}, body)


def _slack(message: Message, template: Optional[str], url: str, secret: Optional[str], now: float) -> PreparedRequest:
    def escape(text: str) -> str:
        # Unescaped, `<!channel>` in a log would notify everybody.
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    # Slack cuts a text of more than 40,000 characters.
    body = _fitting(message, template, 38_000, lambda text: _json({"text": text, "mrkdwn": False}), escape)
    return _json_request(url, body)


def _dingtalk(
    message: Message, template: Optional[str], url: str, secret: Optional[str], now: float
) -> PreparedRequest:
    if secret is not None:
        timestamp = str(round(now * 1000))
        sign = quote_plus(_mac(secret.encode(), f"{timestamp}\n{secret}".encode()))
        url += f"{'&' if '?' in url else '?'}timestamp={timestamp}&sign={sign}"
    return _json_request(url, _fitting(message, template, 20_000, _text_message))


def _feishu(message: Message, template: Optional[str], url: str, secret: Optional[str], now: float) -> PreparedRequest:
    signed = {}
    if secret is not None:
        timestamp = str(int(now))
        signed = {"timestamp": timestamp, "sign": _mac(f"{timestamp}\n{secret}".encode(), b"")}

    def build(text: str) -> bytes:
        return _json({**signed, "msg_type": "text", "content": {"text": text}})

    return _json_request(url, _fitting(message, template, 20_000, build, _without_mentions))


def _wecom(message: Message, template: Optional[str], url: str, secret: Optional[str], now: float) -> PreparedRequest:
    text = _fitting(message, template, 2048, str.encode, _without_mentions)  # the limit is that of the text alone
    return _json_request(url, _text_message(text.decode()))


def _ntfy(message: Message, template: Optional[str], url: str, secret: Optional[str], now: float) -> PreparedRequest:
    status = message.variables.get("execution_status")
    good = status == "success" or message.event != NotificationEvent.EVENT
    headers = {
        "Content-Type": TEXT_TYPE,
        "Title": templates.header_value(templates.default_subject(message), "Title", fold=" "),
        "Priority": "3" if good else "4",
        "Tags": "white_check_mark" if good else "warning",
    }
    return PreparedRequest(url, headers, _fitting(message, template, 4096, str.encode, subject=False))


def _text_message(text: str) -> bytes:
    """Of DingTalk and of WeCom."""
    return _json({"msgtype": "text", "text": {"content": text}})


def _mac(key: bytes, message: bytes) -> str:
    return base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode("ascii")


def _without_mentions(text: str) -> str:
    """`<at user_id="all">` and `<@all>` notify people, also if they come from a log; a blank makes them plain text."""
    return re.sub(r"<(?=/?(?:at\b|@))", "< ", text, flags=re.IGNORECASE)


def _refused(field: str, code: Any, temporary: tuple[int, ...]) -> SendResult:
    """temporary: the codes that are worth a further try."""
    status = SendStatus.RETRY if code in temporary else SendStatus.FAILED
    return SendResult(status, Text("notify.code", field=field, value=str(code)))


def _by_code(field: str, temporary: tuple[int, ...], *others: str) -> Callable[[bytes], SendResult]:
    """The answer is a JSON object with a number, 0 for success. others: older names of the field."""

    def check_response(answer: bytes) -> SendResult:
        found = _json_object(answer)
        codes = [found[name] for name in (field, *others) if name in found]
        if not codes:
            return SendResult(SendStatus.RETRY, Text("notify.no_code", field=field))
        return SendResult(SendStatus.SENT) if codes[0] == 0 else _refused(field, codes[0], temporary)

    return check_response


def _json_object(answer: bytes) -> dict[str, Any]:
    """An answer that is a JSON object; empty for any other."""
    try:
        found = loads(answer.decode("utf-8-sig"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def check_any_response(url: str, answer: bytes) -> SendResult:
    """The check of a 2xx answer to a body of the user's own: it may be a refusal in the form of one of these services,
    or of another that says `"ok": false`. Feishu's `code` is looked at behind its own path only: elsewhere it may be
    anything, such as 200 for success."""
    found = _json_object(answer)
    for field in ("errcode", *(("code", "StatusCode") if FEISHU_PATH in url else ())):
        if found.get(field) not in (None, 0, "0", ""):
            return _refused(field, found[field], DINGTALK_RETRY + WECOM_RETRY + FEISHU_RETRY)
    if found.get("ok") is False:
        return SendResult(SendStatus.RETRY, Text("notify.code", field="ok", value="false"))
    return SendResult(SendStatus.SENT)


def _by_ok(answer: bytes) -> SendResult:
    if answer.strip() == b"ok":
        return SendResult(SendStatus.SENT)
    return SendResult(SendStatus.RETRY, Text("notify.not_ok"))


def _by_http_status(answer: bytes) -> SendResult:
    return SendResult(SendStatus.SENT)


# Codes after which a further try may succeed.
# -1: busy; 130101, 410100: too many messages; 310000: sign, keyword or address refused, to be fixed at the robot
DINGTALK_RETRY = (-1, 130101, 410100, 310000)
# 9499, 11232: too many messages; 19021: sign or clock; 19022, 19024: address or keyword, to be fixed at the robot
FEISHU_RETRY = (9499, 11232, 19021, 19022, 19024)
WECOM_RETRY = (-1, 45009, 45033)  # busy; too many messages
FEISHU_PATH = "/open-apis/bot/"

PRESETS = {
    "slack": Preset(_slack, _by_ok, signs=False),
    "dingtalk": Preset(_dingtalk, _by_code("errcode", DINGTALK_RETRY), signs=True),
    "feishu": Preset(_feishu, _by_code("code", FEISHU_RETRY, "StatusCode"), signs=True),
    "wecom": Preset(_wecom, _by_code("errcode", WECOM_RETRY), signs=False),
    "ntfy": Preset(_ntfy, _by_http_status, signs=False),
}

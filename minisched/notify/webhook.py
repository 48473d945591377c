"""Webhooks: one HTTP request to the configured address and to no other, and what the answer means.

The request goes through `urllib.request`, but through an opener that has our handler only: the default opener follows
redirects, uses the proxies of the environment and reads `file:` addresses, and its timeout starts again with each byte.
The handler makes an `http.client` connection with a total time limit.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from functools import partial
from urllib.parse import quote_plus

from minisched import __version__
from minisched.config.notify_fields import HEADER, URL, is_json, media_type
from minisched.config.problems import ParseContext, ValidationError
from minisched.model import Text
from minisched.model.notification import (
    RETRY_AFTER_MAX_S,
    SEND_TIMEOUT_S,
    Message,
    NotificationEvent,
    SendRequest,
    SendResult,
    SendStatus,
)
from minisched.notify import templates
from minisched.notify.net import Deadline, reason_of, tls_context
from minisched.notify.presets import JSON_TYPE, PRESETS, TEXT_TYPE, PreparedRequest, check_any_response
from minisched.notify.redact import DeliveryError, Secrets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Optional

ANSWER_READ_BYTES = 64 * 1024
FORM_TYPE = "application/x-www-form-urlencoded"

if TYPE_CHECKING:
    CheckResponse = Callable[[bytes], SendResult]


def deliver(
    request: SendRequest, timeout_s: float = SEND_TIMEOUT_S, wall: Callable[[], float] = time.time
) -> SendResult:
    """Send a message to a `webhook` channel. Never raises for what the world does.

    timeout_s: for all of it, from the name to the end of the answer.
    """
    secrets, options = Secrets(request.environ, request.home), request.channel.options
    try:
        http_request, check_response = _prepare(request, secrets, wall())
        context = tls_context(request.home, options["ca_file"]) if http_request.type == "https" else None
        with Deadline(timeout_s) as deadline:
            result = _exchange(http_request, context, deadline, check_response, secrets, wall)
    except DeliveryError as error:
        result = SendResult(SendStatus.RETRY, error.text)
    except OSError as error:  # no thread left to watch the time
        result = SendResult(SendStatus.RETRY, reason_of(error))
    return result._replace(error=result.error and secrets.redact_error(result.error))


# --------------------------------------------------------------------------------------------------------- the request


def _prepare(request: SendRequest, secrets: Secrets, now: float) -> tuple[urllib.request.Request, CheckResponse]:
    """The request, and the check of its 2xx answer. Raises DeliveryError."""
    options, message = request.channel.options, request.message
    url = secrets.reveal(options["url"], "url")
    own = {name: secrets.reveal(value, f"headers.{name}") for name, value in options["headers"].items()}
    secret = secrets.reveal(options["secret"], "secret") if options["secret"] else None
    _check(url, own)
    secrets.hide_values(url, own)
    preset = PRESETS.get(options["preset"])
    if preset:
        prepared = preset.prepare(message, options["text_template"], url, secret if preset.signs else None, now)
        method = "POST"
    else:
        method = options["method"]
        prepared = PreparedRequest(url, *_body(message, options["body_template"], media_type(own), method))
    secrets.reveal(prepared.url, "url")  # hides a signature in its query
    headers = {
        "User-Agent": f"minisched/{__version__}",
        **prepared.headers,
        **({"X-Minisched-Test": "1"} if message.event == NotificationEvent.TEST else {}),
        "X-Minisched-Delivery": templates.one_line(message.message_id).encode("ascii", "replace").decode(),
    }
    if secret is not None and not (preset and preset.signs):
        digest = hmac.new(secret.encode(), prepared.body, hashlib.sha256).hexdigest()
        headers["X-Minisched-Signature"] = f"sha256={digest}"
    overridden = {name.lower() for name in own}
    headers = {**{name: value for name, value in headers.items() if name.lower() not in overridden}, **own}
    data = prepared.body if prepared.body or method != "GET" else None
    http_request = urllib.request.Request(prepared.url, data, headers, method=method)
    return http_request, preset.check_response if preset else partial(check_any_response, url)


def _body(message: Message, template: Any, content_type: str, method: str) -> tuple[dict[str, str], bytes]:
    """Headers and the exact body. In JSON and in a form a value is data, whatever it holds.

    A test is marked in the task's name wherever an additional line would break the format.
    """
    values = templates.visible_values(message.variables)
    marked = {**values, "task_name": templates.subject_mark(message) + values.get("task_name", "")}
    if template is None:
        if method == "GET":
            return {}, b""
        return {"Content-Type": JSON_TYPE}, templates.to_json(templates.message_json(message)).encode()
    if isinstance(template, dict):
        return {"Content-Type": JSON_TYPE}, templates.to_json(templates.fill_json(template, marked)).encode()
    if is_json(template) or "json" in content_type:
        return {"Content-Type": JSON_TYPE}, templates.fill_json_text(template, marked).encode()
    if content_type == FORM_TYPE:
        text = templates.fill(template, marked, quote_plus)
    elif content_type in ("", "text/plain"):
        text = templates.text_mark(message) + templates.fill(template, values)
    else:
        text = templates.fill(template, marked)
    return {"Content-Type": TEXT_TYPE}, text.encode()


def _check(url: str, headers: Mapping[str, str]) -> None:
    """Apply the config's rules to values that came from the environment or a file. Raises DeliveryError."""
    fields = [("url", URL, url, "notify.invalid_url")]
    fields += [(f"headers.{name}", HEADER, value, "notify.invalid_header") for name, value in headers.items()]
    for field, kind, value, code in fields:
        try:
            kind.read(value, ParseContext(), None)
        except ValidationError:
            raise DeliveryError(Text(code, field=field)) from None


# -------------------------------------------------------------------------------------------------------- the exchange


class _Handler(urllib.request.AbstractHTTPHandler):
    """HTTP and HTTPS over connections with a total time limit."""

    http_request = https_request = urllib.request.AbstractHTTPHandler.do_request_

    def __init__(self, deadline: Deadline, context: Optional[ssl.SSLContext]) -> None:
        super().__init__()
        self._deadline, self._context = deadline, context

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connection, request)

    https_open = http_open

    def _connection(self, host: str, **options: Any) -> http.client.HTTPConnection:
        return _Connection(host, self._deadline, self._context)


class _Connection(http.client.HTTPConnection):
    def __init__(self, host: str, deadline: Deadline, context: Optional[ssl.SSLContext]) -> None:
        """context: for an https address, else None."""
        if context:
            self.default_port = http.client.HTTPS_PORT
        super().__init__(host, timeout=deadline.left())
        self._deadline, self._context = deadline, context

    def connect(self) -> None:
        self.sock = self._deadline.connect(self.host, self.port)
        if self._context:
            self.sock = self._context.wrap_socket(self.sock, server_hostname=self.host)


def _exchange(
    request: urllib.request.Request,
    context: Optional[ssl.SSLContext],
    deadline: Deadline,
    check_response: CheckResponse,
    secrets: Secrets,
    wall: Callable[[], float],
) -> SendResult:
    opener = urllib.request.OpenerDirector()
    opener.addheaders = []
    opener.add_handler(_Handler(deadline, context))
    timeout = SendResult(SendStatus.RETRY, Text("notify.no_answer", seconds=deadline.seconds))
    try:
        response = opener.open(request, timeout=deadline.left())
    except (OSError, http.client.HTTPException, ValueError) as error:
        return timeout if deadline.over else SendResult(SendStatus.RETRY, _failure(error))
    assert response is not None  # the handler serves both schemes, and the address has one of them
    with response:
        if deadline.over:  # http.client takes the end of the connection for the end of the headers
            return timeout
        status = response.status
        body = _read(response)
        retry_after_s = _retry_after(response.headers.get("Retry-After"), wall())
    answer = secrets.redact_answer(body)
    if 200 <= status < 300:
        checked = check_response(body)
        error_text = checked.error and Text(checked.error.code, **checked.error.values, status=status)
        return checked._replace(error=error_text, answer=answer)
    if 300 <= status < 400:
        return SendResult(SendStatus.FAILED, Text("notify.redirect", status=status), answer)
    temporary = status == 429 or status >= 500
    http_status = Text("notify.http_status", status=status)
    return SendResult(
        SendStatus.RETRY if temporary else SendStatus.FAILED, http_status, answer, retry_after_s if temporary else None
    )


def _failure(error: Exception) -> Text:
    if isinstance(error, http.client.RemoteDisconnected):
        return Text("notify.closed")
    if isinstance(error, (http.client.HTTPException, ValueError)):
        return Text("notify.not_http", error=type(error).__name__)
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return Text("notify.unreachable", reason=reason_of(reason) if isinstance(reason, BaseException) else str(reason))


def _read(response: http.client.HTTPResponse) -> bytes:
    """The first 64 KiB of the answer, or what has arrived by the deadline."""
    pieces, left = [], ANSWER_READ_BYTES
    while left:
        try:
            piece = response.read1(left)
        except (OSError, http.client.HTTPException, ValueError):
            break
        if not piece:
            break
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _retry_after(value: Optional[str], now: float) -> Optional[float]:
    """Seconds from a Retry-After header (RFC 9110, 10.2.3), which is a number of them or a date."""
    if value is None:
        return None
    try:
        wait_s = float(int(value)) if value.strip().isdigit() else parsedate_to_datetime(value).timestamp() - now
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(wait_s, 0.0), RETRY_AFTER_MAX_S)

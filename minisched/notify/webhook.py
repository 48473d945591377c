"""Webhooks: one HTTP request to the address of the config, to nowhere else, and what the answer means."""

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
from typing import Any, Callable, Optional
from urllib.parse import quote_plus

from minisched import __version__
from minisched.config.notify_fields import is_json, media_type
from minisched.model.notification import LIMIT_S, Message, NotificationEvent, SendRequest, SendResult, SendStatus
from minisched.notify import defaults
from minisched.notify.deadline import Deadline, explain
from minisched.notify.presets import JSON_TYPE, PRESETS, TEXT_TYPE, Ready
from minisched.notify.scrub import SecretError, Secrets
from minisched.notify.templates import fill, fill_json, fill_json_text, one_line, to_json, visible_values
from minisched.notify.tls import TrustError, tls_context

TIMEOUT_S = LIMIT_S  # for all of it: name, connection, TLS, request and answer
ANSWER_READ = 64 * 1024  # bytes
RETRY_AFTER_MAX_S = 24 * 3600.0  # a server that asks for more gets no more patience
FORM_TYPE = "application/x-www-form-urlencoded"


def deliver(order: SendRequest, timeout_s: float = TIMEOUT_S, wall: Callable[[], float] = time.time) -> SendResult:
    """Send a message to a `webhook` channel. Never raises for what the world does."""
    secrets, options = Secrets(order.environ, order.home), order.channel.options
    try:
        request, judge = _request(order, secrets, wall())
        context = tls_context(order.home, options["ca_file"]) if request.type == "https" else None
        with Deadline(timeout_s) as deadline:
            outcome = _exchange(request, context, deadline, judge, secrets, wall)
    except (SecretError, TrustError) as error:
        outcome = SendResult(SendStatus.RETRY, str(error))
    except OSError as error:  # no thread to watch the time
        outcome = SendResult(SendStatus.RETRY, explain(error))
    return outcome._replace(error=secrets.scrub(outcome.error))


def _request(order: SendRequest, secrets: Secrets, now: float) -> tuple[urllib.request.Request, Any]:
    """The request, and how its answer is judged beside its status. Raises SecretError."""
    options, message = order.channel.options, order.message
    url = secrets.reveal(options["url"], "the url")
    own = {name: secrets.reveal(value, f"header {name}") for name, value in options["headers"].items()}
    secret = secrets.reveal(options["secret"], "the secret") if options["secret"] else None
    _check(url, own)
    secrets.hide_values(url, own)
    preset = PRESETS.get(options["preset"])
    if preset:
        ready = preset.prepare(message, url, secret if preset.signs else None, now)
        method = "POST"
    else:
        ready = Ready(url, *_body(message, options["body_template"], media_type(own), options["method"]))
        method = options["method"]
    secrets.reveal(ready.url, "the url")  # with a sign in its query now
    headers = {
        "User-Agent": f"minisched/{__version__}",
        **ready.headers,
        **({"X-Minisched-Test": "1"} if message.event == NotificationEvent.TEST else {}),
        "X-Minisched-Delivery": one_line(message.message_id).encode("ascii", "replace").decode(),
    }
    if secret is not None and not (preset and preset.signs):
        digest = hmac.new(secret.encode(), ready.body, hashlib.sha256).hexdigest()
        headers["X-Minisched-Signature"] = f"sha256={digest}"
    theirs = {name.lower() for name in own}
    headers = {**{name: value for name, value in headers.items() if name.lower() not in theirs}, **own}
    data = ready.body if ready.body or method != "GET" else None
    request = urllib.request.Request(ready.url, data, headers, method=method)
    return request, preset.judge if preset else None


def _body(message: Message, template: Any, content_type: str, method: str) -> tuple[dict[str, str], bytes]:
    """Headers and the exact body. In JSON and in a form a value is data, whatever it holds. A test says so in the
    task's name where a line for it would break the form."""
    values = visible_values(message.variables)
    marked = {**values, "task_name": defaults.mark(message) + values.get("task_name", "")}
    if template is None:
        if method == "GET":
            return {}, b""
        return {"Content-Type": JSON_TYPE}, to_json(defaults.as_json(message)).encode()
    if isinstance(template, dict):
        return {"Content-Type": JSON_TYPE}, to_json(fill_json(template, marked)).encode()
    if is_json(template) or "json" in content_type:
        return {"Content-Type": JSON_TYPE}, fill_json_text(template, marked).encode()
    if content_type == FORM_TYPE:
        text = fill(template, marked, quote_plus)
    elif content_type in ("", "text/plain"):
        text = defaults.lead(message) + fill(template, values)
    else:
        text = fill(template, marked)
    return {"Content-Type": TEXT_TYPE}, text.encode()


def _check(url: str, headers: Mapping[str, str]) -> None:
    """What came from the environment or a file obeys the rules of the config too. Raises SecretError."""
    from minisched.config.notify_fields import HEADER, URL
    from minisched.config.problems import ParseContext, ValidationError

    for what, kind, value in (("the url", URL, url), *((f"header {name}", HEADER, headers[name]) for name in headers)):
        try:
            kind.read(value, ParseContext(), None)
        except ValidationError:
            raise SecretError(f"{what} is not {kind.rule.en}") from None


class _Handler(urllib.request.AbstractHTTPHandler):
    """HTTP and HTTPS over connections with a total time limit. With no other handler beside it in its opener there is
    no `file:`, no `data:`, no proxy of the environment, no redirect and no cookie (FAULTS, N3)."""

    http_request = https_request = urllib.request.AbstractHTTPHandler.do_request_

    def __init__(self, deadline: Deadline, context: Optional[ssl.SSLContext]) -> None:
        super().__init__()
        self._deadline, self._context = deadline, context

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connection, request)

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._tls_connection, request)

    def _connection(self, host: str, **options: Any) -> http.client.HTTPConnection:
        return _Connection(host, self._deadline, None)

    def _tls_connection(self, host: str, **options: Any) -> http.client.HTTPConnection:
        return _Connection(host, self._deadline, self._context)


class _Connection(http.client.HTTPConnection):
    def __init__(self, host: str, deadline: Deadline, context: Optional[ssl.SSLContext]) -> None:
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
    judge: Optional[Callable[[bytes], tuple[SendStatus, str]]],
    secrets: Secrets,
    wall: Callable[[], float],
) -> SendResult:
    opener = urllib.request.OpenerDirector()
    opener.addheaders = []
    opener.add_handler(_Handler(deadline, context))
    try:
        response = opener.open(request, timeout=deadline.left())
    except (OSError, http.client.HTTPException, ValueError) as error:
        if deadline.over:
            return SendResult(SendStatus.RETRY, f"no answer within {deadline.seconds:g} s")
        if isinstance(error, http.client.RemoteDisconnected):
            return SendResult(SendStatus.RETRY, "the server closed the connection without an answer")
        if isinstance(error, (http.client.HTTPException, ValueError)):
            return SendResult(SendStatus.RETRY, f"the answer is no HTTP: {type(error).__name__}")
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        words = explain(reason) if isinstance(reason, BaseException) else str(reason)
        return SendResult(SendStatus.RETRY, f"the server cannot be reached: {words}")
    assert response is not None  # there is a handler for both schemes, and the address has one of them
    with response:
        if deadline.over:  # http.client takes the end of the connection for the end of the headers
            return SendResult(SendStatus.RETRY, f"no answer within {deadline.seconds:g} s")
        status = response.status
        body = _read(response)
        retry_after_s = _retry_after(response.headers.get("Retry-After"), wall())
    answer = secrets.answer(body)
    if 200 <= status < 300:
        if judge is None:
            return SendResult(SendStatus.SENT, answer=answer)
        state, error_text = judge(body)
        return SendResult(state, error_text and f"{error_text} (HTTP {status})", answer)
    if 300 <= status < 400:
        words = "a redirect, which is not followed: name the address itself"
        return SendResult(SendStatus.FAILED, f"HTTP {status}: {words}", answer)
    if status == 429 or status >= 500:
        return SendResult(SendStatus.RETRY, f"HTTP {status}", answer, retry_after_s)
    return SendResult(SendStatus.FAILED, f"HTTP {status}", answer)


def _read(response: http.client.HTTPResponse) -> bytes:
    """The first 64 KiB of the answer, or what has come of it by the deadline."""
    pieces, left = [], ANSWER_READ
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
    """Seconds from a Retry-After header (RFC 9110, 10.2.3): a number of them, or a date."""
    if value is None:
        return None
    try:
        wait = float(int(value)) if value.strip().isdigit() else parsedate_to_datetime(value).timestamp() - now
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(wait, 0.0), RETRY_AFTER_MAX_S)

"""Webhooks against real servers: exact requests, every answer, and servers that misbehave."""

import hashlib
import hmac
import json
import os
import socket
import threading
import time
from datetime import datetime, timezone
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import unquote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minisched import __version__
from minisched.model.notification import SendStatus
from minisched.notify import deliver, webhook
from support.notify import (
    HOST,
    MESSAGE_ID,
    VARIABLES,
    Authority,
    Watch,
    answering,
    dripping,
    hosted,
    message,
    parsed,
    read_request,
    said,
    send_request,
    silent,
    words,
)
from support.programs import in_time

TOKEN = "T0K3N-hunter2-T0K3N"


def hook(host, **options):
    return {"type": "webhook", "url": f"http://{HOST}:{host.port}/hooks/{TOKEN}?key={TOKEN}x", **options}


def sent(talk, sample=None, environ=None, wall=time.time, timeout_s=5.0, **options):
    """The result, the requests, and the seconds it took."""
    watch = Watch()
    with hosted(talk) as host:
        result = webhook.deliver(send_request(hook(host, **options), sample, environ=environ), timeout_s, wall)
        seconds = watch.seconds
    return result, [parsed(data) for data in host.seen], seconds


def test_a_plain_webhook_gets_the_message_as_json():
    result, (request,), _ = sent(answering("200 OK", b"taken"))
    assert said(result) == (SendStatus.SENT, "", "taken", None)
    assert request.line == f"POST /hooks/{TOKEN}?key={TOKEN}x HTTP/1.1"
    port = request.headers.pop("Host").partition(":")[2]
    assert port.isdigit()
    assert request.headers == {
        "Accept-Encoding": "identity",
        "Content-Length": str(len(request.body)),
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": f"minisched/{__version__}",
        "X-Minisched-Delivery": MESSAGE_ID,
        "Connection": "close",
    }
    body = json.loads(request.body)
    assert body["delivery"] == MESSAGE_ID and body["event"] == "event"
    assert {name: body[name] for name in VARIABLES} == VARIABLES


def test_the_signature_is_over_the_exact_body():
    template = {"text": "{{ task_name }} \u4e2d"}
    _, (request,), _ = sent(answering("200 OK"), secret="hunter3", body_template=template)
    assert request.body == '{"text": "Nightly backup \u4e2d"}'.encode()
    digest = hmac.new(b"hunter3", request.body, hashlib.sha256).hexdigest()
    assert request.headers["X-Minisched-Signature"] == f"sha256={digest}"


def test_method_and_headers_come_from_the_config():
    headers = {"authorization": {"from_env": "HOOK_TOKEN"}, "content-type": "text/x; charset=x", "X-A": "b"}
    _, (request,), _ = sent(
        answering("204 No Content"),
        environ={"HOOK_TOKEN": "Bearer abc"},
        headers=headers,
        method="PUT",
        body_template="{{ task_id }}!",
    )
    assert request.line.startswith("PUT ") and request.body == b"nightly_backup!"
    assert request.headers["Authorization"] == "Bearer abc"
    assert request.headers["Content-Type"] == "text/x; charset=x" and request.headers["X-A"] == "b"


def test_a_get_has_no_body_unless_it_has_a_template():
    _, (request,), _ = sent(answering("200 OK"), method="GET")
    assert request.line.startswith("GET ") and request.body == b""
    assert "Content-Type" not in request.headers and "Content-Length" not in request.headers


@pytest.mark.parametrize(
    "template, content_type, body",
    [
        ('{"a": "{{ task_name }}"}', "application/json; charset=utf-8", b'{"a": "x\\"&y=1"}'),
        ("{{ task_name }}", "text/plain; charset=utf-8", b'x"&y=1'),
    ],
)
def test_a_body_template_that_is_json_is_sent_as_json(template, content_type, body):
    _, (request,), _ = sent(answering("200 OK"), message(task_name='x"&y=1'), body_template=template)
    assert (request.headers["Content-Type"], request.body) == (content_type, body)


def test_a_value_cannot_add_a_field_to_a_form():
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    _, (request,), _ = sent(
        answering("200 OK"), message(task_name="x&y=1 \u4e2d"), headers=form, body_template="text={{ task_name }}&z=2"
    )
    assert request.body == b"text=x%26y%3D1+%E4%B8%AD&z=2"


def test_a_value_cannot_add_a_line_of_json():
    value = 'x"}\n{"index": {"_index": "evil"}}\n{"a": "b'
    for kind, template in (
        ("application/x-ndjson", '{"index": {}}\n{"a": "{{ task_name }}"}\n'),
        ("application/jsonl", '{"index": {}}\n{"a": {{ task_name }}}\n'),
    ):
        headers = {"Content-Type": kind}
        _, (request,), _ = sent(answering("200 OK"), message(task_name=value), headers=headers, body_template=template)
        first, second, end = request.body.decode().split("\n")
        assert (json.loads(first), json.loads(second), end) == ({"index": {}}, {"a": value}, "")
        assert request.headers["Content-Type"] == kind
    options = {"headers": {"Content-Type": {"from_env": "TYPE"}}, "body_template": '{"a": "{{ task_name }}",}'}
    environ = {"TYPE": "application/json"}
    _, (request,), _ = sent(answering("200 OK"), message(task_name='a"b'), environ, **options)
    assert request.body == b'{"a": "a\\"b",}'


LEAD = b"This is a test message. Nothing has happened.\n\n"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    "options, body",
    [
        ({"body_template": {"a": "{{ task_name }}"}}, b'{"a": "[test] Nightly backup"}'),
        (
            {"body_template": '{"a": "{{ task_name }}", "b": {{ exit_code }}}'},
            b'{"a": "[test] Nightly backup", "b": 75}',
        ),
        ({"body_template": "{{ task_name }}"}, LEAD + b"Nightly backup"),
        ({"body_template": "{{ task_name }}", "headers": {"content-type": "text/plain"}}, LEAD + b"Nightly backup"),
        ({"body_template": "a={{ task_name }}", "headers": FORM}, b"a=%5Btest%5D+Nightly+backup"),
        (
            {"body_template": "<a>{{ task_name }}</a>", "headers": {"Content-Type": "x/xml"}},
            b"<a>[test] Nightly backup</a>",
        ),
        ({"method": "GET"}, b""),
    ],
    ids=["object", "JSON", "text", "text by header", "form", "another type", "GET"],
)
def test_a_test_is_marked_if_the_channel_has_a_template(options, body):
    _, (request,), _ = sent(answering("200 OK"), message("test"), **options)
    assert (request.body, request.headers["X-Minisched-Test"]) == (body, "1")
    _, (request,), _ = sent(answering("200 OK"), **options)
    unmarked = body.replace(LEAD, b"").replace(b"[test] ", b"").replace(b"%5Btest%5D+", b"")
    assert request.body == unmarked and "X-Minisched-Test" not in request.headers


def test_json_bodies_are_valid_for_any_value():
    with hosted(answering("200 OK")) as host:

        @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.text(st.characters()), st.sampled_from([{"a": "{{ task_name }}"}, '{"a": "{{ task_name }}"}', None]))
        def sends(value, template):
            result = webhook.deliver(send_request(hook(host, body_template=template), message(task_name=value)))
            assert result.state is SendStatus.SENT
            json.loads(parsed(host.seen[-1]).body.decode("utf-8"))

        sends()


@pytest.mark.parametrize(
    "status, state",
    [
        ("200 OK", SendStatus.SENT),
        ("202 Accepted", SendStatus.SENT),
        ("400 Bad Request", SendStatus.FAILED),
        ("401 Unauthorized", SendStatus.FAILED),
        ("404 Not Found", SendStatus.FAILED),
        ("410 Gone", SendStatus.FAILED),
        ("429 Too Many Requests", SendStatus.RETRY),
        ("500 Internal Server Error", SendStatus.RETRY),
        ("503 Service Unavailable", SendStatus.RETRY),
    ],
)
def test_the_http_status_decides_whether_to_retry(status, state):
    result, requests, _ = sent(answering(status, b"why \xff\x1b"))
    assert len(requests) == 1
    assert result.state is state and result.answer == "why \ufffd\\x1b"
    assert words(result) == ("" if state is SendStatus.SENT else f"HTTP {status[:3]}")


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
def test_retry_after_is_seconds_or_a_date(status):
    now = 1_795_372_203.0
    date = format_datetime(datetime.fromtimestamp(now + 90, timezone.utc), usegmt=True)
    for value, wait in (("17", 17.0), (date, 90.0), ("soon", None), ("-1", None), ("9" * 20, 86400.0)):
        result, _, _ = sent(answering(status, b"", f"Retry-After: {value}"), wall=lambda: now)
        assert (result.state, result.retry_after_s) == (SendStatus.RETRY, wait)


def test_a_redirect_is_not_followed():
    with hosted(answering("200 OK")) as other:
        for status in ("301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"):
            result, _, _ = sent(answering(status, b"", f"Location: http://{HOST}:{other.port}/{TOKEN}"))
            assert result.state is SendStatus.FAILED and "redirect" in words(result)
        assert other.connections == 0


def test_proxies_of_the_environment_are_ignored(monkeypatch):
    with hosted(answering("200 OK")) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{HOST}:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        result, requests, _ = sent(answering("200 OK"))
        assert result.state is SendStatus.SENT and len(requests) == 1 and proxy.connections == 0


def test_a_huge_answer_is_not_read_to_its_end():
    pieces = []

    def flood(host, sock):
        host.seen.append(sock.recv(65536))
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            for _ in range(1000):
                sock.sendall(b"x" * 65536)
                pieces.append(1)
        except OSError:
            pass

    result, _, seconds = sent(flood)
    assert result.state is SendStatus.SENT and result.answer == "x" * 500
    assert len(pieces) < 500 and in_time(seconds, 3)


@pytest.mark.parametrize(
    "talk",
    [
        silent,
        dripping(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
        dripping(b"", b"H"),
        dripping(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["hangs", "drips headers", "drips a line", "drips interim answers"],
)
def test_the_time_limit_covers_the_whole_exchange(talk):
    result, _, seconds = sent(talk, timeout_s=0.4)
    assert result.state is SendStatus.RETRY and words(result) == "no answer within 0.4 s"
    assert seconds > 0.35 and in_time(seconds, 1.5)


def test_a_slow_answer_is_cut_off_at_the_time_limit():
    result, _, seconds = sent(dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"x"), timeout_s=0.4)
    assert result.state is SendStatus.SENT and set(result.answer) == {"x"} and in_time(seconds, 1.5)


def test_a_silent_name_server_delays_nothing(monkeypatch):
    free = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: free.wait(10) and [])
    watch = Watch()
    result = webhook.deliver(send_request({"type": "webhook", "url": "http://hook.example/x"}), 0.3)
    free.set()
    assert result.state is SendStatus.RETRY and in_time(watch.seconds, 1.5)


@pytest.mark.parametrize(
    "said, error",
    [
        (b"", "closed the connection without an answer"),
        (b"SSH-2.0-OpenSSH\r\n", "the answer is not HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200, "the answer is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100_000, "the answer is not HTTP"),
    ],
)
def test_an_answer_that_is_not_http_is_retried(said, error):
    def talk(host, sock):
        read_request(sock)
        sock.sendall(said)

    result, _, _ = sent(talk)
    assert result.state is SendStatus.RETRY and error in words(result)


def test_an_unreachable_server_is_retried():
    with hosted(silent) as host:
        pass
    result = webhook.deliver(send_request(hook(host)))
    assert said(result) == (SendStatus.RETRY, "the server cannot be reached: Connection refused", "", None)


def test_tls_certificates_are_verified(tmp_path):
    good, other = Authority.at(tmp_path), Authority.at(_folder(tmp_path, "other"))
    wrong = Authority.at(_folder(tmp_path, "wrong"), "elsewhere.example")
    (tmp_path / "bad.pem").write_text("x")
    (tmp_path / "empty.pem").touch()
    os.mkfifo(tmp_path / "pipe")
    with open(tmp_path / "huge.pem", "wb") as huge:
        huge.truncate(4 * 2**20 + 1)
    bundle = [Path(other.ca_file).read_text(), "# 工厂的证书 é", Path(good.ca_file).read_text()]
    (tmp_path / "bundle.pem").write_text("\n".join(bundle), encoding="utf-8")
    with hosted(answering("200 OK"), good.server) as host:
        url = f"https://{HOST}:{host.port}/"
        for ca_file, state, error in (
            ("ca.pem", SendStatus.SENT, ""),
            (None, SendStatus.RETRY, "the server cannot be reached: its certificate is not trusted: "),
            (other.ca_file, SendStatus.RETRY, "the server cannot be reached: its certificate is not trusted: "),
            ("none.pem", SendStatus.RETRY, "ca_file none.pem cannot be used: No such file or directory"),
            ("bad.pem", SendStatus.RETRY, "ca_file bad.pem cannot be used: holds no certificates in PEM form"),
            ("empty.pem", SendStatus.RETRY, "ca_file empty.pem cannot be used: holds no certificates in PEM form"),
            ("huge.pem", SendStatus.RETRY, "ca_file huge.pem cannot be used: larger than 4194304 bytes"),
            ("pipe", SendStatus.RETRY, "ca_file pipe cannot be used: not a regular file"),
            ("bundle.pem", SendStatus.SENT, ""),
        ):
            channel = {"type": "webhook", "url": url, **({"ca_file": ca_file} if ca_file else {})}
            result = webhook.deliver(send_request(channel, home=str(tmp_path)))
            assert result.state is state and words(result).startswith(error), result
        assert len(host.seen) == 2
    with hosted(answering("200 OK"), wrong.server) as host:
        channel = {"type": "webhook", "url": f"https://{HOST}:{host.port}/", "ca_file": wrong.ca_file}
        result = webhook.deliver(send_request(channel))
        assert result.state is SendStatus.RETRY and "not trusted" in words(result) and host.seen == []


def test_a_hanging_tls_handshake_is_cut_off():
    with hosted(silent) as host:
        watch = Watch()
        result = webhook.deliver(send_request({"type": "webhook", "url": f"https://{HOST}:{host.port}/"}), 0.3)
        assert words(result) == "no answer within 0.3 s" and in_time(watch.seconds, 1.5)


def _folder(parent, name):
    (parent / name).mkdir()
    return parent / name


def test_invalid_values_from_the_environment_or_a_file_are_not_sent(tmp_path):
    environ = {"BAD": "a\r\nX-Evil: b", "URL": "file:///etc/passwd", "URL2": "http://x:y@h/\n", "B\u00e4d": "\u4e2d"}
    (tmp_path / "latin").write_bytes(b"\xff\xfe")
    with hosted(answering("200 OK")) as host:
        for options, error in (
            ({"headers": {"X-A": {"from_env": "BAD"}}}, "headers.X-A is not a text of printable ASCII characters"),
            ({"url": {"from_env": "URL"}}, "url is not an http:// or https:// address"),
            ({"url": {"from_env": "URL2"}}, "url is not an http:// or https:// address"),
            ({"url": {"from_env": "MISSING"}}, "url cannot be read: environment variable MISSING is not set"),
            ({"secret": {"from_file": "none"}}, f"secret cannot be read: {tmp_path}/none: No such file or directory"),
            ({"secret": {"from_file": "latin"}}, f"secret cannot be read: {tmp_path}/latin: not UTF-8"),
        ):
            result = webhook.deliver(send_request(hook(host, **options), home=str(tmp_path), environ=environ))
            assert result.state is SendStatus.RETRY and words(result).startswith(error), result
        assert host.connections == 0


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "500 Oops"])
def test_a_result_contains_no_secret(status):
    echo = (
        f"no hook /hooks/{TOKEN}?key={TOKEN}x, {TOKEN}x; you said Bearer hunter-value-4, hunter3, {'y' * 430}{TOKEN}"
    ).encode()
    result, _, _ = sent(
        answering(status, echo),
        environ={"AUTH": "Bearer hunter-value-4", "KEY": "hunter3"},
        headers={"Authorization": {"from_env": "AUTH"}},
        secret={"from_env": "KEY"},
    )
    assert "hunter" not in repr(result) and "T0K3N" not in repr(result)
    assert "no hook" in result.answer and len(result.answer.encode()) <= 500


@pytest.mark.parametrize("name", ["s3cret", "p%C3%A4ss", "a+bc", "abcd"])
def test_short_values_of_query_and_headers_are_hidden(name):
    def echo(host, sock):
        request = parsed(read_request(sock))
        path = request.line.split(" ")[1]
        said = f"bad key in {path}, {unquote_plus(path)}, {request.headers['X-Key']}; {request.headers['X-Auth'][7:]}"
        sock.sendall(b"HTTP/1.1 403 No\r\nContent-Length: %d\r\n\r\n" % len(said.encode()) + said.encode())

    with hosted(echo) as host:
        options = {
            "url": f"http://{HOST}:{host.port}/h?k={name}&x=1",
            "headers": {"X-Key": "t0k7", "X-Auth": "Bearer qwer"},
        }
        result = webhook.deliver(send_request({"type": "webhook", **options}))
    assert result.answer == "bad key in /h?k=***&x=1, /h?k=***&x=1, ***; ***"


def test_an_error_contains_no_address():
    result = webhook.deliver(send_request({"type": "webhook", "url": f"http://{TOKEN}.invalid/{TOKEN}"}))
    assert result.state is SendStatus.RETRY and TOKEN not in words(result)


def test_deliver_selects_the_module_of_the_channel():
    with hosted(answering("200 OK")) as host:
        assert deliver(send_request(hook(host))).state is SendStatus.SENT
    assert os.environ.get("PATH")

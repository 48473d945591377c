"""The exact request to each chat service, and what its answers mean."""

import base64
import hashlib
import hmac
import json
from email.header import decode_header, make_header
from queue import SimpleQueue
from urllib.parse import parse_qs, urlsplit

import pytest

from minisched.model.notification import SendStatus
from minisched.notify import webhook
from minisched.notify.sender import Sender
from minisched.notify.templates import default_subject, default_text
from minisched.threads import receive
from support.notify import HOST, VARIABLES, answering, hosted, message, parsed, said, send_request, words

NOW = 1_795_372_203.25
JSON = "application/json; charset=utf-8"
TEXT = f"{default_subject(message())}\n{default_text(message(), 16384)}"


def sent(preset, answer, sample=None, path="/robot?key=abc", status="200 OK", **options):
    with hosted(answering(status, answer)) as host:
        channel = {"type": "webhook", "url": f"http://{HOST}:{host.port}{path}", **options}
        if preset:
            channel["preset"] = preset
        result = webhook.deliver(send_request(channel, sample), 5, lambda: NOW)
    (data,) = host.seen
    return result, parsed(data)


def test_slack():
    result, request = sent("slack", b"ok")
    assert said(result) == (SendStatus.SENT, "", "ok", None)
    assert request.line == "POST /robot?key=abc HTTP/1.1" and request.headers["Content-Type"] == JSON
    assert json.loads(request.body) == {"text": TEXT, "mrkdwn": False}


def test_a_log_line_notifies_nobody_on_slack():
    _, request = sent("slack", b"ok", message(execution_log_tail="<!channel> <@U1> a && b"))
    assert json.loads(request.body)["text"].endswith("\n&lt;!channel&gt; &lt;@U1&gt; a &amp;&amp; b\n")


def test_dingtalk():
    result, request = sent("dingtalk", b'{"errcode":0,"errmsg":"ok"}', path="/robot/send?access_token=abc")
    assert result.state is SendStatus.SENT and words(result) == ""
    assert request.line == "POST /robot/send?access_token=abc HTTP/1.1" and request.headers["Content-Type"] == JSON
    assert json.loads(request.body) == {"msgtype": "text", "text": {"content": TEXT}}


@pytest.mark.parametrize("path", ["/robot/send?access_token=abc", "/robot/send"])
def test_the_signature_of_dingtalk_is_in_the_query(path):
    _, request = sent("dingtalk", b'{"errcode":0}', path=path, secret="SECabc")
    mac = hmac.new(b"SECabc", b"1795372203250\nSECabc", hashlib.sha256).digest()
    query = parse_qs(urlsplit(request.line.split(" ")[1]).query)
    assert query.pop("access_token", ["abc"]) == ["abc"]
    assert query == {"timestamp": ["1795372203250"], "sign": [base64.b64encode(mac).decode()]}
    assert "X-Minisched-Signature" not in request.headers


def test_feishu():
    result, request = sent("feishu", b'{"code":0,"msg":"success","data":{}}', path="/open-apis/bot/v2/hook/abc")
    assert result.state is SendStatus.SENT
    assert request.line == "POST /open-apis/bot/v2/hook/abc HTTP/1.1" and request.headers["Content-Type"] == JSON
    assert json.loads(request.body) == {"msg_type": "text", "content": {"text": TEXT}}


def test_the_signature_of_feishu_is_in_the_body():
    _, request = sent("feishu", b'{"StatusCode":0,"StatusMessage":"success"}', secret="hunter2")
    mac = hmac.new(b"1795372203\nhunter2", b"", hashlib.sha256).digest()
    assert json.loads(request.body) == {
        "timestamp": "1795372203",
        "sign": base64.b64encode(mac).decode(),
        "msg_type": "text",
        "content": {"text": TEXT},
    }


def test_wecom():
    result, request = sent("wecom", b'{"errcode":0,"errmsg":"ok"}', path="/cgi-bin/webhook/send?key=abc")
    assert result.state is SendStatus.SENT
    assert request.line == "POST /cgi-bin/webhook/send?key=abc HTTP/1.1" and request.headers["Content-Type"] == JSON
    assert json.loads(request.body) == {"msgtype": "text", "text": {"content": TEXT}}


@pytest.mark.parametrize(
    "preset, pick", [("feishu", lambda body: body["content"]), ("wecom", lambda body: body["text"])]
)
def test_a_tag_in_a_log_notifies_nobody(preset, pick):
    log = '<at user_id="all">x</at> <@all> <attic> a < b'
    _, request = sent(preset, b'{"errcode":0,"code":0}', message(execution_log_tail=log))
    (text,) = pick(json.loads(request.body)).values()
    assert text.endswith('\n< at user_id="all">x< /at> < @all> <attic> a < b\n')


def test_ntfy():
    result, request = sent("ntfy", b'{"id":"x"}', path="/alerts", headers={"Authorization": "Bearer tk_abc"})
    assert result.state is SendStatus.SENT
    assert request.line == "POST /alerts HTTP/1.1"
    headers = {name: request.headers[name] for name in ("Title", "Priority", "Tags", "Content-Type", "Authorization")}
    assert headers == {
        "Title": "Nightly backup: technical failure (3 in a row)",
        "Priority": "4",
        "Tags": "warning",
        "Content-Type": "text/plain; charset=utf-8",
        "Authorization": "Bearer tk_abc",
    }
    assert request.body.decode() == default_text(message(), 16384)


@pytest.mark.parametrize(
    "name",
    [
        "夜间备份" * 20,
        "第 7  车间 " * 9,
        "=?UTF-8?B?eA==?=",
        "=?utf-8?q?a=0d=0aX-Evil:_b?=",
        "a\r\nX-Evil: b",
        "\u2028\x00é",
    ],
)
def test_an_ntfy_title_is_one_header_for_any_name(name):
    sample = message("recovery", task_name=name)
    _, request = sent("ntfy", b"{}", sample)
    assert str(make_header(decode_header(request.headers["Title"]))) == default_subject(sample)
    assert "X-Evil" not in request.headers
    assert (request.headers["Priority"], request.headers["Tags"]) == ("3", "white_check_mark")


def test_headers_of_the_channel_override_those_of_the_preset():
    _, request = sent("ntfy", b"{}", headers={"priority": "5"})
    assert request.headers["Priority"] == "5"


@pytest.mark.parametrize(
    "preset, most, size",
    [
        ("slack", 38_000, lambda body: len(body)),
        ("dingtalk", 20_000, lambda body: len(body)),
        ("feishu", 20_000, lambda body: len(body)),
        ("wecom", 2048, lambda body: len(json.loads(body)["text"]["content"].encode())),
        ("ntfy", 4096, lambda body: len(body)),
    ],
)
def test_a_long_log_is_cut_to_the_limit_of_the_service(preset, most, size):
    for line in ('"\\<' * 20, "中文日志", "x"):
        sample = message(execution_log_tail=(line + "\n") * 6000 + "the end")
        _, request = sent(preset, b"{}", sample)
        assert most * 0.6 < size(request.body) <= most or size(request.body) > 16_000
        assert "the end" in request.body.decode() and "Nightly backup (nightly_backup)" in request.body.decode()


def test_a_message_without_a_log_is_cut_too():
    for preset in ("wecom", "ntfy"):
        sent(preset, b"{}", message(task_url="中" * 3000))


@pytest.mark.parametrize(
    "preset, answer, state, error",
    [
        ("slack", b"no_service", SendStatus.RETRY, 'the service did not answer "ok" (HTTP 200)'),
        (
            "dingtalk",
            b'{"errcode":130101,"errmsg":"send too fast"}',
            SendStatus.RETRY,
            "the service answered errcode 130101",
        ),
        ("dingtalk", b'{"errcode":310000,"errmsg":"sign not match"}', SendStatus.RETRY, "errcode 310000"),
        ("dingtalk", b'{"errcode":40035,"errmsg":"bad parameter"}', SendStatus.FAILED, "errcode 40035"),
        ("wecom", b'{"errcode":45009,"errmsg":"api freq out of limit"}', SendStatus.RETRY, "errcode 45009"),
        ("wecom", b'{"errcode":93000,"errmsg":"invalid webhook url"}', SendStatus.FAILED, "errcode 93000"),
        ("feishu", b'{"code":11232,"msg":"frequency limited"}', SendStatus.RETRY, "code 11232"),
        ("feishu", b'{"code":19021,"msg":"sign match fail"}', SendStatus.RETRY, "code 19021"),
        ("feishu", b'{"code":19001,"msg":"param invalid"}', SendStatus.FAILED, "code 19001"),
        ("dingtalk", b"<html>sign in to the guest network</html>", SendStatus.RETRY, "the answer has no errcode"),
        ("feishu", b"[1]", SendStatus.RETRY, "the answer has no code"),
        ("wecom", b'{"errcode":0,"a":' + b"[" * 33 + b"]" * 33 + b"}", SendStatus.RETRY, "the answer has no errcode"),
        ("wecom", b"null", SendStatus.RETRY, "the answer has no errcode"),
    ],
)
def test_an_answer_of_200_may_be_a_refusal(preset, answer, state, error):
    result, _ = sent(preset, answer)
    assert result.state is state and error in words(result) and result.answer == answer.decode()


PICKS = {
    "slack": lambda body: json.loads(body)["text"],
    "dingtalk": lambda body: json.loads(body)["text"]["content"],
    "feishu": lambda body: json.loads(body)["content"]["text"],
    "wecom": lambda body: json.loads(body)["text"]["content"],
    "ntfy": lambda body: body.decode(),
}


@pytest.mark.parametrize("preset", PICKS)
def test_a_text_of_ones_own_keeps_signature_size_and_check_of_the_service(preset):
    template = "\u544a\u8b66 {{ task_name }} <!here> <at user_id='all'>\n{{ execution_log_tail }} end"
    log = "<at user_id='x'> <!channel>"
    result, request = sent(
        preset, b'{"errcode":310000,"code":19024}', message(execution_log_tail=log), secret="k", text_template=template
    )
    text = PICKS[preset](request.body)
    assert text.startswith("\u544a\u8b66 Nightly backup <!here> <at user_id='all'>\n"), "its own marks are marks"
    assert text.endswith(" end") and (log in text) == (preset in ("dingtalk", "ntfy")), "those of a log are not"
    assert ("sign=" in request.line) == (preset == "dingtalk") and (b'"sign"' in request.body) == (preset == "feishu")
    assert (result.state is SendStatus.SENT) == (preset == "ntfy")


@pytest.mark.parametrize("preset", PICKS)
@pytest.mark.parametrize("own", ["{{ execution_log_tail }} end", "\u4e2d" * 21_000 + "{{ task_name }}"])
def test_a_long_text_of_ones_own_is_cut_to_the_limit_of_the_service(preset, own):
    log = "\u4e2d\u6587\u65e5\u5fd7\n" * 6000 + "last"
    _, request = sent(preset, b"{}", message(execution_log_tail=log), text_template=own)
    size = len(PICKS[preset](request.body).encode()) if preset == "wecom" else len(request.body)
    most = {"slack": 38_000, "wecom": 2048, "ntfy": 4096}.get(preset, 20_000)
    assert most * 0.4 < size <= most
    assert own.startswith("\u4e2d") or PICKS[preset](request.body).endswith("last end")


@pytest.mark.parametrize("preset", PICKS)
def test_a_test_by_a_text_of_ones_own_is_marked(preset):
    _, request = sent(preset, b"{}", message("test"), text_template="{{ task_id }}")
    assert PICKS[preset](request.body) == "This is a test message. Nothing has happened.\n\nnightly_backup"


OWN = {"preset": None, "body_template": {"msgtype": "text", "text": {"content": "{{ task_name }}"}}}


@pytest.mark.parametrize(
    "path, answer, state, error",
    [
        ("/robot/send", b'{"errcode":310000,"errmsg":"keywords not in content"}', "retry", "errcode 310000 (HTTP 200)"),
        ("/robot/send", b'{"errcode":40035}', "failed", "errcode 40035 (HTTP 200)"),
        ("/cgi-bin/webhook/send", b'{"errcode":45009}', "retry", "errcode 45009"),
        ("/cgi-bin/webhook/send", b'\xef\xbb\xbf{"errcode":93000}', "failed", "errcode 93000"),
        ("/open-apis/bot/v2/hook/x", b'{"code":19024,"msg":"Key Words Not Found"}', "retry", "code 19024"),
        ("/open-apis/bot/hook/x", b'{"StatusCode":19001,"StatusMessage":"bad"}', "failed", "StatusCode 19001"),
        ("/any", b'{"ok":false,"error":"channel_not_found"}', "retry", "the service answered ok false (HTTP 200)"),
        ("/any", b'{"errcode":0,"errmsg":"ok"}', "sent", ""),
        ("/any", b'{"errcode":"0"}', "sent", ""),
        ("/any", b'{"ok":true}', "sent", ""),
        ("/any", b'{"code":200,"msg":"success"}', "sent", ""),
        ("/any", b"no_service", "sent", ""),
        ("/any", b'["errcode"]', "sent", ""),
        ("/any", b"[" * 65_000, "sent", ""),
    ],
)
def test_an_answer_to_a_body_of_ones_own_may_be_a_refusal_too(path, answer, state, error):
    result, request = sent(**OWN, answer=answer, path=path)
    assert json.loads(request.body)["text"] == {"content": "Nightly backup"}
    assert result.state == state and error in words(result) and bool(words(result)) == bool(error)


@pytest.mark.parametrize("preset", ["slack", "dingtalk", "feishu", "wecom", "ntfy"])
def test_an_http_error_overrides_the_answer(preset):
    assert sent(preset, b"ok", status="404 Not Found")[0].state is SendStatus.FAILED
    assert sent(preset, b"ok", status="429 Slow Down")[0].state is SendStatus.RETRY


def test_the_secret_of_a_service_without_signatures_signs_the_body():
    _, request = sent("wecom", b"{}", secret="k")
    digest = hmac.new(b"k", request.body, hashlib.sha256).hexdigest()
    assert request.headers["X-Minisched-Signature"] == f"sha256={digest}"
    assert VARIABLES["task_name"] in request.body.decode()


@pytest.mark.parametrize("answer", [b"[" * 65_000, b'{"a":' * 13_000], ids=["lists", "objects"])
def test_a_deeply_nested_answer_does_not_stop_the_sender(answer):
    results: SimpleQueue = SimpleQueue()
    with hosted(answering("200 OK", answer)) as host:
        sender = Sender(results.put)  # with its own small stack, which such an answer fills on Python 3.13
        sender.send(send_request({"type": "webhook", "preset": "wecom", "url": f"http://{HOST}:{host.port}/"}))
        result = receive(results, 10).result
        assert sender.close(5)
    assert result.state is SendStatus.RETRY and words(result).startswith("the answer has no errcode")

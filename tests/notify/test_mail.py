"""Mail against real servers: TLS and login, and servers that hang, drip, drop and refuse."""

import email
import email.policy
import threading

import pytest
from aiosmtpd.smtp import AuthResult

from minisched.model.notification import SendStatus
from minisched.notify import mail
from minisched.notify.templates import default_text
from support.notify import (
    HOST,
    MAIL_HEADERS,
    MESSAGE_ID,
    VARIABLES,
    Authority,
    Watch,
    dripping,
    hosted,
    message,
    said,
    send_request,
    serving,
    silent,
    words,
)
from support.programs import in_time

OPS, DEV = "ops@example.org", "dev@example.org"


class Inbox:
    """An aiosmtpd handler that keeps the mails; it refuses the addresses in `refused`, or by `reply` any message."""

    def __init__(self, refused=(), reply="250 OK"):
        self.mails, self.refused, self.reply, self.logins = [], dict(refused), reply, []

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.mails.append((envelope.mail_from, envelope.rcpt_tos, envelope.content, session.ssl is not None))
        return self.reply

    def authenticate(self, server, session, envelope, mechanism, data):
        login, password = data.login.decode(), data.password.decode()
        self.logins.append(login)
        return AuthResult(success=(login, password) == ("ops", "hunter2"), handled=False)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority.at(tmp_path_factory.mktemp("ca"))


def channel(*recipients, **options):
    return {"type": "email", "recipients": list(recipients or (OPS,)), **options}


def sent(port, sample=None, to=None, environ=None, **smtp):
    settings = {"host": HOST, "port": port, "security": "none", "from": "minisched@plant7.example", **smtp}
    return mail.deliver(send_request(to or channel(), sample, settings, environ=environ))


def read(content):
    return email.message_from_bytes(content, policy=email.policy.default)


def test_a_mail_has_the_same_text_plain_and_as_html():
    inbox = Inbox()
    with serving(inbox) as port:
        result = sent(port, message(execution_log_tail="<b>&\x1b[0m"), channel(OPS, DEV))
    assert said(result) == (SendStatus.SENT, "", "", None)
    ((sender, recipients, content, _),) = inbox.mails
    assert (sender, recipients) == ("minisched@plant7.example", [OPS, DEV])
    found = read(content)
    assert found["Subject"] == "Nightly backup: technical failure (3 in a row)"
    assert found["From"] == "minisched@plant7.example" and found["To"] == f"{OPS}, {DEV}"
    assert found["Message-ID"] == f"<{MESSAGE_ID}>" and found["X-Minisched-Delivery"] == MESSAGE_ID
    assert found["Date"] == "Sun, 22 Nov 2026 18:30:03 +0000" and found["Auto-Submitted"] == "auto-generated"
    assert found.get_content_type() == "multipart/alternative"
    plain, rich = found.iter_parts()
    text = plain.get_content().replace("\r\n", "\n")
    assert plain.get_content_type() == "text/plain" and text.endswith("its output:\n<b>&\\x1b[0m\n")
    assert rich.get_content_type() == "text/html" and "\n&lt;b&gt;&amp;\\x1b[0m\r\n" in rich.get_content()


def test_every_attempt_sends_the_same_mail():
    inbox = Inbox()
    with serving(inbox) as port:
        sent(port)
        sent(port)
    first, second = (read(content) for _, _, content, _ in inbox.mails)
    for name in ("Message-ID", "Date", "Subject", "To", "From"):
        assert first[name] == second[name]


def test_subjects_names_and_texts_can_be_unicode():
    inbox = Inbox()
    sender = {"from": "值班 <a@b.example>"}
    templates = {"subject_template": "{{ task_name }}：失败", "body_template": "任务 {{task_name}} é\n{{ exit_code }}"}
    with serving(inbox) as port:
        result = sent(
            port, message(task_name="夜间备份" * 10), channel(OPS, **templates), **{"from": "值班 <a@b.example>"}
        )
    assert result.state is SendStatus.SENT
    ((sender, _, content, _),) = inbox.mails
    found = read(content)
    assert content.isascii()  # also a server without 8BITMIME can take it
    assert sender == "a@b.example" and found["From"].addresses[0].display_name == "值班"
    assert found["Subject"] == "夜间备份" * 10 + "：失败"
    assert found.get_body(("plain",)).get_content().replace("\r\n", "\n") == f"任务 {'夜间备份' * 10} é\n75\n"


def test_a_test_is_marked_if_the_channel_has_templates():
    inbox = Inbox()
    to = channel(OPS, subject_template="{{ task_name }} failed", body_template="code {{ exit_code }}\n")
    with serving(inbox) as port:
        for event in ("test", "event", "recovery"):
            assert sent(port, message(event), to).state is SendStatus.SENT
    found = [read(content) for _, _, content, _ in inbox.mails]
    assert [one["Subject"] for one in found] == ["[test] Nightly backup failed", *["Nightly backup failed"] * 2]
    texts = [one.get_body(("plain",)).get_content().replace("\r\n", "\n") for one in found]
    assert texts == ["This is a test message. Nothing has happened.\n\ncode 75\n", *["code 75\n"] * 2]


@pytest.mark.parametrize("name", ["a\r\nBcc: evil@example.org", "a\nX: b", "a\u2028b\x85c\x0bd\x00", "\x7f\x1b[31m"])
def test_a_task_name_cannot_add_a_header(name):
    inbox = Inbox()
    with serving(inbox) as port:
        for options in ({}, {"subject_template": "{{ task_name }}"}):
            assert sent(port, message(task_name=name, host_name=name), channel(OPS, **options)).state is SendStatus.SENT
    for _, recipients, content, _ in inbox.mails:
        found = read(content)
        assert recipients == [OPS] and len(found["Subject"].splitlines()) == 1
        assert sorted(name.lower() for name in found) == MAIL_HEADERS


def test_an_encoded_word_of_a_task_cannot_add_headers_or_a_body():
    word = "=?utf-8?q?ok=0d=0aReply-To:_evil@example.org=0d=0aContent-Type:_text/html=0d=0a=0d=0a<a>Log_in</a>?="
    inbox = Inbox()
    with serving(inbox) as port:
        for options in ({}, {"subject_template": "{{ task_name }}: {{ execution_log_tail }}"}):
            sample = message(task_name=word, execution_log_tail=word)
            assert sent(port, sample, channel(OPS, **options)).state is SendStatus.SENT
    for _, _, content, _ in inbox.mails:
        found = read(content)
        assert sorted(name.lower() for name in found) == MAIL_HEADERS
        assert word in found["Subject"] and found.get_content_type() == "multipart/alternative"


def test_a_line_with_a_dot_does_not_end_the_mail():
    inbox = Inbox()
    with serving(inbox) as port:
        sent(port, message(execution_log_tail="a\n.\nQUIT\n..b"))
    assert "a\n.\nQUIT\n..b\n" in read(inbox.mails[0][2]).get_body(("plain",)).get_content().replace("\r\n", "\n")


@pytest.mark.parametrize("security", ["starttls", "ssl"])
def test_tls_with_login(security, authority):
    inbox = Inbox()
    tls = {"tls_context": authority.server, "require_starttls": True} if security == "starttls" else {}
    options = {"ssl_context": authority.server, "auth_require_tls": False} if security == "ssl" else tls
    required = security == "starttls"  # aiosmtpd does not count TLS from the first byte as TLS
    login = {"username": "ops", "password": {"from_env": "PW"}, "ca_file": authority.ca_file, "security": security}
    with serving(inbox, authenticator=inbox.authenticate, auth_required=required, **options) as port:
        assert sent(port, environ={"PW": "hunter2"}, **login).state is SendStatus.SENT
        result = sent(port, environ={"PW": "hunter3"}, **login)
    assert result.state is SendStatus.RETRY and words(result) == "the mail server refused the login"
    assert "535" in result.answer and "hunter" not in repr(result)
    assert set(inbox.logins) == {"ops"} and len(inbox.mails) == 1


@pytest.mark.parametrize("security", ["starttls", "ssl"])
def test_an_unknown_certificate_is_refused(security, authority, tmp_path):
    inbox, other = Inbox(), Authority.at(tmp_path, "elsewhere.example")
    for ca_file, context in (
        (None, authority.server),
        (other.ca_file, authority.server),
        (other.ca_file, other.server),
    ):
        options = {"tls_context": context} if security == "starttls" else {"ssl_context": context}
        with serving(inbox, **options) as port:
            trust = {"ca_file": ca_file} if ca_file else {}
            result = sent(port, security=security, username="ops", password="hunter2", **trust)
        assert result.state is SendStatus.RETRY
        assert words(result).startswith("the mail server cannot be reached: its certificate is not trusted: ")
    assert inbox.mails == inbox.logins == []


def test_without_starttls_no_password_is_sent():
    inbox = Inbox()
    with serving(inbox) as port:
        result = sent(port, security="starttls", username="ops", password="hunter2")
    assert result.state is SendStatus.RETRY and "STARTTLS" in words(result) and inbox.logins == inbox.mails == []


def test_a_refused_recipient_is_reported_and_the_others_get_the_mail():
    inbox = Inbox({DEV: "550 no such user"})
    with serving(inbox) as port:
        result = sent(port, to=channel(OPS, DEV))
    assert said(result) == (
        SendStatus.SENT,
        f"accepted for 1 of 2 recipients; refused for {DEV}: 550 no such user",
        "",
        None,
    )
    assert inbox.mails[0][1] == [OPS]


def test_a_temporarily_refused_recipient_is_reported_with_a_hint():
    inbox = Inbox({DEV: "450 greylisted"})
    with serving(inbox) as port:
        result = sent(port, to=channel(OPS, DEV))
    assert result.state is SendStatus.SENT and words(result) == (
        f"accepted for 1 of 2 recipients; refused for {DEV}: 450 greylisted. A temporary refusal (4xx) is not tried"
        " again when other recipients have the mail: give such a recipient a channel of its own"
    )


@pytest.mark.parametrize("code", ["530", "534", "535", "538"])
def test_a_missing_login_is_retried(code):
    with hosted(talk_smtp(HELLO[0], f"{code} log in first\r\n".encode(), *[b"250 ok\r\n"] * 2)) as host:
        result = sent(host.port)
    error = f"the mail server refused the sender: {code} log in first"
    assert said(result) == (SendStatus.RETRY, error, f"{code} log in first", None)
    with serving(Inbox({OPS: f"{code} log in first"})) as port:
        assert sent(port).state is SendStatus.RETRY


@pytest.mark.parametrize("code, state", [("550", SendStatus.FAILED), ("451", SendStatus.RETRY)])
def test_a_mail_whose_recipients_are_all_refused_is_not_sent(code, state):
    inbox = Inbox({OPS: f"{code} not now", DEV: "550 no"})
    with serving(inbox) as port:
        result = sent(port, to=channel(OPS, DEV))
    assert result.state is state and f"{OPS}: {code} not now; {DEV}: 550 no" in words(result) and not inbox.mails


def test_the_reply_of_a_server_is_one_bounded_line():
    inbox = Inbox({OPS: "\r\n".join(["550-" + "x" * 480] * 60 + ["550 end \x1b"])})
    with serving(inbox) as port:
        result = sent(port)
    assert result.state is SendStatus.FAILED
    assert result.error is not None and len(result.error.values["reply"]) == 2000
    assert len(result.answer) == 500 and "\n" not in words(result)


@pytest.mark.parametrize("reply, state", [("554 spam", SendStatus.FAILED), ("452 full", SendStatus.RETRY)])
def test_a_temporarily_refused_message_is_retried(reply, state):
    with serving(Inbox(reply=reply)) as port:
        result = sent(port)
    assert said(result) == (state, f"the mail server refused the message: {reply}", reply, None)


def talk_smtp(*answers):
    """A server that answers each line with the next of `answers`; a function takes over the rest."""

    def talk(host, sock):
        lines = sock.makefile("rb")
        sock.sendall(b"220 here\r\n")
        for answer in answers:
            line = lines.readline()
            host.seen.append(line)
            if callable(answer):
                answer(host, sock, lines)
                return
            sock.sendall(answer)

    return talk


HELLO = (b"250 here\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n")  # EHLO, MAIL, RCPT, DATA


def drop(host, sock, lines):
    while lines.readline() != b".\r\n":
        pass


def hang(host, sock, lines):
    host.over.wait(10)


def drip(host, sock, lines):
    dripping(b"250-a\r\n", b"250-a\r\n", 0.02)(host, sock)


@pytest.mark.parametrize(
    "talk",
    [
        silent,
        talk_smtp(hang),
        talk_smtp(*HELLO[:2], hang),
        talk_smtp(*HELLO, hang),
        talk_smtp(drip),
        dripping(b"", b"2"),
    ],
    ids=["no greeting", "no EHLO", "no RCPT", "no end", "drips lines", "drips a greeting"],
)
def test_the_time_limit_covers_the_whole_conversation(talk):
    with hosted(talk) as host:
        watch = Watch()
        settings = {"host": HOST, "port": host.port, "security": "none", "from": OPS, "timeout": 1}
        limited = send_request(channel(), smtp=settings)
        result = mail.deliver(limited._replace(smtp=limited.smtp._replace(timeout=0.4)))
        assert watch.seconds > 0.3 and in_time(watch.seconds, 1.5)
    assert said(result) == (SendStatus.RETRY, "the mail server did not take the message within 0.4 s", "", None)


def test_a_connection_that_is_lost_after_the_message_is_retried():
    with hosted(talk_smtp(*HELLO, drop)) as host:
        result = sent(host.port)
    assert said(result) == (SendStatus.RETRY, "the mail server closed the connection", "", None)


def test_a_silent_server_after_the_message_was_accepted_changes_nothing():
    def take(host, sock, lines):
        drop(host, sock, lines)
        sock.sendall(b"250 taken\r\n")
        host.over.wait(10)

    with hosted(talk_smtp(*HELLO, take)) as host:
        watch = Watch()
        limited = send_request(channel(), smtp={"host": HOST, "port": host.port, "security": "none", "from": OPS})
        result = mail.deliver(limited._replace(smtp=limited.smtp._replace(timeout=0.5)))
        assert in_time(watch.seconds, 2.5)
    assert result.state is SendStatus.SENT


def test_an_endless_reply_takes_no_memory():
    def flood(host, sock, lines):
        try:
            while not host.over.is_set():
                sock.sendall(b"250-xxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n" * 1000)
        except OSError:
            pass

    with hosted(talk_smtp(flood)) as host:
        watch = Watch()
        result = sent(host.port)
        assert in_time(watch.seconds, 5)
    assert result.state is SendStatus.RETRY


@pytest.mark.parametrize("greeting", [b"554 go away\r\n", b"\xff\xfe\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
def test_an_unexpected_greeting_is_retried(greeting):
    with hosted(lambda host, sock: sock.sendall(greeting)) as host:
        assert sent(host.port).state is SendStatus.RETRY


def test_an_unreachable_server_is_retried():
    with hosted(silent) as host:
        pass
    result = sent(host.port)
    assert said(result) == (SendStatus.RETRY, "the mail server cannot be reached: Connection refused", "", None)


def test_problems_of_the_config_need_no_server():
    assert mail.deliver(send_request(channel())).state is SendStatus.FAILED
    assert mail.deliver(send_request(channel(), smtp={"host": HOST})).state is SendStatus.FAILED
    missing = {"username": "ops", "password": {"from_env": "NONE"}}
    assert said(sent(1, **missing)) == (
        SendStatus.RETRY,
        "settings.smtp.password cannot be read: environment variable NONE is not set",
        "",
        None,
    )
    lost = sent(1, security="ssl", ca_file="none.pem")
    assert words(lost) == "ca_file none.pem cannot be used: No such file or directory"


def test_a_password_that_smtplib_cannot_send_is_not_shown():
    inbox = Inbox()
    with serving(inbox, authenticator=inbox.authenticate, auth_require_tls=False) as port:
        result = sent(port, username="ops", password="h\u00fcnter2")
    assert result.state is SendStatus.FAILED and "\u00fc" not in repr(result) and "ASCII" in words(result)


def test_no_thread_is_left_behind():
    inbox = Inbox()
    with serving(inbox) as port:
        before = set(threading.enumerate())
        sent(port)
        assert {thread.name for thread in set(threading.enumerate()) - before} <= {"notify-deadline"}
    assert VARIABLES["task_id"] in default_text(message(), 0)

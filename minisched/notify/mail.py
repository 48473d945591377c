"""Mail: the message as MIME, and its way to the server by smtplib. Certificates are always checked."""

from __future__ import annotations

import html
import re
import smtplib
import socket
import ssl
from collections.abc import Mapping, Sequence
from email import policy
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, Optional

from minisched.config.notify_fields import name_and_address
from minisched.model.notification import Message, SendRequest, SendResult, SendStatus
from minisched.model.task import SmtpSettings
from minisched.notify import defaults, headers
from minisched.notify.deadline import Deadline, explain
from minisched.notify.scrub import SecretError, Secrets, first_bytes
from minisched.notify.templates import TAIL_MAX, fill, one_line, visible_values
from minisched.notify.tls import TrustError, tls_context

REPLY_MAX = 64 * 1024  # bytes of all a server says
POLICY = policy.SMTP.clone(cte_type="7bit")  # not every server says that it takes eight
FOLD = "\r\n "  # where a header goes on in the next line
ERROR_MAX = 2000  # bytes of an error: a server may have much to say about each of many recipients
NO_LOGIN = (530, 534, 535, 538)  # RFC 4954: a login is required, or a stronger one
NOT_AGAIN = (
    "A refusal for now (4xx) is not tried again where others have the mail: give such a recipient a channel of its own"
)
QUIT_S = 2.0  # for a good-bye that changes nothing any more
_ID = re.compile(r"[^A-Za-z0-9.@_-]+")


def deliver(order: SendRequest) -> SendResult:
    """Send a message to all recipients of an `email` channel in one go. Never raises for what the world does."""
    smtp = order.smtp
    if smtp is None or smtp.sender is None:
        return SendResult(
            SendStatus.FAILED, "settings.smtp is not set, or has no from: there is nobody to send mail by"
        )
    secrets = Secrets(order.environ, order.home)
    try:
        password = secrets.reveal(smtp.password, "settings.smtp.password") if smtp.password else None
        sender = name_and_address(smtp.sender)
        mail = compose(order.message, order.channel.options, sender)
    except SecretError as error:
        return SendResult(SendStatus.RETRY, secrets.scrub(str(error)))
    except headers.HeaderError as error:
        return SendResult(SendStatus.FAILED, f"the mail is not sent: {error}")
    except (ValueError, LookupError, MessageError) as error:  # what email finds no form for
        return SendResult(SendStatus.FAILED, secrets.scrub(f"the mail cannot be written: {type(error).__name__}"))
    try:
        context = None if smtp.security == "none" else tls_context(order.home, smtp.ca_file)
        outcome = _send(mail, smtp, password, sender[1], order.channel.options["recipients"], context)
    except TrustError as error:
        outcome = SendResult(SendStatus.RETRY, str(error))
    except OSError as error:  # no thread to watch the time
        outcome = SendResult(SendStatus.RETRY, explain(error))
    told, answer = secrets.scrub(outcome.error), secrets.scrub(outcome.answer)
    return outcome._replace(error=first_bytes(told, ERROR_MAX), answer=first_bytes(answer))


def compose(message: Message, options: Mapping[str, Any], sender: tuple[str, str]) -> bytes:
    """The mail of a sender's name and address as it is sent: plain text, and the same text as HTML. Raises ValueError
    and other errors of the email package where it cannot be written."""
    values = visible_values(message.variables)
    subject, body = options["subject_template"], options["body_template"]
    line = defaults.subject(message) if subject is None else one_line(defaults.mark(message) + fill(subject, values))
    identity = one_line(_ID.sub("-", message.message_id.strip("<>")))
    name, address = sender
    fields = {
        "Subject": headers.unstructured(line, FOLD),
        "From": f"{headers.display_name(name)}{FOLD}<{address}>" if name else address,
        "To": f",{FOLD}".join(options["recipients"]),
        "Date": format_datetime(_utc(message.created_time)),
        "Message-ID": f"<{identity}>",
        "Auto-Submitted": "auto-generated",  # RFC 3834: no robot answers it
        "X-Minisched-Delivery": identity,
    }
    text = defaults.text(message, TAIL_MAX) if body is None else defaults.lead(message) + fill(body, values)
    content = EmailMessage(policy=POLICY)
    content.set_content(text)
    content.add_alternative(
        f"<!DOCTYPE html>\n<html><body><pre>{html.escape(text)}</pre></body></html>\n", subtype="html"
    )
    mail = headers.write(fields) + content.as_bytes()
    headers.check(mail, [*fields, "MIME-Version", "Content-Type"])
    return mail


class _Client(smtplib.SMTP):
    """smtplib's client over a connection with a total time limit, and with a bound on what the server says."""

    def __init__(self, smtp: SmtpSettings, context: Optional[ssl.SSLContext], deadline: Deadline) -> None:
        self._deadline, self._at_once = deadline, context if smtp.security == "ssl" else None
        host = socket.gethostname()
        # Its own default looks the name up in the DNS; without a dot smtplib's address literal is what servers take.
        local = host if re.fullmatch(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+", host) else "[127.0.0.1]"
        super().__init__(smtp.host, smtp.port, local_hostname=local, timeout=deadline.left())

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock = self._deadline.connect(host, port)
        return self._at_once.wrap_socket(sock, server_hostname=host) if self._at_once else sock

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock:
            self.file = _Bounded(self.sock.makefile("rb"))
        return super().getreply()


class _Bounded:
    """A file that ends after REPLY_MAX bytes: smtplib gathers the lines of a reply without end."""

    def __init__(self, file: Any) -> None:
        self._file, self._left = file, REPLY_MAX

    def readline(self, size: int) -> bytes:
        line: bytes = self._file.readline(min(size, self._left))
        self._left -= len(line)
        return line

    def close(self) -> None:
        self._file.close()


def _send(
    mail: bytes,
    smtp: SmtpSettings,
    password: Optional[str],
    sender: str,
    recipients: Sequence[str],
    context: Optional[ssl.SSLContext],
) -> SendResult:
    with Deadline(smtp.timeout) as deadline:
        client: Optional[_Client] = None
        try:
            client = _Client(smtp, context, deadline)
            client.ehlo_or_helo_if_needed()
            if smtp.security == "starttls":
                client.starttls(context=context)
            if smtp.username and password is not None:
                client.login(smtp.username, password)
            answers = client.sendmail(sender, recipients, mail)
        except (smtplib.SMTPException, OSError, ValueError) as error:
            return _failure(error, deadline)
        finally:
            if client:
                _say_goodbye(client)
    told = "; ".join(f"{address}: {_said(code, text)}" for address, (code, text) in answers.items())
    if not told:
        return SendResult(SendStatus.SENT)
    taken, of = len(recipients) - len(answers), len(recipients)
    # The outbox keeps one state for all of them: those that have it would get it again at each try.
    later = "" if all(_is_final(code) for code, _ in answers.values()) else f". {NOT_AGAIN}"
    return SendResult(SendStatus.SENT, f"taken for {taken} of {of} recipients; refused for {told}{later}")


def _failure(error: Exception, deadline: Deadline) -> SendResult:
    """What an error of the conversation means for the message."""
    if deadline.over:
        return SendResult(SendStatus.RETRY, f"the mail server did not take the message within {deadline.seconds:g} s")
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        told = "; ".join(f"{address}: {_said(code, text)}" for address, (code, text) in error.recipients.items())
        final = all(_is_final(code) for code, _ in error.recipients.values())
        return SendResult(SendStatus.FAILED if final else SendStatus.RETRY, f"every recipient is refused: {told}", told)
    if isinstance(error, smtplib.SMTPAuthenticationError):
        # A wrong password is mended in the config, not in the message: it is worth the next try.
        said = _said(error.smtp_code, error.smtp_error)
        return SendResult(SendStatus.RETRY, "the mail server refuses the login", said)
    if isinstance(error, smtplib.SMTPResponseException):
        said = _said(error.smtp_code, error.smtp_error)
        what = {smtplib.SMTPSenderRefused: "the sender", smtplib.SMTPDataError: "the message"}.get(type(error), "us")
        # Refused for good is what the server says of this sender and message; of a greeting it may think better, and a
        # login that it misses is mended in the config.
        final = isinstance(error, (smtplib.SMTPSenderRefused, smtplib.SMTPDataError)) and _is_final(error.smtp_code)
        return SendResult(
            SendStatus.FAILED if final else SendStatus.RETRY, f"the mail server refuses {what}: {said}", said
        )
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return SendResult(SendStatus.RETRY, "the mail server closed the connection")
    if isinstance(error, UnicodeError):
        return SendResult(SendStatus.FAILED, "the user name or the password has characters that are not ASCII")
    if isinstance(error, smtplib.SMTPException):
        return SendResult(SendStatus.RETRY, f"the mail server: {error}")
    return SendResult(SendStatus.RETRY, f"the mail server cannot be reached: {explain(error)}")


def _is_final(code: int) -> bool:
    return code >= 500 and code not in NO_LOGIN


def _said(code: int, text: Any) -> str:
    """A reply on one line, however many it came on."""
    return " ".join(f"{code} {text.decode('utf-8', 'replace') if isinstance(text, bytes) else text}".split())


def _say_goodbye(client: _Client) -> None:
    """The message's fate is known: a server that is silent now keeps nobody waiting."""
    try:
        if client.sock:
            client.sock.settimeout(QUIT_S)
            client.quit()
    except (smtplib.SMTPException, OSError, ValueError):
        pass
    finally:
        client.close()


def _utc(instant: float) -> Any:
    from datetime import datetime, timezone

    return datetime.fromtimestamp(int(instant), timezone.utc)

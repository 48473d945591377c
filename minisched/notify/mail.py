"""Mail: the message as MIME, and its delivery by smtplib. Certificates are always verified."""

from __future__ import annotations

import html
import re
import smtplib
import socket
from collections.abc import Mapping, Sequence
from email import policy
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import format_datetime, quote

from minisched.config.notify_fields import name_and_address
from minisched.model import Text, TextError
from minisched.model.notification import Message, SendRequest, SendResult, SendStatus
from minisched.model.task import SmtpSettings
from minisched.notify.net import Deadline, reason_of, tls_context
from minisched.notify.redact import ANSWER_BYTES_MAX, DeliveryError, Secrets, first_bytes
from minisched.notify.templates import (
    TAIL_BYTES_MAX,
    default_subject,
    default_text,
    fill,
    header_value,
    one_line,
    subject_mark,
    text_mark,
    visible_values,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from typing import Any, Optional

REPLY_BYTES_MAX = 64 * 1024  # of all that a server says in one conversation
POLICY = policy.SMTP.clone(cte_type="7bit")  # not every server announces 8BITMIME
FOLD = "\r\n "  # continues a header on the next line
LOGIN_CODES = (530, 534, 535, 538)  # RFC 4954: a login, or a stronger one, is required
QUIT_S = 2.0  # for QUIT, whose answer changes nothing any more
_NOT_ID = re.compile(r"[^A-Za-z0-9.@_-]+")
_FIELD = re.compile(rb"([!-9;-~]+): [ -~]*(?:\r\n [ -~]+)*\r\n")  # one header with its continuation lines


def deliver(request: SendRequest) -> SendResult:
    """Send a message to all recipients of an `email` channel at once. Never raises for what the world does."""
    smtp = request.smtp
    if smtp is None or smtp.sender is None:
        return SendResult(SendStatus.FAILED, Text("notify.no_smtp"))
    secrets = Secrets(request.environ, request.home)
    try:
        password = secrets.reveal(smtp.password, "settings.smtp.password") if smtp.password else None
        sender = name_and_address(smtp.sender)
        mail = make_mail(request.message, request.channel.options, sender)
        context = None if smtp.security == "none" else tls_context(request.home, smtp.ca_file)
        result = _send(mail, smtp, password, sender[1], request.channel.options["recipients"], context)
    except DeliveryError as error:
        result = SendResult(SendStatus.RETRY, error.text)
    except HeaderError as error:
        result = SendResult(SendStatus.FAILED, error.text)
    except (ValueError, LookupError, MessageError) as error:  # the email package has no form for it
        result = SendResult(SendStatus.FAILED, Text("notify.mail_unwritable", error=type(error).__name__))
    except OSError as error:  # no thread left to watch the time
        result = SendResult(SendStatus.RETRY, reason_of(error))
    error_text = result.error and secrets.redact_error(result.error)
    return result._replace(error=error_text, answer=first_bytes(secrets.redact(result.answer), ANSWER_BYTES_MAX))


# ------------------------------------------------------------------------------------------------------------ the mail


class HeaderError(TextError):
    """A mail would have other headers than intended: a value was read as a header."""


def make_mail(message: Message, options: Mapping[str, Any], sender: tuple[str, str]) -> bytes:
    """The mail as it is sent, as plain text and as HTML. sender: its name, which may be empty, and its address.

    Raises ValueError and other errors of the email package if it cannot be written, HeaderError if a value would be
    read as a header.
    """
    values = visible_values(message.variables)
    subject, body = options["subject_template"], options["body_template"]
    line = default_subject(message) if subject is None else one_line(subject_mark(message) + fill(subject, values))
    text = default_text(message, TAIL_BYTES_MAX) if body is None else text_mark(message) + fill(body, values)
    message_id = one_line(_NOT_ID.sub("-", message.message_id.strip("<>")))
    name, address = sender
    # The email package is not used for these: it decodes encoded words in a value that it is given, line breaks too.
    fields = {
        "Subject": header_value(line, "Subject"),
        "From": f"{_display_name(name)}{FOLD}<{address}>" if name else address,
        "To": f",{FOLD}".join(options["recipients"]),
        "Date": format_datetime(_utc(message.created_time)),
        "Message-ID": f"<{message_id}>",
        "Auto-Submitted": "auto-generated",  # RFC 3834: automatic responders do not answer it
        "X-Minisched-Delivery": message_id,
    }
    content = EmailMessage(policy=POLICY)
    content.set_content(text)
    content.add_alternative(
        f"<!DOCTYPE html>\n<html><body><pre>{html.escape(text)}</pre></body></html>\n", subtype="html"
    )
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    mail = head.encode("ascii") + content.as_bytes()
    check_headers(mail, [*fields, "MIME-Version", "Content-Type"])
    return mail


def _display_name(name: str) -> str:
    """The name before a mail address."""
    return f'"{quote(name)}"' if re.fullmatch(r"[ -~]*", name) and "=?" not in name else header_value(name, "From")


def check_headers(mail: bytes, names: Sequence[str]) -> None:
    """Check that the mail has exactly the headers `names`, each once. Raises HeaderError."""
    head = mail.partition(b"\r\n\r\n")[0] + b"\r\n"
    found = [field[1].decode("ascii") for field in _FIELD.finditer(head)]
    if _FIELD.sub(b"", head) or sorted(found) != sorted(names):
        raise HeaderError(Text("notify.mail_headers", names=list(names)))


def _utc(instant: float) -> Any:
    from datetime import datetime, timezone

    return datetime.fromtimestamp(int(instant), timezone.utc)


# ---------------------------------------------------------------------------------------------------- the conversation


class _Client(smtplib.SMTP):
    """smtplib's client over a connection with a total time limit, and with a limit on what the server says."""

    def __init__(self, smtp: SmtpSettings, context: Optional[ssl.SSLContext], deadline: Deadline) -> None:
        self._deadline = deadline
        self._tls_from_start = context if smtp.security == "ssl" else None
        host = socket.gethostname()
        # smtplib would look the name up in the DNS. Servers reject a name without a dot, but accept this literal.
        local = host if re.fullmatch(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+", host) else "[127.0.0.1]"
        super().__init__(smtp.host, smtp.port, local_hostname=local, timeout=deadline.left())

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock = self._deadline.connect(host, port)
        return self._tls_from_start.wrap_socket(sock, server_hostname=host) if self._tls_from_start else sock

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock:
            self.file = _Bounded(self.sock.makefile("rb"))
        return super().getreply()


class _Bounded:
    """A file that ends after REPLY_BYTES_MAX: smtplib collects the lines of a reply without a limit."""

    def __init__(self, file: Any) -> None:
        self._file, self._left = file, REPLY_BYTES_MAX

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
            refused = client.sendmail(sender, recipients, mail)
        except (smtplib.SMTPException, OSError, ValueError) as error:
            return _failure(error, deadline)
        finally:
            if client:
                _quit(client)
    if not refused:
        return SendResult(SendStatus.SENT)
    # The outbox has one state for all recipients: a further try would send the mail again to those that have it.
    final = all(_is_final(code) for code, _ in refused.values())
    error_text = Text(
        "notify.some_refused" if final else "notify.some_refused_for_now",
        taken=len(recipients) - len(refused),
        total=len(recipients),
        replies=_replies(refused),
    )
    return SendResult(SendStatus.SENT, error_text)


def _failure(error: Exception, deadline: Deadline) -> SendResult:
    """What an error of the conversation means for the message."""
    if deadline.over:
        return SendResult(SendStatus.RETRY, Text("notify.mail_timeout", seconds=deadline.seconds))
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        replies = _replies(error.recipients)
        final = all(_is_final(code) for code, _ in error.recipients.values())
        return _refused(final, "notify.all_refused", replies)
    if isinstance(error, smtplib.SMTPResponseException):
        reply = _reply(error.smtp_code, error.smtp_error)
        final = _is_final(error.smtp_code)
        if isinstance(error, smtplib.SMTPAuthenticationError):  # fixed in the config, so worth a further try
            return SendResult(SendStatus.RETRY, Text("notify.login_refused"), reply)
        if isinstance(error, smtplib.SMTPSenderRefused):
            return _refused(final, "notify.sender_refused", reply)
        if isinstance(error, smtplib.SMTPDataError):
            return _refused(final, "notify.message_refused", reply)
        return _refused(False, "notify.mail_refused", reply)  # a greeting, which another time may be better
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return SendResult(SendStatus.RETRY, Text("notify.mail_closed"))
    if isinstance(error, UnicodeError):
        return SendResult(SendStatus.FAILED, Text("notify.login_not_ascii"))
    if isinstance(error, smtplib.SMTPException):
        return SendResult(SendStatus.RETRY, Text("notify.mail_error", error=str(error)))
    return SendResult(SendStatus.RETRY, Text("notify.mail_unreachable", reason=reason_of(error)))


def _refused(final: bool, code: str, reply: str) -> SendResult:
    return SendResult(SendStatus.FAILED if final else SendStatus.RETRY, Text(code, reply=reply), reply)


def _is_final(code: int) -> bool:
    return code >= 500 and code not in LOGIN_CODES


def _replies(refused: Mapping[str, tuple[int, Any]]) -> str:
    return "; ".join(f"{address}: {_reply(code, text)}" for address, (code, text) in refused.items())


def _reply(code: int, text: Any) -> str:
    """A server's reply on one line."""
    return " ".join(f"{code} {text.decode('utf-8', 'replace') if isinstance(text, bytes) else text}".split())


def _quit(client: _Client) -> None:
    """End the conversation. The result is known, so a silent server is not waited for."""
    try:
        if client.sock:
            client.sock.settimeout(QUIT_S)
            client.quit()
    except (smtplib.SMTPException, OSError, ValueError):
        pass
    finally:
        client.close()

"""The headers of a mail are decoded to exactly the intended values, whatever a task printed."""

import email
import email.policy
import smtplib
from email.header import decode_header, make_header
from email.utils import parseaddr

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from minisched.config.notify_fields import ADDRESS, SENDER, name_and_address
from minisched.notify import mail
from minisched.notify.templates import fill, one_line, visible_values
from support.notify import MAIL_HEADERS, message, send_request

OPS, DEV = "ops@example.org", "dev@example.org"


def read(data):
    return email.message_from_bytes(data, policy=email.policy.default)


def composed(sample, sender=("", "minisched@plant7.example"), **options):
    return mail.make_mail(
        sample, send_request({"type": "email", "recipients": [OPS, DEV], **options}).channel.options, sender
    )


# What a task may print: pieces that the email package takes for words of its own, or folds at.
PIECES = st.sampled_from(
    [
        *(
            " ",
            "  ",
            "\t",
            "a",
            "-",
            ":",
            "日志",
            "备份" * 30,
            "é",
            "\u3000",
            "\u202e",
            "\x1b[2J",
            "=?",
            "?=",
            "_",
            "x" * 60,
        ),
        "=?utf-8?q?a=0d=0aBcc:_x@example.org?=",
        "=?utf-8?q?=0d=0a=0d=0a<b>?=",
        "=?utf-8?b?YQ0KQmNjOiBldmlsQHgub3Jn?=",
        "=?us-ascii?q?=1b]0;x?=",
        "=?unknown-8bit?q?=ff?=",
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.text(st.characters(), max_size=250) | st.lists(PIECES, max_size=20).map("".join))
@example("é" * 60 + " " * 20 + "x" * 80)
@example("=?utf-8?q?a?=")
@example("0..0")
@example('" <a@b>, :;')
@example("夜间备份 第 7 车间  失败 " * 9)
@example("x" * 75 + " =?utf-8?q?a=0d=0aBcc:_evil@x.org?=")
def test_a_subject_is_decoded_to_exactly_its_value(value):
    sample = message(task_name=value, execution_log_tail=value, host_name=value)
    expected = one_line(fill("{{ task_name }}", visible_values({"task_name": value})))
    data = composed(sample, subject_template="{{ task_name }}")
    found = read(data)
    assert found["Subject"] == expected
    assert str(make_header(decode_header(email.message_from_bytes(data)["Subject"]))) == expected
    assert sorted(name.lower() for name in found) == MAIL_HEADERS and found["To"] == f"{OPS}, {DEV}"
    assert all(len(line) <= 998 for line in data.split(b"\r\n"))
    assert found["From"] == "minisched@plant7.example"


@pytest.mark.parametrize("name", ['Ops, "7" \\ <a@b>', "=?utf-8?q?a=0d=0aBcc:_x?=", "值班 第 7 车间" * 9, "a  b"])
def test_the_name_of_the_sender_is_decoded_to_exactly_its_value(name):
    data = composed(message(), (name, OPS))
    # Read by the old parser: the new one keeps the blanks between the encoded words of a name.
    found, address = parseaddr(email.message_from_bytes(data)["From"])
    assert (str(make_header(decode_header(found))), address) == (name, OPS)


@pytest.mark.parametrize(
    "head",
    [b"A: x\r\nB: y\r\nC: z", b"A: x", b"A: x\r\nB: y\nz", b"A: x\r\nB: \x1b", b"A: x\r\nB: y\r\nA: x", b"A: x\r\ny"],
)
def test_additional_headers_are_detected(head):
    mail.check_headers(b"A: x\r\n x\r\nB: y\r\n\r\nC: z\r\n", ["B", "A"])
    with pytest.raises(mail.HeaderError, match="A, B"):
        mail.check_headers(head + b"\r\n\r\nB: y\r\n", ["A", "B"])


@settings(max_examples=300, deadline=None)
@given(st.from_regex(ADDRESS.pattern, fullmatch=True) | st.from_regex(SENDER.pattern, fullmatch=True))
@example('"Plant, 7 \\"north\\" \\\\" <p@example.org>')
@example("Plant 7 <p@example.org>")
@example("夜班  <p@example.org>")
def test_an_address_that_the_config_accepts_reaches_smtp_unchanged(sender):
    name, address = name_and_address(sender)
    assert smtplib.quoteaddr(address) == f"<{address}>"
    data = composed(message(), (name, address))
    before, whole, after = email.message_from_bytes(data)["From"].rpartition(f"<{address}>" if name else address)
    assert whole and not after
    found, _ = parseaddr(f"{before}<a@b>")  # 3.13 reads no address with a literal such as [00]
    assert str(make_header(decode_header(found))) == name


def test_the_mark_of_a_test_counts_for_the_length_of_a_subject():
    data = composed(message("test", task_name="x" * 300), subject_template="{{ task_name }}")
    assert read(data)["Subject"] == "[test] " + "x" * 190 + "..."

"""Mail addresses at load: what no server takes, or takes for another one, is refused there."""

import pytest

from minisched.config.notify_fields import name_and_address
from minisched.config.problems import show
from support.config import problems_of, task

NO_ADDRESSES = (
    *(
        "ops",
        "@x.org",
        "a@",
        "a@b@c",
        "a(b)@x.org",
        "béa@x.org",
        "a@bücher.example",
        "a..b@x.org",
        ".a@x.org",
        "a.@x.org",
    ),
    *(
        "a@x.org.",
        "a@.x.org",
        "a@-",
        "a@x-.org",
        "a b@x.org",
        "a\\b@x.org",
        "a[b@x.org",
        "a@x_",
        "<a@x.org>",
        "a@x.org ",
    ),
    *("a" * 65 + "@x.org", '"a"@x.org', "a,b@x.org", "a@[x.org]", "a@x.org\n", "a@b\nBcc: c@d"),
)


def mailing(*recipients):
    channel = {"type": "email", "recipients": list(recipients)}
    return task(task_notify=[{"name": "n", "triggers": ["success"], "channels": [channel]}])


@pytest.mark.parametrize("address", NO_ADDRESSES)
def test_a_recipient_is_an_address_that_every_server_takes(address):
    found = problems_of({"tasks": [mailing("a@b", address)]})[0]
    place = "tasks[0] (a): task_notify[0].channels[0].recipients[1]"
    assert found.startswith(f"{place} is {show(address)}; expected a mail address such as ")


@pytest.mark.parametrize("sender", [
    *NO_ADDRESSES, "Plant, 7 <p@e.org>", "Plant 7 (north) <p@e.org>", "Ops: <p@e.org>", "P <p@e.org", '"P" p@e.org',
    " <p@e.org>", "P\n <p@e.org>", '"P\\n" <p@e.org>', "P <p@e..org>", "", "P<a@b> <p@e.org>",
])  # fmt: skip
def test_a_sender_is_an_address_or_a_name_and_an_address(sender):
    (found,) = problems_of({"settings": {"smtp": {"host": "mail", "from": sender}}, "tasks": []})
    assert found.startswith(f"settings.smtp.from is {show(sender)}; expected a mail address such as ")


def test_senders_and_addresses_that_are_right():
    addresses = ["a@b", "a.b-c_d+e/f@x.org", "o'hara@x-y.example", "a@[127.0.0.1]", "a@[IPv6:::1]", "root@localhost"]
    for sender in (
        *addresses,
        "Plant 7 <p@e.org>",
        "夜班<p@e.org>",
        '"Plant, 7 \\"n\\"" <p@e.org>',
        "Dr. P' é  <p@e.org>",
    ):
        settings = {"smtp": {"host": "mail", "from": sender}}
        assert problems_of({"settings": settings, "tasks": [mailing(*addresses)]}) == []
    assert name_and_address('"Plant, 7 \\"n\\"" <p@e.org>') == ('Plant, 7 "n"', "p@e.org")
    assert name_and_address("Plant 7  <p@e.org>") == ("Plant 7", "p@e.org")
    assert name_and_address("p@e.org") == ("", "p@e.org")

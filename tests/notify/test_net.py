"""One time limit for all of a delivery: whatever the addresses of a name do."""

import socket
from contextlib import ExitStack, closing, contextmanager

import pytest

from minisched.notify.net import Deadline
from support.notify import HOST, Watch, hosted, silent
from support.programs import in_time

HOLE = "127.0.0.2"


@contextmanager
def hole():
    """The port of an address that answers no SYN: its backlog is full and nothing is accepted."""
    with ExitStack() as stack:
        server = stack.enter_context(closing(socket.socket()))
        server.bind((HOLE, 0))
        server.listen(0)
        while True:
            client = stack.enter_context(closing(socket.socket()))
            client.settimeout(0.2)
            try:
                client.connect(server.getsockname())
            except socket.timeout:
                break
        yield server.getsockname()[1]


def named(monkeypatch, *addresses):
    """Every host name resolves to these addresses."""
    found = [(family, socket.SOCK_STREAM, 0, "", address) for family, address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: found)


@pytest.mark.parametrize("holes", [1, 3])
def test_a_silent_address_leaves_time_for_the_next_one(monkeypatch, holes):
    with hole() as port, hosted(silent) as host:
        named(monkeypatch, *[(socket.AF_INET, (HOLE, port))] * holes, (socket.AF_INET, (HOST, host.port)))
        watch = Watch()
        with Deadline(2.0) as deadline, deadline.connect("several.example", 80) as sock:
            assert sock.getpeername() == (HOST, host.port)
            assert watch.seconds > 0.5 and in_time(watch.seconds, 1.9)
            assert 0 < sock.gettimeout() < 1.5


def test_the_last_address_gets_all_remaining_time(monkeypatch):
    with hole() as port:
        named(monkeypatch, *[(socket.AF_INET, (HOLE, port))] * 2)
        watch = Watch()
        with Deadline(0.4) as deadline, pytest.raises(OSError):
            deadline.connect("several.example", 80)
        assert watch.seconds > 0.35 and in_time(watch.seconds, 1.5)


def test_an_address_of_an_unsupported_family_is_skipped(monkeypatch):
    with hosted(silent) as host:
        named(monkeypatch, (9999, ("::1", 1, 0, 0)), (socket.AF_INET, (HOST, host.port)))
        with Deadline(5.0) as deadline, deadline.connect("several.example", 80) as sock:
            assert sock.getpeername() == (HOST, host.port)


def test_a_name_without_an_address_is_reported(monkeypatch):
    named(monkeypatch)
    with Deadline(5.0) as deadline, pytest.raises(OSError, match="no address"):
        deadline.connect("several.example", 80)

"""Who holds the port: both addresses of loopback, sockets from systemd, other settings under a running engine; and the
proof that a server knows the token."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from minisched.api.token import prove
from support.api import HOST, READ_TOKEN, TOKEN, Api
from support.http import Address, Reply, exchange, request
from support.intruder import Intruder
from support.process import linux, root
from support.programs import Home, environment, eventually

API = "/api/scheduler"
NONCE = "0123456789abcdef" * 4
TASK = {"task_id": "a", "task_exec": "true"}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


ipv6 = pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")


@contextmanager
def engine(home: Home, *wrapper: str, **http: Any) -> Iterator[int]:
    """A running engine; its port."""
    home.write(TASK, http=http)
    home.start(*wrapper)
    yield port_of(home)
    home.stop()


def port_of(home: Home) -> int:
    lock = home.path / "var" / "lock"
    url = eventually(lambda: json.loads(lock.read_text() or "{}").get("url"), "the page is up")
    return int(url.rpartition(":")[2])


def token_of(home: Home) -> str:
    return (home.path / "var" / "token").read_text().strip()


def ask(address: Address, line: str, *, host: str = "", token: str | None = None) -> Reply:
    return exchange(address, request(address, line, host=host or shown(address), token=token))


def shown(address: Address) -> str:
    return f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"


def problems(home: Home, port: int) -> list[str]:
    """Codes of what is wrong with the engine."""
    status = ask(("127.0.0.1", port), f"GET {API}/status", token=token_of(home))
    return re.findall(r'"code":"engine\.(\w+)"', json.dumps(status.json["problems"], separators=(",", ":")))


# --------------------------------------------------------------------------------------------------------------- proof


@pytest.mark.parametrize("size", [32, 43, 64, 65, 200])
def test_the_proof_is_the_hmac_of_nonce_and_host(size: int) -> None:
    token = (b"k7Jx0Zq2uY" * 30)[:size]
    assert prove(token, NONCE, HOST) == hmac.new(token, (NONCE + HOST).encode(), hashlib.sha256).hexdigest()


def test_a_proof_is_given_to_all_but_only_for_names_of_this_server(tmp_path: Path) -> None:
    api = Api(tmp_path / "home")
    expected = {"proof": prove(TOKEN.encode(), NONCE, HOST), "read_proof": prove(READ_TOKEN.encode(), NONCE, HOST)}
    assert api.get(f"/proof?nonce={NONCE}", authorized=False).json == expected
    assert api.get(f"/proof?nonce={NONCE}&host={HOST}", authorized=False).json == expected
    for foreign in ("evil.example", "127.0.0.1:1", f"x{HOST}"):
        assert api.get(f"/proof?nonce={NONCE}&host={foreign}", authorized=False).status == 404
    for wrong in ("", "0" * 63, "0" * 65, "A" * 64, "g" * 64):
        assert api.get(f"/proof?nonce={wrong}", authorized=False).status == 400
    assert api.get("/proof", authorized=False).status == 400
    api.close()


def test_the_command_line_sends_no_token_to_another_program(home: Home, tmp_path: Path) -> None:
    """As where a system has no /proc, so that a lock seems to be held by an engine that is gone."""
    with engine(home, port=0) as port:
        assert home.run("reload").returncode == 0
        lock = (home.path / "var" / "lock").read_text()
        with Intruder("127.0.0.1", free_port(), tmp_path / "sent") as intruder:
            other = f"http://127.0.0.1:{intruder.takes_it().port}"
            (home.path / "var" / "lock").write_text(lock.replace(f"http://127.0.0.1:{port}", other))
            for arguments in (["reload"], ["trigger", "a"], ["disable", "a"]):
                done = home.run(*arguments)
                assert done.returncode == 1 and "does not know the token of this home" in done.stderr
            sent = intruder.requests()
        assert len(sent) == 3 and not [line for line in sent if "uthorization" in line or token_of(home) in line]
        (home.path / "var" / "lock").write_text(lock)


# ------------------------------------------------------------------------------------------------------ [::1] as well


@ipv6
def test_both_addresses_of_loopback_are_listened_on(home: Home) -> None:
    with engine(home, port=0) as port:
        for address in (("127.0.0.1", port), ("::1", port)):
            for host in ("", f"localhost:{port}"):
                assert ask(address, "GET /healthz", host=host).status == 200
        assert problems(home, port) == []


@ipv6
def test_another_program_on_the_other_address_of_loopback_gets_no_proof(home: Home, tmp_path: Path) -> None:
    """Browsers try [::1] for `localhost`: what answers there must not pass the proof of the engine on as its own."""
    port = free_port()
    with Intruder("::1", port, tmp_path / "sent") as intruder:
        intruder.takes_it()
        with engine(home, port=port):
            at = ("127.0.0.1", port)
            eventually(lambda: problems(home, port) == ["files", "beside_taken"])
            for host in (f"localhost:{port}", f"[::1]:{port}"):
                assert ask(at, f"GET {API}/proof?nonce={NONCE}", host=host).status == 421
                assert ask(at, f"GET {API}/proof?nonce={NONCE}&host={host}").status == 404
            assert ask(at, f"GET {API}/proof?nonce={NONCE}").status == 200
            assert "cannot be listened on" in home.engine_log()
            assert home.run("reload").returncode == 0
            assert intruder.requests() == []


@linux
@root
@pytest.mark.skipif(not shutil.which("unshare") or not shutil.which("ip"), reason="needs unshare and ip")
def test_without_ipv6_localhost_is_still_ours(home: Home) -> None:
    off = "ip link set lo up; echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; exec "
    home.write(TASK, http={"port": 8787})
    probe = (
        "from support.http import *; at = ('127.0.0.1', 8787); "
        "print(exchange(at, request(at, 'GET /healthz', host='localhost:8787')).status)"
    )
    wrapper = ["unshare", "-n", "sh", "-c", f'{off} "$@"', "sh"]
    home.start(*wrapper)
    port_of(home)
    assert home.process is not None
    inside = ["nsenter", f"--net=/proc/{home.process.pid}/ns/net", sys.executable, "-c", probe]
    done = subprocess.run(
        inside, capture_output=True, text=True, env=environment(PYTHONPATH=str(Path(__file__).parents[1]))
    )
    assert (done.stdout, done.stderr) == ("200\n", "")
    assert "cannot be listened on" not in home.engine_log()
    assert "this machine has no ::1, so localhost leads to the page alone" in home.engine_log()
    home.stop()


# ------------------------------------------------------------------------------------------------ sockets that stay


def test_other_settings_leave_the_port_to_no_other_program(home: Home, tmp_path: Path) -> None:
    with engine(home, port=0) as port, Intruder("127.0.0.1", port, tmp_path / "sent") as intruder:
        assert home.process is not None
        for public in (True, False) * 3:
            home.write(TASK, http={"port": port, "public_status": public})
            home.process.send_signal(signal.SIGHUP)
            status = 200 if public else 401
            eventually(lambda status=status: ask(("127.0.0.1", port), f"GET {API}/tasks").status == status)
        assert not intruder.has_it
        home.write(TASK, http={"enabled": False})
        home.process.send_signal(signal.SIGHUP)
        intruder.takes_it()  # a port that is not used is free
        assert not [line for line in intruder.requests() if "uthorization" in line]


AS_SYSTEMD = """
import fcntl, os, sys
fds = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 100) for fd in sys.argv[1].split(",")]
for number, fd in enumerate(fds):
    os.dup2(fd, 3 + number)
    os.close(fd)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES="http")
os.execv(sys.argv[2], sys.argv[2:])
"""


def listening(stack: ExitStack, *addresses: Address) -> list[int]:
    """Descriptors of sockets that listen at these addresses."""
    fds = []
    for address in addresses:
        sock = stack.enter_context(socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(64)
        fds.append(sock.fileno())
    return fds


def start_as_systemd(home: Home, fds: list[int]) -> None:
    """Start the engine with these descriptors passed as systemd passes sockets."""
    home.start(sys.executable, "-c", AS_SYSTEMD, ",".join(map(str, fds)), pass_fds=fds)
    port_of(home)


@linux
def test_sockets_from_systemd_keep_the_port_while_the_engine_is_restarted(home: Home, tmp_path: Path) -> None:
    port = free_port()
    addresses = [("127.0.0.1", port), *([("::1", port)] if has_ipv6() else [])]
    task = {"task_id": "a", "task_exec": "env; ls -l /proc/self/fd"}
    with ExitStack() as stack:
        fds = listening(stack, *addresses)
        intruder = stack.enter_context(Intruder("127.0.0.1", port, tmp_path / "sent"))
        for _ in range(2):
            home.write(task, http={"port": port})
            start_as_systemd(home, fds)
            for address in addresses:
                assert ask(address, "GET /healthz").status == 200
            assert problems(home, port) == []
            home.write(task, http={"port": port, "public_status": True})  # a new server on the same sockets
            assert home.process is not None
            home.process.send_signal(signal.SIGHUP)
            eventually(lambda: ask(("127.0.0.1", port), f"GET {API}/tasks").status == 200)
            done = home.run("trigger", "a", "--wait")
            assert "LISTEN_" not in done.stdout and "socket:" not in done.stdout
            home.stop()
            with socket.create_connection(("127.0.0.1", port)):
                pass  # the socket still listens: who connects now is answered by the next engine
        assert not intruder.has_it


@linux
def test_a_socket_of_systemd_at_another_address_is_reported_and_not_used(home: Home) -> None:
    port, other = free_port(), free_port()
    home.write(TASK, http={"port": port})
    with ExitStack() as stack:
        start_as_systemd(home, listening(stack, ("0.0.0.0", other)))
        eventually(lambda: problems(home, port) == ["files", "socket_unused"])
        assert f"0.0.0.0:{other}" in home.engine_log()
        home.stop()

"""Another user of this machine, who wants the token: takes an address as soon as it is free, answers whatever is asked
there, and writes down what was sent. Where the tests run as root, it is a process of user 65534."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from support.programs import eventually

NOBODY = 65534
CODE = """
import os, socket, sys, threading
STEAL = b"document.title = 'taken'"
host, port, user = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if os.geteuid() == 0:
    os.setgroups([]); os.setresgid(user, user, user); os.setresuid(user, user, user)
while True:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if ":" in host:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        sock.bind((host, port))
        sock.listen(64)
        break
    except OSError:
        sock.close()
print("taken", flush=True)

def serve(client):
    client.settimeout(10)
    data = b""
    try:
        while b"\\r\\n\\r\\n" not in data:
            piece = client.recv(65536)
            if not piece:
                break
            data += piece
        print(repr(data), flush=True)
        script = b".js" in data.split(b"\\r\\n")[0]
        kind, body = ("text/javascript", STEAL) if script else ("application/json", b'{"proof":"00"}')
        head = f"HTTP/1.1 200 OK\\r\\nContent-Type: {kind}\\r\\nContent-Length: {len(body)}\\r\\n"
        client.sendall(f"{head}Connection: close\\r\\n\\r\\n".encode() + body)
    except OSError:
        pass
    client.close()

while True:
    threading.Thread(target=serve, args=(sock.accept()[0],), daemon=True).start()
"""


class Intruder:
    """Waits for the address from the start on; a context manager that ends the process."""

    def __init__(self, host: str, port: int, out: Path) -> None:
        self.out, self.port = out, port
        with out.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-c", CODE, host, str(port), str(NOBODY)], stdout=file, stdin=subprocess.DEVNULL
            )

    def __enter__(self) -> Intruder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def has_it(self) -> bool:
        return "taken" in self.out.read_text().splitlines()[:1]

    def takes_it(self) -> Intruder:
        eventually(lambda: self.has_it, "the address is taken")
        return self

    def requests(self) -> list[str]:
        """What was sent to it, a request each."""
        return self.out.read_text().splitlines()[1:]

    def user(self) -> int:
        return os.stat(f"/proc/{self.process.pid}").st_uid

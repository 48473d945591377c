"""Uses minisched as the owner of a machine without network does. Run by tests/docs/test_install.py in a network
namespace that has the loopback interface only:

python closed_machine.py HOME COMMAND ...     COMMAND ... is the way to start minisched

It creates a home, starts the engine, opens the page, runs a task with an `L` schedule, and receives its mail.
"""

from __future__ import annotations

import json
import socket
import socketserver
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

MAILS: list[str] = []


class Smtp(socketserver.StreamRequestHandler):
    """Accepts every mail."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                mail = b""
                while not mail.endswith(b"\r\n.\r\n"):
                    mail += self.rfile.readline()
                MAILS.append(mail.decode())
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
            if word == b"QUIT":
                return


def main(home: Path, command: list[str]) -> None:
    assert [name for _, name in socket.if_nameindex()] == ["lo"], "there is a network here"
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Smtp)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    subprocess.run([*command, "--home", str(home), "init"], check=True, stdout=subprocess.DEVNULL)
    write_config(home, server.server_address[1])
    engine = subprocess.Popen([*command, "--home", str(home), "run"], stdout=subprocess.PIPE, text=True)
    try:
        assert engine.stdout is not None
        address, _, token = next(line for line in engine.stdout if "#token=" in line).split()[-1].partition("/#token=")
        for path in ("/", "/core/app.js", "/core/style.css"):
            with urllib.request.urlopen(address + path) as response:
                assert response.status == 200 and response.read(), path
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        address += "/api/scheduler/tasks"
        with urllib.request.urlopen(urllib.request.Request(address, None, headers)) as response:
            task = json.load(response)["items"][0]
        assert task["next_run_time"][8:10] in ("28", "29", "30", "31"), task
        with urllib.request.urlopen(urllib.request.Request(f"{address}/last_day/run", b"{}", headers)) as response:
            assert response.status < 300
        deadline = time.monotonic() + 60
        while not MAILS:
            assert time.monotonic() < deadline and engine.poll() is None, "no mail came"
            time.sleep(0.05)
        assert "last_day" in MAILS[0]
    finally:
        engine.terminate()
        code = engine.wait(60)
    assert code == 0
    listed = subprocess.run([*command, "--home", str(home), "history"], check=True, stdout=subprocess.PIPE, text=True)
    assert "success" in listed.stdout


def write_config(home: Path, smtp_port: int) -> None:
    """With the smallest possible wait between an end and its mail."""
    smtp = {"host": "127.0.0.1", "port": smtp_port, "security": "none", "from": "minisched@localhost"}
    channel = {"type": "email", "recipients": ["ops@localhost"]}
    task = {
        "task_id": "last_day",
        "task_exec": "echo done",
        "task_schedule": "0 0 L * *",
        "task_notify": [{"name": "ops", "triggers": ["success"], "channels": [channel]}],
    }
    config = {"version": 1, "settings": {"timezone": "UTC", "http": {"port": 0}, "smtp": smtp}, "tasks": [task]}
    (home / "tasks" / "config.json").write_text(json.dumps(config))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])

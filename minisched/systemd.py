"""systemd's notify protocol (sd_notify(3)): the state of this service, as datagrams to the socket in NOTIFY_SOCKET."""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any, Optional

STATUS_MAX_CHARS = 200


class ServiceManager:
    """Sends to the socket. Without one each method does nothing. Never raises and never blocks: a state that cannot be
    sent is lost, as with systemd's own library.

    `watchdog_s`: systemd restarts the service if it hears nothing for so long; None: it does not watch.
    """

    def __init__(self, address: str = "", watchdog_s: Optional[float] = None) -> None:
        """address: a path, or "@" and the name of an abstract socket."""
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket: Any = None
        self.active = address[:1] in ("/", "@") and self._open()
        self.watchdog_s = watchdog_s if self.active else None

    @classmethod
    def of(cls, environ: MutableMapping[str, str]) -> ServiceManager:
        """What the environment says; its variables are removed, as they are for this process only."""
        address, usec, pid = (environ.pop(name, "") for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"))
        watched = usec.isascii() and usec.isdecimal() and int(usec) > 0 and pid in ("", str(os.getpid()))
        return cls(address, int(usec) / 1e6 if watched else None)

    def _open(self) -> bool:
        import socket  # only a service needs it this early

        try:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
        except OSError:
            return False
        return True

    def ready(self) -> None:
        """It serves, or does so again after `reloading`."""
        self._send("READY=1")

    def reloading(self) -> None:
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def alive(self) -> None:
        """For the watchdog."""
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line about the state, for `systemctl status`."""
        line = " ".join(text.split())
        self._send(f"STATUS={line[:STATUS_MAX_CHARS]}")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()

    def _send(self, *lines: str) -> None:
        if self._socket is not None:
            try:
                self._socket.sendto("\n".join(lines).encode("utf-8", "backslashreplace"), self._address)
            except OSError:
                pass

"""The thread that sends: one message at a time, in the order in which they were given."""

from __future__ import annotations

import logging
from importlib import import_module
from queue import SimpleQueue

from minisched.model import Text
from minisched.model.notification import HEARTBEAT_ID, DeliverySent, SendRequest, SendResult, SendStatus
from minisched.osutil import Importing, places_of
from minisched.threads import start_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from typing import Callable, Optional

STACK_BYTES = 512 * 1024  # TLS and the email package need more than `start_thread` gives
MODULES = {"email": "mail", "webhook": "webhook", "command": "local", "file": "local"}


def deliver(request: SendRequest) -> SendResult:
    """Send one message by its channel and return the result. Never raises.

    Takes at most the channel's time limit (`smtp.timeout`, 30 s for the others) and a few seconds.
    """
    try:
        # Imported here: smtplib, ssl, email and urllib take 4 MB, which an engine without messages does not need.
        with Importing():
            module = import_module(f"minisched.notify.{MODULES[request.channel.type]}")
    except (ImportError, OSError) as error:  # no descriptor left to read it
        return SendResult(SendStatus.RETRY, Text("notify.not_loaded", reason=str(error)))
    try:
        result: SendResult = module.deliver(request)
        return result
    except Exception as error:
        # A bug costs this message and no other. The text of the exception may hold a secret, so only its place is said.
        where = "\n".join(places_of(error))
        name = type(error).__name__
        logging.getLogger("minisched").error("bug in sending by %s: %s at\n%s", request.channel.type, name, where)
        return SendResult(SendStatus.RETRY, Text("notify.internal_error", error=name))


class Sender:
    """The thread `notify`. It starts with the first request and reports each result through `post`, which must not
    block (the `put` of a SimpleQueue). Requests wait in memory: give it a few at a time."""

    def __init__(
        self, post: Callable[[DeliverySent], object], deliver: Callable[[SendRequest], SendResult] = deliver
    ) -> None:
        self._post, self._deliver = post, deliver
        self._requests: SimpleQueue[Optional[SendRequest]] = SimpleQueue()
        self._thread: Optional[threading.Thread] = None
        self._closing = False
        self._heartbeat: Optional[SendResult] = None

    def heartbeat_result(self) -> Optional[SendResult]:
        """See `model.Sender`."""
        result, self._heartbeat = self._heartbeat, None
        return result

    def _report(self, request: SendRequest, result: SendResult) -> None:
        if request.message.delivery_id == HEARTBEAT_ID:
            self._heartbeat = result
        else:
            self._post(DeliverySent(request.message.delivery_id, result))

    def send(self, request: SendRequest) -> None:
        """Never raises, never blocks. Each request is answered by exactly one DeliverySent, unless `close` comes first:
        then the message stays pending and the next engine sends it."""
        if self._closing:
            return
        if self._thread is None:
            try:
                self._thread = start_thread(self._work, "notify", stack_bytes=STACK_BYTES)
            except OSError as error:
                result = SendResult(SendStatus.RETRY, Text("notify.no_thread", reason=error.strerror))
                self._report(request, result)
                return
        self._requests.put(request)

    def close(self, deadline_s: float) -> bool:
        """Let the message in flight end, but start no other. False if it has not ended within `deadline_s`."""
        self._closing = True
        if self._thread is None:
            return True
        self._requests.put(None)
        self._thread.join(deadline_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while True:
            request = self._requests.get()
            if request is None or self._closing:
                return
            try:
                result = self._deliver(request)
            except Exception as error:
                result = SendResult(SendStatus.RETRY, Text("notify.internal_error", error=type(error).__name__))
            self._report(request, result)

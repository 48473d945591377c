"""The thread that sends: one message at a time, in the order in which they were given."""

from __future__ import annotations

import logging
import threading
import traceback
from importlib import import_module
from queue import SimpleQueue
from typing import Callable, Optional

from minisched.model.notification import DeliverySent, SendRequest, SendResult, SendStatus

STACK_BYTES = 512 * 1024  # in place of 8 MB of address space; TLS and the email package need more than a run does
MODULES = {"email": "mail", "webhook": "webhook", "command": "command", "file": "file"}


def deliver(order: SendRequest) -> SendResult:
    """Send one message by its channel and wait for what came of it: at most the channel's time limit (`smtp.timeout`,
    30 s for the others) and a few seconds. Never raises.

    The channel's module is imported here: smtplib, ssl, email and urllib are 4 MB that an engine without messages, or
    with files only, does not need."""
    try:
        module = import_module(f"minisched.notify.{MODULES[order.channel.type]}")
        outcome: SendResult = module.deliver(order)
        return outcome
    except Exception as error:
        # A bug of ours is this message's failure and no more. Its text may hold a secret: where it was is enough.
        where = "".join(traceback.format_tb(error.__traceback__))
        name = type(error).__name__
        logging.getLogger("minisched").error("bug in sending by %s: %s at\n%s", order.channel.type, name, where)
        return SendResult(SendStatus.RETRY, f"internal error: {name}; see logs/minisched.log")


class Sender:
    """The thread `notify`. It starts with the first order, sleeps while there is none, and says through `post` what
    came of each (`SimpleQueue.put` is meant). It holds what is given to it: give no more than a few orders ahead."""

    def __init__(
        self, post: Callable[[DeliverySent], object], deliver: Callable[[SendRequest], SendResult] = deliver
    ) -> None:
        self._post, self._deliver = post, deliver
        self._orders: SimpleQueue[Optional[SendRequest]] = SimpleQueue()
        self._thread: Optional[threading.Thread] = None
        self._closing = False

    def send(self, order: SendRequest) -> None:
        """Never raises, never waits. Each order given before `close` is answered by exactly one DeliverySent, unless
        `close` comes first: such a message stays as it was, and is for the next engine."""
        if self._closing:
            return
        if self._thread is None:
            try:
                self._thread = self._start()
            except RuntimeError as error:  # "can't start new thread"
                outcome = SendResult(SendStatus.RETRY, f"no thread to send by: {error}")
                self._post(DeliverySent(order.message.delivery_id, outcome))
                return
        self._orders.put(order)

    def close(self, deadline_s: float) -> bool:
        """End after the message under way, if it is over by then; whether it was. What waits is not begun."""
        self._closing = True
        if self._thread is None:
            return True
        self._orders.put(None)
        self._thread.join(deadline_s)
        return not self._thread.is_alive()

    def _start(self) -> threading.Thread:
        thread = threading.Thread(target=self._work, name="notify", daemon=True)
        stack_bytes = threading.stack_size(STACK_BYTES)
        try:
            thread.start()
        finally:
            threading.stack_size(stack_bytes)
        return thread

    def _work(self) -> None:
        while True:
            order = self._orders.get()
            if order is None or self._closing:
                return
            try:
                outcome = self._deliver(order)
            except Exception as error:
                outcome = SendResult(SendStatus.RETRY, f"internal error: {type(error).__name__}")
            self._post(DeliverySent(order.message.delivery_id, outcome))

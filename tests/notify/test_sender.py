"""The thread that sends: one message at a time, in order, until it is closed."""

import io
import logging
import queue
import subprocess
import sys
import threading

import pytest

from minisched.model.notification import SendResult, SendStatus
from minisched.notify import Sender, deliver
from minisched.threads import receive
from support.notify import HOST, Watch, answering, hosted, message, said, send_request, silent, words
from support.programs import in_time

FILE = send_request({"type": "file", "path": "x"})


def numbered(number, made=FILE):
    return made._replace(message=made.message._replace(delivery_id=number))


@pytest.fixture
def posts():
    return queue.SimpleQueue()


def test_each_request_is_answered_once_in_order(posts):
    names, at_once, most = set(), [0], [0]

    def deliver(request):
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        names.add(threading.current_thread().name)
        at_once[0] -= 1
        return SendResult(SendStatus.SENT)

    one = Sender(posts.put, deliver)
    for number in range(200):
        one.send(numbered(number))
    assert [receive(posts, 5).delivery_id for _ in range(200)] == list(range(200))
    assert names == {"notify"} and most == [1]
    assert one.close(5) and posts.empty()


def test_an_exception_does_not_end_the_thread(posts):
    def deliver(request):
        if request.message.delivery_id % 2:
            raise ValueError("hunter2")
        return SendResult(SendStatus.SENT)

    one = Sender(posts.put, deliver)
    for number in range(4):
        one.send(numbered(number))
    results = [receive(posts, 5) for _ in range(4)]
    assert [sent.result.state for sent in results] == [SendStatus.SENT, SendStatus.RETRY] * 2
    assert words(results[1].result) == "internal error: ValueError; see logs/minisched.log"
    assert one.close(5)


def test_a_bug_is_logged_with_its_place_and_without_its_text():
    class Buggy(dict):
        def __missing__(self, name):
            raise KeyError(f"{name} hunter{1 + 1}")  # made at run time, as the source line is logged

    log = io.StringIO()
    handler = logging.StreamHandler(log)
    logging.getLogger("minisched").addHandler(handler)
    try:
        result = deliver(FILE._replace(channel=FILE.channel._replace(options=Buggy())))
    finally:
        logging.getLogger("minisched").removeHandler(handler)
    assert result.state is SendStatus.RETRY and "KeyError" in words(result)
    assert "in __missing__" in log.getvalue() and "hunter2" not in log.getvalue() + repr(result)


def test_there_is_no_thread_before_the_first_message(posts):
    one = Sender(posts.put)
    assert "notify" not in {thread.name for thread in threading.enumerate()}
    assert one.close(0.1)


def test_close_lets_the_message_in_flight_end_and_starts_no_other(posts):
    started, go = threading.Event(), threading.Event()

    def deliver(request):
        started.set()
        go.wait(5)
        return SendResult(SendStatus.SENT)

    one = Sender(posts.put, deliver)
    one.send(numbered(1))
    one.send(numbered(2))
    assert started.wait(5)
    assert not one.close(0.05)
    go.set()
    assert one.close(5)
    assert receive(posts, 1).delivery_id == 1 and posts.empty()
    one.send(numbered(3))
    assert posts.empty()


def test_close_waits_for_a_hanging_server_no_longer_than_its_deadline(posts):
    with hosted(silent) as host:
        one = Sender(posts.put)
        one.send(send_request({"type": "webhook", "url": f"http://{HOST}:{host.port}/"}))
        while not host.connections:
            pass
        watch = Watch()
        assert not one.close(0.2)
        assert in_time(watch.seconds, 1)
    assert receive(posts, 5).result.state is SendStatus.RETRY


def test_a_message_is_retried_if_no_thread_is_left(posts, monkeypatch):
    def start(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    Sender(posts.put).send(FILE)
    sent = receive(posts, 1)
    assert sent.result.state is SendStatus.RETRY and "no thread" in words(sent.result)
    webhook = deliver(send_request({"type": "webhook", "url": f"http://{HOST}:1/"}))
    assert said(webhook) == (SendStatus.RETRY, "can't start new thread", "", None)


def test_the_stack_size_of_other_threads_is_unchanged(posts):
    before = threading.stack_size()
    with hosted(answering("200 OK")) as host:
        one = Sender(posts.put)
        one.send(send_request({"type": "webhook", "url": f"http://{HOST}:{host.port}/"}, message("test")))
        assert receive(posts, 5).result.state is SendStatus.SENT
        assert one.close(5)
    assert threading.stack_size() == before


def test_the_modules_of_a_channel_are_imported_when_it_sends():
    program = (
        "import sys, minisched.notify; minisched.notify.Sender(print);"
        "heavy = 'ssl smtplib email email.message urllib.request http.client hmac hashlib subprocess'.split();"
        "print(sorted(set(heavy) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"

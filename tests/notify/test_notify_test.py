"""`notify-test`: a marked test message through every channel, to servers in this process, with an engine or without."""

from __future__ import annotations

import email
import email.policy
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from minisched.config import load_config
from minisched.notify import notify_test
from support.cli import Cli
from support.http import exchange, request
from support.notify import HOST, answering, hosted, parsed, serving, silent
from support.programs import Home, eventually, in_time

SECRET = "xoxb-0123456789"


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    (tmp_path / "home" / "tasks").mkdir(parents=True)
    return Cli(capsys, tmp_path / "home")


def write(cli: Cli, *rules: dict[str, Any], **settings: Any) -> None:
    task = {"task_id": "backup", "task_name": "夜间备份", "task_exec": "true", "task_notify": list(rules)}
    document = {"settings": {"timezone": "UTC", **settings}, "tasks": [task]}
    (cli.home / "tasks" / "config.json").write_text(json.dumps(document))


def rule(name: str, *channels: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": name, "triggers": ["technical_failure"], "channels": list(channels), **fields}


class Inbox:
    """A mail server's mails."""

    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 taken as 4711"


def test_each_channel_gets_a_marked_message_and_its_answer_is_printed(cli: Cli) -> None:
    inbox = Inbox()
    ok, lost = answering("200 OK", b"ok"), answering("404 Not Found", b"no_service")
    with serving(inbox) as port, hosted(ok) as chat, hosted(lost) as gone:
        hook = {"type": "webhook", "preset": "slack", "url": f"http://{HOST}:{chat.port}/{SECRET}"}
        write(
            cli,
            rule("ops", {"type": "email", "recipients": ["ops@example.org"]}, hook),
            rule("paper", {"type": "file", "path": "notices.jsonl"}, threshold=3),
            rule("tell", {"type": "command", "task_exec": "cat >&2; echo done; exit 7"}),
            rule("gone", {"type": "webhook", "url": f"http://{HOST}:{gone.port}/{SECRET}"}),
            rule("off", {"type": "file", "path": "off.jsonl"}, enabled=False),
            smtp={"host": HOST, "port": port, "security": "none", "from": "plant7@example.org"},
        )
        done = cli("notify-test", "backup")
    assert done.returncode == 1
    first, second, third, fourth, fifth = done.stdout.splitlines()
    assert (first, second, third) == ("ops, email: sent", "ops, webhook slack: sent; answer: ok", "paper, file: sent")
    assert fourth.startswith("tell, command: failed: the command ended with exit code 7; answer: ")
    assert fourth.endswith(" done")
    assert fifth == "gone, webhook: failed: HTTP 404; answer: no_service"
    assert SECRET not in done.stdout + done.stderr
    (mail,) = inbox.mails
    assert mail["Subject"] == "[test] 夜间备份: technical failure"
    assert "This is a test message. Nothing has happened." in mail.get_body(("plain",)).get_content()
    (asked,) = chat.seen
    assert "[test]" in json.loads(parsed(asked).body)["text"]
    (line,) = (cli.home / "notices.jsonl").read_text().splitlines()
    sent = json.loads(line)
    assert (sent["event"], sent["test"], sent["execution_status"]) == ("test", True, "technical_failure")
    assert (sent["threshold_count"], sent["task_url"]) == ("3", "http://127.0.0.1:8787/#task/backup")
    assert not (cli.home / "off.jsonl").exists()
    assert not (cli.home / "var").exists()  # nothing is counted and nothing kept


def test_a_disabled_rule_can_be_tested_by_its_name(cli: Cli) -> None:
    write(
        cli,
        rule("on", {"type": "file", "path": "on.jsonl"}),
        rule("off", {"type": "file", "path": "off.jsonl"}, enabled=False),
    )
    done = cli("notify-test", "backup", "off", "--json")
    assert done.returncode == 0
    (found,) = done.json
    assert found.pop("duration") < 5
    assert found == {"rule": "off", "channel": 0, "channel_type": "file", "state": "sent", "error": None, "answer": ""}
    assert (cli.home / "off.jsonl").exists() and not (cli.home / "on.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nobody",), 'no task "nobody"'),
        (("backup", "offf"), 'task backup has no rule "offf"; it has "off"'),
        (("backup",), "task backup has no enabled rule in task_notify"),
    ],
)
def test_unknown_tasks_and_rules_are_reported(cli: Cli, arguments: tuple[str, ...], words: str) -> None:
    write(cli, rule("off", {"type": "file", "path": "off.jsonl"}, enabled=False))
    done = cli("notify-test", *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr


def test_a_channel_that_hangs_does_not_delay_the_others(cli: Cli) -> None:
    with hosted(silent) as hung:
        write(
            cli,
            rule("hung", {"type": "webhook", "url": f"http://{HOST}:{hung.port}/"}),
            rule("paper", {"type": "file", "path": "notices.jsonl"}),
        )
        config = load_config(str(cli.home / "tasks" / "config.json"))
        task = config.tasks["backup"]
        start = time.monotonic()
        results = notify_test.try_channels(config, task, task.task_notify, str(cli.home), os.environ, deadline_s=1.0)
        assert in_time(time.monotonic() - start, 3)
    assert [str(one) for one in results] == [
        "hung, webhook: failed: no answer within 1 s; the message may still arrive",
        "paper, file: sent",
    ]


def test_many_channels_are_tested_a_few_at_a_time(cli: Cli) -> None:
    write(cli, rule("many", *({"type": "file", "path": f"{number}.jsonl"} for number in range(30))))
    done = cli("notify-test", "backup", "--json")
    assert done.returncode == 0
    assert [one["channel"] for one in done.json] == list(range(30))
    assert len(list(cli.home.glob("*.jsonl"))) == 30


def test_a_lack_of_threads_is_reported(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Any) -> None:
        raise RuntimeError("can't start new thread")

    write(cli, rule("paper", {"type": "file", "path": "notices.jsonl"}))
    monkeypatch.setattr("threading.Thread.start", refuse)
    done = cli("notify-test", "backup")
    assert done.returncode == 1
    assert "can't start new thread" in done.stderr


def test_an_answer_is_escaped(cli: Cli) -> None:
    write(cli, rule("tell", {"type": "command", "task_exec": r"printf '\033[31mred'"}))
    done = cli("notify-test", "backup")
    assert done.stdout == "tell, command: sent; answer: \\x1b[31mred\n"


def test_a_template_is_filled_with_sample_values(cli: Cli) -> None:
    names = "task_id execution_status threshold_count attempt execution_id exit_code execution_log_tail"
    body = {name: f"{{{{ {name} }}}}" for name in names.split()}
    with hosted(answering("204 No Content")) as host:
        write(
            cli,
            rule(
                "a",
                {"type": "webhook", "url": f"http://{HOST}:{host.port}/", "body_template": body},
                triggers=["timeout"],
            ),
        )
        assert cli("notify-test", "backup").returncode == 0
        (asked,) = host.seen
    assert json.loads(parsed(asked).body) == {
        "task_id": "backup",
        "execution_status": "technical_failure",
        "threshold_count": "1",
        "attempt": "1",
        "execution_id": "",
        "exit_code": "",
        "execution_log_tail": notify_test.LOG_TAIL.decode(),
    }


def test_the_engine_tests_for_the_page_and_logs_it(home: Home) -> None:
    paper = rule("paper", {"type": "file", "path": "n.jsonl"})
    home.write({"task_id": "backup", "task_exec": "true", "task_notify": [paper]}, http={"port": 0})
    home.start()
    url = eventually(lambda: json.loads((home.path / "var" / "lock").read_text())["url"], "the page is up")
    address = (HOST, int(url.rpartition(":")[2]))
    token = (home.path / "var" / "token").read_text().strip()
    line, body = "POST /api/scheduler/tasks/backup/notify-test", b'{"rule": "paper"}'
    reply = exchange(address, request(address, line, "Content-Type: application/json", token=token, body=body))
    assert reply.status == 200
    assert [(one["rule"], one["state"]) for one in reply.json["results"]] == [("paper", "sent")]
    sent = json.loads((home.path / "n.jsonl").read_text())
    assert (sent["test"], sent["task_id"]) == (True, "backup")
    assert "backup: test message, requested by API, 127.0.0.1:" in home.engine_log()
    assert "paper, file: sent" in home.engine_log()


def test_what_a_rule_says_of_a_slow_and_of_a_late_task_can_be_tested(cli: Cli) -> None:
    paper = {"type": "file", "path": "notices.jsonl"}
    write(cli, rule("slow", paper, triggers=["slow"]), rule("late", paper, triggers=["late"]))
    assert cli("notify-test", "backup").returncode == 0
    found = [json.loads(line) for line in (cli.home / "notices.jsonl").read_text().splitlines()]
    assert sorted((one["execution_status"], one["execution_id"]) for one in found) == [("late", ""), ("slow", "")]
    assert all(one["subject"].startswith("[test] 夜间备份 is ") for one in found)

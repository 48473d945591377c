"""The engine's own problems become messages, by the rules of `settings.notify.engine`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from minisched.config import parse_config
from minisched.model import LogChanged, Text
from minisched.model.notification import SendResult, SendStatus
from minisched.notify.templates import default_text
from support.config import line, problems_of
from support.deliveries import AWAY, outbox, rule
from support.engine import MakeSim, configure, exits, failing_sim, task
from support.sim import Exit, Sim

BOTH = {"engine": [rule("problem", "problem_gone", name="engine")]}
LOG = "/home/logs/a.log"


def break_log(one: Sim, why: str = "read-only") -> None:
    one.post(LogChanged(LOG, Text("text", text=why)))
    one.run_for(5)


def mend_log(one: Sim) -> None:
    one.post(LogChanged(LOG, None))
    one.run_for(5)


def told(one: Sim) -> list[tuple[str, str]]:
    """(status, reason) of each message."""
    variables = [request.message.variables for request, _ in one.world.sent]
    return [(each["execution_status"], each["execution_reason"]) for each in variables]


def test_a_problem_is_told_once_and_so_is_its_end(sim: MakeSim) -> None:
    one = sim(task(), notify=BOTH)
    one.run_for(5)
    assert told(one) == []
    break_log(one)
    break_log(one, "another reason")
    assert told(one) == [("problem", "logs")]
    mend_log(one)
    one.run_for(600)
    assert told(one) == [("problem", "logs"), ("problem_gone", "logs")]


def test_the_message_is_a_sentence(sim: MakeSim) -> None:
    one = sim(task(), notify=BOTH)
    break_log(one)
    message = one.world.sent[0][0].message
    problem = f"output of tasks is lost: {LOG}: read-only; the history keeps the end of it"
    assert message.variables["subject"] == f"minisched on plant7 has a problem: {problem}"
    assert default_text(message, 1000).splitlines()[:3] == [
        f"minisched on plant7 has a problem: {problem}",
        "",
        "minisched on plant7: problem",
    ]
    (delivery,) = outbox(one)
    shown = delivery.as_json(one.engine.state.tasks["a"].zone)
    assert (shown["task_id"], shown["run_id"], shown["rule"]) == (None, None, "engine")
    assert 'INFO notification 1 of minisched, rule "engine", file: sent' in one.lines


def test_it_is_a_sentence_in_chinese_too(sim: MakeSim) -> None:
    one = sim(task(), notify=BOTH, language="zh")
    break_log(one)
    mend_log(one)
    subjects = [request.message.variables["subject"] for request, _ in one.world.sent]
    assert subjects[0].startswith("plant7 上的 minisched 出现问题：任务输出丢失")
    assert subjects[1].startswith("plant7 上的 minisched：问题已消除：任务输出丢失")
    text = default_text(one.world.sent[0][0].message, 1000)
    assert text.splitlines()[2] == "minisched，主机 plant7：出现问题"


def test_a_rule_gets_what_it_asks_for(sim: MakeSim) -> None:
    rules = [
        rule("problem", name="begin"),
        rule("problem_gone", name="end"),
        rule("problem", name="off", enabled=False),
    ]
    one = sim(task(), notify={"engine": rules})
    break_log(one)
    mend_log(one)
    assert [delivery.rule for delivery in outbox(one)] == ["begin", "end"]


def test_within_the_cooldown_messages_are_counted(sim: MakeSim) -> None:
    one = sim(task(), notify={"engine": [rule("problem", cooldown="1h")]})
    for _ in range(4):
        break_log(one)
        mend_log(one)
    one.run_for(3600)
    break_log(one)
    assert [request.message.variables["suppressed_count"] for request, _ in one.world.sent] == ["0", "3"]


def test_a_problem_that_the_next_engine_has_too_is_not_told_again(sim: MakeSim) -> None:
    one = sim(task(), notify=BOTH)
    break_log(one)
    one.crash()
    one.boot()
    one.run_for(5)
    break_log(one)
    one.run_for(600)
    assert told(one) == [("problem", "logs")]
    mend_log(one)
    assert told(one)[1:] == [("problem_gone", "logs")]


def test_a_problem_that_the_next_engine_does_not_have_is_over_after_two_minutes(sim: MakeSim) -> None:
    one = sim(task(), notify=BOTH)
    break_log(one)
    one.crash()
    one.boot()
    one.run_for(100)
    assert told(one) == [("problem", "logs")]
    one.run_for(30)
    assert told(one) == [("problem", "logs"), ("problem_gone", "logs")]


def test_a_rule_that_is_new_is_told_of_what_is_wrong_already(sim: MakeSim) -> None:
    one = sim(task())
    break_log(one)
    configure(one, task(), notify=BOTH)
    one.run_for(5)
    assert told(one) == [("problem", "logs")]


def test_a_history_that_cannot_be_written_is_told_when_it_can_be(tmp_path: Path) -> None:
    one, ledger = failing_sim(tmp_path, task(schedule="@every 10s"), notify=BOTH)
    one.run_for(5)
    ledger.kind = "locked"
    one.run_for(60)
    assert told(one) == []
    ledger.kind = ""
    one.run_for(10)
    assert told(one) == [("problem", "history"), ("problem_gone", "history")]


def test_a_message_that_cannot_be_delivered_makes_no_further_ones(sim: MakeSim) -> None:
    one = sim(task(), notify={**BOTH, "max_attempts": 2})
    one.world.post = lambda order, draw: (0.1, SendResult(SendStatus.FAILED, AWAY.error))
    break_log(one)
    one.run_for(3600)
    assert told(one) == [("problem", "logs"), ("problem", "notifications")]


def test_messages_of_the_engine_and_of_tasks_are_kept_apart(sim: MakeSim) -> None:
    rules = [rule("technical_failure", name="engine")]
    one = sim(task("a", "@every 60s", task_notify=rules), script=exits(a=Exit(1.0, 75)), notify=BOTH)
    break_log(one)
    one.run_for(70)
    assert sorted((delivery.task_id, delivery.rule) for delivery in outbox(one)) == [("", "engine"), ("a", "engine")]


# --------------------------------------------------------------------------------------------------------------- config


def engine_rule(**fields: Any) -> dict[str, Any]:
    document = rule("problem")
    return {"settings": {"notify": {"engine": [{**document, **fields}]}}, "tasks": []}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"triggers": ["late"]}, 'triggers[0] is "late"; expected "problem" or "problem_gone"'),
        ({"threshold": 3}, "threshold does not apply here: each problem of the engine is reported once"),
        ({"recovery": True}, 'recovery does not apply here; write "problem_gone" into triggers'),
        ({"channels": []}, "channels is []; expected a list that is not empty"),
        ({"channels": [{"type": "email", "recipients": ["a@b.c"]}]}, "settings.notify.engine[0].channels[0]"),
    ],
)
def test_a_rule_for_the_engine_is_checked(fields: dict[str, Any], expected: str) -> None:
    (found,) = problems_of(engine_rule(**fields))
    assert found.startswith("settings.notify.engine[0]") and expected in found


def test_a_secret_in_a_wrong_place_of_it_is_not_shown() -> None:
    channel = {"type": "webhook", "url": "ftp://hook/hunter2"}
    (found,) = problems_of(engine_rule(channels=[channel]))
    assert "hunter2" not in found


def test_a_rule_of_a_task_has_no_trigger_of_the_engine() -> None:
    import json

    tasks = [{"task_id": "a", "task_exec": "x", "task_notify": [rule("problem")]}]
    _, (problem,) = parse_config(json.dumps({"tasks": tasks}).encode())
    assert 'triggers[0] is "problem"' in line(problem)

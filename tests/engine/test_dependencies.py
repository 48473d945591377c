"""Runs that wait for other tasks."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from minisched.catalogue import detail_text
from minisched.model import ProcessSpec
from support.engine import T0, Exec, MakeSim, configure, exits, failing_sim, start, task
from support.sim import Exit, Killed, Sim


def test_a_task_without_a_schedule_runs_once_all_its_dependencies_have_succeeded(sim: MakeSim) -> None:
    one = sim(
        task("a", "@every 60s"),
        task("b", "@every 2m"),
        task("c", task_dependencies=["a", "b"]),
    )
    one.run_for(250)
    runs = one.runs("c")
    assert runs == [("c", "dependency", "success", None)] * 2
    assert one.rows("c")[0]["start_time"] > "2027-01-15T00:02:01"


def test_a_scheduled_task_waits_for_its_dependencies_and_names_them(sim: MakeSim) -> None:
    one = sim(
        task("export", "@at 2027-01-15T02:40"),
        task("load", "@at 2027-01-15T02:50"),
        task("report", "30 2 * * *", task_dependencies=["export", "load"]),
    )
    one.run_until(T0 + 2.6 * 3600)
    assert one.runs("report") == [("report", "schedule", "waiting", "export,load")]
    one.run_until(T0 + 2.75 * 3600)
    assert one.runs("report") == [("report", "schedule", "waiting", "load")]
    one.run_until(T0 + 3 * 3600)
    (row,) = one.rows("report")
    assert (row["status"], row["start_time"][11:19]) == ("success", "02:50:01")


def test_tokens_that_exist_already_let_it_start_at_its_due_time(sim: MakeSim) -> None:
    one = sim(task("export", "0 1 * * *"), task("report", "30 2 * * *", task_dependencies=["export"]), poll_s=60.0)
    one.run_for(86_400)
    (row,) = one.rows("report")
    assert (row["status"], row["start_time"][11:19]) == ("success", "02:30:00")


def test_a_waiting_run_is_superseded_by_its_next_due_time(sim: MakeSim) -> None:
    one = sim(task("export", "@at 2027-01-15T00:02:30"), task("report", "@every 60s", task_dependencies=["export"]))
    one.run_for(185)
    assert [row[2:] for row in one.runs("report")] == [
        ("skipped", "superseded"),
        ("success", None),
        ("waiting", "export"),
    ]


def test_a_waiting_run_ends_at_its_dependency_timeout(sim: MakeSim) -> None:
    one = sim(
        task("export"),
        task("report", "@every 1h", task_dependencies=["export"], task_dependency_timeout="10m"),
    )
    one.run_for(3600 + 599)
    assert one.runs("report") == [("report", "schedule", "waiting", "export")]
    one.run_for(2)
    assert one.runs("report") == [("report", "schedule", "skipped", "dependency_timeout")]


def test_a_failed_dependency_skips_the_chain_behind_it_with_the_cause(sim: MakeSim) -> None:
    one = sim(
        task("a", "@every 1h"),
        task("b", task_dependencies=["a"]),
        task("c", task_dependencies=["b"]),
        script=exits(a=Exit(1.0, 1)),
    )
    one.run_for(3700)
    assert one.runs()[1:] == [
        ("b", "dependency", "skipped", "upstream_failed"),
        ("c", "dependency", "skipped", "upstream_failed"),
    ]
    assert one.rows("b")[0]["detail"] == {
        "code": "upstream_failed",
        "task": "a",
        "status": "business_failure",
        "reason": "exit_code",
        "run": 1,
    }


def test_the_tokens_of_some_dependencies_survive_a_restart(sim: MakeSim) -> None:
    one = sim(
        task("a", "@at 2027-01-15T00:01"), task("b", "@at 2027-01-15T00:10"), task("c", task_dependencies=["a", "b"])
    )
    one.run_for(120)
    assert one.stop() == 0
    one.world.pass_time(60)
    one.boot()
    one.run_for(600)
    assert one.runs("c") == [("c", "dependency", "success", None)]


def test_a_run_that_waits_for_its_dependencies_survives_a_restart(sim: MakeSim) -> None:
    one = sim(task("a", "@at 2027-01-15T00:10"), task("b", "@at 2027-01-15T00:01", task_dependencies=["a"]))
    one.run_for(120)
    one.stop()
    one.boot()
    assert one.runs("b") == [("b", "schedule", "waiting", "a")]
    one.run_for(600)
    assert one.runs("b") == [("b", "schedule", "success", None)]


def test_a_manual_run_takes_no_tokens_and_its_success_gives_them(sim: MakeSim) -> None:
    one = sim(task("a"), task("b", task_dependencies=["a"]), task("c", task_dependencies=["b"]))
    start(one, "b", DAY="monday")
    one.run_for(10)
    assert one.runs() == [("b", "manual", "success", None), ("c", "dependency", "success", None)]


# ------------------------------------------------------------------------------------------------- which end is meant


def on(task_id: str, on: str = "success", **more: Any) -> dict[str, Any]:
    return {"task_id": task_id, "on": on, **more}


FAILS = Exit(1.0, 1)
BREAKS = Exit(1.0, 75)


@pytest.mark.parametrize(
    ("how", "success", "failure", "end"),
    [
        (Exit(1.0), "success", "skipped", "success"),
        (FAILS, "skipped", "success", "success"),
        (BREAKS, "skipped", "success", "success"),
    ],
)
def test_each_kind_of_end_starts_the_dependents_that_are_about_it_and_skips_the_others(
    sim: MakeSim, how: Exit, success: str, failure: str, end: str
) -> None:
    kinds = ("success", "failure", "end")
    one = sim(
        task("a", "@at 2027-01-15T00:01"),
        *(task(f"on_{kind}", task_dependencies=[on("a", kind)]) for kind in kinds),
        script=exits(a=how),
    )
    one.run_for(120)
    assert [[row["status"] for row in one.rows(f"on_{kind}")] for kind in kinds] == [[success], [failure], [end]]
    skipped = next(row for row in one.rows() if row["status"] == "skipped")
    status = {0: "success", 1: "business_failure"}.get(how.code, "technical_failure")  # type: ignore[arg-type]
    assert (skipped["reason"], skipped["detail"]["task"], skipped["detail"]["status"]) == (
        "upstream_failed",
        "a",
        status,
    )


def test_a_failure_counts_after_its_last_attempt(sim: MakeSim) -> None:
    one = sim(
        task("a", "@every 1h", task_retry={"max_attempts": 2, "delay": 60, "jitter": 0}),
        task("clean", task_dependencies=[on("a", "failure")]),
        script=exits(a=[BREAKS, Exit(1.0), BREAKS, BREAKS]),
    )
    one.run_for(3600 + 65)
    assert one.runs("clean") == [("clean", "dependency", "skipped", "upstream_failed")]
    one.run_for(3600 + 10)
    assert one.runs("clean")[1:] == [("clean", "dependency", "success", None)]
    assert one.rows("clean")[1]["start_time"] > "2027-01-15T02:01:02"


def test_a_run_that_was_skipped_or_cancelled_is_no_end(sim: MakeSim) -> None:
    one = sim(
        task("a", "@every 60s"),
        task("b", task_dependencies=["a"]),
        task("any", task_dependencies=[on("b", "end")]),
        script=exits(a=FAILS),
    )
    one.run_for(70)
    assert one.runs("any") == [("any", "dependency", "skipped", "upstream_failed")]
    assert one.rows("any")[0]["detail"]["status"] == "skipped"


def test_a_waiting_run_says_which_end_it_waits_for(sim: MakeSim) -> None:
    needs = ["a", on("b", "failure"), on("c", "end", within="26h"), on("d", within="ever")]
    one = sim(*map(task, "abcd"), task("e", "@every 1h", task_dependencies=needs))
    one.run_for(3605)
    (row,) = one.rows("e")
    assert (row["status"], row["reason"]) == ("waiting", "a,b,c,d")
    assert detail_text(row["detail"]) == (
        "waiting for a, failure of b, end of c in the last 1d2h, success of d at any time"
    )
    assert any(
        line.endswith("e: waiting (waiting for a, failure of b, end of c in the last 1d2h, success of d at any time)")
        for line in one.lines
    )
    start(one, "d")
    one.run_for(10)
    start(one, "a")
    one.run_for(10)
    assert one.rows("e")[0]["reason"] == "b,c"


# ------------------------------------------------------------------------------------------------------------- within


def test_an_end_within_the_time_starts_any_number_of_runs(sim: MakeSim) -> None:
    one = sim(
        task("load", "@at 2027-01-15T00:30"), task("a", "@every 1h", task_dependencies=[on("load", within="150m")])
    )
    one.run_for(4 * 3600 + 60)
    assert [row[2:] for row in one.runs("a")] == [
        ("success", None),
        ("success", None),
        ("success", None),
        ("waiting", "load"),
    ]
    start(one, "load")
    one.run_for(5)
    assert one.runs("a")[-1][2:] == ("success", None)


def test_a_failure_later_does_not_undo_a_success(sim: MakeSim) -> None:
    one = sim(
        task("load"),
        task("a", "@every 1h", task_dependencies=[on("load", within="ever")]),
        script=exits(load=[Exit(), FAILS]),
    )
    one.run_for(60)
    start(one, "load")
    one.run_for(60)
    start(one, "load")
    one.run_for(3600)
    assert [row["status"] for row in one.rows("load")] == ["success", "business_failure"]
    assert one.runs("a") == [("a", "schedule", "success", None)]


def test_a_task_without_a_schedule_takes_tokens_once_the_state_holds(sim: MakeSim) -> None:
    one = sim(
        task("mount", "@at 2027-01-15T00:25"),
        task("a", "@every 10m"),
        task("b", task_dependencies=["a", on("mount", within="ever")]),
    )
    one.run_for(15 * 60)
    assert one.runs("b") == []  # no due time, so no row; the token of `a` waits
    one.run_for(3600)
    assert one.rows("b")[0]["start_time"][11:19] == "00:25:01"
    assert [row["start_time"][11:16] for row in one.rows("b")][1:3] == ["00:30", "00:40"]
    assert {row["status"] for row in one.rows("b")} == {"success"}  # what `mount` does skips nothing


def test_two_states_that_hold_in_the_same_step_start_what_waits_for_both(sim: MakeSim) -> None:
    one = sim(
        task("x", "@at 2027-01-15T01:10"),
        task("y", "@at 2027-01-15T01:10"),
        task("a", "@at 2027-01-15T01:00", task_dependencies=[on("x", within="1h"), on("y", "end", within="1h")]),
        script=exits(y=FAILS),
    )
    one.run_for(2 * 3600)
    (row,) = one.rows("a")
    assert (row["status"], row["start_time"][11:19]) == ("success", "01:10:01")


@pytest.mark.parametrize("kind", ["success", "failure", "end"])
def test_a_state_survives_a_restart_and_so_does_what_waits_for_it(sim: MakeSim, kind: str) -> None:
    how = Exit(1.0) if kind == "success" else FAILS
    one = sim(
        task("load", "@at 2027-01-15T00:10"),
        task("a", "@every 1h", task_dependencies=[on("load", kind, within="90m")]),
        script=exits(load=how),
    )
    one.run_for(900)
    one.crash()
    one.boot()
    one.run_for(2 * 3600)
    assert [row[2:] for row in one.runs("a")] == [("success", None), ("waiting", "load")]
    one.crash()
    one.boot()
    start(one, "load")
    one.run_for(5)
    assert one.runs("a")[-1][2:] == ("success", None)


def test_a_run_of_exec_is_an_end_like_any_other(sim: MakeSim) -> None:
    one = sim(task("a"), task("b", "@every 1h", task_dependencies=[on("a", within="10m")]), poll_s=2.0)
    one.run_for(3605)
    assert one.runs("b") == [("b", "schedule", "waiting", "a")]
    other = Exec(one)
    one.run_for(10)
    other.end()
    one.run_for(5)
    assert one.runs("b") == [("b", "schedule", "success", None)]


def test_a_clock_set_back_makes_an_end_recent_again(sim: MakeSim) -> None:
    one = sim(task("load"), task("a", "@reboot", task_dependencies=[on("load", within="2h")]))
    start(one, "load")
    one.run_for(60)
    one.crash()
    one.world.pass_time(3 * 3600)
    one.world.boot_id = "boot-2"
    one.boot()
    assert one.runs("a")[-1] == ("a", "reboot", "waiting", "load")
    one.world.set_clock(-1.5 * 3600)
    one.run_for(5)
    assert one.runs("a")[-1] == ("a", "reboot", "success", None)


def test_an_end_by_a_clock_of_another_year_does_not_count(sim: MakeSim) -> None:
    one = sim(task("load"), task("a", "@every 1h", task_dependencies=[on("load", within="26h")]))
    one.world.set_clock(400 * 86_400.0)
    one.run_for(5)
    start(one, "load")
    one.run_for(5)
    one.world.set_clock(-400 * 86_400.0)
    one.run_for(3610)
    assert one.runs("a")[-1][2:] == ("waiting", "load")
    start(one, "load")
    one.run_for(5)
    assert one.runs("a")[-1][2:] == ("success", None)


def test_a_disabled_task_keeps_its_state_and_a_disabled_dependent_does_not_start(sim: MakeSim) -> None:
    def tasks(**of_load: Any) -> list[dict[str, Any]]:
        return [task("load", **of_load), task("a", "@every 1h", task_dependencies=[on("load", within="3h")])]

    one = sim(*tasks())
    start(one, "load")
    one.run_for(5)
    configure(one, *tasks(enabled=False))
    one.run_for(3600)
    assert one.runs("a") == [("a", "schedule", "success", None)]


# ------------------------------------------------------------------------------------------------------------- reload


@pytest.mark.parametrize(
    ("before", "how", "after", "runs"),
    [
        ("success", Exit(1.0), "failure", 0),
        ("failure", FAILS, "success", 0),
        ("success", Exit(1.0), "end", 1),
        ("failure", FAILS, "end", 1),
        ("end", Exit(1.0), "success", 0),
    ],
)
@pytest.mark.parametrize("restart", [False, True])
def test_a_token_is_of_the_end_that_it_was_put_down_for(
    sim: MakeSim, before: str, how: Exit, after: str, runs: int, restart: bool
) -> None:
    """A reload changes `on`: a token that lies there is dropped, unless any end is meant now."""

    def tasks(kind: str) -> list[dict[str, Any]]:
        return [task("a"), task("b"), task("c", task_dependencies=[on("a", kind), "b"])]

    one = sim(*tasks(before), script=exits(a=how))
    start(one, "a")
    one.run_for(5)
    configure(one, *tasks(after))
    if restart:
        one.crash()
        one.boot()
    one.run_for(5)
    start(one, "b")
    one.run_for(5)
    assert len(one.runs("c")) == runs


def test_a_reload_that_turns_a_token_into_a_state_looks_at_the_history(sim: MakeSim) -> None:
    one = sim(task("a"), task("b", "@every 1h", task_dependencies=["a"]))
    start(one, "a")
    one.run_for(3605)
    assert [row["status"] for row in one.rows("b")] == ["success"]
    one.run_for(3600)
    assert [row["status"] for row in one.rows("b")] == ["success", "waiting"]
    configure(one, task("a"), task("b", "@every 1h", task_dependencies=[on("a", within="ever")]))
    one.run_for(5)
    assert [row["status"] for row in one.rows("b")] == ["success", "success"]


def test_a_state_that_cannot_be_read_at_a_reload_is_read_later(tmp_path: Path) -> None:
    one, ledger = failing_sim(tmp_path, task("a"), task("b", "@every 1h", task_dependencies=["a"]))
    start(one, "a")
    start(one, "a")
    one.run_for(3605)
    one.run_for(3600)
    assert [row["status"] for row in one.rows("b")] == ["success", "waiting"]
    ledger.kind = "locked"
    configure(one, task("a"), task("b", "@every 1h", task_dependencies=[on("a", within="ever")]))
    one.run_for(5)
    ledger.kind = ""
    one.run_for(5)
    assert [row["status"] for row in one.rows("b")] == ["success", "success"]


# ---------------------------------------------------------------------------------- any order of ends, and any crash


def test_joins_of_all_kinds_follow_a_model_over_many_ends(sim: MakeSim) -> None:
    codes = random.Random(7)
    joins: dict[str, list[dict[str, Any]]] = {
        "j1": [on("a"), on("b", "failure")],
        "j2": [on("a", "end"), on("b")],
        "j3": [on("a", "failure"), on("b", "end")],
        "j4": [on("a"), on("b", within="150m")],
        "j5": [on("b", "end"), on("a", "failure", within="5h")],
    }

    def script(launch: ProcessSpec, draw: random.Random) -> Exit:
        return Exit(1.0, codes.choice([0, 0, 1, 75]) if launch.task_id in "ab" else 0)

    one = sim(
        task("a", "@every 1h"),
        task("b", "@every 90m", task_jitter="10m"),
        *(task(name, task_dependencies=needs) for name, needs in joins.items()),
        script=script,
        poll_s=1800.0,
    )
    one.run_for(4 * 86_400)
    ends = [row for row in one.rows() if row["task_id"] in "ab" and row["end_time"]]
    ends.sort(key=lambda row: (row["end_time"], row["run_id"]))
    for name, needs in joins.items():
        assert [row["status"] for row in one.rows(name)] == list(expected(ends, needs)), name


def expected(ends: list[dict[str, Any]], needs: list[dict[str, Any]]) -> Iterator[str]:
    """The statuses of the runs of a task with these dependencies, when tasks end one after the other."""
    tokens: set[str] = set()
    latest: dict[str, float] = {}
    unit = {"150m": 9000, "5h": 18_000}
    for end in ends:
        now = datetime.fromisoformat(end["end_time"]).timestamp()
        for need in needs:
            if need["task_id"] != end["task_id"]:
                continue
            met = need["on"] == "end" or (need["on"] == "success") is (end["status"] == "success")
            if met and "within" in need:
                latest[need["task_id"]] = now
            elif met:
                tokens.add(need["task_id"])
            elif "within" not in need:
                yield "skipped"
        if all(
            now - latest.get(need["task_id"], -1e9) <= unit[need["within"]]
            if "within" in need
            else need["task_id"] in tokens
            for need in needs
        ):
            tokens.clear()
            yield "success"


class KillingLedger:
    """A ledger whose engine is killed at its n-th commit, before or after that is on disk."""

    def __init__(self, ledger: Any, at: int, after: bool) -> None:
        self.real, self.left, self.after = ledger, at, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    @contextmanager
    def transaction(self, durable: bool = True) -> Iterator[Any]:
        self.left -= 1
        with self.real.transaction(durable) as tx:
            yield tx
            if self.left == 0 and not self.after:
                raise Killed
        if self.left == 0:
            raise Killed


def killed(folder: Path, at: int, after: bool) -> tuple[list[tuple[Any, ...]], bool]:
    """The runs of a morning, and whether there was an `at`-th commit to be killed at."""
    retry = {"max_attempts": 2, "delay": 1, "jitter": 0}
    tasks = [
        task("a", "@at 2027-01-15T00:01", task_retry=retry),
        task("b", "@at 2027-01-15T00:02", task_retry=retry),
        task("j1", task_dependencies=["a", on("b", "failure")], task_retry=retry),
        task("j2", task_dependencies=[on("b", "end"), on("a", within="1h")], task_retry=retry),
        task("j3", task_dependencies=["j1"], task_retry=retry),
        task("s", "@at 2027-01-15T00:01:30", task_dependencies=[on("b", "failure", within="1h")], task_retry=retry),
        task("no", task_dependencies=[on("j1", "failure")]),
    ]
    ledgers: list[KillingLedger] = []

    def wrap(ledger: Any) -> KillingLedger:
        ledgers.append(KillingLedger(ledger, 0 if ledgers else at, after))
        return ledgers[-1]

    one = Sim(str(folder / f"{at}-{after}.db"), T0, tasks, exits(b=FAILS), wrap=wrap, poll_s=60.0)
    try:
        one.boot()
        one.run_until(T0 + 180)
    except Killed:
        one.crash()
        one.boot()
        one.run_until(T0 + 180)
    return sorted((row["task_id"], row["status"], row["reason"]) for row in one.rows()), ledgers[0].left <= 0


@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_any_commit_loses_no_end_and_uses_none_twice(tmp_path: Path, after: bool) -> None:
    whole, _ = killed(tmp_path, 0, after)
    assert whole == [
        ("a", "success", None),
        ("b", "business_failure", "exit_code"),
        ("j1", "success", None),
        ("j2", "success", None),
        ("j3", "success", None),
        ("no", "skipped", "upstream_failed"),
        ("s", "success", None),
    ]
    at, reached = 1, True
    while reached:
        found, reached = killed(tmp_path, at, after)
        assert found == whole, f"killed at commit {at}"
        at += 1
    assert at > 12

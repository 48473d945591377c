"""`why`: for any moment, the answer agrees with the ledger."""

from __future__ import annotations

import os
import random
from contextlib import closing
from datetime import datetime, timezone
from typing import Any

import pytest

from minisched.api.why import gather, span_of
from minisched.catalogue import render
from minisched.model import ConfigEdit, Origin
from minisched.store.reader import History
from minisched.timetable import load_zone
from minisched.why import Finding, explain
from support.engine import T0, MakeSim, configure, exits, task
from support.sim import Exit, Sim

HOUR = 3600
UTC = load_zone("UTC")
BERLIN = "Europe/Berlin"
SEEDS = int(os.environ.get("MINISCHED_WHY_SEEDS", "2"))  # 300 moments for each; CONTRIBUTING.md has 34


def ask(one: Sim, task_id: str, at: str | None = None, zone: str = "UTC") -> list[Finding]:
    now = one.world.wall()
    with closing(History(one.path)) as history:
        span = span_of(at, load_zone(zone), now)
        return explain(gather(history, one.source.content, task_id, span, now, one.engine is not None), span)


def codes(one: Sim, task_id: str, at: str | None = None, zone: str = "UTC") -> list[str]:
    return [finding.text.code for finding in ask(one, task_id, at, zone)]


def words(one: Sim, task_id: str, at: str | None = None) -> str:
    for language in ("zh", "en"):
        text = "\n".join(render(finding.text, language) for finding in ask(one, task_id, at))
        assert "{" not in text, text
    return text


def test_it_ran_or_failed_or_was_not_due(sim: MakeSim) -> None:
    one = sim(task("a", "0 1,3 * * *"), script=exits(a=[Exit(), Exit(code=3)]))
    one.run_until(T0 + 5 * HOUR)
    assert words(one, "a", "01:00") == "2027-01-15T01:00:00+00:00: run 1 (schedule), success"
    assert "run 2 (schedule), technical_failure: exit code 3" in words(one, "a", "03:00")
    assert words(one, "a", "02:00") == (
        "it was not due then: the due time before is 2027-01-15T01:00:00+00:00, the next one 2027-01-15T03:00:00+00:00"
    )
    assert codes(one, "a", "today") == ["why.run", "why.run_why"]
    assert codes(one, "a", "tomorrow") == ["why.coming", "why.coming"]


def test_due_times_of_which_the_same_is_to_be_said_have_one_sentence(sim: MakeSim) -> None:
    one = sim(task("a", "0 * * * *"))
    assert codes(one, "a", "tomorrow") == ["why.coming", "why.same"]
    assert "the same for 23 more due times, the last at 2027-01-16T23:00:00+00:00" in words(one, "a", "tomorrow")


def test_of_many_due_times_the_latest_are_explained(sim: MakeSim) -> None:
    one = sim(task("a", "* * * * *"))
    one.run_until(T0 + 10.5 * 60)
    found = ask(one, "a")
    assert [finding.text.code for finding in found].count("why.run") >= 10
    assert min(finding.time for finding in found if finding.time is not None) > T0 - 2 * HOUR
    assert found[-1].text.code == "why.more" or found[-2].text.code == "why.more"
    coming = ask(one, "a", "tomorrow")
    first = min(finding.time for finding in coming if finding.time is not None)
    assert coming[-1].text.code == "why.more" and first % (24 * HOUR) == 0


def test_no_engine_ran(sim: MakeSim) -> None:
    one = sim(task("a", "0 * * * *", task_misfire="skip"))
    one.run_until(T0 + 1.5 * HOUR)
    assert codes(one, "a", "00:00") == ["why.due_before_first"]  # the engine began in this very second
    one.stop()
    one.engine = None
    one.world.pass_time(2 * HOUR)
    assert codes(one, "a", "02:00") == ["why.no_engine", "why.due_no_engine"]
    one.boot()
    one.run_for(10)
    assert codes(one, "a", "02:00") == ["why.no_engine_then", "why.run_why"]
    assert "no engine ran from 2027-01-15T01:30:00+00:00 to 2027-01-15T03:30:00+00:00: it was stopped" in words(
        one, "a", "02:00"
    )


def test_disabled_changed_added_removed_and_by_whom(sim: MakeSim) -> None:
    one = sim(task("a", "0 * * * *"))
    one.run_until(T0 + 1.5 * HOUR)
    one.post(ConfigEdit(Origin("cli", "alice, 127.0.0.1:1")))
    configure(one, task("a", "0 * * * *", enabled=False), task("b", "0 * * * *"))
    one.run_for(4)
    one.post(ConfigEdit(None))
    one.run_until(T0 + 3.5 * HOUR)
    assert "disabled at 2027-01-15T01:30:0" in words(one, "a", "02:00")
    assert "on the command line (alice)" in words(one, "a", "02:00")
    assert codes(one, "b", "01:00") == ["why.added_later"]
    configure(one, task("a", "30 * * * *"))
    one.run_until(T0 + 4.75 * HOUR)
    assert codes(one, "b", "04:00") == ["why.removed"]
    assert codes(one, "a", "04:30") == ["why.run"]
    assert codes(one, "a", "01:00") == ["why.schedule_changed", "why.run"]


def test_paused_and_made_up(sim: MakeSim) -> None:
    one = sim(task("a", "0 * * * *"))
    one.run_until(T0 + 0.5 * HOUR)
    configure(one, task("a", "0 * * * *"), paused=True)
    one.run_until(T0 + 2.5 * HOUR)
    assert codes(one, "a", "02:00") == ["why.paused", "why.due_paused"]
    assert codes(one, "a", "2027-01-15T05:00") == ["why.paused", "why.coming_paused"]
    configure(one, task("a", "0 * * * *"))
    one.run_for(10)
    assert codes(one, "a", "01:00") == ["why.was_paused", "why.span"]


def test_a_cause_is_followed_to_the_run_that_failed(sim: MakeSim) -> None:
    tasks = [task("a", "0 1 * * *"), task("b", task_dependencies=["a"]), task("c", task_dependencies=["b"])]
    one = sim(*tasks, script=exits(a=Exit(code=1)))
    one.run_until(T0 + 1.5 * HOUR)
    found = [(finding.text.code, finding.run_id) for finding in ask(one, "c")]
    assert found[1:] == [("why.run_why", 3), ("why.cause_why", 2), ("why.cause_why", 1)]


@pytest.mark.parametrize(
    ("at", "code"),
    [("2027-03-28T02:30", "why.skipped_time"), ("2026-10-25T02:30", "why.first_pass"), ("2026-10-25T02:30Z", "")],
)
def test_a_local_time_that_does_not_exist_or_comes_twice(sim: MakeSim, at: str, code: str) -> None:
    one = sim(task("a", "30 2 * * *", task_timezone="Europe/Berlin"))
    assert (codes(one, "a", at, "Europe/Berlin")[0] == code) == bool(code)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_answer_agrees_with_the_ledger_at_any_moment_of_two_weeks(sim: MakeSim, seed: int) -> None:
    draw = random.Random(seed)

    def tasks() -> list[dict[str, Any]]:
        return [
            task("often", "*/20 * * * *", task_overlap=draw.choice(["skip", "queue", "replace"])),
            task("daily", draw.choice(["30 2 * * *", "30 3 * * *"]), task_timezone=BERLIN, enabled=draw.random() > 0.3),
            task("hourly", "0 * * * *", task_misfire=draw.choice(["skip", "latest", "all"]), task_jitter=60),
            task("after", task_dependencies=["hourly"]),
            task("both", "15 */2 * * *", task_dependencies=["daily"]),
            *([task("some", "@every 7h")] if draw.random() > 0.5 else []),
        ]

    def script(launch: Any, chance: random.Random) -> Exit:
        return Exit(chance.choice([1, 100, 3000]), chance.choice([0, 0, 0, 1, 2]))

    one = sim(*tasks(), script=script, seed=seed, poll_s=600.0)  # a look at the config file every ten minutes
    end = T0 + 14 * 86_400
    while one.world.wall() < end:
        one.run_for(draw.uniform(1, 2) * 86_400)
        what = draw.choice(["config", "pause", "crash", "stop", "sleep"])
        if what == "config":
            configure(one, *tasks())
        elif what == "pause":
            content = one.source.content
            one.source.write(content._replace(settings=content.settings._replace(paused=True)))
            one.run_for(draw.uniform(0.1, 20) * HOUR)
            one.source.write(content)
        elif what == "sleep":
            one.world.set_clock(draw.uniform(0.1, 10) * HOUR)
        else:
            one.crash() if what == "crash" else one.stop()
            if draw.random() < 0.5:
                configure(one, *tasks())
            one.world.pass_time(draw.uniform(0.01, 20) * HOUR)
            one.boot()
    one.run_for(HOUR)
    now = one.world.wall()
    with closing(History(one.path)) as history:
        for _ in range(300):
            task_id = draw.choice(["often", "daily", "hourly", "after", "both", "some"])
            moment = int(draw.uniform(T0, now)) // 60 * 60
            at = datetime.fromtimestamp(moment, timezone.utc)
            span = span_of(f"{at:%Y-%m-%dT%H:%MZ}", UTC, now)
            found = explain(gather(history, one.source.content, task_id, span, now, True), span)
            told = {finding.run_id for finding in found if finding.text.code.startswith(("why.run", "why.span"))}
            rows = [
                run
                for run in history.due_runs(task_id, span.since, span.until - 1, 100)
                if (run.missed_since or run.scheduled_time or 0) < span.until
            ]
            assert {run.run_id for run in rows} <= told, (task_id, span, found)
            for finding in found:
                run = next((run for run in rows if run.run_id == finding.run_id), None)
                if run is not None and finding.text.code.startswith(("why.run", "why.span")):
                    assert finding.text.values["status"] == run.status.value
            if not rows:
                assert "why.due_no_row" not in [finding.text.code for finding in found], (task_id, span, found)
                assert found, (task_id, span)

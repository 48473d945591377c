"""Secrets of a real engine: variables of runs by hand, and variables that only one task gets."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from support.programs import Home, eventually

PAGE = {"port": 0}


def page_is_up(home: Home) -> None:
    eventually(lambda: '"url": "http' in (home.path / "var" / "lock").read_text(), "the page is up")


def stored(home: Home) -> list[str]:
    """The variables of runs in the history."""
    with closing(sqlite3.connect(f"file:{home.path}/var/minisched.db?mode=ro", uri=True)) as db:
        return [env for (env,) in db.execute("SELECT env FROM task_history WHERE env IS NOT NULL")]


def test_variables_of_a_run_by_hand_are_kept_until_it_ends(home: Home) -> None:
    retry = {"max_attempts": 2, "delay": 0.1}
    home.write({"task_id": "a", "task_exec": 'echo "got $KEY"; exit 3', "task_retry": retry}, http=PAGE)
    home.start()
    page_is_up(home)
    done = home.run("trigger", "a", "--wait", "--env", "KEY=of-one-run")
    assert done.returncode == 3
    (row,) = eventually(lambda: home.ended("a"))
    assert row["attempt"] == 2 and home.log("a").count("got of-one-run") == 2  # the second attempt gets it too
    assert stored(home) == []
    home.run("exec", "a", "--env", "KEY=of-one-run")
    assert len(home.ended("a")) == 2 and stored(home) == []
    home.write({"task_id": "a", "task_exec": "sleep 60"}, http=PAGE)
    home.run("reload")
    home.run("trigger", "a", "--env", "KEY=while-it-runs")
    eventually(lambda: stored(home) and "while-it-runs" in stored(home)[0])
    home.run("stop", "3")
    eventually(lambda: not stored(home))


def test_a_variable_stays_secret_when_the_config_no_longer_names_it(home: Home) -> None:
    show = {"task_id": "show", "task_exec": 'echo "[$SECRET][$OTHER]"'}
    keeper = {"task_id": "keeper", "task_exec": 'echo "[$KEY]"', "task_env": {"KEY": {"from_env": "SECRET"}}}
    home.write(show, keeper, http=PAGE)
    home.start(SECRET="hidden", OTHER="shown")
    page_is_up(home)
    assert "[hidden]" in home.run("trigger", "keeper", "--wait").stdout
    home.write(show, http=PAGE)  # the task that had it is gone
    assert home.run("reload").returncode == 0
    assert "[][shown]" in home.run("trigger", "show", "--wait").stdout

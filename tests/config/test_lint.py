"""How much work the warnings about a config are for an engine that runs."""

from __future__ import annotations

from pathlib import Path

from minisched.catalogue import render
from minisched.config.validate import parse_document
from minisched.lint import Surroundings, config_warnings
from support.config import task
from support.factories import config

NOW = 1_800_000_000.0


def test_of_very_many_warnings_the_first_hundred_and_the_number_of_the_others_are_kept() -> None:
    many = config(*(task(f"t{number}", task_cwd="/nowhere") for number in range(300)))
    found = config_warnings(many, Surroundings("/home", {}, NOW))
    assert len(found) == 101
    assert found[-1].text.code == "config.more"
    assert found[-1].text.values["count"] % 300 == 200


def test_the_engine_can_run_after_every_tenth_task() -> None:
    pauses: list[None] = []
    config_warnings(
        config(*(task(f"t{number}") for number in range(95))),
        Surroundings("/home", {}, NOW, pause=lambda: pauses.append(None)),
    )
    assert len(pauses) == 10


def warned(home: Path, *tasks: object, **document: object) -> list[str]:
    found, problems = parse_document({"version": 1, "settings": {"timezone": "UTC"}, "tasks": list(tasks), **document})
    assert found is not None and not problems, problems
    return [render(one.as_text()) for one in config_warnings(found, Surroundings(str(home), {}, NOW))]


def test_an_env_file_that_would_fail_the_start_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "bad.env").write_text("A=1\nB")
    found = warned(tmp_path, task("a", task_env_file="no.env"), task("b", task_env_file=["~/x.env", "bad.env"]))
    assert "tasks[0] (a): task_env_file: will fail" in found[0] and "No such file" in found[0]
    assert "task_env_file[0]" in found[1] and "task_env_file[1]: will fail" in found[2] and "line 2" in found[2]


def test_an_env_file_with_secrets_that_everyone_can_read_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "a.env"
    path.write_text("DB_PASSWORD=x")
    path.chmod(0o644)
    assert "chmod o-r" in warned(tmp_path, task(task_env_file="a.env"))[0]
    path.chmod(0o640)
    assert warned(tmp_path, task(task_env_file="a.env")) == []
    path.write_text("PATH=$PATH:/opt/bin")
    assert "sets PATH to a value with a $" in warned(tmp_path, task(task_env_file="a.env"))[0]


RULES = [{"name": "all", "triggers": ["missed"], "channels": [{"type": "file", "path": "n"}]}]
OWN = [{"name": "own", "triggers": ["success"], "channels": [{"type": "file", "path": "~/n"}]}]


def test_rules_of_the_defaults_that_a_task_replaces_are_a_warning_that_says_how_to_keep_them(tmp_path: Path) -> None:
    defaults = {"task_notify": RULES}
    replaced = warned(tmp_path, task(task_notify=OWN), defaults=defaults)
    assert "goes without all; to keep them, set task_notify_defaults to true" in replaced[0]
    kept = warned(tmp_path, task(task_notify=OWN, task_notify_defaults=True), defaults=defaults)
    assert len(kept) == 1 and "task_notify[0].channels[0].path" in kept[0]


def test_what_is_expected_and_can_never_be_missed_is_a_warning(tmp_path: Path) -> None:
    found = warned(tmp_path, task(task_expect={"duration": "1h", "finish_by": "06:00"}, task_timeout="1h"))
    assert "task_expect.duration is not shorter than task_timeout" in found[0]
    assert "task_expect.finish_by has no effect" in found[1]

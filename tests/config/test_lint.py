"""How much work the warnings about a config are for an engine that runs."""

from __future__ import annotations

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

"""The engine's own log."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

import pytest

from minisched.catalogue import render
from minisched.model import LogSettings, Text
from minisched.tasklog import engine_logger
from support.process import ZONE, few_descriptors

SETTINGS = LogSettings("midnight", 3, 0)


Reports = list[tuple[str, str]]  # (path, why it cannot be written or "")


@pytest.fixture
def reports() -> Reports:
    return []


@pytest.fixture
def log(tmp_path: Path, reports: Reports) -> Iterator[logging.Logger]:
    def report(path: str, problem: Optional[Text]) -> None:
        reports.append((path, "" if problem is None else render(problem)))

    logger, _ = engine_logger(str(tmp_path / "logs"), SETTINGS, ZONE, report)
    yield logger
    for handler in logger.handlers[:]:
        logger.removeHandler(handler)
        handler.close()
    logger.propagate = True


def lines(tmp_path: Path) -> list[str]:
    return (tmp_path / "logs/minisched.log").read_text(encoding="utf-8").split("\n")[:-1]


def test_a_message_is_one_line_with_time_and_level(log: logging.Logger, tmp_path: Path) -> None:
    record = logging.LogRecord("minisched", logging.WARNING, "", 0, "run %d of %s", (42, "备份"), None)
    record.created = 1795372200.123
    log.handle(record)
    assert lines(tmp_path) == ["2026-11-23T02:30:00.123+08:00 WARNING run 42 of 备份"]


def test_no_message_can_forge_a_line_or_reach_a_terminal(log: logging.Logger, tmp_path: Path) -> None:
    log.info("task said %s", "a\n2026-11-23T02:30:00.123+08:00 INFO forged\x1b[2J\u202e\ud800")
    assert len(lines(tmp_path)) == 1
    assert lines(tmp_path)[0].endswith(
        " INFO task said a\\n2026-11-23T02:30:00.123+08:00 INFO forged\\x1b[2J\\u202e\\ud800"
    )


def test_a_traceback_has_its_own_stamped_lines(log: logging.Logger, tmp_path: Path) -> None:
    try:
        raise ValueError("broken\ntwice")
    except ValueError:
        log.exception("it failed")
    assert len(lines(tmp_path)) > 3
    assert all(line[29:36] == " ERROR " for line in lines(tmp_path))


def test_a_message_that_cannot_be_formatted_is_told_all_the_same(
    log: logging.Logger, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log.handlers[0].handle(logging.LogRecord("minisched", logging.INFO, "", 0, "%d runs", ("many",), None))
    assert "%d runs" in lines(tmp_path)[0]
    assert capfd.readouterr() == ("", "")


def test_losses_raise_nothing_print_nothing_and_are_told_afterwards(
    log: logging.Logger, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with few_descriptors(0):
        for _ in range(3):
            log.info("lost")
    log.info("there")
    assert [line[30:] for line in lines(tmp_path)] == [
        "WARNING 3 lines could not be written here (Too many open files)",
        "INFO there",
    ]
    assert capfd.readouterr() == ("", "")


def test_a_log_in_whose_place_is_something_else_is_reported_until_it_can_be_written(
    tmp_path: Path, reports: Reports
) -> None:
    path = tmp_path / "logs" / "minisched.log"
    path.parent.mkdir()
    path.symlink_to(tmp_path / "victim")
    logger, file = engine_logger(
        str(path.parent), SETTINGS, ZONE, lambda path, why: reports.append((path, "" if why is None else render(why)))
    )
    try:
        file.retry(time.time())
        logger.info("lost")
        logger.info("lost, too")
        assert reports == [(str(path), "is a symbolic link, which is not followed")]
        assert not (tmp_path / "victim").exists()
        path.unlink()
        file.retry(time.time())
        assert reports[1:] == [(str(path), "")]
        assert [line[30:] for line in lines(tmp_path)] == [
            "WARNING 2 lines could not be written here (is a symbolic link, which is not followed)"
        ]
    finally:
        logger.removeHandler(file)
        file.close()
        logger.propagate = True


def test_a_second_call_replaces_the_handler(log: logging.Logger, tmp_path: Path) -> None:
    assert engine_logger(str(tmp_path / "logs"), SETTINGS, ZONE)[0] is log
    logging.getLogger("minisched").info("once")
    assert len(lines(tmp_path)) == 1


def test_a_failed_rotation_of_the_engines_log_is_a_line_of_it_once(
    tmp_path: Path, log: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/minisched.log").write_text("2026-11-01T00:00:00.000+08:00 INFO old\n")

    def refuse(*names: str) -> None:
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr("os.rename", refuse)
    log.info("goes on")
    log.info("and on")
    rotation, *others = lines(tmp_path)[1:]
    assert "minisched.log could not be rotated: Device or resource busy; next try in 60 s" in rotation
    assert [line[30:] for line in others] == ["INFO goes on", "INFO and on"]

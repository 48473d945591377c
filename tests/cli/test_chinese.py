"""The commands speak Chinese where the config or the locale says so; codes and JSON stay as they are."""

from __future__ import annotations

import json

import pytest

from minisched.cli.arguments import COMMANDS
from minisched.cli.main import main
from minisched.cli.terminal import display_width, wrap
from minisched.model import Status
from support.cli import Cli, columns_of, on_terminal, record
from support.programs import Home, minisched
from support.store import make as make_run
from support.texts import CHINESE


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")


@pytest.mark.parametrize(
    ("setting", "locale", "speaks_chinese"),
    [
        (None, "zh_CN.UTF-8", True),
        ("auto", "zh_TW.UTF-8", True),
        ("auto", "de_DE.UTF-8", False),
        ("zh", "C.UTF-8", True),
        ("en", "zh_CN.UTF-8", False),
    ],
)
def test_the_setting_counts_and_then_the_locale(
    home: Home, cli: Cli, monkeypatch: pytest.MonkeyPatch, setting: object, locale: str, speaks_chinese: bool
) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    home.write({"task_id": "a", "task_exec": "true"}, **({"language": setting} if setting else {}))
    assert ("状态" in cli("list").stdout) is speaks_chinese
    assert ("用法：" in cli("list", "--help").stdout) is speaks_chinese


def test_a_terminal_without_chinese_gets_english(home: Home) -> None:
    home.write({"task_id": "a", "task_exec": "true"}, language="zh")
    assert "TASK" in minisched("list", home=home.path, PYTHONIOENCODING="ascii").stdout


@pytest.mark.usefixtures("chinese")
@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_is_chinese_and_fits_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main([command, "--help"])
    text = capsys.readouterr().out
    assert text.startswith(f"用法：minisched {command}")
    assert "显示此帮助并退出" in text
    before_examples = text.partition("示例：")[0]
    for line in before_examples.splitlines():
        assert columns_of(line) <= 80, line
    for word in ("usage:", "options:", "arguments:", "show this help", "选项:", "参数:"):
        assert word not in text
    first, *others = text.partition("\n\n")[0].splitlines()
    start = columns_of(first[: first.index("[-h]")])
    assert all(len(line) - len(line.lstrip()) == start for line in others)


@pytest.mark.usefixtures("chinese")
@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("trigger", "错误：缺少参数：TASK"),
        ("list --nonsense", "错误：无法识别的参数：--nonsense"),
        ("list --status", "错误：--status: 需要一个值"),
        ("next --lang x", "无效的选项值：'x'"),
        ("frobnicate", '没有命令 "frobnicate"'),
        ("history -n x", '"x" 不是 1 至 999999999 之间的整数'),
        ("trigger bakup", '没有任务 "bakup"；是否指 "backup"？'),
    ],
)
def test_wrong_usage_is_answered_in_chinese(home: Home, cli: Cli, typed: str, expected: str) -> None:
    home.write({"task_id": "backup", "task_exec": "true"})
    done = cli(*typed.split())
    assert expected in done.stderr and done.returncode in (1, 2)


@pytest.mark.usefixtures("chinese")
def test_json_is_the_same_in_every_language(home: Home, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    home.write(
        {"task_id": "a", "task_exec": "true", "task_schedule": "30 2 * * *"}, {"task_id": "b", "task_exec": "no/such"}
    )
    record(home.path, make_run(task_id="a", status=Status.SKIPPED, reason="overlap"))
    commands = [("list",), ("status",), ("history",), ("next",), ("validate",), ("show", "a")]
    commands = [command for command in commands if command[0] in COMMANDS]
    in_chinese = [cli(*command, "--json").stdout for command in commands]
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    for command, text in zip(commands, in_chinese):
        assert not CHINESE.search(text), command
        assert json.loads(text).__class__ is json.loads(cli(*command, "--json").stdout).__class__


def test_tables_are_aligned_by_the_width_of_characters(home: Home) -> None:
    home.write(
        {"task_id": "a", "task_exec": "true", "task_name": "夜间备份数据库"}, {"task_id": "b", "task_exec": "true"}
    )
    lines = on_terminal(80, "list", home=home.path, LC_ALL="zh_CN.UTF-8").splitlines()
    header = lines[0]
    assert header.split()[:3] == ["任务", "名称", "状态"] or header.split()[:2] == ["任务", "状态"]
    position = columns_of(header[: header.index("状态")])
    for line in lines[1:]:
        assert columns_of(line) <= 80
        before = line[: line.index("idle")]
        assert columns_of(before) == position


def test_a_wrapped_line_has_no_closing_punctuation_at_its_beginning() -> None:
    text = "任务运行了吗？没有的话，为什么？the words of English stay whole，以及其余。"
    for width in range(20, 60):
        lines = wrap(text, width)
        assert all(display_width(line) <= width and line[0] not in "，。？" for line in lines)
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")

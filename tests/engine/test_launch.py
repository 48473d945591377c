"""What a task's process gets: command, folder, environment, secrets."""

from __future__ import annotations

import os
from datetime import timezone
from pathlib import Path
from typing import Any

import pytest

from minisched.catalogue import render
from minisched.config.secrets import base_environment
from minisched.engine import make_spec
from minisched.engine.state import KnownRecord
from minisched.model import ProcessSpec, Status, TaskExecution, Trigger
from support.factories import config as make_config
from support.factories import task


def launch(home: Path, environ: Any = None, **fields: Any) -> ProcessSpec:
    run = TaskExecution("backup", Trigger.MANUAL, Status.RUNNING, created_time=1000.7, run_id=7)
    record = KnownRecord()
    return make_spec(task(**fields), run, record, str(home), timezone.utc, environ or {}, {})


def test_a_relative_program_of_a_list_starts_from_the_home(tmp_path: Path) -> None:
    exec_ = launch(tmp_path, task_exec=["tasks/backup.sh", "a b"], task_cwd="/tmp").task_exec
    assert exec_ == (str(tmp_path / "tasks/backup.sh"), "a b")


@pytest.mark.parametrize("program", ["backup.sh", "/usr/bin/true"])
def test_a_program_in_the_path_or_with_an_absolute_name_stays_as_it_is(tmp_path: Path, program: str) -> None:
    assert launch(tmp_path, task_exec=[program]).task_exec == (program,)


def test_a_relative_program_of_a_text_starts_from_the_home_wherever_it_works(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "backup.sh").write_text("")
    text = launch(tmp_path, task_exec="tasks/backup.sh --full | tail", task_cwd="/tmp").task_exec
    assert text == f"{tmp_path}/tasks/backup.sh --full | tail"
    assert launch(tmp_path, task_exec="tasks/backup.sh").task_exec == "tasks/backup.sh"
    assert launch(tmp_path, task_exec="tasks/other.sh", task_cwd="/tmp").task_exec == "tasks/other.sh"


@pytest.mark.parametrize(
    ("written", "run"),
    [
        ("tasks/b.sh; echo done", "{home}/tasks/b.sh; echo done"),
        ("tasks/b.sh&& echo", "{home}/tasks/b.sh&& echo"),
        ("tasks/b.sh>out", "{home}/tasks/b.sh>out"),
        ("./tasks/b.sh a", "{home}/./tasks/b.sh a"),
        ('"tasks/b.sh" --full', "{home}/tasks/b.sh --full"),
        ("'tasks/b.sh'", "{home}/tasks/b.sh"),
        ("FOO=1 BAR='a b' tasks/b.sh", "FOO=1 BAR='a b' {home}/tasks/b.sh"),
        ("tasks/备份.sh", "'{home}/tasks/备份.sh'"),
        ("sh tasks/b.sh", "sh tasks/b.sh"),
        ("cd . && tasks/b.sh", "cd . && tasks/b.sh"),
        ("$X/tasks/b.sh", "$X/tasks/b.sh"),
        ('"$X"tasks/b.sh', '"$X"tasks/b.sh'),
        ("(tasks/b.sh)", "(tasks/b.sh)"),
        ("tasks/b.*", "tasks/b.*"),
    ],
)
def test_the_first_word_of_a_text_starts_from_the_home_however_it_is_written(
    tmp_path: Path, written: str, run: str
) -> None:
    (tmp_path / "tasks").mkdir()
    for name in ("b.sh", "备份.sh"):
        (tmp_path / "tasks" / name).write_text("")
    assert launch(tmp_path, task_exec=written, task_cwd="/tmp").task_exec == run.format(home=tmp_path)


def test_cwd_and_log_start_from_their_folders(tmp_path: Path) -> None:
    plain = launch(tmp_path)
    assert (plain.cwd.rstrip("/"), plain.log) == (str(tmp_path), str(tmp_path / "logs" / "backup.log"))
    assert launch(tmp_path, task_cwd="data").cwd == str(tmp_path / "data")
    assert launch(tmp_path, task_log="/var/log/x.log").log == "/var/log/x.log"


def test_a_run_without_a_due_time_gets_the_time_of_its_creation(tmp_path: Path) -> None:
    assert launch(tmp_path).env["MINISCHED_SCHEDULED_TIME"] == "1970-01-01T00:16:40+00:00"


def test_secrets_reach_the_task_that_names_them_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from a file\n")
    env = {"A": {"from_env": "SECRET"}, "B": {"from_file": "key"}}
    found = launch(tmp_path, {"SECRET": "from outside"}, task_env=env).env
    assert (found["A"], found["B"]) == ("from outside", "from a file")
    hook = {"type": "webhook", "url": {"from_env": "URL"}, "headers": {"X": {"from_env": "HEADER"}}}
    rule = {"name": "r", "triggers": ["missed"], "channels": [hook]}
    config = make_config(
        {"task_id": "a", "task_exec": "true", "task_env": env, "task_notify": [rule]},
        smtp={"host": "mail", "from": "me@example.org", "username": "me", "password": {"from_env": "SMTP"}},
    )
    outside = {"PATH": "/bin", "SECRET": "1", "SMTP": "2", "URL": "3", "HEADER": "4"}
    assert base_environment(outside, config) == {"PATH": "/bin"}


def test_task_log_in_the_engines_environment_reaches_no_task() -> None:
    assert base_environment({"PATH": "/bin", "TASK_LOG": "/tmp/x.log"}, make_config()) == {"PATH": "/bin"}


def test_a_secret_that_cannot_be_read_names_its_place(tmp_path: Path) -> None:
    for name, content in (("binary", b"\xff"), ("empty", b"\r\n"), ("nul", b"a\0b"), ("large", b"x" * 65537)):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "open").write_text("secret")
    (tmp_path / "open").chmod(0o602)
    os.mkfifo(tmp_path / "pipe")  # without a writer
    for source, place, why in (
        ("from_env", "NOT_THERE", "environment variable NOT_THERE is not set"),
        ("from_file", "no_such_key", f"{tmp_path}/no_such_key: No such file or directory"),
        ("from_file", "binary", f"{tmp_path}/binary: not UTF-8"),
        ("from_file", "pipe", f"{tmp_path}/pipe: is not a regular file"),
        ("from_file", "/dev/null", "/dev/null: is not a regular file"),
        ("from_file", "empty", f"{tmp_path}/empty: expected a text of 1 to 65536 bytes without NUL"),
        ("from_file", "nul", f"{tmp_path}/nul: expected a text of 1 to 65536 bytes without NUL"),
        ("from_file", "large", f"{tmp_path}/large: expected a text of 1 to 65536 bytes without NUL"),
        ("from_file", "open", f"{tmp_path}/open: every user can write to it (chmod o-w)"),
        ("from_file", ".", f"{tmp_path}/.: Is a directory"),
    ):
        refused = launch(tmp_path, task_env={"A": {source: place}}).refused
        assert refused is not None and render(refused) == f"task_env: A: {why}"


@pytest.mark.parametrize("content", [b"key\n", b"key\r\n", b"\xef\xbb\xbfkey\r\n", b"key\n\n", b"key"])
def test_what_editors_add_to_a_file_is_no_part_of_a_secret(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    assert launch(tmp_path, task_env={"A": {"from_file": "key"}}).env["A"] == "key"


def test_another_user_gets_little_of_the_engines_environment(tmp_path: Path) -> None:
    base = {
        "PATH": "/bin",
        "LANG": "C.UTF-8",
        "LC_TIME": "C",
        "TZ": "UTC",
        "HOME": "/root",
        "API_KEY": "x",
        "USER": "root",
    }
    run = TaskExecution("backup", Trigger.MANUAL, Status.RUNNING, created_time=1000.7, run_id=7)
    names = {}
    for user in (None, "nobody"):
        one = task(task_user=user, task_env={"OWN": "1"})
        spec = make_spec(one, run, KnownRecord(), str(tmp_path), timezone.utc, {}, base)
        names[user] = {name for name in spec.env if not name.startswith("MINISCHED_")} - {"PYTHONUNBUFFERED", "OWN"}
        assert spec.env["OWN"] == "1"
    assert names == {None: set(base), "nobody": {"PATH", "LANG", "LC_TIME", "TZ"}}


# ------------------------------------------------------------------------------------------------------------ env files


def env_file(home: Path, text: str, name: str = "shop.env", mode: int = 0o600) -> str:
    path = home / name
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return name


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A=1\n", {"A": "1"}),
        ("\ufeff# comment\n; comment\n\n  A = b c  \r\nexport B=2\n", {"A": "b c", "B": "2"}),
        ("A=b # c\nURL=http://x/?a=b&c#d", {"A": "b # c", "URL": "http://x/?a=b&c#d"}),
        (
            "A='b $c \\n'\nB=\"a \\\"b\\\" \\$c \\n\"\nC=\nD=''",
            {"A": "b $c \\n", "B": 'a "b" $c \\n', "C": "", "D": ""},
        ),
        ("A=$HOME `x` \\d\nA=联通", {"A": "联通"}),
        (f"export\tA{' ' * 200_000}= b", {"A": "b"}),  # in no time that grows with the square
    ],
)
def test_lines_of_an_env_file_are_variables(tmp_path: Path, text: str, found: dict[str, str]) -> None:
    env = launch(tmp_path, task_env_file=env_file(tmp_path, text)).env
    assert {name: env[name] for name in found} == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("A=1\nB", "line 2: expected NAME=text"),
        ("A" + " " * 200_000 + "B", "line 1: expected NAME=text"),
        ("export =x", "line 1: expected the name of a variable"),
        ("1A=x", "line 1: expected the name of a variable"),
        ("=x", "line 1: expected the name of a variable"),
        ("A B=x", "line 1: expected the name of a variable"),
        ("MINISCHED_HOME=x", "not beginning with MINISCHED_"),
        ("\n\nA='pass word", "line 3: the quotation mark is not closed"),
        ('A="b" # c', "line 1: nothing may follow the closing quotation mark"),
        ("A=b\\\nc", "line 1: ends with a backslash"),
        ("A=b\0", "line 1: contains a NUL"),
        ("A=" + "x" * 300_000, "is larger than 262144 bytes"),
    ],
)
def test_an_env_file_that_is_not_understood_fails_the_start_with_file_and_line(
    tmp_path: Path, text: str, why: str
) -> None:
    refused = launch(tmp_path, task_env_file=env_file(tmp_path, text)).refused
    assert refused is not None
    said = render(refused)
    assert said.startswith(f"task_env_file: {tmp_path}/shop.env") and why in said
    assert "word" not in said  # nothing of what may be a secret


def test_an_env_file_that_cannot_be_read_safely_fails_the_start(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    env_file(tmp_path, "A=1", "open", 0o666)
    (tmp_path / "latin").write_bytes(b"A=\xe4")
    for name, why in (("gone", "No such file"), ("fifo", "regular file"), ("open", "chmod o-w"), ("latin", "UTF-8")):
        refused = launch(tmp_path, task_env_file=name).refused
        assert refused is not None and why in render(refused)


def test_env_files_come_before_the_own_variables_and_later_files_before_earlier_ones(tmp_path: Path) -> None:
    names = [env_file(tmp_path, "A=1\nB=1\nC=1\nPATH=/opt", "1"), env_file(tmp_path, "B=2\nC=2", "2")]
    env = launch(tmp_path, task_env_file=names, task_env={"C": "3"}).env
    assert (env["A"], env["B"], env["C"], env["PATH"]) == ("1", "2", "3", "/opt")


def test_an_env_file_is_read_at_each_start(tmp_path: Path) -> None:
    env_file(tmp_path, "A=1")
    assert launch(tmp_path, task_env_file="shop.env").env["A"] == "1"
    env_file(tmp_path, "A=2")
    assert launch(tmp_path, task_env_file="shop.env").env["A"] == "2"

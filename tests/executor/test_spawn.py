"""What cannot be started says why; users, limits and niceness."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Optional

import pytest

from minisched.catalogue import detail_text
from minisched.executor.process import prepare
from minisched.model import ExitCodes, Limits, RunFinished, Text
from minisched.policy import classify
from minisched.threads import receive
from support.process import PATH, REPO, Rig, few_descriptors, linux, root


@pytest.fixture(autouse=True)
def programs(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("echo no first line\n")
    (tmp_path / "headless").write_text("echo no first line\n")
    (tmp_path / "headless").chmod(0o755)
    scripts = {
        "orphan": b"#!/no/such/interpreter\n",
        "windows": b"#!/bin/sh\r\necho hi\r\n",
        "option": b"#!/bin/sh -e\r\necho hi\r\n",
        "windows.py": b"#!/usr/bin/env python3\r\nprint(1)\r\n",
        "env.py": b"#!/usr/bin/env python9\n",
        "marked": b"\xef\xbb\xbf#!/bin/sh\necho hi\n",
        "wide": "#!/bin/sh\necho hi\n".encode("utf-16"),
        "half": b"\x7fELF\0\0",
        "empty": b"",
        "good": b"#!/bin/sh\necho $*\n",
    }
    for name, content in scripts.items():
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "folder").mkdir()


@pytest.mark.parametrize(
    ("task_exec", "fields", "error"),
    [
        (["no_such_program"], {}, f"no_such_program: No such file or directory: not in any folder of PATH ({PATH})"),
        (["./none"], {}, "./none: No such file or directory"),
        (["./plain"], {}, "./plain: Permission denied: not executable (chmod +x)"),
        (["/"], {}, "/: is a folder, not a program"),
        ("true", {"cwd": "/no/such"}, "task_cwd /no/such: No such file or directory: not a folder that can be entered"),
        ("true", {"cwd": "/etc/passwd"}, "task_cwd /etc/passwd: Not a directory: not a folder that can be entered"),
        (["true", "x" * 3_000_000], {}, "true: Argument list too long: arguments and environment are too large"),
        (["tr\0ue"], {}, "'tr\\x00ue' could not be started: embedded null byte"),
        ("true", {"env": {"A": "a\0b"}}, "'/bin/sh' could not be started: embedded null byte"),
        (["true", "\ud800"], {}, "task_exec, task_cwd or task_env cannot be encoded: surrogates not allowed"),
        ([], {}, "task_exec is empty"),
        ([], {"nice": 5}, "task_exec is empty"),
        (["no_such_program"], {"nice": 5}, "no_such_program: No such file or directory"),
        (["./plain"], {"nice": 5}, "./plain: Permission denied: not executable (chmod +x)"),
        ("true", {"nice": 5, "cwd": "/no/such"}, "task_cwd /no/such: No such file or directory"),
        ("true", {"user": "no_such_user"}, "task_user no_such_user: there is no such user"),
    ],
)
def test_what_cannot_be_started_says_what_and_why(rig: Rig, task_exec: Any, fields: dict[str, Any], error: str) -> None:
    rig.executor.start(rig.spec(task_exec, **fields))
    result = rig.finished()
    assert result.spawn_error is not None
    assert detail_text(result.spawn_error).startswith(error)
    assert (result.exit_code, result.signal) == (None, None)
    assert rig.lines("end")[0].startswith(f"not started: {error[:8]}")
    assert result.log is not None
    assert rig.run("exit 6").exit_code == 6  # and life goes on


# How a program is named, what its files really are, and what is said of it.
CAUSES = [
    ("plain", "plain: Permission denied: not executable (chmod +x)"),
    ("folder", "folder: is a folder, not a program"),
    (
        "orphan",
        "orphan: No such file or directory: the interpreter in its #! line, /no/such/interpreter, does not exist",
    ),
    ("windows", "windows: its lines end in CR LF, as on Windows"),
    ("wide", "wide: its encoding is UTF-16; save it as UTF-8"),
    ("half", "half: Exec format error: no program"),
    ("none", "none: No such file or directory"),
]
ONLY_A_SHELL_RUNS_IT = [
    ("headless", "headless: Exec format error: no program, and a script with no #! line; begin it with a line such as"),
    ("marked", "marked: begins with a byte order mark (BOM), so its #! line is not seen; save it as UTF-8 without BOM"),
    ("empty", "empty: Exec format error: no program"),
]
# The program starts, and its interpreter fails.
STARTED = [
    ("windows.py", "windows.py: its lines end in CR LF", 127),
    ("env.py", "env.py: No such file or directory: the interpreter in its #! line, python9, does not exist", 127),
    ("option", "option: its lines end in CR LF", 2),
]
WITH = [{}, {"nice": 5}, {"limits": Limits(None, None, 64)}, {"nice": 5, "limits": Limits(2**32, None, None)}]


@pytest.mark.parametrize("fields", WITH, ids=["plain", "nice", "limits", "both"])
@pytest.mark.parametrize(("name", "cause"), CAUSES + ONLY_A_SHELL_RUNS_IT)
def test_a_list_says_the_cause_of_a_failed_start_with_and_without_limits(
    rig: Rig, name: str, cause: str, fields: dict[str, Any]
) -> None:
    result = rig.run([f"{rig.folder}/{name}"], **fields)
    assert result.spawn_error is not None
    assert detail_text(result.spawn_error).startswith(cause)
    assert classify(result, ExitCodes()).reason == "spawn"
    assert (result.exit_code, result.signal) == (None, None)


@pytest.mark.parametrize("fields", WITH[:2], ids=["plain", "nice"])
@pytest.mark.parametrize(("name", "cause"), CAUSES)
def test_a_text_says_the_cause_beside_the_exit_code_of_the_shell(
    rig: Rig, name: str, cause: str, fields: dict[str, Any]
) -> None:
    result = rig.run(f"./{name} --full", **fields)
    assert result.exit_code in (126, 127)
    outcome = classify(result, ExitCodes())
    assert outcome.reason == "exit_code"
    assert detail_text(outcome.detail).startswith(f"exit code {result.exit_code}: ./{cause}")
    assert f"./{cause}" in rig.lines("end")[0]


@pytest.mark.parametrize("fields", WITH[:2], ids=["plain", "nice"])
@pytest.mark.parametrize(("name", "cause", "code"), STARTED)
def test_an_interpreter_that_fails_leads_to_the_line_that_names_it(
    rig: Rig, name: str, cause: str, code: int, fields: dict[str, Any]
) -> None:
    for command in ([f"./{name}"], f"./{name}"):
        result = rig.run(command, **fields)
        assert result.exit_code == code
        assert detail_text(classify(result, ExitCodes()).detail).startswith(f"exit code {code}: ./{cause}")


@pytest.mark.parametrize(
    ("task_exec", "fields", "cause"),
    [
        ("no_such_command", {}, "exit code 127: a command was not found"),
        ("ls", {"env": {"PATH": "$PATH:/opt"}}, "exit code 127: PATH is $PATH:/opt: variables are not expanded"),
        (["ls"], {"env": {"PATH": "$PATH:/opt"}}, "PATH is $PATH:/opt: variables are not expanded in task_env"),
        (["./good --full"], {}, './good --full: No such file or directory: the program is "./good"; in a list each'),
        (["./good --full"], {"nice": 1}, './good --full: No such file or directory: the program is "./good"; in a'),
        (["~/good"], {}, "~/good: No such file or directory: ~ is not expanded here"),
        ("true", {"cwd": "/tmp/~"}, "task_cwd /tmp/~: No such file or directory: ~ is not expanded"),
        ("sh ./good", {"cwd": "/"}, "exit code 2: ./good is a file of the home, but the working directory is /; write"),
        ("cd . && ./good", {"cwd": "/"}, "exit code 127: ./good is a file of the home"),
        (["sh", "./good"], {"cwd": "/"}, "exit code 2: ./good is a file of the home"),
        ("exit 127", {}, "exit code 127: a command was not found"),
        ("exit 3", {}, "exit code 3"),
    ],
)
def test_a_command_that_was_meant_for_a_shell_or_another_folder_is_told_so(
    rig: Rig, task_exec: Any, fields: dict[str, Any], cause: str
) -> None:
    assert detail_text(classify(rig.run(task_exec, **fields), ExitCodes()).detail).startswith(cause)


def test_lines_of_windows_are_named_where_a_shell_reads_them(rig: Rig) -> None:
    (rig.folder / "two").write_bytes(b"set -e\r\n")
    for command in (["sh", "./two"], "sh -u ./two"):
        assert "./two: its lines end in CR LF" in detail_text(classify(rig.run(command), ExitCodes()).detail)


@linux
def test_a_limit_that_ends_a_program_is_named(rig: Rig) -> None:
    result = rig.run(["/bin/echo", "x"], limits=Limits(2**20, None, None))
    assert "task_limits.memory is 1MB, which may be too little" in detail_text(classify(result, ExitCodes()).detail)
    for command in (["ionice", "-c3", "no_such_command"], "ionice -c3 no_such_command"):
        result = rig.run(command, limits=Limits(2**30, None, None))
        assert detail_text(classify(result, ExitCodes()).detail) == "exit code 127: a command was not found"
    (rig.folder / "x.py").touch()
    result = rig.run("venv/bin/python x.py", limits=Limits(2**30, None, None))
    assert "venv/bin/python: No such file" in detail_text(classify(result, ExitCodes()).detail)
    result = rig.run("while :; do :; done", limits=Limits(None, 1, None), timeout_s=60)
    assert detail_text(classify(result, ExitCodes()).detail) == (
        "ended by signal 24: task_limits.cpu_seconds is 1, which it may have used up"
    )


@root
@pytest.mark.parametrize("fields", WITH[:2], ids=["plain", "nice"])
def test_a_program_that_the_user_of_the_task_may_not_execute_is_named(rig: Rig, fields: dict[str, Any]) -> None:
    (rig.folder / "good").chmod(0o700)
    result = rig.run([f"{rig.folder}/good"], user="nobody", cwd="/", **fields)
    assert classify(result, ExitCodes()).reason == "spawn"
    assert detail_text(result.spawn_error).startswith(
        "good: Permission denied: the user of the task may not execute it, or not enter a folder above it"
    )


@root
def test_a_folder_that_cannot_be_entered_is_told_as_such(rig: Rig) -> None:
    closed = rig.folder / "closed"
    closed.mkdir(mode=0o700)
    out = as_nobody(rig, f'rig.run("true", cwd={str(closed)!r}).spawn_error')
    assert "closed: Permission denied: not a folder that can be entered" in out


def test_no_descriptors_fail_the_run_and_the_next_one_works(rig: Rig) -> None:
    for free in range(9):
        with few_descriptors(free):
            result = rig.run("exit 5")
        # The log takes one as well: a run that could be started may have lost lines, and says so.
        assert result.spawn_error is None or "Too many open files" in detail_text(result.spawn_error), free
        assert result.exit_code == 5 or result.spawn_error
    result = rig.run("exit 5")
    assert (result.exit_code, result.log_error) == (5, None)


def as_nobody(rig: Rig, expression: str, **limits: int) -> str:
    """What the expression gives in a process of another user, with soft and hard limits; `rig` is an executor there."""
    folder = rig.folder / "nobody"
    folder.mkdir()
    folder.chmod(0o777)
    for parent in list(folder.parents)[:3]:
        parent.chmod(parent.stat().st_mode | 0o011)
    code = f"""
import os, resource, sys
sys.path[:0] = [{REPO!r}, {REPO + "/tests"!r}]
from pathlib import Path
from support.process import Rig
from minisched.catalogue import detail_text
from minisched.model import Limits, Text
rig = Rig(Path(sys.argv[1]))
for name, limit in {limits!r}.items():
    resource.setrlimit(getattr(resource, "RLIMIT_" + name), (limit, limit))
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)  # in here: the interpreter may be where that user cannot read it
result = {expression}
print(detail_text(result) if isinstance(result, Text) else result)
"""
    out = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, timeout=30)
    assert out.returncode == 0, out.stderr
    return out.stdout.strip()


@linux
@root
def test_no_more_processes_fail_the_run_and_the_engine_lives(rig: Rig) -> None:
    # Threads count as processes: with 1 there is no thread for the run, without a thread no process either.
    threaded = "(rig.executor.start(rig.spec('true')), rig.finished(9).spawn_error)[1]"
    assert "can't start new thread" in as_nobody(rig, threaded, NPROC=1)
    shutil.rmtree(rig.folder / "nobody")
    error = as_nobody(rig, "rig.run('true').spawn_error", NPROC=1)
    assert error == "/bin/sh: Resource temporarily unavailable"


def test_no_thread_still_posts_exactly_one_end(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    rig.executor.start(rig.spec("true"))
    message = receive(rig.inbox, 1)
    assert isinstance(message, RunFinished)
    assert detail_text(message.completion.spawn_error) == "no thread for it: can't start new thread"
    assert rig.executor.live() == ()


@root
def test_a_task_runs_as_another_user_with_that_users_home_and_groups(rig: Rig) -> None:
    result = rig.run("id -un; id -G; echo $HOME $USER $LOGNAME", user="nobody", cwd="/")
    assert result.exit_code == 0, result
    import pwd

    nobody = pwd.getpwnam("nobody")
    assert rig.lines() == ["nobody", str(nobody.pw_gid), f"{nobody.pw_dir} nobody nobody"]


@root
def test_variables_of_the_task_itself_come_before_those_of_its_user(rig: Rig) -> None:
    rig.run("echo $HOME $SHELL", user="nobody", cwd="/", env={"HOME": "/elsewhere"})
    import pwd

    assert rig.lines() == [f"/elsewhere {pwd.getpwnam('nobody').pw_shell}"]


@linux
@root
def test_a_folder_that_the_user_cannot_enter_is_refused_although_root_can(rig: Rig) -> None:
    for folder in (rig.folder, *list(rig.folder.parents)[:3]):
        folder.chmod(folder.stat().st_mode | 0o011)
    open_, closed = rig.folder / "open", rig.folder / "closed"
    (closed / "below").mkdir(parents=True)
    open_.mkdir()
    closed.chmod(0o700)
    for cwd in (closed, closed / "below"):
        result = rig.run("true", user="nobody", cwd=str(cwd))
        assert detail_text(result.spawn_error).startswith(f"task_cwd {cwd}: Permission denied")
    assert rig.run("true", user="nobody", cwd=str(open_)).exit_code == 0
    assert rig.run("true", user="root", cwd=str(closed)).exit_code == 0


@root
def test_a_slow_user_database_holds_up_no_other_run(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd

    asked, answer, real = [], threading.Event(), pwd.getpwnam

    def slow(name: str) -> Any:
        asked.append(name)
        answer.wait(20)
        return real(name)

    monkeypatch.setattr(pwd, "getpwnam", slow)
    first, cancelled = (rig.order("id -un", user="nobody", cwd="/") for _ in range(2))
    rig.order("exit 5")
    assert rig.finished().exit_code == 5
    rig.executor.cancel(cancelled, 0)
    assert rig.finished().spawn_error == Text("cancelled_before_start")
    answer.set()
    assert rig.finished().exit_code == 0
    assert rig.lines(run_id=first) == ["nobody"]
    rig.order("exit 6", user="nobody", cwd="/")
    assert rig.finished().exit_code == 6
    assert asked == ["nobody"]  # once, for all three


@linux
@root
def test_another_user_is_refused_without_root(rig: Rig) -> None:
    out = as_nobody(rig, "rig.run('true', user='root').spawn_error")
    assert out == "task_user root: only root can run a task as another user"


def lower_by(steps: int) -> int:
    """A niceness that anyone may set: these tests may run under `nice`, by a user."""
    return min(os.nice(0) + steps, 19)


@linux
def test_limits_and_niceness_hold_from_the_first_instruction(rig: Rig) -> None:
    limits = Limits(memory=600 * 1024 * 1024, cpu_seconds=33, open_files=44)
    task = "ulimit -v; ulimit -t; ulimit -n; nice; echo $0 $$; ulimit -H -t"
    nice = lower_by(7)
    rig.order(task, limits=limits, nice=nice)
    result = rig.finished()
    assert result.exit_code == 0
    lines = rig.lines()
    assert lines[:3] == [str(600 * 1024), "33", "44"]
    assert lines[3] == str(nice)
    assert lines[4].startswith("/bin/sh ")
    assert lines[5] == "34"
    assert rig.lines("start")[0] == f"pid {lines[4].split()[1]}: {task}"  # the shell before it became the program
    assert rig.run(["printf", "%s|", "a b", "$x"], limits=limits).exit_code == 0
    assert rig.lines() == ["a b|$x|"]


@linux
@pytest.mark.parametrize(
    ("trap", "exit_code", "number"), [("", None, 24), ("trap 'exit 3' XCPU; ", 3, None), ("trap '' XCPU; ", None, 9)]
)
def test_cpu_seconds_can_be_answered_before_they_kill(
    rig: Rig, trap: str, exit_code: Optional[int], number: Optional[int]
) -> None:
    result = rig.run(trap + "while :; do :; done", limits=Limits(None, 1, None), timeout_s=60)
    assert (result.exit_code, result.signal) == (exit_code, number)


SHELLS = [["dash"], ["bash"], ["busybox", "sh"]]


@linux
@pytest.mark.parametrize("shell", [shell for shell in SHELLS if shutil.which(shell[0])], ids=" ".join)
@pytest.mark.parametrize(("hard", "result"), [(-1, "31"), (60, "31"), (31, "31"), (30, "30"), (20, "31")])
def test_every_shell_sets_the_limits_of_cpu_time_whatever_holds_already(
    rig: Rig, shell: list[str], hard: int, result: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if hard == 20 and subprocess.run(["sh", "-c", "ulimit -t 20 && ulimit -H -t 31"], check=False).returncode != 0:
        pytest.skip("needs a root that may raise limits")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("resource.getrlimit", lambda number: (hard, hard))
    spec = rig.spec("ulimit -S -t && ulimit -H -t", limits=Limits(None, 30, None))
    _, *arguments = prepare(spec)["args"]  # all but the shell
    limit = f"ulimit -t {'unlimited' if hard < 0 else hard} && exec"
    command = ["sh", "-c", f'{limit} "$@"', "sh", *shell, *arguments]
    out = subprocess.run(command, capture_output=True, text=True)
    assert out.stdout.split() == ["30", result], out.stderr


@linux
def test_niceness_is_absolute_and_not_added_to_the_engines(rig: Rig) -> None:
    nice = lower_by(5)
    code = f"""
import os, sys
sys.path[:0] = [{REPO!r}, {REPO + "/tests"!r}]
from pathlib import Path
from support.process import Rig
os.nice(3)
rig = Rig(Path(sys.argv[1]))
rig.run("nice", nice={nice})
print(rig.lines())
"""
    out = subprocess.run([sys.executable, "-c", code, str(rig.folder)], capture_output=True, text=True, timeout=30)
    assert out.stdout.strip() == f"['{nice}']", out.stderr


@linux
@root
def test_a_limit_over_the_engines_own_is_refused_without_root(rig: Rig) -> None:
    out = as_nobody(rig, "rig.run('true', limits=Limits(None, None, 4096)).spawn_error", NOFILE=256)
    assert out == "task_limits: open_files 4096 is over the hard limit 256 of the engine"


def test_the_shell_words_of_a_wrapped_command_cannot_be_mistaken(rig: Rig) -> None:
    rig.run(["printf", "%s\n", "$(id)", "; id", '"', "-n", "--", ""], nice=0)
    assert rig.lines() == ["$(id)", "; id", '"', "-n", "--", ""]
    assert PATH


def test_commands_folders_and_variables_are_utf8_whatever_the_locale_is(rig: Rig) -> None:
    folder = rig.folder / "文件"
    folder.mkdir()
    code = f"""
import sys
sys.path[:0] = [{REPO!r}, {REPO + "/tests"!r}]
from pathlib import Path
from support.process import Rig
rig = Rig(Path(sys.argv[1]))
words = ["/bin/sh", "-c", 'echo "$1 $NAME"; pwd', "sh", {"中"!a}]
result = rig.run(words, env={{"NAME": {"é"!a}}}, cwd={str(folder)!a})
print(sys.getfilesystemencoding(), ascii(rig.lines()), result.spawn_error)
"""
    env = {"PATH": PATH, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    out = subprocess.run(
        [sys.executable, "-c", code, str(rig.folder)], env=env, capture_output=True, text=True, timeout=30
    )
    encoding, _, rest = out.stdout.strip().partition(" ")
    assert encoding != "utf-8", out.stderr
    assert rest == f"{['中 é', str(folder)]!a} None"


@linux
def test_a_script_that_has_become_a_fifo_holds_nothing_up(rig: Rig) -> None:
    script = rig.folder / "x.sh"
    script.write_text('rm "$0"; mkfifo "$0"; exit 2\n')
    rig.order(f"sh {script}")
    other = rig.order("exit 0")
    assert {rig.finished().exit_code, rig.finished().exit_code} == {0, 2}
    assert rig.lines("start", other)

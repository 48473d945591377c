"""Runs the templates in tasks/ and the scripts of docs/script_examples.md: task authors copy their exit codes."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from support import pythons

ROOT = Path(__file__).resolve().parents[2]
TASKS = ROOT / "tasks"
SHORT = ("example_task_script.sh", "example_task_script.py")
EXAMPLES = (ROOT / "docs" / "script_examples.md").read_text(encoding="utf-8")
SHELLS = [shell for shell in (["sh"], ["dash"], ["bash"], ["busybox", "sh"], ["ksh"]) if shutil.which(shell[0])]
if os.path.realpath("/bin/sh").endswith("/dash"):
    SHELLS.remove(["dash"])  # it is `sh`
PYTHONS = pythons.find((3, 9), (3, 11), (3, 13))
RUN_ENVIRONMENT = {
    "MINISCHED_TASK_ID": "disk_usage",
    "MINISCHED_RUN_ID": "120",
    "MINISCHED_ATTEMPT": "2",
    "MINISCHED_TRIGGER": "catchup",
    "MINISCHED_SCHEDULED_TIME": "2026-11-23T02:30:00+08:00",
    "MINISCHED_PREVIOUS_STATUS": "technical_failure",
    "MINISCHED_LAST_SUCCESS_TIME": "2026-11-22T02:30:04.214+08:00",
}
HANG_LIMIT_S = 10  # far above any run here; a script that hangs fails its test instead of stopping the suite


@pytest.fixture(scope="module", autouse=True)
def scripts(tmp_path_factory):
    """The scripts of the document as files."""
    folder = tmp_path_factory.mktemp("scripts")
    for language, name in (("sh", "disk_usage.sh"), ("python", "disk_report.py")):
        (folder / name).write_text(re.findall(rf"^```{language}\n(.*?)^```", EXAMPLES, re.M | re.S)[0])
        (folder / name).chmod(0o755)
    global SHELL_TEMPLATE, PYTHON_TEMPLATE
    SHELL_TEMPLATE, PYTHON_TEMPLATE = folder / "disk_usage.sh", folder / "disk_report.py"


@pytest.fixture(params=SHELLS, ids=" ".join)
def shell(request):
    return request.param


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty folder as the working directory, without the variables of a scheduler that runs these tests."""
    for name in list(os.environ):
        if name.startswith("MINISCHED_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def template(monkeypatch):
    """The Python template as a module, imported as in a unit test of a task author."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec = importlib.util.spec_from_file_location("disk_report", PYTHON_TEMPLATE)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def run(command, **environment):
    return subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=HANG_LIMIT_S,
    )


def run_shell_template(shell, *arguments, **environment):
    return run([*shell, SHELL_TEMPLATE, "--samples", 1, "--max-percent", 100, *arguments], **environment)


def run_python_template(*arguments, **environment):
    return run([sys.executable, PYTHON_TEMPLATE, *arguments], **environment)


@pytest.fixture
def announced_sleep(tmp_path_factory, monkeypatch):
    """A `sleep` that prints a line when it has started: a signal sent earlier, while the shell forks, reaches only the
    shell, which handles it after the child has ended."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "sleep").write_text(f'#!/bin/sh\necho asleep\nexec {shutil.which("sleep")} "$@"\n')
    (folder / "sleep").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def end_mid_way(command, last_line, temporary_files, send):
    """Starts the command, waits for its line `last_line`, sends a signal; returns the exit code."""
    process = subprocess.Popen(
        [str(word) for word in command],
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            for line in process.stdout:
                if line.startswith(last_line):
                    break
            assert temporary_files(), "the signal has to be sent while a temporary file exists"
            send(process.pid)
            return process.wait(timeout=HANG_LIMIT_S)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def term_to_group(pid):
    os.killpg(pid, signal.SIGTERM)


# ----------------------------------------------------------------------------------------------------- the shell one


def test_the_shell_template_succeeds_without_the_environment_of_the_scheduler(shell, home):
    done = run_shell_template(shell, "--output", "data/usage.csv")
    assert (done.returncode, done.stderr) == (0, "")
    assert "run 0 of example, attempt 1" in done.stdout
    assert "previous run: none; last success: never" in done.stdout
    time, folder, percent = (home / "data" / "usage.csv").read_text().strip().split(",")
    assert datetime.fromisoformat(time).utcoffset() == timedelta(0)
    assert folder == "."
    assert 0 <= int(percent) <= 100


def test_the_shell_template_prints_its_run(shell, home):
    done = run_shell_template(shell, "--output", "usage.csv", **RUN_ENVIRONMENT)
    assert done.returncode == 0
    assert "run 120 of disk_usage, attempt 2, started by catchup, for 2026-11-23T02:30:00+08:00" in done.stdout
    assert "previous run: technical_failure; last success: 2026-11-22T02:30:04.214+08:00" in done.stdout


def test_empty_variables_of_a_first_run_mean_none(shell, home):
    first = {**RUN_ENVIRONMENT, "MINISCHED_PREVIOUS_STATUS": "", "MINISCHED_LAST_SUCCESS_TIME": ""}
    (home / "usage.csv").write_text("2026-11-22T02:30:00+08:00,.,40\n")
    for done in (
        run_shell_template(shell, "--output", "usage.csv", **first),
        run_python_template("--input", "usage.csv", "--output", "report.txt", **first),
    ):
        assert done.returncode == 0, done.stderr
        assert "previous run: none; last success: never" in done.stdout


def test_the_shell_template_exits_with_1_if_it_misses_its_goal(shell, home):
    done = run_shell_template(shell, "--output", "usage.csv", "--max-percent", "0")
    if "is 0 % full" in done.stdout:
        pytest.skip("the disk of this machine is empty")
    assert done.returncode == 1
    assert done.stderr.startswith("goal not met: ")
    assert (home / "usage.csv").exists(), "the measurement was made and is kept"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--folder", "no/such/folder", "--output", "usage.csv"],  # df exits with 1
        ["--output", "blocked/usage.csv"],  # mkdir exits with 1
    ],
)
def test_an_unexpected_failure_of_the_shell_template_is_technical(shell, home, arguments):
    (home / "blocked").write_text("a file where a folder should be")
    done = run_shell_template(shell, *arguments)
    assert done.returncode == 70, done.stdout
    assert done.stderr.endswith("unexpected failure: a command exited with 1\n")
    assert not list(home.rglob("*.tmp"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--output is missing"),
        (["--output"], "--output needs a value"),
        (["--output", "x", "--colour"], 'unknown argument "--colour"'),
        (["--output", "x", "--samples", "some"], '--samples is "some"; expected a whole number'),
        (["--output", "x", "--pause", ""], '--pause is ""; expected a whole number'),
    ],
)
def test_the_shell_template_exits_with_2_and_the_usage_on_wrong_arguments(shell, home, arguments, message):
    done = run([*shell, SHELL_TEMPLATE, *arguments])
    assert done.returncode == 2
    assert message in done.stderr
    assert "usage: " in done.stderr


def test_help_exits_with_0(shell, home):
    for done in (run([*shell, SHELL_TEMPLATE, "--help"]), run_python_template("--help")):
        assert done.returncode == 0
        assert done.stdout.startswith("usage: ")


def test_an_unset_variable_is_a_technical_failure_of_the_shell_template(shell, home):
    broken = home / "broken.sh"
    text = SHELL_TEMPLATE.read_text()
    broken.write_text(text.replace('    mkdir -p "$(dirname "$output")"', '    mkdir -p "$outptu"'))
    assert broken.read_text() != text
    done = run([*shell, broken, "--output", "usage.csv"])
    assert done.returncode not in (0, 1)
    assert "outptu" in done.stderr


def test_a_retry_of_the_shell_template_adds_nothing_twice(shell, home):
    (home / "usage.csv").write_text("2026-11-22T02:30:00+08:00,.,40\n")
    first = run_shell_template(shell, "--output", "usage.csv", **RUN_ENVIRONMENT)
    second = run_shell_template(shell, "--output", "usage.csv", **RUN_ENVIRONMENT)
    assert (first.returncode, second.returncode) == (0, 0)
    times = [line.split(",")[0] for line in (home / "usage.csv").read_text().splitlines()]
    assert times == ["2026-11-22T02:30:00+08:00", "2026-11-23T02:30:00+08:00"]


def test_the_file_of_measurements_is_bounded(shell, home):
    (home / "usage.csv").write_text("".join(f"time{number},.,40\n" for number in range(1500)))
    assert run_shell_template(shell, "--output", "usage.csv").returncode == 0
    lines = (home / "usage.csv").read_text().splitlines()
    assert len(lines) == 1001
    assert lines[0] == "time500,.,40"


def test_term_to_the_group_ends_the_shell_template_soon_without_temporary_files(shell, home, announced_sleep):
    (home / "usage.csv").write_text("old,.,40\n")
    code = end_mid_way(
        [*shell, SHELL_TEMPLATE, "--output", "usage.csv", "--samples", 2, "--pause", 60],
        "asleep",
        lambda: list(home.glob("usage.csv.*.tmp")),
        term_to_group,
    )
    assert code == 143
    assert os.listdir(home) == ["usage.csv"]
    assert (home / "usage.csv").read_text() == "old,.,40\n"


@pytest.mark.parametrize(("name", "code"), [("SIGHUP", 129), ("SIGINT", 130)])
def test_other_signals_clean_up_too(shell, home, announced_sleep, name, code):
    found = end_mid_way(
        [*shell, SHELL_TEMPLATE, "--output", "usage.csv", "--samples", 2, "--pause", 60],
        "asleep",
        lambda: list(home.glob("usage.csv.*.tmp")),
        lambda pid: os.killpg(pid, signal.Signals[name]),
    )
    assert found == code
    assert os.listdir(home) == []


def test_the_shell_template_can_be_sourced_and_its_functions_called(shell, home):
    (home / "usage.csv").write_text("monday,.,40\ntuesday,.,41\n")
    test = home / "test.sh"
    test.write_text(
        f"SOURCE_ONLY=1\n. {shlex.quote(str(SHELL_TEMPLATE))}\n"
        'echo "main is not run"\n'
        "lines_of_other_times usage.csv tuesday\n"
        "used_percent . >/dev/null\n"
        'code=0; (goal_not_met "too full") || code=$?; echo "goal_not_met $code"\n'
    )
    done = run([*shell, test])
    assert (done.returncode, done.stderr) == (0, "goal not met: too full\n")
    assert done.stdout == "main is not run\nmonday,.,40\ngoal_not_met 1\n"


def test_the_shell_template_declares_posix_shell():
    assert SHELL_TEMPLATE.read_text().startswith("#!/bin/sh\n")
    for template in (SHELL_TEMPLATE, PYTHON_TEMPLATE):
        assert os.access(template, os.X_OK)


# ---------------------------------------------------------------------------------------------------- the Python one


def test_the_python_template_succeeds_without_the_environment_of_the_scheduler(home):
    (home / "usage.csv").write_text("2026-11-23T02:30:00+08:00,.,40\n2026-11-23T02:31:00+08:00,a,b,42\n")
    done = run_python_template("--input", "usage.csv", "--output", "data/report.txt")
    assert (done.returncode, done.stderr) == (0, "")
    assert "run 0 of example, attempt 1" in done.stdout
    assert "2026-11-23: 2 measurements, 40 to 42 % full\n" in (home / "data" / "report.txt").read_text()


def test_the_python_template_exits_with_1_if_it_misses_its_goal(home):
    (home / "usage.csv").write_text("2026-11-23T02:30:00+08:00,.,40\n")
    done = run_python_template("--input", "usage.csv", "--output", "report.txt", "--min-lines", "2")
    assert (done.returncode, done.stderr) == (1, "goal not met: 1 measurements, at least 2 are needed\n")


def test_the_python_template_turns_an_unexpected_exception_into_70_with_the_traceback(home):
    done = run_python_template("--input", "no_such_file", "--output", "report.txt")
    assert done.returncode == 70
    assert "Traceback" in done.stderr
    assert "FileNotFoundError" in done.stderr


def test_an_invalid_environment_is_a_technical_failure(home):
    done = run_python_template("--input", "x", "--output", "y", MINISCHED_RUN_ID="one")
    assert done.returncode == 70


def test_the_python_template_exits_with_2_on_wrong_arguments(home):
    done = run_python_template("--colour")
    assert done.returncode == 2
    assert "usage: " in done.stderr


def test_term_ends_the_python_template_soon_without_temporary_files(home):
    (home / "usage.csv").write_text("2026-11-22T02:30:00+08:00,.,40\n")
    (home / "report.txt").write_text("the old report\n")
    code = end_mid_way(
        [sys.executable, PYTHON_TEMPLATE, "--input", "usage.csv", "--output", "report.txt", "--pause", 60],
        "day 1 of 1",
        lambda: list(home.glob("report.txt.*.tmp")),
        term_to_group,
    )
    assert code == 143
    assert sorted(os.listdir(home)) == ["report.txt", "usage.csv"]
    assert (home / "report.txt").read_text() == "the old report\n"


def test_main_returns_the_exit_code_and_takes_its_arguments_and_environment(home, template, capsys):
    (home / "usage.csv").write_text("2026-11-22T02:30:00+08:00,.,40\n")
    assert template.main(["--input", "usage.csv", "--output", "report.txt"], RUN_ENVIRONMENT) == 0
    assert "run 120 of disk_usage, attempt 2, started by catchup" in capsys.readouterr().out
    assert template.main(["--input", "usage.csv", "--output", "report.txt", "--min-lines", "9"], {}) == 1
    assert template.main(["--input", "missing", "--output", "report.txt"], {}) == 70


def test_the_context_comes_from_the_environment(template):
    context = template.RunContext.from_environ(RUN_ENVIRONMENT)
    assert context.task_id == "disk_usage"
    assert (context.run_id, context.attempt) == (120, 2)
    assert context.scheduled_time == datetime(2026, 11, 22, 18, 30, tzinfo=timezone.utc)
    assert context.last_success_time == datetime(2026, 11, 21, 18, 30, 4, 214000, tzinfo=timezone.utc)


def test_a_manual_run_uses_the_current_time(template):
    before = datetime.now(timezone.utc)
    context = template.RunContext.from_environ({})
    assert before <= context.scheduled_time <= datetime.now(timezone.utc)
    assert (context.previous_status, context.last_success_time) == ("", None)


def test_the_summary_has_a_line_for_each_day_in_order(template):
    lines = ["2026-11-23T02:30:00+08:00,.,44\n", "2026-11-22T02:30:00+08:00,.,40\n", "2026-11-22T02:31:00+08:00,.,42\n"]
    assert template.summarise(template.read_measurements(lines)) == [
        "2026-11-22: 2 measurements, 40 to 42 % full",
        "2026-11-23: 1 measurements, 44 to 44 % full",
    ]


def test_a_file_is_replaced_only_if_the_block_succeeds(home, template):
    (home / "report.txt").write_text("old")
    with pytest.raises(ZeroDivisionError), template.replacing("report.txt") as file:
        file.write("half")
        raise ZeroDivisionError
    assert (home / "report.txt").read_text() == "old"
    with template.replacing("report.txt") as file:
        file.write("new")
    assert (home / "report.txt").read_text() == "new"
    assert os.listdir(home) == ["report.txt"]


# --------------------------------------------------------------------------------------------- the short templates


@pytest.fixture
def tasks(home):
    shutil.copytree(TASKS, home / "tasks", ignore=shutil.ignore_patterns("__pycache__"))
    return home / "tasks"


def test_the_short_shell_template_measures_and_reports_by_its_exit_code(shell, tasks, home):
    command = [*shell, "tasks/example_task_script.sh"]
    done = run(command, MAX_PERCENT="100")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"the disk is \d+ % full\n", done.stdout)
    assert [path.name for path in (home / "data").iterdir()] == ["disk_usage.txt"]
    done = run(command, MAX_PERCENT="-1")
    assert (done.returncode, done.stderr) == (1, "goal not met: more than -1 %\n")


@pytest.mark.parametrize("line", ["false", "cat missing", 'echo "$unset_variable"'])
def test_a_crash_of_the_short_shell_template_is_technical(line, shell, tasks, home):
    script = tasks / "example_task_script.sh"
    script.write_text(script.read_text().replace("mkdir -p data\n", f"mkdir -p data\n{line}\n"))
    assert run([*shell, script]).returncode not in (0, 1)


def test_term_ends_the_short_shell_template_without_its_temporary_file(shell, tasks, home, announced_sleep):
    script = tasks / "example_task_script.sh"
    script.write_text(script.read_text().replace("mv -f", "sleep 60\nmv -f"))
    files = lambda: list((home / "data").iterdir())  # noqa: E731
    assert end_mid_way([*shell, script], "asleep", files, term_to_group) == 143
    assert files() == []


@pytest.mark.parametrize("python", PYTHONS, ids=lambda path: Path(path).parent.parent.name)
def test_the_short_python_template_reports_by_its_exit_code(python, tasks, home):
    command = [python, "tasks/example_task_script.py"]
    crash = run(command)
    assert crash.returncode == 70 and "FileNotFoundError" in crash.stderr
    (home / "data").mkdir()
    for line, code, error in (
        ("/dev/sd a1 1000000 100 999900 1% /", 0, ""),
        ("/dev/sda1 100 90 10 90% /", 1, "goal not met: 0 MB are free\n"),
    ):
        (home / "data" / "disk_usage.txt").write_text(
            f"Filesystem 1024-blocks Used Available Capacity Mounted\n{line}\n"
        )
        done = run(command)
        assert (done.returncode, done.stderr) == (code, error)
    assert (home / "data" / "disk_report.txt").read_text() == "a manual run: 976 MB are free\n"


@pytest.mark.parametrize("python", PYTHONS, ids=lambda path: Path(path).parent.parent.name)
def test_term_ends_the_short_python_template_with_143(python, tasks, home):
    script = tasks / "example_task_script.py"
    text = script.read_text()
    changed = "def work() -> int:\n    import time\n    print('asleep', flush=True)\n    time.sleep(60)\n"
    script.write_text(text.replace("def work() -> int:\n", changed))
    assert end_mid_way([python, script], "asleep", lambda: True, term_to_group) == 143


@pytest.mark.parametrize("name", SHORT)
def test_the_templates_are_short_and_can_be_started(name):
    assert len((TASKS / name).read_text().splitlines()) < 40
    assert os.access(TASKS / name, os.X_OK)


# ------------------------------------------------------------------------------------------------- the sample config


def sample_config():
    return json.loads((TASKS / "config.json").read_text(encoding="utf-8"))


def test_the_sample_config_has_two_tasks_whose_scripts_exist():
    config = sample_config()
    assert config["version"] == 1
    assert [shlex.split(task["task_exec"])[1] for task in config["tasks"]] == [f"tasks/{name}" for name in SHORT]
    ids = [task["task_id"] for task in config["tasks"]]
    assert config["tasks"][1]["task_dependencies"] == ids[:1]


def test_the_sample_tasks_run_in_a_fresh_home_in_their_order(home, tasks):
    for task in sample_config()["tasks"]:
        done = run(["/bin/sh", "-c", task["task_exec"]], **RUN_ENVIRONMENT, MAX_PERCENT="100")
        assert (done.returncode, done.stderr) == (0, ""), task["task_id"]
    assert "2026-11-23T02:30:00+08:00: " in (home / "data" / "disk_report.txt").read_text()


def test_the_samples_are_due_soon_after_the_start():
    """So that the first minute shows a success, and then one of a task that depends on it."""
    first, second = sample_config()["tasks"]
    assert (first["task_schedule"], "task_schedule" in second) == ("@every 5s", False)

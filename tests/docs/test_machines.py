"""The commands for programs and for many machines: curl against a running engine, and a config that comes by git."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from support.programs import Home, eventually
from support.walk import Terminal, blocks, merged

TASK = {"task_id": "nightly_backup", "task_exec": "echo done"}


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_the_calls_of_curl_work_beside_an_engine(tmp_path: Path) -> None:
    home = Home(tmp_path / "jobs")
    home.config.write_text(merged({"version": 1, "tasks": [TASK]}, http={"port": 0}))
    terminal = Terminal(tmp_path)
    # An HTTP status of an error is an error; and each answer is a line.
    Terminal.program(tmp_path / "bin" / "curl", f"exec {shutil.which('curl')} -fsS -w '\\n%{{http_code}}\\n' \"$@\"")
    home.start()
    try:
        eventually(lambda: home.json("status")["engine"]["running"] and "url" in (home.path / "var/lock").read_text())
        address = home.api[0].partition("/api/")[0]
        terminal.type(f"cd {home.path}")
        answers = []
        for name in ("api.md", "security.md"):
            for block in blocks(name):
                if block.language == "sh":
                    code, said = terminal.type(block.text.replace("http://127.0.0.1:8787", address))
                    assert code == 0, f"{block.text}\n{said}"
                    answers += [line for line in said.splitlines() if line.isdigit() and len(line) == 3]
        assert len(answers) == 11 and {answer[0] for answer in answers} == {"2"}
    finally:
        terminal.close()
        home.close()


@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
@pytest.mark.parametrize("broken", [False, True])
def test_a_config_from_git_is_checked_before_it_is_in_force(broken: bool, tmp_path: Path) -> None:
    (script,) = [one.text for one in blocks("many_machines.md") if "update_tasks.sh" in one.text]
    origin, tasks = tmp_path / "origin", tmp_path / "jobs" / "tasks"
    git = ["git", "-c", "user.name=ops", "-c", "user.email=ops@example.org", "-c", "init.defaultBranch=main"]
    terminal = Terminal(tmp_path)
    try:
        subprocess.run([*git, "init", "-q", str(origin)], check=True)
        (origin / "config.json").write_text(json.dumps({"version": 1, "tasks": []}))
        for command in (["add", "."], ["commit", "-qm", "one"]):
            subprocess.run([*git, "-C", str(origin), *command], check=True)
        subprocess.run([*git, "clone", "-q", str(origin), str(tasks)], check=True)
        (origin / "config.json").write_text("{" if broken else json.dumps({"version": 1, "tasks": [TASK]}))
        subprocess.run([*git, "-C", str(origin), "commit", "-qam", "two"], check=True)
        path = tmp_path / "update_tasks.sh"
        path.write_text(script.replace("/srv/jobs", str(tmp_path / "jobs")))
        done = subprocess.run(["sh", str(path)], env=terminal.env, capture_output=True, text=True)
        assert (done.returncode != 0) == broken, done.stderr
        assert ("nightly_backup" in (tasks / "config.json").read_text()) != broken
    finally:
        terminal.close()

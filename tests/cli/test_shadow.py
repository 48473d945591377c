"""Files of the user with the name of a module are never imported instead of the standard library."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.programs import ROOT, Home, environment

MINE = "raise SystemExit('a file of the user was imported: ' + __file__)\n"
STDLIB = Path(os.__file__).parent


def shadow(folder: Path, tmp_path: Path) -> list[str]:
    """Put a file for each module of the standard library into the folder, except those that `python -m` itself loads
    before the first line of the program. Returns their names."""
    (tmp_path / "probe.py").write_text("import sys; print(*sys.modules)")
    done = subprocess.run([sys.executable, "-m", "probe"], cwd=tmp_path, capture_output=True, text=True, check=True)
    top = {path.stem for path in STDLIB.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    names = {*top, *sys.builtin_module_names, "select", "math", "zlib", "fcntl", "resource", "croniter"}
    names -= set(done.stdout.split()) | {"__init__", "minisched"}
    for name in names:
        (folder / f"{name}.py").write_text(MINE)
    return sorted(names)


@pytest.mark.parametrize("installed", [True, False])
def test_no_command_imports_a_file_of_the_current_folder(tmp_path: Path, installed: bool) -> None:
    """Not installed: the package lies in the current folder, beside the files of the user."""
    home = Home(tmp_path / "home")
    home.write({"task_id": "t", "task_exec": "echo hello", "task_schedule": "0 3 L * *"}, http={"port": 0})
    names = shadow(home.path, tmp_path)
    assert {"queue", "random", "token", "select", "json", "calendar", "platform", "resource", "socket"} <= set(names)
    env = environment()
    if not installed:
        shutil.copytree(ROOT / "minisched", home.path / "minisched", ignore=shutil.ignore_patterns("__pycache__"))
        env.pop("PYTHONPATH")
    command = [sys.executable, "-m", "minisched"]
    for arguments in (["--help"], ["validate"], ["next", "t"], ["list"], ["status"], ["exec", "t"], ["history"]):
        done = subprocess.run(
            [*command, *arguments], cwd=home.path, env=env, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    engine = subprocess.Popen(
        [*command, "run"], cwd=home.path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert engine.stdout is not None
        assert any("http://" in line for line in engine.stdout), "the page is not served"
        done = subprocess.run(
            [*command, "trigger", "t", "--wait"], cwd=home.path, env=env, capture_output=True, text=True, timeout=60
        )
        engine.terminate()
        _, errors = engine.communicate(timeout=30)
    finally:
        engine.kill()
    assert (done.returncode, engine.returncode, errors) == (0, 0, ""), (done, errors)
    assert "hello" in done.stdout

"""Commands, paths and variables are UTF-8, whatever the locale in which minisched was started."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.programs import Home, environment, eventually

CHECK = """#!/bin/sh
# Bytes, so that no locale has a part in it.
printf '%s:%s:%s' "$NAME" "$1" "$PWD" | od -An -v -tx1 | tr -d ' \\n'
"""


@pytest.fixture(params=["zh_CN.GBK", "C", "POSIX"])
def locale(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The variables of a session in that locale."""
    name = str(request.param)
    if name == "zh_CN.GBK":
        if not shutil.which("localedef"):
            pytest.skip("no localedef")
        folder = tmp_path / "locale"
        folder.mkdir()
        subprocess.run(["localedef", "-i", "zh_CN", "-f", "GBK", str(folder / name)], capture_output=True, check=False)
        if not (folder / name).exists():
            pytest.skip("the source of the locale is not installed")
    return {"LC_ALL": name, "LOCPATH": str(tmp_path / "locale"), "PYTHONCOERCECLOCALE": "0"}


def test_names_in_chinese_are_utf8_in_every_locale(tmp_path: Path, locale: dict[str, str]) -> None:
    home = Home(tmp_path / "目录")
    (home.path / "数据").mkdir()
    script = home.path / "tasks" / "脚本.sh"
    script.write_text(CHECK)
    script.chmod(0o755)
    task = {"task_exec": "tasks/脚本.sh 备份", "task_env": {"NAME": "联通"}, "task_log": "日志.log", "task_cwd": "数据"}
    home.write(
        {"task_id": "text", **task, "task_schedule": "@reboot"},
        {"task_id": "list", **task, "task_exec": ["tasks/脚本.sh", "备份"], "task_log": "二.log"},
    )
    command = [sys.executable, "-m", "minisched", "--home", str(home.path)]
    for task_id in ("text", "list"):
        done = subprocess.run([*command, "exec", task_id], capture_output=True, env=environment(**locale), timeout=60)
        assert done.returncode == 0, done
        printed = bytes.fromhex(done.stdout.split()[-1].decode()).decode()
        assert printed == f"联通:备份:{home.path}/数据"
    assert (home.path / "logs" / "日志.log").exists()
    home.write({"task_id": "text", **task, "task_schedule": "@every 1s"})
    try:
        home.start(**locale)
        eventually(lambda: any(row["trigger"] == "schedule" for row in home.ended("text")))
        assert home.stop() == 0
    finally:
        home.close()
    assert {row["status"] for row in home.ended("text")} == {"success"}
    assert os.listdir(tmp_path / "目录" / "tasks").count("脚本.sh") == 1


def test_the_terminal_keeps_its_encoding(tmp_path: Path, locale: dict[str, str]) -> None:
    home = Home(tmp_path / "home")
    home.write({"task_id": "a", "task_exec": "true", "task_name": "备份"})
    command = [sys.executable, "-m", "minisched", "--home", str(home.path), "list"]
    done = subprocess.run(command, capture_output=True, env=environment(**locale), timeout=60)
    assert done.returncode == 0, done
    encoding = "gbk" if locale["LC_ALL"] == "zh_CN.GBK" else "utf-8"
    assert "备份" in done.stdout.decode(encoding)

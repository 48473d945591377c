"""A copy of the project, as someone carries it to a machine without network."""

from __future__ import annotations

import shutil
from pathlib import Path

from support.programs import ROOT

SOURCES = ("minisched", "docs", "tests")
SAMPLES = ("config.json", "example_task_script.py", "example_task_script.sh")
JUNK = shutil.ignore_patterns("__pycache__", ".*")
NO_NETWORK = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONPATH": ""}


def copy_of_the_clone(folder: Path) -> Path:
    for name in SOURCES:
        shutil.copytree(ROOT / name, folder / name, ignore=JUNK)
    (folder / "tasks").mkdir()
    for name in SAMPLES:  # the project may be a home, with more
        shutil.copy(ROOT / "tasks" / name, folder / "tasks")
    for path in ROOT.iterdir():
        if path.is_file() and path.name[0] != "." and path.suffix in (".md", ".cfg", ".toml", ""):
            shutil.copy(path, folder)
    return folder

"""docs/design.md names only what exists, and describes every module of the package."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "minisched"
TEXT = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
# `engine/scheduler.py`, `engine/scheduler.py:SchedulerEngine.step`, `tests/support/sim.py`, `api/static/i18n/texts.js`
REFERENCE = re.compile(r"([\w./]*\w\.(?:py|js|css|md|cfg|json|sh))\b(?::([A-Za-z_][\w.]*))?")
OWN_FILES = {"tasks/config.json", "config.json"}  # of a home


def names(path: Path) -> set[str]:
    """Functions, classes, methods, class attributes and constants of a module, as `name` or `Class.name`."""
    found = set()

    def collect(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                found.add(prefix + node.name)
                if isinstance(node, ast.ClassDef):
                    collect(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found.update(prefix + target.id for target in targets if isinstance(target, ast.Name))

    collect(ast.parse(path.read_text(encoding="utf-8")).body, "")
    return found


@pytest.mark.parametrize(("file", "name"), sorted(set(REFERENCE.findall(TEXT))))
def test_a_name_in_the_design_exists(file: str, name: str) -> None:
    places = [folder / file for folder in (PACKAGE, ROOT, ROOT / "docs")]
    path = next((place for place in places if place.is_file()), None)
    assert path or file in OWN_FILES, f"there is no {file}"
    if name:
        assert path and name.rstrip(".") in names(path), f"{file} has no {name}"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_is_described(path: Path) -> None:
    if not path.name.startswith("__"):
        module = re.escape(str(path.relative_to(PACKAGE)))
        row = re.search(rf"^\| `{module}` \| (.+) \|$", TEXT, re.MULTILINE)
        assert row, f"docs/design.md, section 3, has no row for {path.relative_to(PACKAGE)}"

"""Every part of the package imports only from the floors below it, and none imports croniter."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "minisched"

# From the ground up. `timetable` is below `config`, which uses it to check schedules, zones and durations.
FLOORS = [
    {"namedtuple", "put_off"},
    {"osutil", "threads"},
    {"catalogue"},
    {"model"},
    {"timetable"},
    {"lifecycle", "policy", "config", "migration", "why"},
    {"clock", "systemd", "home", "tasklog", "executor", "store"},
    {"notify", "lint"},
    {"api"},
    {"engine"},
    {"cli"},
    {"__main__"},
]
PURE = {"catalogue", "model", "timetable", "lifecycle", "policy", "migration", "why"}
OUTSIDE = {"subprocess", "socket", "sqlite3", "threading", "random", "time", "logging", "selectors"}


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_below(path: Path) -> None:
    part = part_of(path)
    floor = next(index for index, parts_of_floor in enumerate(FLOORS) if part in parts_of_floor)
    below = set().union(*FLOORS[:floor]) | {part}
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "minisched" and parts[1] != "__version__":
            assert parts[1] in below, f"{path.name} imports {name}, which is not below it"
        assert parts[0] != "croniter", f"{path.name}: a copied folder has to work without croniter"
        if part in PURE:
            assert parts[0] not in OUTSIDE, f"{path.name} is pure and imports {name}"


def test_a_relative_import_stays_in_its_folder() -> None:
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                assert node.level <= len(path.relative_to(PACKAGE).parts) - 1, path


def test_every_part_has_a_floor() -> None:
    assert {part_of(path) for path in MODULES} <= set().union(*FLOORS)

"""Nobody assigns another object's attribute: whoever owns a value changes it, in a method that has a name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import minisched

PACKAGE = Path(minisched.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# What the standard library offers only as an attribute to set.
ALLOWED = {
    "store/database.py": {"db.text_factory"},  # of a sqlite3 connection
    "store/reader.py": {"db.text_factory"},
    "store/writer.py": {"self._db.text_factory"},
    "cli/bundle.py": {"member.compress_type", "member.external_attr"},  # of zipfile
    "cli/client.py": {"options.task"},  # argparse's namespace
    "cli/main.py": {"setattr"},  # a missing standard stream, in `sys`
    "executor/program.py": {"lexer.whitespace_split"},  # of shlex
    "namedtuple.py": {f"constructor.__{name}__" for name in ("name", "qualname", "defaults")},  # of a function
    "osutil.py": {"error.filename"},  # of an OSError
    "notify/webhook.py": {"opener.addheaders"},  # urllib's own headers
    "tasklog/engine_log.py": {
        # https://docs.python.org/3/howto/logging.html#optimization
        *("logging._srcfile", "logging.logMultiprocessing", "logging.logProcesses", "logging.logThreads"),
        "logger.propagate",
    },
}


def targets(node: ast.AST) -> Iterator[ast.expr]:
    """What an assignment, `del` or `for` writes to, tuples taken apart."""
    found: list[ast.expr] = []
    if isinstance(node, (ast.Assign, ast.Delete)):
        found = list(node.targets)
    elif isinstance(node, (ast.AugAssign, ast.AnnAssign, ast.For, ast.NamedExpr)):
        found = [node.target]
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        found = [node.optional_vars]
    while found:
        one = found.pop()
        if isinstance(one, (ast.Tuple, ast.List)):
            found += one.elts
        elif isinstance(one, ast.Starred):
            found.append(one.value)
        else:
            yield one


def foreign_assignments(source: str) -> list[str]:
    """The attributes that are assigned on anything but `self`."""
    found = []
    for node in ast.walk(ast.parse(source)):
        for target in targets(node):
            if isinstance(target, ast.Attribute):
                owner = target.value
                if not (isinstance(owner, ast.Name) and owner.id == "self"):
                    found.append(f"line {target.lineno}: {ast.unparse(target)}")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "setattr":
            found.append(f"line {node.lineno}: setattr")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_assigns_an_attribute_of_another_object(path: Path) -> None:
    allowed = ALLOWED.get(str(path.relative_to(PACKAGE)), set())
    found = foreign_assignments(path.read_text(encoding="utf-8"))
    assert [line for line in found if line.split(": ")[1] not in allowed] == []


def test_each_kind_of_assignment_is_seen() -> None:
    source = """
def f(self, other):
    self.a, other.b = 1, 2
    other.c += 1
    other.d: int = 3
    for other.e in ():
        pass
    with open("x") as other.f:
        pass
    del self.other.g
    setattr(other, "h", 1)
    self.i = other.j
"""
    seen = sorted(foreign_assignments(source))
    assert [line.split(": ")[1] for line in sorted(seen, key=lambda text: int(text.split()[1].rstrip(":")))] == [
        "other.b",
        "other.c",
        "other.d",
        "other.e",
        "other.f",
        "self.other.g",
        "setattr",
    ]

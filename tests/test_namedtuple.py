"""Our NamedTuple behaves as that of `typing`, and nothing loads `typing`."""

from __future__ import annotations

import ast
import copy
import pickle
import typing
from pathlib import Path
from typing import Optional

import pytest

from minisched.namedtuple import NamedTuple

PACKAGE = Path(__file__).parent.parent / "minisched"


class Ours(NamedTuple):
    """A point."""

    x: int
    y: Optional[str] = None

    @property
    def double(self) -> int:
        return 2 * self.x


class Theirs(typing.NamedTuple):
    """A point."""

    x: int
    y: Optional[str] = None

    @property
    def double(self) -> int:
        return 2 * self.x


@pytest.mark.parametrize(
    "look",
    [
        lambda point: point(1),
        lambda point: point(y="b", x=1)._asdict(),
        lambda point: point(1)._replace(y="c"),
        lambda point: point._make([1, "d"]),
        lambda point: (point._fields, point._field_defaults, point.__doc__),
        lambda point: point(4).double,
        lambda point: (hash(point(1)), point(1) == (1, None), point(1) < point(2)),
        lambda point: [*point(1, "e")],
        lambda point: copy.copy(point(1)),
        lambda point: pickle.loads(pickle.dumps(point(1))),
        lambda point: repr(point(1, "f")).replace(point.__name__, ""),
    ],
)
def test_values_are_the_same(look: typing.Callable[[type[Ours]], object]) -> None:
    assert look(Ours) == look(typing.cast("type[Ours]", Theirs))


@pytest.mark.parametrize(
    "look",
    [
        lambda point: point(),
        lambda point: point(1, 2, 3),
        lambda point: point(1, z=2),
        lambda point: point._make([1]),
        lambda point: setattr(point(1), "x", 2),
        lambda point: setattr(point(1), "z", 2),
    ],
)
def test_errors_are_the_same(look: typing.Callable[[type[Ours]], object]) -> None:
    with pytest.raises((TypeError, AttributeError)) as ours:
        look(Ours)
    with pytest.raises((TypeError, AttributeError)) as theirs:
        look(typing.cast("type[Ours]", Theirs))
    assert ours.type is theirs.type


def test_a_replaced_field_exists() -> None:
    with pytest.raises(TypeError, match="Ours has no field z"):  # with `typing` a ValueError before Python 3.13
        Ours(1)._replace(z=2)


def test_a_default_comes_last() -> None:
    with pytest.raises(TypeError, match="Wrong: a field without a default"):

        class Wrong(NamedTuple):
            x: int = 1
            y: int  # type: ignore[misc]


def test_typing_is_imported_for_type_checkers_only() -> None:
    """`if TYPE_CHECKING` is the only place that may; argparse and others may load it for their own needs."""
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:
            if not (isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
                loaded = [one for one in ast.walk(node) if isinstance(one, (ast.Import, ast.ImportFrom))]
                names = [getattr(one, "module", None) or one.names[0].name for one in loaded]
                assert "typing" not in names, path

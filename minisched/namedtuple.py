"""`typing.NamedTuple` without `typing`, which would cost every process 0.5 MB and 5 ms.

A type checker sees that class. At run time a class has the same constructor, fields, defaults and methods, at a third
of the memory: the methods are shared by all classes, and annotations are neither compiled nor kept.
"""

from __future__ import annotations

from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:
    _Item = type(namedtuple("_Pair", "item").item)  # reads an item by its index in C, with no call of a function
    _CONSTRUCTOR_GLOBALS = {"__builtins__": {}, "new": tuple.__new__}

    class _Record(tuple):
        """The methods of `collections.namedtuple`, once for all classes."""

        __slots__ = ()

        def __new__(cls, /, *items, **fields):
            """Compile the constructor of a class with its first instance: many have none, and it takes half of the time
            that a class takes."""
            made = next(one for one in cls.__mro__ if "_fields" in vars(one))
            type.__setattr__(made, "__new__", staticmethod(_constructor_of(made)))
            return made.__new__(cls, *items, **fields)

        @classmethod
        def _make(cls, items):
            made = tuple.__new__(cls, items)
            if len(made) != len(cls._fields):
                raise TypeError(f"expected {len(cls._fields)} items, got {len(made)}")
            return made

        def _replace(self, /, **changes):
            made = tuple.__new__(type(self), map(changes.pop, self._fields, self))
            if changes:
                raise TypeError(f"{type(self).__name__} has no field {', '.join(changes)}")
            return made

        def _asdict(self):
            return dict(zip(self._fields, self))

        def __repr__(self):
            items = ", ".join(f"{field}={item!r}" for field, item in zip(self._fields, self))
            return f"{type(self).__name__}({items})"

        def __getnewargs__(self):  # for copy and pickle
            return tuple(self)

    def _constructor_of(made):
        """As `collections` does it: only a function of its own has the names and defaults of the fields."""
        items = "".join(f"{field}, " for field in made._fields)
        constructor = eval(f"lambda cls, {items}: new(cls, ({items}))", _CONSTRUCTOR_GLOBALS)
        constructor.__name__, constructor.__qualname__ = "__new__", f"{made.__name__}.__new__"
        constructor.__defaults__ = tuple(made._field_defaults.values())
        return constructor

    class _MakeRecord(type):
        """Makes a subclass of `_Record` from the body of a class. Its own subclasses are then made by `type`."""

        def __new__(meta, name, bases, body):
            fields = tuple(body.pop("__annotations__", ()))
            defaults = {field: body.pop(field) for field in fields if field in body}
            if tuple(defaults) != fields[len(fields) - len(defaults) :]:
                raise TypeError(f"{name}: a field without a default follows one with a default")
            body.update((field, _Item(index, None)) for index, field in enumerate(fields))
            body.update(__slots__=(), _fields=fields, _field_defaults=defaults)
            return type(name, (_Record,), body)

    NamedTuple = type.__new__(_MakeRecord, "NamedTuple", (), {})

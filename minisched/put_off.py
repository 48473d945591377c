"""What is put off until it is used: regular expressions, and some imports of modules of the standard library.

A command uses few of the expressions in the modules that it imports, and to compile one takes 0.1 ms. `subprocess`
needs `locale` to decode texts, and `logging.handlers` needs `pickle` to send records to a socket. Nothing here does
either, and each takes 0.3 MB. What `http.server` needs `ssl` and `email` for takes 3 MB.
"""

from __future__ import annotations

import builtins
import re
import sys
from importlib import import_module
from types import SimpleNamespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType
    from typing import Any, AnyStr


class _PutOff:
    """A module that is imported when another name of it is used than the `known` ones."""

    def __init__(self, name: str, known: Mapping[str, Any]) -> None:
        self.__dict__.update(known)
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self._name), name)


def copy_without(name: str, put_off: Mapping[str, Mapping[str, Any]]) -> ModuleType:
    """A copy of the module `name` that imports the modules in `put_off` when they are used. The names in their values
    are those that are used while the copy is loaded, each with the value that it has then.

    The copy has an `__import__` of its own. Stand-ins in `sys.modules` could be found by other threads: one that sends
    a message to a webhook may import the same modules at this moment.
    """
    from importlib.util import find_spec, module_from_spec  # another 3 ms of a command that needs none of this

    spec = find_spec(name)
    if spec is None or spec.loader is None:  # a program whose standard library is not in files
        return import_module(name)

    def import_of_copy(wanted: str, *where: Any) -> Any:
        if wanted not in put_off:
            return __import__(wanted, *where)
        module = _PutOff(wanted, put_off[wanted])
        _, _, inner = wanted.partition(".")
        return SimpleNamespace(**{inner: module}) if inner else module  # as `import` does: the package of a dotted name

    copy = module_from_spec(spec)
    vars(copy)["__builtins__"] = {**vars(builtins), "__import__": import_of_copy}
    spec.loader.exec_module(copy)
    return copy


def import_without(name: str, *put_off: str) -> ModuleType:
    """The module `name`, as `import` would give it, and for all others who import it too, but with the modules in
    `put_off` imported when they are used. If it is loaded already, it stays as it is."""
    if name in sys.modules:
        return import_module(name)
    module = copy_without(name, {one: {} for one in put_off})
    package, _, own = name.rpartition(".")
    if package:
        vars(sys.modules[package])[own] = module
    return sys.modules.setdefault(name, module)


_METHODS = ("findall", "finditer", "fullmatch", "match", "pattern", "search", "split", "sub", "subn")


class _Pattern:
    """Its attributes are those of the expression, from the first use of one on."""

    def __init__(self, source: Any, flags: int) -> None:
        self._source, self._flags = source, flags

    def __getattr__(self, name: str) -> Any:
        compiled = re.compile(self._source, self._flags)
        vars(self).update((method, getattr(compiled, method)) for method in _METHODS)
        return getattr(compiled, name)


def lazy_pattern(source: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """A regular expression that is compiled with its first use."""
    return _Pattern(source, flags)  # type: ignore[return-value]

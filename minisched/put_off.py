"""What is put off until it is used: regular expressions, and some imports of modules of the standard library.

A command uses few of the expressions in the modules that it imports, and to compile one takes 0.1 ms. `subprocess`
needs `locale` to decode texts, and `logging.handlers` needs `pickle` to send records to a socket. Nothing here does
either, and each takes 0.3 MB.
"""

from __future__ import annotations

import builtins
import re
import sys
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, AnyStr


class _PutOff:
    """A module that is imported when something of it is used."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self._name), name)


def import_without(name: str, *put_off: str) -> ModuleType:
    """The module `name`, as `import` would give it, but what it imports of `put_off` is imported when it is used. If it
    is loaded already, it stays as it is. Names with a dot cannot be put off.

    The module has an `__import__` of its own: stand-ins in `sys.modules` could be found by other threads.
    """
    from importlib.util import find_spec, module_from_spec  # another 3 ms of a command that needs none of this

    spec = None if name in sys.modules else find_spec(name)
    if spec is None or spec.loader is None:
        return import_module(name)

    def import_of_it(wanted: str, *where: Any) -> Any:
        return _PutOff(wanted) if wanted in put_off else __import__(wanted, *where)

    module = module_from_spec(spec)
    vars(module)["__builtins__"] = {**vars(builtins), "__import__": import_of_it}
    spec.loader.exec_module(module)
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

"""Modules of the standard library of which some imports are put off until they are used.

`subprocess` needs `locale` to decode texts, and `logging.handlers` needs `pickle` to send records to a socket. Nothing
here does either, and each takes 0.3 MB.
"""

from __future__ import annotations

import builtins
import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


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

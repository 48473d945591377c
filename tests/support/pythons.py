"""Other Pythons of this machine."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
from functools import cache

OLD = ((2, 7), (3, 6), (3, 7), (3, 8))
SUPPORTED = ((3, 9), (3, 10), (3, 11), (3, 12), (3, 13))


def find(*versions: tuple[int, int]) -> list[str]:
    """The path of one Python of each of these versions that is here, in this order; the one of the tests is ours."""
    return [path for path in map(_find, versions) if path]


@cache
def _find(version: tuple[int, int]) -> str:
    if version == sys.version_info[:2]:
        return sys.executable
    name = ".".join(map(str, version))
    found = [shutil.which(f"python{name}"), *glob.glob(os.path.expanduser(f"~/.pyenv/versions/{name}.*/bin/python"))]
    return next((path for path in found if path and _runs(path, version)), "")


def _runs(path: str, version: tuple[int, int]) -> bool:
    """pyenv puts commands in the path that run nothing."""
    code = f"import sys; sys.exit(sys.version_info[:2] != {version})"
    return subprocess.run([path, "-c", code], capture_output=True).returncode == 0

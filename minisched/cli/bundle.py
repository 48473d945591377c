"""`bundle`: the whole program in one file, for a machine without network."""

from __future__ import annotations

import hashlib
import io
import marshal
import os
import re
import subprocess
import sys
from importlib import metadata
from importlib.util import MAGIC_NUMBER, source_hash
from zipfile import ZipFile, ZipInfo

from minisched.cli.help import documents
from minisched.cli.init import SAMPLES
from minisched.cli.output import text
from minisched.model import EXIT_OK
from minisched.osutil import PACKAGE, carried_folder, list_carried, read_carried, replace_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

PACKAGE_FILES = (".py", ".typed", ".js", ".css", ".html")
REQUIRED = ("croniter", "tzdata")  # with what they need, as far as it is installed
NOT_CARRIED = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")  # how pip installed them on this machine
HASH_BASED = (1).to_bytes(4, "little")  # byte code (PEP 552) that is used without a look at the time of the source

# The file can be replaced by a newer one while a command runs from it, which imports some modules later. So commands
# that last import through a descriptor; that reads the list of the archive once more (4 ms). With an odd number of
# words there is no command, or an option. `import minisched` refuses a Python that is too old, even 2.7.
MAIN = b"""import os
import sys

import minisched

if len(sys.argv) % 2 or {"run", "exec", "trigger", "logs"} & set(sys.argv):
    opened = "/proc/self/fd/%d" % os.open(sys.path[0], os.O_RDONLY)
    if os.path.exists(opened):
        sys.path[0] = opened
        del sys.modules["minisched"]

from minisched.cli.main import main

sys.exit(main())
"""

# In a process of its own: the order of a set of texts, which is part of byte code, depends on this variable.
COMPILER = """
import marshal, sys
sources = marshal.load(sys.stdin.buffer)
codes = [marshal.dumps(compile(source, name, "exec", dont_inherit=True)) for name, source in sources]
marshal.dump(codes, sys.stdout.buffer)
"""


def bundle(options: Namespace) -> int:
    """Write the file and its SHA-256. Raises OSError; a file that exists then stays as it was."""
    target = os.path.abspath(options.output)
    files = dict(_files())
    content = b"#!/usr/bin/env python3\n" + _archive(files)
    digest = hashlib.sha256(content).hexdigest()
    replace_file(target, content, 0o755)
    replace_file(f"{target}.sha256", f"{digest}  {os.path.basename(target)}\n".encode(), 0o644)
    print(text("cli.bundled", path=target, size=len(content), python=".".join(map(str, sys.version_info[:2]))))
    for name in REQUIRED:
        if not any(path.startswith(f"{name}/") for path in files):
            print(text(f"cli.bundled_without_{name}"))
    return EXIT_OK


def _files() -> Iterator[tuple[str, bytes]]:
    """The names in the archive and their contents."""
    archive = os.path.dirname(PACKAGE)
    if os.path.isfile(archive):  # this program is such a file itself
        with ZipFile(archive) as carried:
            yield from ((name, carried.read(name)) for name in carried.namelist() if not name.endswith(".pyc"))
        return
    for name in list_carried(PACKAGE):
        if name.endswith(PACKAGE_FILES):
            yield f"minisched/{name}", read_carried(os.path.join(PACKAGE, name))
    samples = carried_folder("sample", "tasks")
    for name in SAMPLES:
        yield f"minisched/sample/{name}", read_carried(os.path.join(samples, name))
    for name, path in documents().items():
        yield f"minisched/docs/{name}{os.path.splitext(path)[1]}", read_carried(path)
    for distribution in _distributions(REQUIRED, set()):
        for file in distribution.files or ():
            if not {"..", "tests", "__pycache__", *NOT_CARRIED} & set(file.parts):
                yield str(file), file.read_binary()
    yield "__main__.py", MAIN


def _distributions(names: tuple[str, ...], found: set[str]) -> Iterator[metadata.Distribution]:
    for name in names:
        if name not in found:
            found.add(name)
            try:
                distribution = metadata.distribution(name)
            except metadata.PackageNotFoundError:
                continue
            yield distribution
            needed = [one for one in distribution.requires or () if "extra ==" not in one]
            yield from _distributions(tuple(re.split("[^A-Za-z0-9._-]", one, maxsplit=1)[0] for one in needed), found)


def _archive(files: dict[str, bytes]) -> bytes:
    """A zip file with these files and our byte code: the same bytes for the same files and the same Python.

    Nothing in it is compressed. zipimport refuses to decompress in two threads at once ("zlib not available"), so an
    import or a file of the page failed now and then. It also starts faster, and depends on no version of zlib.
    """
    ours = (name for name in sorted(files) if name.startswith(("minisched/", "__main__")) and name.endswith(".py"))
    sources = [(name, files[name]) for name in ours]
    done = subprocess.run(
        [sys.executable, "-S", "-c", COMPILER],
        input=marshal.dumps(sources),
        stdout=subprocess.PIPE,
        env={**{name: value for name, value in os.environ.items() if name[:6] != "PYTHON"}, "PYTHONHASHSEED": "0"},
        check=True,
    )
    for (name, content), code in zip(sources, marshal.loads(done.stdout)):
        files[f"{name}c"] = MAGIC_NUMBER + HASH_BASED + source_hash(content) + code
    out = io.BytesIO()
    with ZipFile(out, "w") as archive:
        for name, content in sorted(files.items()):
            member = ZipInfo(name)  # of 1980-01-01
            member.external_attr = 0o100644 << 16
            archive.writestr(member, content)
    return out.getvalue()

"""Modules without some of their imports: the same modules, and what was put off comes with its first use."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import logging, sys
from minisched.put_off import import_without

handlers = import_without("logging.handlers", "pickle")
print("pickle" in sys.modules)
import logging.handlers
print(handlers is logging.handlers, import_without("logging.handlers", "pickle") is handlers)
record = logging.LogRecord("name", 20, "path", 1, "%s", ("text",), None)
print(handlers.SocketHandler("localhost", 1).makePickle(record)[:4] != b"", "pickle" in sys.modules)
child = import_without("subprocess", "locale")
print(child.run([sys.executable, "-c", "print('text')"], stdout=child.PIPE, encoding="utf-8").stdout.strip())
print(child.run([sys.executable, "-c", "print('text')"], stdout=child.PIPE, text=True).stdout.strip())
try:
    child.run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.01)
except child.TimeoutExpired as error:
    import subprocess
    print(isinstance(error, subprocess.SubprocessError))
"""


def test_what_is_put_off_is_imported_with_its_first_use_and_the_module_is_the_one_of_others() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert (done.stdout.split("\n")[:-1], done.stderr) == (
        ["False", "True True", "True True", "text", "text", "True"],
        "",
    )

"""The command line: argv, wiring, exit codes. The only place that builds objects.

Each command's module is imported when that command runs: `--help` starts in no more than twice the time of bare Python.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Optional

from minisched.cli.arguments import COMMANDS, make_parser

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_INTERRUPTED = 130  # 128 + SIGINT, as a shell has it


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run one command; the exit code: 0 done, 1 no, 2 usage, and of `run` 74, 75 and 78.

    What a user can do something about is told in a line on standard error; a traceback is a bug.
    """
    _open_standard_streams()
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a locale that is not UTF-8
    try:
        options = make_parser().parse_args(sys.argv[1:] if argv is None else argv)
        options.home = os.path.abspath(options.home or os.environ.get("MINISCHED_HOME") or ".")
        module, function = COMMANDS[options.command or "run"]
        code = int(getattr(import_module(f"minisched.cli.{module}"), function)(options))
    except BrokenPipeError:
        code = 0  # the reader (`head`, a pager) has seen enough
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    except Exception as error:
        from minisched.cli.output import explain

        code = explain(error)
    return _flush(code)


def _open_standard_streams() -> None:
    """Have all three, also where the program was started with one closed: its number would be given to the next file
    that is opened, such as the history, and what is printed would go there."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):  # in the order of their numbers
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8", errors="backslashreplace"))  # noqa: SIM115


def _flush(code: int) -> int:
    """The exit code, once standard output has taken all that was printed."""
    try:
        sys.stdout.flush()
    except OSError as error:
        from minisched.cli.output import drop, explain

        drop(sys.stdout)
        if not isinstance(error, BrokenPipeError):
            code = explain(error)
    return code

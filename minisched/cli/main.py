"""The entry point: one command, its exit code, and whatever can go wrong around it.

Each command's module is imported when that command runs.
"""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from types import SimpleNamespace

from minisched.cli.terminal import use_language_of

TYPE_CHECKING = False  # as `typing` has it, which the shortest commands do without
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Optional

EXIT_INTERRUPTED = 130  # 128 + SIGINT, as in a shell


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run one command and return its exit code: 0 success, 1 failure, 2 wrong usage; `run` also 74, 75 and 78.

    An error that the user can do something about is a line on standard error; a traceback is a bug.
    """
    if argv is None:
        gc.disable()  # until the command begins: imports make no garbage, and to look for it takes a tenth of the time
        _use_utf8()
    _open_standard_streams()
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # for a locale that is not UTF-8
    try:
        code = _run_command(sys.argv[1:] if argv is None else argv)
    except BrokenPipeError:
        code = 0  # the reader (`head`, a pager) has seen enough
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    except Exception as error:
        from minisched.cli.output import report

        code = report(error)
    if argv is None:
        gc.freeze()  # for the same reason, what Python collects at its end
    return _flush(code)


def _run_command(argv: Sequence[str]) -> int:
    words = _home_first(argv)
    home = words[1] if words[:1] == ["--home"] and len(words) > 1 else None
    use_language_of(_path(home))
    rest = words[2 if home else 0 :]
    if rest in ([], ["run"]):  # a service's spelling: the engine does without argparse, 0.6 MB
        given, module, function = {"home": home}, "run", "run"
    else:
        from minisched.cli.arguments import COMMANDS, main_help, plain_options

        if rest in (["-h"], ["--help"]):
            print(main_help())
            return 0
        plain = plain_options(rest)
        if plain is not None:
            given = {"home": home, **plain}
        else:
            from minisched.cli.parser import parse

            given = vars(parse(words))
        command = COMMANDS[given["command"] or "run"]
        module, function = command.module, command.function
    options = SimpleNamespace(**{**given, "home": _path(given["home"])})
    run = getattr(import_module(f"minisched.cli.{module}"), function)
    if function != "run":  # an engine collects what its imports have left, once it serves
        gc.freeze()  # else the first collection looks at all of it, for 2 ms
    gc.enable()
    return int(run(options))


def _home_first(argv: Sequence[str]) -> list[str]:
    """The arguments with `--home DIR` before the command, wherever it is."""
    words = list(argv)
    for index, word in enumerate(words):
        if word == "--":
            break
        if word == "--home" and index + 1 < len(words):
            return [word, words[index + 1], *words[:index], *words[index + 2 :]]
        if word.startswith("--home="):
            return ["--home", word[len("--home=") :], *words[:index], *words[index + 1 :]]
    return words


def _path(home: Optional[str]) -> str:
    return os.path.abspath(home or os.environ.get("MINISCHED_HOME") or ".")


# The package is found where it was, and neither its folder nor the current one comes before the standard library.
RESTART = """
import sys
folder, encoding = sys.argv[1:3]
del sys.argv[1:3]
sys.path[:] = [folder, *filter(None, sys.path)]
import minisched
sys.path.append(sys.path.pop(0))
from minisched.cli.main import main
for stream in (sys.stdin, sys.stdout, sys.stderr):
    if stream is not None:
        stream.reconfigure(encoding=encoding)
sys.exit(main())
"""


def _use_utf8() -> None:
    """Start this program again in Python's UTF-8 mode if its locale has another encoding, such as zh_CN.GBK.

    The config is UTF-8. Its paths, commands and variables, and the path of the home, have to mean the same bytes
    whatever the locale of the session or service that starts minisched. Only the terminal keeps its encoding.
    """
    if sys.flags.utf8_mode or sys.getfilesystemencoding().lower() in ("utf-8", "utf8") or not sys.executable:
        return
    from locale import CODESET, nl_langinfo
    from subprocess import _args_from_interpreter_flags  # type: ignore[attr-defined]

    folder = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))  # not a descriptor
    flags = [*_args_from_interpreter_flags(), "-X", "utf8"]
    try:
        os.execv(sys.executable, [sys.executable, *flags, "-c", RESTART, folder, nl_langinfo(CODESET), *sys.argv[1:]])
    except OSError:
        pass  # continue in this encoding: ASCII names are the same in both


def _open_standard_streams() -> None:
    """Open those standard streams that the program was started without.

    Otherwise the next file that is opened, such as the history, would get the number, and what is printed would go
    there.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):  # in the order of their numbers
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8", errors="backslashreplace"))  # noqa: SIM115


def _flush(code: int) -> int:
    """The exit code, after standard output has taken all that was printed."""
    try:
        sys.stdout.flush()
    except OSError as error:
        from minisched.cli.output import discard, report

        discard(sys.stdout)
        if not isinstance(error, BrokenPipeError):
            code = report(error)
    return code

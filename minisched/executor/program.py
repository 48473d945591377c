"""The program of a command: which file it is, and why the system cannot execute it.

The system says "No such file or directory" of a script whose interpreter is missing, and a shell adds "not found" or
runs a script that is none. The first bytes of the file tell what it really is.
"""

from __future__ import annotations

import errno
import os
import re
import shlex
import stat

from minisched.model import Text
from minisched.namedtuple import NamedTuple
from minisched.osutil import open_regular
from minisched.put_off import lazy_pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Optional, Union

HEAD_BYTES = 4096  # read of a program, enough for its first line and a look at its line ends
BOM = b"\xef\xbb\xbf"
ELF_HEADER_BYTES = 52  # of the smaller, the 32-bit form
SHELLS = ("sh", "ash", "bash", "dash", "ksh", "zsh")  # they read CR as a part of the last word of a line
_INTERPRETER = lazy_pattern(r"(?:python|perl|ruby|node|php|lua)[0-9.]*")  # of scripts, beside the shells

_ASSIGNED = r"""(?:'[^']*'|"[^"]*"|[^\s'"`;&|<>()]*)"""
_FIRST_WORD = lazy_pattern(
    rf"\s*(?:[A-Za-z_]\w*={_ASSIGNED}\s+)*"
    r"""(?P<word>'[^']+'|"[^"`$\\]+"|[^\s'"`$\\;&|<>()*?\[\]{}#~!]+)(?=[\s;&|<>()]|$)"""
)


class Command(NamedTuple):
    """What a process executes: `exec` is a text for the shell or a list of words, as in `task_exec`."""

    exec: Union[str, tuple[str, ...]]
    cwd: str
    search_path: str
    home: str = ""  # programs in it are shown by their path below it

    @property
    def words(self) -> list[str]:
        """The first words: of a list all; of a text as far as they are plain."""
        if not isinstance(self.exec, str):
            return list(self.exec)
        first = first_word(self.exec)
        if first is None:
            return []
        try:
            return [first[0], *shlex.split(self.exec[first[2] :])[:2]]
        except ValueError:  # a quote that is not closed
            return [first[0]]

    def locate(self, program: str) -> Optional[str]:
        """The file of a program, by the rule of execvp(3): the first that may be executed, else the first at all."""
        folders = [""] if "/" in program else self.search_path.split(os.pathsep)
        paths = [os.path.join(self.cwd, folder, program) for folder in folders]
        found = [path for path in paths if os.path.lexists(path) and ("/" in program or os.path.isfile(path))]
        return next((path for path in found if os.access(path, os.X_OK)), found[0] if found else None)

    def shown(self, program: str) -> str:
        home = f"{self.home}/"
        return program[len(home) :] if len(home) > 1 and program.startswith(home) else program


def first_word(text: str) -> Optional[tuple[str, int, int]]:
    """The word that names the program of a shell text, without its quotes, and where it begins and ends; variables may
    be set before it. None if it is not plain: expanded or quoted in part."""
    found = _FIRST_WORD.match(text)
    if found is None:
        return None
    word = found["word"]
    return word.strip("'\"") if word[0] in "'\"" else word, *found.span("word")


def program_path(program: str, home: str) -> str:
    """The program of a command that is a list: one with a slash starts from the home, others are searched in PATH."""
    return os.path.join(home, program) if "/" in program else program


def from_home(task_exec: Union[str, tuple[str, ...]], cwd: Optional[str], home: str) -> Union[str, tuple[str, ...]]:
    """The command of a task, with a relative program resolved against the home even if the working directory is
    another folder.

    In a shell text the program is the first word, if it is a plain path of an existing file.
    """
    if not isinstance(task_exec, str):
        program, *arguments = task_exec
        return (program_path(program, home), *arguments)
    first = first_word(task_exec) if cwd else None
    if first is None or first[0].startswith("/") or "/" not in first[0]:
        return task_exec
    path = os.path.join(home, first[0])
    return task_exec[: first[1]] + shlex.quote(path) + task_exec[first[2] :] if os.path.isfile(path) else task_exec


def find_problem(command: Command, program: str, failed: bool = False) -> Optional[Text]:
    """Why a program cannot be executed, and what to do about it; None if nothing is wrong with it.

    Without `failed` only what makes the system refuse it. failed: a shell or `env` has reported that it cannot execute
    it, so what would confuse these counts too.
    """
    path = command.locate(program)
    shown = command.shown(program)
    if path is None:
        return _not_found(command, program, shown)
    try:
        status = os.stat(path)
    except OSError as error:
        return Text("spawn", program=shown, reason=os.strerror(error.errno or 0))
    if stat.S_ISDIR(status.st_mode):
        return Text("is_folder", program=shown)
    if not os.access(path, os.X_OK):
        return _not_executable(path, shown, status)
    head = _head(path)
    return None if head is None else _problem_of_content(command, head, shown, failed)


def _not_found(command: Command, program: str, shown: str) -> Text:
    reason = os.strerror(errno.ENOENT)
    first = program.split(" ")[0]
    if first != program and command.locate(first):
        return Text("one_item", program=shown, reason=reason, word=command.shown(first))
    if shown.startswith("~"):
        return Text("tilde", path=shown, reason=reason)
    if "/" in program:
        return Text("spawn", program=shown, reason=reason)
    return path_problem(command) or Text("not_in_path", program=shown, reason=reason, path=command.search_path)


def path_problem(command: Command) -> Optional[Text]:
    """No shell expands `task_env`: `$PATH:/opt/bin` there is a folder named `$PATH`."""
    return Text("path_literal", path=command.search_path) if "$" in command.search_path else None


def _not_executable(path: str, shown: str, status: os.stat_result) -> Text:
    reason = os.strerror(errno.EACCES)
    if not status.st_mode & 0o111:
        return Text("not_executable", program=shown, reason=reason)
    try:
        noexec = os.statvfs(path).f_flag & os.ST_NOEXEC
    except (OSError, AttributeError):
        noexec = 0
    return Text("noexec" if noexec else "no_access", program=shown, reason=reason)


def _problem_of_content(command: Command, head: bytes, shown: str, failed: bool) -> Optional[Text]:
    reason = os.strerror(errno.ENOEXEC)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") and b"\0" in head:
        return Text("script_utf16", program=shown)
    if head.startswith(BOM):
        return Text("script_bom", program=shlex.quote(shown))
    if not head.startswith(b"#!"):
        is_elf = head.startswith(b"\x7fELF") and len(head) >= ELF_HEADER_BYTES
        # Another binary may be run by a helper of the system (binfmt_misc).
        is_program = is_elf or (b"\0" in head and not head.startswith(b"\x7fELF") and not failed)
        return None if is_program else Text("no_program", program=shown, reason=reason)
    line = head.partition(b"\n")[0]
    interpreter, *argument = re.split(b"[ \t]+", line[2:].strip(b" \t"), maxsplit=1)
    if failed and b"\r" in line:
        return Text("script_crlf", program=shlex.quote(shown))
    name = interpreter.decode("utf-8", "surrogateescape")
    path = os.path.join(command.cwd, name)
    if not interpreter or not os.path.isfile(path) or not os.access(path, os.X_OK):
        return Text("script_crlf", program=shlex.quote(shown)) if b"\r" in line else _no_interpreter(shown, name)
    if failed and name.endswith("/env") and argument:
        for word in argument[0].decode("utf-8", "surrogateescape").split():
            if not word.startswith("-") and "=" not in word:
                return None if command.locate(word) else _no_interpreter(shown, word)
    return None


def _no_interpreter(shown: str, name: str) -> Text:
    return Text("no_interpreter", program=shown, reason=os.strerror(errno.ENOENT), interpreter=name)


def explain_exit(command: Command, exit_code: int) -> Optional[Text]:
    """What an exit code of the shell hides: 126 is "cannot execute", 127 "not found", 2 a syntax error. None for any
    other, or if nothing is known. POSIX has programs that start another one (env, nice, ionice) exit with 126 and 127
    too."""
    if exit_code not in (2, 126, 127):
        return None
    for word, path in misplaced(command):
        return Text("in_home", word=word, cwd=command.cwd, path=path)
    problem = script_problem(command)
    if problem:
        return problem
    for program in command.words[:1]:
        if "/" in program or not isinstance(command.exec, str):
            problem = find_problem(command, program, failed=True)
            if problem or exit_code == 2:
                return problem
    if exit_code == 2:
        return None
    if exit_code == 127 and path_problem(command):
        return path_problem(command)
    return Text("command_not_found" if exit_code == 127 else "command_not_executable")


def script_problem(command: Command) -> Optional[Text]:
    """What is wrong with the script of a command such as `sh tasks/x.sh`: it is not there, or a shell would read the CR
    at the end of its lines."""
    program, *words = command.words or [""]
    name = os.path.basename(program)
    if name not in SHELLS and not _INTERPRETER.fullmatch(name):
        return None
    while words and name in SHELLS and re.fullmatch("-[a-bd-z]+", words[0]):  # with -c the next word is a command
        words.pop(0)
    if not words or words[0].startswith("-") or not re.fullmatch(r"[^$*?\[~]*[/.][^$*?\[~]*", words[0]):
        return None
    path, shown = os.path.join(command.cwd, words[0]), command.shown(words[0])
    if not os.path.lexists(path):
        elsewhere = command.home and os.path.isfile(os.path.join(command.home, words[0]))
        return None if elsewhere else Text("spawn", program=shown, reason=os.strerror(errno.ENOENT))
    return Text("script_crlf", program=shlex.quote(shown)) if name in SHELLS and has_foreign_lines(path) else None


def misplaced(command: Command) -> Iterator[tuple[str, str]]:
    """Words other than the program that name a file of the home, but not one of the working directory, each with the
    way to write it: only the program of a command starts from the home."""
    if os.path.normpath(command.cwd) == command.home or not command.home:
        return
    if isinstance(command.exec, str):
        lexer = shlex.shlex(command.exec, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        try:
            words, prefix = list(lexer), "$MINISCHED_HOME"
        except ValueError:  # a quote that is not closed
            return
    else:
        words, prefix = list(command.exec[1:]), command.home
    for word in words:
        is_path = "/" in word or "." in word
        if is_path and not os.path.exists(os.path.join(command.cwd, word)):
            path = os.path.join(command.home, word)
            if os.path.isfile(path) and path != word:
                yield word, f"{prefix}/{word}"


def has_foreign_lines(path: str) -> bool:
    """Whether the lines of a script end in CR LF."""
    return b"\r\n" in (_head(path) or b"")


def _head(path: str) -> Optional[bytes]:
    """The first bytes of a regular file, None for anything else, or if it may not be read. It never waits: a task may
    put a FIFO in the place of its script, and `/dev/stdin` is the terminal or pipe of the engine."""
    try:
        fd, _ = open_regular(path, follow_symlinks=True)
        with open(fd, "rb") as file:
            return file.read(HEAD_BYTES)
    except OSError:
        return None

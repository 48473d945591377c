"""What people write around a command in a crontab, taken off it and given as fields of a task.

Only around a plain command, which a small scanner has to recognise; whatever it does not understand stays as it is, for
the shell. POSIX shell grammar; quoting by IEEE 1003.1, section 2.2.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection
from getopt import GetoptError, getopt

from minisched.model import Text
from minisched.namedtuple import NamedTuple
from minisched.timetable import format_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

_OPERATOR = re.compile(r"&&|\|\||;;|\|&|[;|()\n]|&(?![>])")
_REDIRECTION = re.compile(r"(?:\d*(?:>>|>\||>&|<<-?|<>|<&|>|<)|&>>|&>)")
_BLANKS = re.compile(r"[ \t]+|\\\n")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_LOG_FILE = re.compile(r"\.(?:log|out|err)$|^/var/log/|/logs?/")
_ENGINE_OUTPUT = re.compile(r"/proc/(?:1|self)/fd/[12]|/dev/std(?:out|err)")
_RANDOM_SLEEP = re.compile(
    r"sleep\s+(?:\$\(\(\s*\$?\{?RANDOM\}?\s*%\s*(\d+)\s*\)\)|\$\[\s*\$?RANDOM\s*%\s*(\d+)\s*\]"
    r"|\$\(\s*shuf\s+-i\s+\d+-(\d+)\s+-n\s*1\s*\)|`shuf\s+-i\s+\d+-(\d+)\s+-n\s*1\s*`)"
    r"|perl\s+-e\s+(['\"])sleep\s+(?:int\s*\(?\s*)?rand\s*\(?\s*(\d+)\s*\)?\s*\)?\s*;?\s*\5"
)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_MAILERS = ("chronic", "cronic", "croncape")
_BASH_FIRST = ("source", "[[", "function", "pushd", "popd", "shopt", "declare")
NULL = "/dev/null"


class Token(NamedTuple):
    """A word, an operator or a redirection.

    `value` is what the shell makes of a word, None if only the shell can tell.
    """

    kind: str  # "word", "op" or "redirect"
    text: str
    value: Optional[str]
    start: int
    end: int


class Simplified(NamedTuple):
    """What is left for the shell, the fields of the task that say the rest, and what the user should know.

    `lock`: the file of the `flock` that was taken off, or was left on because other lines use it too.
    """

    command: str
    fields: dict[str, Any]
    notes: list[Text]
    lock: Optional[str]


def scan(command: str) -> Optional[list[Token]]:
    """The tokens of a command; None if a quote or a bracket is not closed."""
    tokens: list[Token] = []
    at, size = 0, len(command)
    while at < size:
        blanks = _BLANKS.match(command, at)
        if blanks:
            at = blanks.end()
            continue
        operator = _REDIRECTION.match(command, at) or _OPERATOR.match(command, at)
        if operator:
            kind = "redirect" if re.search("[<>]", operator[0]) else "op"
            tokens.append(Token(kind, operator[0], None, at, operator.end()))
            at = operator.end()
            continue
        word = _word(command, at)
        if word is None:
            return None
        tokens.append(word)
        at = word.end
    return tokens


def _word(command: str, start: int) -> Optional[Token]:
    value: Optional[str] = ""
    at, size = start, len(command)
    while at < size and command[at] not in " \t\n;|&()<>":
        char = command[at]
        if char == "\\":
            value = None if value is None else value + command[at + 1 : at + 2]
            at += 2
        elif char == "'":
            end = command.find("'", at + 1)
            if end < 0:
                return None
            value = None if value is None else value + command[at + 1 : end]
            at = end + 1
        elif char == '"':
            end = _quote_end(command, at)
            if end < 0:
                return None
            inside = command[at + 1 : end]
            literal = None if re.search(r"(?<!\\)[$`]", inside) else re.sub(r'\\(["\\$`])', r"\1", inside)
            value = None if value is None or literal is None else value + literal
            at = end + 1
        elif char == "`" or command.startswith("$(", at):
            at = _substitution_end(command, at)
            if at < 0:
                return None
            value = None
        else:
            if char in "$*?[" or (char in "~#" and at == start):
                value = None  # a variable, a pattern, a home, a comment
            value = None if value is None else value + char
            at += 1
    return Token("word", command[start:at], value, start, min(at, size))


def _quote_end(command: str, at: int) -> int:
    """Where the double quote that begins at `at` ends, -1 if it does not."""
    at += 1
    while at < len(command):
        if command[at] == "\\":
            at += 1
        elif command[at] == "`" or command.startswith("$(", at):
            at = _substitution_end(command, at) - 1
            if at < 0:
                return -1
        elif command[at] == '"':
            return at
        at += 1
    return -1


def _substitution_end(command: str, at: int) -> int:
    """The end of `...` or $(...) that begins at `at`, -1 if there is none."""
    if command[at] == "`":
        return command.find("`", at + 1) + 1 or -1
    depth, at = 0, at + 1
    while at < len(command):
        char = command[at]
        if char == "\\":
            at += 1
        elif char == "'":
            at = command.find("'", at + 1)
            if at < 0:
                return -1
        elif char == '"':
            at = _quote_end(command, at)
            if at < 0:
                return -1
        elif char in "()":
            depth += 1 if char == "(" else -1
            if not depth:
                return at + 1
        at += 1
    return -1


def simplify(command: str, home: Optional[str], keep_locks: Collection[str] = (), bash: bool = False) -> Simplified:
    """Take off what minisched does itself: folder, delays, locks, limits, variables, and where the output goes.

    `home`: the folder in which cron starts the command, None if that is not known. `keep_locks`: files of locks that
    stay, because they exclude several tasks from each other. `bash`: the commands are run by bash, so that nothing is
    said about what only bash knows.
    """
    result = Simplified(command.strip(), {}, [], None)
    if scan(command) is None:
        result.notes.append(Text("migration.warn.quotes"))
        return result
    while True:
        after = _step(result, home, keep_locks, bash)
        if after is None:
            break
        result = after
    result.notes.extend(_warnings(result.command, bash))
    return result


def _step(result: Simplified, home: Optional[str], keep_locks: Collection[str], bash: bool) -> Optional[Simplified]:
    """One thing taken off, None if there is nothing left."""
    command = result.command
    tokens = scan(command) or []
    operators = {token.text for token in tokens if token.kind == "op"}
    first = next((index for index, token in enumerate(tokens) if token.kind == "op"), None)
    if first and first + 1 < len(tokens) and "||" not in operators:
        found = _leading(tokens, first, home, result)
        if found:
            return found
    if not operators or (operators == {"|"} and sum(token.text == "|" for token in tokens) == 1):
        return _output(command, tokens, result) or (
            None if operators else _wrapper(command, tokens, result, keep_locks, bash)
        )
    return None


def _leading(tokens: list[Token], first: int, home: Optional[str], result: Simplified) -> Optional[Simplified]:
    """`cd DIR &&` and `sleep RANDOM;` before the rest."""
    operator, rest = tokens[first], result.command[tokens[first + 1].start :]
    if tokens[0].value == "cd" and first == 2 and operator.text == "&&":
        folder = _folder(tokens[1], home)
        if folder is None or "task_cwd" in result.fields:
            return None
        return _taken(result, rest, Text("migration.better.cwd", folder=folder), task_cwd=folder)
    delay = _RANDOM_SLEEP.fullmatch(result.command[: operator.start].strip())
    if delay and operator.text in ("&&", ";"):
        seconds = next(int(part) for part in delay.groups() if part and part.isdigit())
        if seconds:
            duration = format_duration(seconds)
            return _taken(result, rest, Text("migration.better.jitter", duration=duration), task_jitter=duration)
    return None


def _folder(word: Token, home: Optional[str]) -> Optional[str]:
    """The absolute path of a folder, None if only the shell can tell."""
    folder = word.value
    if folder is None:
        at_home = re.fullmatch(r"(?:~|\$HOME|\$\{HOME\})((?:/[A-Za-z0-9_.+/-]*)?)", word.text)
        if at_home is None or home is None:
            return None
        folder = home + at_home[1]
    elif not folder.startswith("/"):
        if home is None or folder in ("", "-"):
            return None
        folder = posixpath.join(home, folder)
    return posixpath.normpath(folder)


def _output(command: str, tokens: list[Token], result: Simplified) -> Optional[Simplified]:
    """Redirections to a log or to nowhere, and a pipe to `logger`."""
    pipe = next((index for index, token in enumerate(tokens) if token.text == "|" and token.kind == "op"), None)
    if pipe is not None:
        program = tokens[pipe + 1] if pipe + 1 < len(tokens) else None
        if program and posixpath.basename(program.value or "") == "logger":
            return _taken(result, command[: tokens[pipe].start].rstrip(), Text("migration.better.logger"))
        return None
    targets: list[tuple[str, Optional[str]]] = []  # (operator, file) of each
    spans: list[tuple[int, int]] = []
    for index, token in enumerate(tokens):
        if token.kind == "redirect":
            target = tokens[index + 1] if index + 1 < len(tokens) and tokens[index + 1].kind == "word" else None
            if target is None or "<" in token.text:
                return None
            targets.append((token.text, target.value))
            spans.append((token.start, target.end))
    if not targets:
        return None
    files = [target for target in targets if not (target[0].endswith(">&") and target[1] in ("1", "2"))]
    note = _output_note(files)
    if note is None:
        return None
    for start, end in reversed(spans):
        command = command[:start].rstrip() + " " + command[end:].lstrip()
    return _taken(result, command.strip(), note)


def _output_note(files: list[tuple[str, Optional[str]]]) -> Optional[Text]:
    """What is gained if these redirections are taken off; None: they stay."""
    places = {value for _, value in files}
    if None in places:
        return None  # the shell makes the name, such as of a date
    if not files:
        return Text("migration.better.streams")
    if places == {NULL}:
        only_errors = len(files) == 1 and files[0][0].startswith("2")
        return Text("migration.better.null_errors" if only_errors else "migration.better.null")
    written = sorted(place for place in places if place and place != NULL)
    if all(_ENGINE_OUTPUT.fullmatch(place) for place in written):
        return Text("migration.better.container")
    appends = all(">>" in operator or value == NULL for operator, value in files)
    if appends or all(_LOG_FILE.search(place) for place in written):
        return Text("migration.better.log", path=written)
    return None  # perhaps the file is what the task is for


def _wrapper(
    command: str, tokens: list[Token], result: Simplified, keep_locks: Collection[str], bash: bool
) -> Optional[Simplified]:
    """A program before the command that does what a field does."""
    words = [token for token in tokens if token.kind == "word"]
    if len(words) < 2 or words[0].start != tokens[0].start:
        return None
    name = posixpath.basename(words[0].value or "")
    if _ASSIGNMENT.fullmatch(words[0].text) or (name == "env" and not words[1].text.startswith("-")):
        return _assignments(command, words, name == "env", result)
    if name in _MAILERS:
        return _taken(result, command[words[1].start :], Text("migration.better.chronic", program=name))
    if words[0].value == "/bin/sh" and words[1].value == "-c" and len(tokens) == len(words) == 3 and not bash:
        inner = words[2].value  # cron runs the whole command by /bin/sh too
        return None if inner is None else Simplified(inner.strip(), result.fields, result.notes, result.lock)
    reader = {"flock": _flock, "nice": _nice, "timeout": _timeout}.get(name)
    found = reader(words) if reader else None
    if found is None or (found.at >= len(words) and found.command is None):
        return None
    rest = found.command if found.command is not None else command[words[found.at].start :]
    if found.lock in keep_locks and found.lock:
        return None
    if any(field in result.fields for field in found.fields):
        return None
    taken = _taken(result, rest, found.note, **found.fields)
    return taken._replace(lock=found.lock or result.lock)


def _assignments(command: str, words: list[Token], by_env: bool, result: Simplified) -> Optional[Simplified]:
    """`A=1 B=2 command`, and with `by_env` the same after `env`, where a whole word may be quoted."""
    found: dict[str, str] = {}
    at = 1 if by_env else 0
    while at < len(words):
        assignment = _ASSIGNMENT.fullmatch((words[at].value or "") if by_env else words[at].text)
        if assignment is None:
            break
        if words[at].value is None:
            return None  # only the shell can tell
        found[assignment[1]] = (words[at].value or "").partition("=")[2]
        at += 1
    if at == len(words) or not found:
        return None
    note = Text("migration.better.env", names=list(found))
    env = {**result.fields.get("task_env", {}), **found}
    return _taken(result, command[words[at].start :], note, task_env=env)


class _Found(NamedTuple):
    at: int  # the word with which the command begins
    note: Text
    fields: dict[str, Any]
    lock: Optional[str] = None
    command: Optional[str] = None  # of `flock FILE -c "command"`


def _options(words: list[Token], short: str, *long: str) -> Optional[tuple[list[tuple[str, str]], int]]:
    """The options of a program, and the index of the word after them; None if it has others than these."""
    try:
        options, rest = getopt([word.value or "" for word in words[1:]], short, list(long))
    except GetoptError:
        return None
    return options, len(words) - len(rest)


def _flock(words: list[Token]) -> Optional[_Found]:
    """`flock [-n | -w 0] FILE COMMAND...` and `flock FILE -c COMMAND`."""
    others = ("nonblock", "nb", "exclusive", "close", "verbose")
    found = _options(words, "xeonw:", "timeout=", "wait=", *others)
    if found is None:
        return None
    options, at = found
    if any(value not in ("0", "0.0") for name, value in options if name in ("-w", "--timeout", "--wait")):
        return None  # it waits for a while: no field says that
    waits = not any(name in ("-n", "--nonblock", "--nb", "-w", "--timeout", "--wait") for name, _ in options)
    if at + 1 >= len(words) or words[at].text.isdigit():
        return None  # the lock is a descriptor
    lock, at = words[at].value or words[at].text, at + 1
    note = Text("migration.better.queue" if waits else "migration.better.skip", path=lock)
    fields = {"task_overlap": "queue" if waits else "skip"}
    if words[at].value in ("-c", "--command"):
        if at + 2 != len(words) or words[at + 1].value is None:
            return None
        return _Found(at + 1, note, fields, lock, words[at + 1].value)
    return _Found(at, note, fields, lock)


def _nice(words: list[Token]) -> Optional[_Found]:
    old = re.fullmatch(r"-(\d+)", words[1].value or "")  # `nice -5`
    found = ([("-n", old[1])], 2) if old else _options(words, "n:", "adjustment=")
    if found is None or any(not re.fullmatch(r"-?\d+", value) for _, value in found[0]):
        return None
    numbers = [int(value) for _, value in found[0]] or [10]
    number = max(-20, min(19, numbers[-1]))
    return _Found(found[1], Text("migration.better.nice", number=number), {"task_nice": number})


def _timeout(words: list[Token]) -> Optional[_Found]:
    found = _options(words, "k:v", "kill-after=", "foreground", "verbose")
    if found is None:
        return None  # another signal
    options, at = found
    graces = [_seconds(value) for name, value in options if name in ("-k", "--kill-after")]
    seconds = _seconds(words[at].value) if at < len(words) else None
    if not seconds or None in graces:
        return None
    duration = format_duration(seconds)
    fields = {"task_timeout": duration}
    if graces:
        fields["task_kill_grace"] = format_duration(graces[-1] or 0)
    return _Found(at + 1, Text("migration.better.timeout", duration=duration), fields)


def _seconds(word: Optional[str]) -> Optional[float]:
    found = _DURATION.fullmatch(word or "")
    return float(found[1]) * _UNITS[found[2]] if found else None


def _taken(result: Simplified, command: str, note: Text, **fields: Any) -> Simplified:
    return Simplified(command.strip(), {**result.fields, **fields}, [*result.notes, note], result.lock)


def _warnings(command: str, bash: bool) -> list[Text]:
    """What a person should look at in what is left for the shell."""
    tokens = scan(command) or []
    notes = []
    begins = True  # a command begins with the next word
    firsts = []
    for token in tokens:
        if token.kind == "word" and begins and not _ASSIGNMENT.fullmatch(token.text):
            firsts.append(token.text)
            begins = False
        elif token.kind == "op":
            begins = True
    if tokens and tokens[-1].text == "&":
        notes.append(Text("migration.warn.background"))
    if not bash and (
        any(first in _BASH_FIRST for first in firsts)
        or any(token.text in ("&>", "&>>", "|&") for token in tokens)
        or re.search(r"(?<![<\w])[<>]\(|<<<|\$'|\$\{\w+\[", command)
    ):
        notes.append(Text("migration.warn.bash"))
    if firsts and firsts[0] in ("[", "test", "[[") and any(token.text == "&&" for token in tokens):
        notes.append(Text("migration.warn.test"))
    if any(posixpath.basename(first) in ("mail", "mailx", "sendmail", "mutt") for first in firsts[1:]):
        notes.append(Text("migration.note.mail"))
    kept = [
        tokens[index + 1].text
        for index, token in enumerate(tokens[:-1])
        if token.kind == "redirect"
        and ">" in token.text
        and tokens[index + 1].kind == "word"
        and tokens[index + 1].text not in ("&1", "&2", "1", "2", NULL)
    ]
    if kept:
        notes.append(Text("migration.note.file", path=kept))
    return notes

"""Files of environment variables (`task_env_file`): lines `NAME=text`, read at each start of a process."""

from __future__ import annotations

import os
import re
import stat

from minisched.model import Text, TextError
from minisched.model.text import reason_of_file
from minisched.osutil import open_regular

from .field_types import ENV_NAME

MAX_ENV_FILE_BYTES = 256 * 1024  # Linux takes 128 KiB in one variable
_ESCAPED = re.compile(r'\\([\\"$`])')
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"')
_SINGLE = re.compile(r"'([^']*)'")
_LINE_ENDS = re.compile(r"\r\n|\n|\r")


class EnvFileError(TextError):
    """An env file cannot be used; `text` names the file, the line and the rule, but nothing of its content."""


def read_env_file(path: str) -> dict[str, str]:
    """The variables of the file, in its order. Raises EnvFileError."""
    try:
        fd, status = open_regular(path, follow_symlinks=True)
        with open(fd, "rb") as file:
            data = file.read(MAX_ENV_FILE_BYTES + 1)
    except OSError as error:
        raise EnvFileError(Text("unreadable", path=path, reason=reason_of_file(error))) from None
    if status.st_mode & stat.S_IWOTH:
        raise EnvFileError(Text("secret_writable", path=path))
    if len(data) > MAX_ENV_FILE_BYTES:
        raise EnvFileError(Text("env_file.too_large", path=path, max_bytes=MAX_ENV_FILE_BYTES))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise EnvFileError(Text("not_utf8", path=path)) from None
    return parse_env_file(text, path)


def parse_env_file(text: str, path: str) -> dict[str, str]:
    """The variables of the text; of two lines with the same name, the later one counts. Raises EnvFileError.

    The common part of what systemd (EnvironmentFile=), docker and shells read: what they read differently, such as a
    value over several lines, is an error. Nothing is expanded.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(_LINE_ENDS.split(text), 1):
        line = line.strip(" \t")
        if not line or line[0] in "#;":
            continue
        name, equals, written = line.partition("=")
        if not equals:
            raise _error("no_assignment", path, number)
        if name.startswith(("export ", "export\t")):
            name = name[len("export") :]
        name = name.strip(" \t")
        if not re.fullmatch(ENV_NAME.pattern, name) or name.startswith("MINISCHED_"):
            raise _error("bad_name", path, number)
        found[name] = _value(written.lstrip(" \t"), path, number)
    return found


def _value(written: str, path: str, number: int) -> str:
    if "\0" in written:
        raise _error("nul", path, number)
    if written[:1] in ("'", '"'):
        quoted = (_SINGLE if written[0] == "'" else _DOUBLE).match(written)
        if quoted is None:
            raise _error("no_end_quote", path, number)
        if quoted.end() < len(written):
            raise _error("after_quote", path, number)
        return quoted[1] if written[0] == "'" else _ESCAPED.sub(r"\1", quoted[1])
    if written.endswith("\\"):
        raise _error("continued", path, number)
    return written


def _error(code: str, path: str, number: int) -> EnvFileError:
    return EnvFileError(Text(f"env_file.{code}", path=path, line=number))


def read_env_files(home: str, paths: tuple[str, ...]) -> dict[str, str]:
    """The variables of several files, of which a later one replaces those of an earlier one. Raises EnvFileError."""
    found: dict[str, str] = {}
    for path in paths:
        found.update(read_env_file(os.path.join(home, path)))
    return found

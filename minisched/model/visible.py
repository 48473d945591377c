"""Text that somebody else wrote, as a terminal, a page or a mail may show it."""

from __future__ import annotations

import re

_SUSPECT = re.compile(r"[^ -~\n\t\u00a0\u3000]")  # the blanks of French and of Chinese text are no "printable"


def visible(text: str) -> str:
    """What is not printable becomes `\\x1b`, `\\u202e`; line ends and tabs stay.

    That takes the life out of terminal escapes, `str.isprintable` keeps out bidi and zero-width marks as well, and
    UTF-8 can carry what is left.
    """
    return _SUSPECT.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

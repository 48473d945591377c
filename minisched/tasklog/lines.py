"""From the blocks of a stream to complete lines of valid UTF-8."""

from __future__ import annotations

import codecs
from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

_ASCII = bytes(range(128)) + b"\x1b$B!!~{VP~}"  # with what selects other characters in ISO 2022 and HZ
LINE_MAX = 64 * 1024  # bytes; a longer line is continued in another one, so that memory is bounded


class LineAssembler:
    """One stream of one run. Bytes go in as they were read, complete lines come out as UTF-8, each with its `\\n`.

    `\\r` and `\\r\\n` are line ends. A line without an end is cut after LINE_MAX bytes, not within a character. Bytes
    that are not in the encoding become backslash escapes (`\\xff`), also if a character is divided between two blocks.
    Everything else stays as it is, including NUL and terminal escapes.
    """

    def __init__(self, encoding: str = "utf-8") -> None:
        self._encoding = encoding
        self._decoder: Optional[codecs.IncrementalDecoder] = None  # made for the first block that is not ASCII
        self._ascii = encoding == "utf-8" or is_ascii_superset(encoding)
        self._rest = b""  # the beginning of a line
        self._after_cr = False  # the last byte was a "\r": a "\n" that follows is the second half of "\r\n"
        self._after_cut = False  # the line was ended here without a "\n": one that follows ends the same line
        self.since: Optional[float] = None  # the `now` at which an incomplete line began; None: there is none

    def feed(self, block: bytes, now: float) -> bytes:
        """The lines that `block` completes; `b""` if none."""
        # Pure ASCII, the common case, needs no decoder.
        if not block.isascii() or not self._ascii or (self._decoder and self._decoder.getstate()[0]):
            block = self._decoded(block)
        if self._after_cr and block.startswith(b"\n"):
            block = block[1:]
            self._after_cr = False
        if not block:
            return b""
        self._after_cr = block.endswith(b"\r")
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if self._after_cut and block.startswith(b"\n"):
            block = block[1:]
        self._after_cut = False

        text = self._cut_long_lines(self._rest + block)
        end = text.rfind(b"\n") + 1
        self._rest = text[end:]
        if not self._rest:
            self.since = None
        elif end or self.since is None:
            self.since = now
        return text[:end]

    def flush(self, final: bool = False) -> bytes:
        """End the incomplete line here; the rest of it becomes another line. `final`: no more bytes follow."""
        text = self._rest
        if final and self._decoder:
            text += self._decoded(b"", final=True)
        self._rest = b""
        self.since = None
        self._after_cut = self._after_cut or bool(text)
        return text + b"\n" if text else b""

    def _decoded(self, block: bytes, final: bool = False) -> bytes:
        if self._decoder is None:
            self._decoder = codecs.getincrementaldecoder(self._encoding)("backslashreplace")
        try:
            text = self._decoder.decode(block, final)
        except UnicodeError:  # a codec that does not know the error handler; the config accepts none that is known to
            self._decoder.reset()
            text = block.decode("ascii", "backslashreplace")
        return text.encode("utf-8", "backslashreplace")

    def _cut_long_lines(self, text: bytes) -> bytes:
        pieces: list[bytes] = []
        start = done = 0  # up to `start` it has been looked at, up to `done` it is in `pieces`
        while len(text) - start >= LINE_MAX:
            end = text.rfind(b"\n", start, start + LINE_MAX + 1) + 1
            if not end:
                end = start + LINE_MAX
                while end < len(text) and text[end] & 0xC0 == 0x80:  # a character's later bytes are 10xxxxxx
                    end -= 1
                pieces += (text[done:end], b"\n")
                done = end
            start = end
        if not pieces:
            return text
        self._after_cut = done == len(text)
        return b"".join((*pieces, text[done:]))


@lru_cache(maxsize=32)
def is_ascii_superset(encoding: str) -> bool:
    """Whether text in ASCII is the same bytes in it: not in UTF-16, nor in ISO 2022, whose escapes are ASCII."""
    try:
        return _ASCII.decode(encoding) == _ASCII.decode("ascii")
    except UnicodeError:
        return False

"""Secrets: revealed at the moment of use, and kept out of every text that is told afterwards."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Union
from urllib.parse import unquote, unquote_plus, urlsplit

from minisched.model import Secret
from minisched.model.text import visible

ANSWER_MAX = 500  # bytes kept of what a server or a command said
TOKEN_MIN = 8  # characters; a shorter part of an address or a header is a word such as "robot", no token
VALUE_MIN = 4  # characters of what stands in a query or a header; stars for less would eat the words around
HIDDEN = "***"


class SecretError(Exception):
    """A secret cannot be read now, or holds what cannot be used; the text says where it is kept, never what it is."""


class Secrets:
    """The secrets of one delivery."""

    def __init__(self, environ: Mapping[str, str], home: str) -> None:
        self._environ, self._home = environ, home
        self._hidden: set[str] = set()

    def reveal(self, value: Union[str, Secret], what: str) -> str:
        """The text itself; from now on it is hidden, and the parts of it that look like a token. Raises SecretError.
        `what` names it for people: `the password`."""
        if isinstance(value, Secret):
            try:
                text = value.reveal(self._environ, self._home)
            except (LookupError, OSError) as error:
                raise SecretError(f"{what} cannot be read: {error.args[-1] if error.args else error}") from None
            except ValueError:  # it names the byte that is no UTF-8
                raise SecretError(f"{what} cannot be read: {value.place} is not UTF-8") from None
            self._hidden.add(text)
        else:
            text = value
        for part in (text, *re.split(r"[\s/?&=#:@,;]+", text)):
            if len(part) >= TOKEN_MIN:
                self._hidden.update((part, unquote(part)))
        return text

    def hide_values(self, url: str, headers: Mapping[str, str]) -> None:
        """From now on the values of the address's query and of the headers are hidden, of which any may be a key; of
        `Bearer abcd` also what stands after the blank."""
        values = [piece.partition("=")[2] or piece for piece in urlsplit(url).query.split("&")]
        values += [unquote_plus(value) for value in values]
        values += [part for value in headers.values() for part in (value.strip(), value.rpartition(" ")[2])]
        self._hidden.update(value for value in values if len(value) >= VALUE_MIN)

    def scrub(self, text: str) -> str:
        """The text with every secret as stars, the longest first, and nothing in it that is not printable."""
        for secret in sorted(self._hidden - {""}, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return visible(text)

    def answer(self, data: bytes) -> str:
        """What was said, for people: its first 500 bytes, cut only after it was scrubbed."""
        return first_bytes(self.scrub(data.decode("utf-8", "replace")).strip())


def first_bytes(text: str, most: int = ANSWER_MAX) -> str:
    return text.encode("utf-8", "replace")[:most].decode("utf-8", "ignore")

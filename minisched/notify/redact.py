"""Secrets of a delivery: revealed when they are used, and removed from every text that is kept or shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote, unquote_plus, urlsplit

from minisched.model import Secret, Text, TextError
from minisched.model.task import SecretError
from minisched.model.text import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Union

ANSWER_BYTES_MAX = 500  # kept of what a server or a command answered
ERROR_BYTES_MAX = 2000  # of one value in an error: a mail server may say much about each of many recipients
TOKEN_CHARS_MIN = 8  # a shorter part of an address or a header is a word such as "robot", not a token
VALUE_CHARS_MIN = 4  # of a value in a query or a header; hiding a shorter one would also hide parts of other words
HIDDEN = "***"


class DeliveryError(TextError):
    """A delivery cannot be tried now; `text` says why, without any secret."""


class Secrets:
    """The secrets of one delivery."""

    def __init__(self, environ: Mapping[str, str], home: str) -> None:
        self._environ, self._home = environ, home
        self._hidden: set[str] = set()

    def reveal(self, value: Union[str, Secret], field: str) -> str:
        """The text itself. From now on it is hidden, and so is each part of it that looks like a token.

        field: the name of the config field, for the error. Raises DeliveryError.
        """
        if isinstance(value, Secret):
            try:
                text = value.reveal(self._environ, self._home)
            except SecretError as error:
                raise DeliveryError(Text("notify.unreadable", field=field, reason=error.text)) from None
            self._hidden.add(text)
        else:
            text = value
        for part in (text, *re.split(r"[\s/?&=#:@,;]+", text)):
            if len(part) >= TOKEN_CHARS_MIN:
                self._hidden.update((part, unquote(part)))
        return text

    def hide_values(self, url: str, headers: Mapping[str, str]) -> None:
        """Hide the values in the query and in the headers, any of which may be a key; of `Bearer abcd` also the second
        word."""
        values = [piece.partition("=")[2] or piece for piece in urlsplit(url).query.split("&")]
        values += [unquote_plus(value) for value in values]
        values += [part for value in headers.values() for part in (value.strip(), value.rpartition(" ")[2])]
        self._hidden.update(value for value in values if len(value) >= VALUE_CHARS_MIN)

    def redact(self, text: str) -> str:
        """The text with each secret as `***`, the longest first, and with escapes for what is not printable."""
        for secret in sorted(self._hidden - {""}, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return visible(text)

    def redact_error(self, error: Text) -> Text:
        """The same text without secrets in its values, each of them bounded."""
        return Text(error.code, **{name: self._redact_value(value) for name, value in error.values.items()})

    def _redact_value(self, value: Any) -> Any:
        if isinstance(value, Text):
            return self.redact_error(value)
        if isinstance(value, (list, tuple)):
            return [self._redact_value(item) for item in value]
        return first_bytes(self.redact(value), ERROR_BYTES_MAX) if isinstance(value, str) else value

    def redact_answer(self, data: bytes) -> str:
        """The first 500 bytes of an answer, cut after it was redacted: a secret may lie across the cut."""
        return first_bytes(self.redact(data.decode("utf-8", "replace")).strip())


def first_bytes(text: str, limit: int = ANSWER_BYTES_MAX) -> str:
    """The beginning of a text, at most `limit` bytes of UTF-8, cut between two characters."""
    return text.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")

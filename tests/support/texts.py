"""What holds for every text that people read in both languages."""

import re
from collections import Counter
from typing import NamedTuple

from minisched import catalogue
from minisched.model import Text

CHINESE = re.compile(r"[\u4e00-\u9fff]")
CUT = re.compile(r'"[^"]*\.\.\.(?=[;；，,])')  # a value that is shown in part, without the quote at its end
VALUE = re.compile(r'"(?:[^"\\]|\\.)*"|\d+(?:\.\d+)?')


def values_in(text):
    """The values, examples and numbers of a text."""
    return Counter(CUT.findall(text) + VALUE.findall(CUT.sub("", text)))


class Pair(NamedTuple):
    en: str
    zh: str


def in_both(text):
    """The text in both languages, once a program has checked what it can: both exist, the Chinese is Chinese (and not
    only a value in it), and each shows every value, example and number."""
    words = text
    if isinstance(text, Text):
        words = Pair(*(catalogue.render(text, language) for language in catalogue.LANGUAGES))
    assert words.en and words.zh, words
    assert len(CHINESE.findall(words.zh)) > len(CHINESE.findall(words.en)), words
    assert "Text(" not in words.en + words.zh  # a text that was put into another one without being rendered
    assert not re.search(r"\{\w+[|}]", words.en), words  # a value that was not given
    assert values_in(words.en) == values_in(words.zh), words
    return words

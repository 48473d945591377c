"""What holds for every text that people read in both languages."""

import re
from collections import Counter

from minisched import catalogue
from minisched.model import LocalizedText, Text

CHINESE = re.compile(r"[\u4e00-\u9fff]")
CUT = re.compile(r'"[^"]*\.\.\.(?=[;；，,])')  # a value that is shown in part, without the quote at its end
VALUE = re.compile(r'"(?:[^"\\]|\\.)*"|\d+(?:\.\d+)?')


def values_in(text):
    """The values, examples and numbers of a text."""
    return Counter(CUT.findall(text) + VALUE.findall(CUT.sub("", text)))


def in_both(words):
    """The text, once it is sure that it says the same in English and Chinese as far as a program can tell: both are
    there, the Chinese is Chinese (not only a value in it), and each shows every value, example and number."""
    if isinstance(words, Text):
        words = LocalizedText(catalogue.render(words), catalogue.render(words, catalogue.CHINESE))
    assert words.en and words.zh, words
    assert len(CHINESE.findall(words.zh)) > len(CHINESE.findall(words.en)), words
    assert "Text(" not in words.en + words.zh  # a text that was put into another one without being rendered
    assert not re.search(r"\{\w+[|}]", words.en), words  # a value that was not given
    assert values_in(words.en) == values_in(words.zh), words
    return words

"""What holds for every text that people are told in both languages."""

import re
from collections import Counter

CHINESE = re.compile(r"[\u4e00-\u9fff]")
CUT = re.compile(r'"[^"]*\.\.\.(?=[;；，,])')  # a value that is shown in part, without the quote at its end
VALUE = re.compile(r'"(?:[^"\\]|\\.)*"|\d+(?:\.\d+)?')


def values_in(text):
    """The values, examples and numbers of a text."""
    return Counter(CUT.findall(text) + VALUE.findall(CUT.sub("", text)))


def in_both(words):
    """The words, once it is sure that they say the same in English and Chinese as far as a program can tell: both are
    there, the Chinese is Chinese (not only a value in it), and each shows every value, example and number."""
    assert words.en and words.zh, words
    assert len(CHINESE.findall(words.zh)) > len(CHINESE.findall(words.en)), words
    assert "LocalizedText(" not in words.en + words.zh  # a pair that was put into a text as a whole
    assert values_in(words.en) == values_in(words.zh), words
    return words

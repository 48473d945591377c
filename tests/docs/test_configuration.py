"""The examples in docs/configuration.md are valid, and every field has a description."""

import os
import re

import pytest

from minisched.catalogue import LANGUAGES, render
from minisched.config import parse_config
from minisched.config.notify_fields import CHANNEL, RULE
from minisched.config.settings_fields import SETTINGS
from minisched.config.task_fields import TASK

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def document():
    with open(os.path.join(ROOT, "docs", "configuration.md"), encoding="utf-8") as file:
        return file.read()


@pytest.mark.parametrize("example", re.findall(r"```json\n(.*?)```", document(), re.DOTALL))
def test_an_example_is_a_valid_config(example):
    assert parse_config(example.encode())[1] == []


def test_every_field_is_described_in_both_languages():
    for table in (SETTINGS, TASK, RULE, *CHANNEL.tables.values()):
        for row in table.rows.values():
            for text in (row.help, row.type.type_name):
                english, chinese = (render(text, language) for language in LANGUAGES)
                assert english and chinese and "config." not in english + chinese, row.name

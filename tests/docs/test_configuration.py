"""docs/configuration.md says what the field table says, and its examples are right."""

import os
import re
import runpy

import pytest

from minisched.config import parse_config, reference_markdown
from minisched.config.containers import Table
from minisched.config.fields import SETTINGS
from minisched.config.notify_fields import CHANNEL, RULE
from minisched.config.reference import renewed
from minisched.config.task_fields import TASK

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def document():
    with open(os.path.join(ROOT, "docs", "configuration.md"), encoding="utf-8") as file:
        return file.read()


def test_the_field_reference_in_the_docs_is_current():
    assert renewed(document()) == document(), "run: python -m minisched.config"


def test_the_reference_is_renewed_by_the_command_it_names(tmp_path, monkeypatch):
    (tmp_path / "docs").mkdir()
    file = tmp_path / "docs" / "configuration.md"
    file.write_text(document().replace("| `task_id` |", "| `old` |"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    runpy.run_module("minisched.config", run_name="__main__")
    assert file.read_text(encoding="utf-8") == document()


@pytest.mark.parametrize("example", re.findall(r"```json\n(.*?)```", document(), re.DOTALL))
def test_an_example_of_the_docs_is_a_right_config(example):
    assert parse_config(example.encode())[1] == []


def test_every_field_has_its_line_in_both_languages():
    tables = [SETTINGS, TASK, RULE, *CHANNEL.tables.values()]
    tables += [row.kind for row in SETTINGS.rows.values() if isinstance(row.kind, Table)]
    for language in ("en", "zh"):
        text = reference_markdown(language)
        for table in tables:
            for row in table.rows.values():
                assert f"| `{row.name}` | {row.kind.words[language == 'zh']} |" in text
                assert (row.help_zh if language == "zh" else row.help) in text
    assert "必填" in reference_markdown("zh")

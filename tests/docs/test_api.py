"""docs/api.md describes every call and every error, and its examples are valid."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from minisched.api.context import STATUSES
from minisched.api.routing import BASE, Match, match, routes

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def test_every_call_and_every_error_is_described() -> None:
    for route in routes():
        assert f"### `{route.method} {route.path}`" in TEXT
    for code in STATUSES:
        assert f"`{code}`" in TEXT


def test_every_link_within_the_document_has_its_heading() -> None:
    headings = {
        "".join(char for char in line.lower().replace(" ", "-") if char.isalnum() or char in "-_")
        for line in re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= headings


@pytest.mark.parametrize("example", re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL))
def test_an_example_is_json(example: str) -> None:
    assert json.loads(example)["error"]["code"] in STATUSES


def test_every_path_in_an_example_exists() -> None:
    blocks = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    found = re.findall(r"\$API(/[^\s\"?]*)", "".join(blocks))
    assert len(found) > 7
    for path in found:
        assert any(isinstance(match(method, BASE + path), Match) for method in ("GET", "POST", "PATCH")), path

"""docs/api.md says what the route table says, and its examples are right."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import pytest

from minisched.api.errors import ERRORS
from minisched.api.reference import renewed
from minisched.api.routes import BASE, ROUTES, Match, match

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def test_the_reference_in_the_docs_is_current() -> None:
    assert renewed(TEXT) == TEXT, "run: python -m minisched.api"


def test_the_reference_is_renewed_by_the_command_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docs").mkdir()
    file = tmp_path / "docs" / "api.md"
    file.write_text(TEXT.replace("### `GET /tasks`", "### `GET /old`"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    runpy.run_module("minisched.api", run_name="__main__")
    assert file.read_text(encoding="utf-8") == TEXT


def test_every_call_and_every_error_has_its_place() -> None:
    for route in ROUTES:
        assert f"### `{route.method} {route.path}`" in TEXT
    for code in ERRORS:
        assert f"`{code}`" in TEXT


def test_links_within_the_document_lead_to_a_heading() -> None:
    headings = {
        "".join(char for char in line.lower().replace(" ", "-") if char.isalnum() or char in "-_")
        for line in re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= headings


@pytest.mark.parametrize("example", re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL))
def test_an_example_is_json(example: str) -> None:
    assert json.loads(example)["error"]["code"] in ERRORS


def test_every_path_of_an_example_is_one() -> None:
    blocks = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    found = re.findall(r"\$API(/[^\s\"?]*)", "".join(blocks))
    assert len(found) > 7
    for path in found:
        assert any(isinstance(match(method, BASE + path), Match) for method in ("GET", "POST", "PATCH")), path

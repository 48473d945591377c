"""The catalogue: both languages say the same, and a text is rendered by rules that the page follows too."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from minisched import catalogue
from minisched.model import Text
from support.texts import CHINESE

SAMPLES = json.loads((Path(__file__).parent / "support" / "text_samples.json").read_text(encoding="utf-8"))
AREAS = [area for area in catalogue.AREAS if find_spec(f"minisched.catalogue.{area}")]
TEXTS = {code: pair for area in AREAS for code, pair in catalogue.table(area).items()}


@pytest.mark.parametrize(("template", "values", "english", "chinese"), SAMPLES)
def test_a_template_is_rendered_by_these_rules(
    template: str, values: dict[str, object], english: str, chinese: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(catalogue.table("runs"), "sample", (template, template))
    text = Text.from_json({"code": "sample", **values})
    assert catalogue.render(text) == english
    assert catalogue.render(text, "zh") == chinese
    assert Text.from_json(json.loads(json.dumps(text.as_json()))) == text


@pytest.mark.parametrize("code", sorted(TEXTS))
def test_both_languages_speak_of_the_same_values(code: str) -> None:
    english, chinese = TEXTS[code]
    assert set(re.findall(r"\{(\w+)", english)) == set(re.findall(r"\{(\w+)", chinese))
    if re.search("[a-z]{3}", re.sub(r"\{[^}]*\}|`[^`]*`", "", english)):
        assert CHINESE.search(chinese), code


@pytest.mark.parametrize("area", AREAS)
def test_a_code_begins_with_its_area(area: str) -> None:
    assert all(code.startswith(f"{area}.") or area == "runs" for code in catalogue.table(area))


def test_an_unknown_code_is_shown_as_it_is() -> None:
    assert catalogue.render(Text("of_a_newer_version", n=1)) == "of_a_newer_version"

"""schemathesis against a running engine, over its socket, with all its checks: no 5xx, no status and no answer outside
the OpenAPI document, nothing taken that the document forbids, nothing refused that it allows.

test_schema.py runs this file in a pytest of its own: the cases are generated at collection, which takes seconds, and
each worker would do it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlencode

import pytest
from hypothesis import HealthCheck, Phase, assume, settings

from minisched.api.openapi import document
from support.programs import Home, eventually

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis 4 needs Python 3.11")

# Fields by which a made-up task could reach beyond its home, and the text they hold instead of another.
HARMLESS = {
    "task_exec": "true",
    "task_log": "made-up.log",
    "task_cwd": ".",
    "task_output_encoding": "latin-1",
    "task_user": "root",
    "task_schedule": "0 0 1 1 *",
    "url": "http://127.0.0.1:9/",
    "path": "logs/made-up.jsonl",
}
# A target of more than 2 KiB, or with a control character, is refused whatever it says.
LONGEST_QUERY = 1500
CONTROLS = re.compile("[\\x00-\\x1f\\x7f-\\x9f]")
INTEGERS = 2**53 - 1  # of any field: JSON readers lose digits of larger ones
MOST_CASES = 60  # of one operation; of those after them every eighth
tried: Counter[str] = Counter()
CONFIG = {
    "checks": {
        # What is right by the schema may still be no right config, a stale ETag, or a run that has ended.
        "positive_data_acceptance": {"expected-statuses": ["2xx", 304, 404, 409, 410, 412, 422]},
        # What is wrong by the schema may be refused for its size or for a stale ETag first.
        "negative_data_rejection": {"expected-statuses": [400, 401, 404, 405, 409, 411, 412, 413, 414, 415, 422, 431]},
    },
    "generation": {"allow-x00": False},
    # Not DELETE: with a body it is refused as such. TRACE is unknown: 501.
    "phases": {"coverage": {"unexpected-methods": ["PUT", "PATCH", "POST", "OPTIONS"]}},
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of a running engine, and its token."""
    home = Home(tmp_path_factory.mktemp("schema") / "home")
    home.write(
        {"task_id": "a", "task_exec": "echo hello", "task_schedule": "0 0 1 1 *"},
        {"task_id": "b", "task_exec": "true", "task_dependencies": ["a"]},
        http={"port": 0},
    )
    home.start()
    try:
        lock = eventually(lambda: json.loads((home.path / "var" / "lock").read_text()).get("url") and True)
        assert lock
        url = json.loads((home.path / "var" / "lock").read_text())["url"]
        yield url, (home.path / "var" / "token").read_text().strip()
        assert home.stop() == 0
        assert "bug" not in home.engine_log()
    finally:
        home.close()


schema = schemathesis.openapi.from_dict(document("0"), config=schemathesis.Config.from_dict(CONFIG)).exclude(
    path="/api/scheduler/events"  # has no end
)


def harmless(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key.replace("\0", ""): harmless(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [harmless(each, name) for each in value]
    if isinstance(value, int) and abs(value) > INTEGERS:
        return INTEGERS
    if isinstance(value, str):
        return HARMLESS.get(name) or value.replace("\0", "")  # never a part of a text, of a name neither
    return value


def says_more(case: Any) -> bool:
    """Whether a parameter has a rule that OpenAPI cannot say: two that belong together, a time in words."""
    return "at" in (case.query or {}) or (case.path.endswith("/timeline") and bool({"since", "until"} & {*case.query}))


@schema.parametrize()
@settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
def test_the_api_keeps_to_its_description(case: Any, engine: tuple[str, str]) -> None:
    tried[case.operation.label] += 1
    if tried[case.operation.label] > MOST_CASES and tried[case.operation.label] % 8:
        return  # a task has hundreds of members to vary one by one, three times over
    url, token = engine
    query = urlencode(case.query or {}, doseq=True)
    assume(not says_more(case))
    assume(len(query) < LONGEST_QUERY and not CONTROLS.search(unquote(query)))
    case.body = harmless(case.body)
    case.call_and_validate(base_url=url, headers={"Authorization": f"Bearer {token}"})

"""The API keeps to its OpenAPI document, as schemathesis finds by the cases of schema_cases.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.programs import ROOT, environment


def test_the_api_keeps_to_its_description(tmp_path: Path) -> None:
    pytest.importorskip("schemathesis", reason="schemathesis 4 needs Python 3.11")
    cases = str(Path(__file__).with_name("schema_cases.py"))
    alone = ["-n", "0", "-p", "no:cacheprovider", "--basetemp", str(tmp_path / "cases")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *alone, cases], cwd=ROOT, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout and "failed" not in done.stdout, done.stdout

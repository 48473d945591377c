"""The lists of fields say all that a record has, and the tables have a column for each of them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from minisched.model import Delivery, TaskAttempt, TaskExecution
from minisched.model.fields import Field
from minisched.model.notification import DELIVERY_FIELDS
from minisched.model.run import ATTEMPT_FIELDS, RUN_FIELDS
from support.store import opened

RECORDS = [
    (TaskExecution, RUN_FIELDS, "task_history", {"attempts"}),
    (TaskAttempt, ATTEMPT_FIELDS, "task_attempt", set()),
    (Delivery, DELIVERY_FIELDS, "task_outbox", set()),
]


def stored(fields: tuple[Field, ...]) -> set[str]:
    return {column.strip('"') for field in fields for column in field.columns}


@pytest.mark.parametrize(
    ("record", "fields", "table", "elsewhere"), RECORDS, ids=lambda one: getattr(one, "__name__", "")
)
def test_every_attribute_is_in_the_list_and_has_its_columns(
    record: Any, fields: tuple[Field, ...], table: str, elsewhere: set[str], tmp_path: Path
) -> None:
    assert set(record._fields) - {field.name for field in fields} == elsewhere
    opened(tmp_path / "minisched.db").close()
    with closing(sqlite3.connect(tmp_path / "minisched.db")) as db:
        columns = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
    assert stored(fields) <= columns
    assert stored(ATTEMPT_FIELDS) <= columns or table != "task_history"  # of a run's only attempt


def test_names_in_json_are_used_once() -> None:
    for _, fields, _, _ in RECORDS:
        members = [field.member for field in fields if field.member]
        assert len(set(members)) == len(members)

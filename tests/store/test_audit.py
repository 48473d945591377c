"""Changes of the config that the history keeps."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from minisched.model import Action, Batch, ConfigChange, Origin
from minisched.store.audit import MAX_CHANGES
from support.store import ask, opened


def test_changes_that_are_too_old_are_deleted_but_for_the_latest_of_each_task(tmp_path: Path) -> None:
    often = [f"t{number}" for number in range(9)]
    changed = ["seldom", "seldom", "now and then"] + often * (MAX_CHANGES // 9 + 100)
    changed[-50] = "now and then"
    path = tmp_path / "minisched.db"
    with closing(opened(path)) as store:
        for at in range(0, len(changed), 300):
            found = [ConfigChange(1.0, name, Action.CHANGED, Origin("file")) for name in changed[at : at + 300]]
            store.commit(Batch(changes=found))
    kept = [tuple(row) for row in ask(path, "SELECT change_id, task_id FROM config_change ORDER BY change_id")]
    latest = {name: number for number, name in enumerate(changed, 1)}
    numbered = enumerate(changed, 1)
    assert kept == [one for one in numbered if one[0] > len(changed) - MAX_CHANGES or latest[one[1]] == one[0]]

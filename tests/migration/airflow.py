"""Runs exported tasks in a real Airflow: `python tests/migration/airflow.py AIRFLOW`, the path of its command.

Exit code 1 is not tried again, 75 is until it succeeds, and a time limit ends the run. It takes a minute, so that it is
a step of CI and no test of the suite. Exits with 1 and says what is wrong.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIMIT_S = 240
RETRY = {"max_attempts": 4, "delay": "1s", "backoff": 1, "jitter": 0}
TASKS = [
    {"task_id": "business", "task_exec": "exit 1"},
    {"task_id": "technical", "task_exec": '[ "$MINISCHED_ATTEMPT" = 3 ] || exit 75'},
    {"task_id": "slow", "task_exec": "sleep 60", "task_timeout": "1s", "task_kill_grace": "1s", "task_retry": {}},
]
EXPECTED = {"business": ("failed", 1), "technical": ("success", 3), "slow": ("failed", 1)}


def main(airflow: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        home, dags = Path(folder) / "home", Path(folder) / "dags"
        (home / "tasks").mkdir(parents=True)
        tasks = [{"task_schedule": "30 2 1 1 *", "task_retry": RETRY, **task} for task in TASKS]
        document = {"version": 1, "settings": {"timezone": "UTC"}, "tasks": tasks}
        (home / "tasks" / "config.json").write_text(json.dumps(document))
        export = [
            sys.executable,
            "-m",
            "minisched",
            "--home",
            str(home),
            "export",
            "--to",
            "airflow",
            "--out",
            str(dags),
        ]
        subprocess.run(export, cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
        env = {
            **os.environ,
            "AIRFLOW_HOME": folder,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        }

        def run(*arguments: str) -> None:
            subprocess.run([airflow, *arguments], env=env, capture_output=True, timeout=LIMIT_S, check=False)

        run("db", "migrate")
        run("pools", "set", "minisched", "4", "runs at once")
        run("dags", "reserialize")
        for task_id in EXPECTED:
            run("dags", "test", task_id)
        with closing(sqlite3.connect(Path(folder) / "airflow.db")) as db:
            rows = db.execute("SELECT dag_id, state, try_number FROM task_instance").fetchall()
    found = {task_id: (state, tries) for task_id, state, tries in rows}
    if found != EXPECTED:
        print(f"Airflow: found {found}, expected {EXPECTED}")
        return 1
    print(f"Airflow: {found}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

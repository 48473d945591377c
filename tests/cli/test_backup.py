"""`backup` and `restore`: the same home again, and nothing from a file that is damaged or hostile."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from minisched.home import Home as Place
from minisched.home import HomeLock
from minisched.model import Status
from support.cli import Cli, Done, record
from support.programs import Home, environment, minisched
from support.store import make as make_run

SECRET = "hunter2"


@pytest.fixture
def full(home: Home) -> Home:
    """A home with everything that belongs into a backup, and some things that do not."""
    home.write(
        {
            "task_id": "a",
            "task_exec": "python3 tools/a.py --out $MINISCHED_HOME/tools/b.txt",
            "task_env": {"PW": {"from_file": "var/db.password"}},
            "task_env_file": "env/a.env",
        },
        {"task_id": "b", "task_exec": [str(home.path / "bin" / "b"), "/etc/hostname"]},
        http={"port": 0},
    )
    for name in ("env/a.env", "tools/a.py", "tools/b.txt", "bin/b", "var/db.password", "tasks/sub/x.sh", "other/file"):
        path = home.path / name
        path.parent.mkdir(mode=0o700 if name.startswith("var") else 0o755, parents=True, exist_ok=True)
        path.write_text(f"{name} {SECRET}")
    (home.path / "var" / "db.password").chmod(0o600)
    (home.path / "tasks" / "sub" / "x.sh").chmod(0o750)
    (home.path / "tasks" / "link.sh").symlink_to(home.path / "other" / "file")
    (home.path / "tasks" / "folder").symlink_to(home.path / "other")
    (home.path / "tasks" / ".config.1.2.tmp").write_text("left by a crash")
    record(home.path, make_run(task_id="a", status=Status.SUCCESS))
    for name in ("token", "token.read"):
        path = home.path / "var" / name
        path.write_text(f"{name:t<43}\n")
        path.chmod(0o600)
    return home


NAMES = {
    *("tasks/config.json", "tasks/sub/x.sh", "tasks/link.sh", "env/a.env", "tools/a.py", "tools/b.txt", "bin/b"),
    *("var/db.password", "var/token", "var/token.read", "var/minisched.db"),
}


def restored(path: Path, file: Path, *options: str) -> Any:
    return minisched("restore", str(file), *options, home=path)


def files_of(path: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and content of each file but those of the engine and the history."""
    found = {}
    for name in NAMES - {"var/minisched.db"}:
        file = path / name
        found[name] = (stat.S_IMODE(file.stat().st_mode), file.read_bytes())
    return found


def test_a_restored_home_is_the_same_home(full: Home, cli: Cli, tmp_path: Path) -> None:
    target = tmp_path / "jobs.tar"
    done = cli("backup", str(target))
    assert done.returncode == 0 and done.stdout.startswith(f"{target}: {len(NAMES)} files, ")
    assert f"{full.path}/tasks/folder is left out" in done.stderr and SECRET not in done.stdout
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with tarfile.open(target) as tar:
        members = {member.name for member in tar if member.isreg()}
    assert members == {*NAMES, "minisched-backup.json"}
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".backup-")]

    new = tmp_path / "new" / "home"
    done = restored(new, target)
    assert done.returncode == 0, done.stderr
    assert f"{len(NAMES)} files restored, as {full.path} was at " in done.stdout and "downtime" in done.stdout
    assert files_of(new) == files_of(full.path)
    assert stat.S_IMODE((new / "var" / "minisched.db").stat().st_mode) == 0o600
    assert json.loads(minisched("history", "--json", home=new).stdout)["total"] == 1
    assert not [name for name in os.listdir(new) if name.startswith(".restore-")]


def test_a_backup_of_a_running_engine_starts_again_and_continues_its_numbers(full: Home, tmp_path: Path) -> None:
    engine = full.start()
    assert engine.poll() is None, engine.communicate()
    assert full.run("exec", "a").returncode != 0
    assert minisched("backup", str(tmp_path / "jobs.tar"), home=full.path).returncode == 0
    refused = minisched("restore", str(tmp_path / "jobs.tar"), "--force", home=full.path)
    assert (refused.returncode == 1 and "another engine" in refused.stderr) or "stop it first" in refused.stderr
    full.run("exec", "a")
    full.stop()
    # An engine that ran here before has seen run 3: the restored history has 2, and goes on with 4.
    assert restored(full.path, tmp_path / "jobs.tar", "--force").returncode == 0
    full.start()
    assert "another history" not in full.engine_log()
    full.run("exec", "a")
    assert [row["run_id"] for row in full.rows()] == [1, 2, 4]
    full.stop()


def test_restore_keeps_what_is_there_under_another_name(full: Home, cli: Cli, tmp_path: Path) -> None:
    target = tmp_path / "jobs.tar"
    cli("backup", str(target))
    full.config.write_text("mine")
    done = cli("restore", str(target))
    assert done.returncode == 1 and "is a home already" in done.stderr and full.config.read_text() == "mine"
    done = cli("restore", str(target), "--force")
    assert done.returncode == 0 and "what was there is kept as " in done.stdout
    [kept] = full.path.glob("tasks.before-restore-*")
    assert (kept / "config.json").read_text() == "mine"
    assert cli("list").returncode == 0


def test_restore_needs_no_running_engine(full: Home, cli: Cli, tmp_path: Path) -> None:
    cli("backup", str(tmp_path / "jobs.tar"))
    lock = HomeLock(Place(str(full.path)))
    lock.acquire()
    done = cli("restore", str(tmp_path / "jobs.tar"), "--force")
    assert done.returncode == 1 and "stop it first" in done.stderr
    lock.release()


def test_standard_output_and_input(full: Home, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "minisched", "--home"]
    data = subprocess.run([*command, str(full.path), "backup", "-"], env=environment(), capture_output=True, check=True)
    new = tmp_path / "new"
    subprocess.run([*command, str(new), "restore", "-"], env=environment(), input=data.stdout, check=True)
    assert files_of(new) == files_of(full.path)


# ------------------------------------------------------------------------------------------------------ hostile files


def tampered(source: Path, target: Path, *more: tarfile.TarInfo, drop: str = "", change: str = "") -> Path:
    """The backup with further members first, without a file, or with another content of one."""
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for info in more:
            new.addfile(info, io.BytesIO(b"x" * info.size))
        for member in old:
            content = old.extractfile(member)
            data = content.read() if content else b""
            if member.name == change:
                data = data[:-1] + b"#"
            if member.name != drop:
                new.addfile(member, io.BytesIO(data))
    return target


def info(name: str, kind: bytes = tarfile.REGTYPE, size: int = 1, target: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.size, found.linkname, found.mode = kind, size if kind == tarfile.REGTYPE else 0, target, 0o6777
    return found


@pytest.mark.parametrize(
    ("member", "expected"),
    [
        (info("/etc/cron.d/evil"), "is not the name of a file that may be restored"),
        (info("../evil"), "is not the name of a file that may be restored"),
        (info("tasks/../../evil"), "is not the name of a file that may be restored"),
        (info("var/lock"), "is not the name of a file that may be restored"),
        (info("var/minisched.db-wal"), "is not the name of a file that may be restored"),
        (info("logs/minisched.log"), "is not the name of a file that may be restored"),
        (info("tasks/config.json"), "is not the name of a file that may be restored"),
        (info("tasks/link", tarfile.SYMTYPE, target="/etc/passwd"), "is a link or a device"),
        (info("tasks/link", tarfile.LNKTYPE, target="/etc/passwd"), "is a link or a device"),
        (info("tasks/dev", tarfile.CHRTYPE), "is a link or a device"),
        (info("tasks/fifo", tarfile.FIFOTYPE), "is a link or a device"),
        (info("tasks/more.sh"), "tasks/more.sh is not as it was backed up"),
    ],
    ids=lambda value: value.name if isinstance(value, tarfile.TarInfo) else "",
)
def test_a_hostile_member_is_refused_and_nothing_is_restored(
    full: Home, cli: Cli, tmp_path: Path, member: tarfile.TarInfo, expected: str
) -> None:
    cli("backup", str(tmp_path / "jobs.tar"))
    new = tmp_path / "new"
    done = into(new, cli, tampered(tmp_path / "jobs.tar", tmp_path / "evil.tar", member))
    assert done.returncode == 1 and expected in done.stderr, done.stderr
    assert not new.exists() and not (tmp_path / "evil").exists()


def into(home: Path, cli: Cli, file: Path) -> Done:
    return Cli(cli._capsys, home)("restore", str(file))


def test_a_damaged_or_incomplete_backup_is_refused(full: Home, cli: Cli, tmp_path: Path) -> None:
    source, new = tmp_path / "jobs.tar", tmp_path / "new"
    cli("backup", str(source))
    data = source.read_bytes()
    cases = {
        "is not as it was backed up": tampered(source, tmp_path / "1.tar", change="tasks/sub/x.sh"),
        "tools/a.py is not as it was": tampered(source, tmp_path / "2.tar", drop="tools/a.py"),
        "its list of files is missing": tampered(source, tmp_path / "3.tar", drop="minisched-backup.json"),
        "is damaged: ": tmp_path / "4.tar",
    }
    (tmp_path / "4.tar").write_bytes(data[: len(data) // 2])
    for expected, file in cases.items():
        done = into(new, cli, file)
        assert done.returncode == 1 and expected in done.stderr, (expected, done.stderr)
        assert not new.exists()
    (tmp_path / "5.tar").write_bytes(b"no tar at all")
    assert into(new, cli, tmp_path / "5.tar").returncode == 1
    assert into(new, cli, tmp_path / "absent.tar").returncode == 1


def test_setuid_and_foreign_write_bits_are_not_restored(full: Home, cli: Cli, tmp_path: Path) -> None:
    (full.path / "tasks" / "sub" / "x.sh").chmod(0o6777)
    cli("backup", str(tmp_path / "jobs.tar"))
    assert into(tmp_path / "new", cli, tmp_path / "jobs.tar").returncode == 0
    assert stat.S_IMODE((tmp_path / "new" / "tasks" / "sub" / "x.sh").stat().st_mode) == 0o755

"""The file itself: read without hanging, refused where others could write it."""

import os
import socket
import stat
import subprocess
import sys

import pytest

from minisched.config import ConfigError, check_permissions, load_config, read_config
from minisched.config.file import with_backup
from support.config import line
from support.texts import in_both

GOOD = b'{"tasks": [{"task_id": "a", "task_exec": "true"}]}'


@pytest.fixture
def path(tmp_path):
    home = tmp_path / "home"
    (home / "tasks").mkdir(parents=True)
    home.chmod(0o755)
    (home / "tasks").chmod(0o755)
    file = home / "tasks" / "config.json"
    file.write_bytes(GOOD)
    file.chmod(0o644)
    return str(file)


def refusal(call, path):
    with pytest.raises(ConfigError) as caught:
        call(path)
    (problem,) = caught.value.problems
    assert str(caught.value) == line(problem)
    in_both(problem.text)
    return line(problem)


def test_a_good_file_is_loaded(path):
    assert read_config(path) == GOOD
    assert check_permissions(path) == []
    assert list(load_config(path).tasks) == ["a"]


def test_a_missing_file_is_reported_with_its_whole_path(path):
    os.unlink(path)
    assert refusal(load_config, path) == f"tasks/config.json: cannot be read: No such file or directory ({path})"
    assert check_permissions(path) == []


def test_a_fifo_does_not_hang_the_reader(path):
    os.unlink(path)
    os.mkfifo(path)
    assert refusal(read_config, path) == f"tasks/config.json: is not a regular file ({path})"


def test_a_folder_and_a_device_are_no_config(tmp_path):
    assert refusal(read_config, str(tmp_path)) == f"{tmp_path}: is not a regular file ({tmp_path})"
    assert refusal(read_config, "/dev/zero") == "/dev/zero: is not a regular file (/dev/zero)"


def test_a_device_is_one_problem_without_advice_to_change_its_mode():
    with pytest.raises(ConfigError) as error:
        load_config("/dev/null")
    assert str(error.value) == "/dev/null: is not a regular file (/dev/null)"


def test_a_socket_cannot_be_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind("s")
        assert "cannot be read" in refusal(read_config, "s")


def test_a_file_over_5_mb_is_refused_without_reading_it_all(path):
    with open(path, "wb") as file:
        file.truncate(2**33)
    assert "is larger than 5242880 bytes; expected a smaller file" in refusal(read_config, path)


def test_what_everyone_may_write_is_refused_with_the_command_that_fixes_it(path):
    tasks = os.path.dirname(path)
    for place in (path, tasks, os.path.dirname(tasks)):
        mode = stat.S_IMODE(os.stat(place).st_mode)
        os.chmod(place, mode | stat.S_IWOTH)
        command = f"chmod o-w {place}"
        assert refusal(load_config, path) == f"{place}: is writable by everyone; fix it with: {command}"
        subprocess.run(command.split(), check=True)
        load_config(path)


def test_of_a_symlink_its_target_counts_too(path, tmp_path):
    target = tmp_path / "real.json"
    os.rename(path, target)
    os.symlink(target, path)
    target.chmod(0o666)
    assert refusal(load_config, path).startswith(f"{target}: is writable by everyone")


def test_a_file_elsewhere_has_no_home(tmp_path):
    file = tmp_path / "other.json"
    file.write_bytes(b"{}")
    found = refusal(load_config, str(file))
    assert found.startswith(f"{file}: tasks is missing; expected a list of tasks: ")


def test_problems_of_the_file_and_in_it_are_reported_together(path):
    with open(path, "wb") as file:
        file.write(b"{}")
    os.chmod(path, 0o666)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert len(caught.value.problems) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(path):
    os.chown(path, 65534, 65534)
    assert refusal(load_config, path) == (
        f"{path}: belongs to user 65534, who could change it; fix it with: chown {os.geteuid()} {path}"
    )


def test_the_heavy_modules_are_not_imported_to_read_a_config(path):
    code = (
        "import sys; from minisched.config import load_config; load_config(sys.argv[1]);"
        "print([name for name in ('croniter', 'hashlib', 'difflib', 'graphlib', 'urllib', 'tempfile')"
        " if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code, path], stdout=subprocess.PIPE, check=True, encoding="utf-8")
    assert found.stdout == "[]\n"


@pytest.mark.parametrize(
    ("lost", "command"),
    [("empty", "cp -p"), ("half", "cp -p"), ("gone", "cp -p"), ("folder", "mv"), ("unreadable", None)],
)
def test_the_last_good_config_is_offered_where_the_file_is_lost(tmp_path, lost, command):
    path, backup = tmp_path / "config.json", tmp_path / "config.json.bak"
    backup.write_text('{"tasks": [{"task_id": "a", "task_exec": "true"}]}')
    if lost == "folder":
        path.mkdir()
    elif lost == "unreadable":
        path.symlink_to(path)
    elif lost != "gone":
        path.write_text("" if lost == "empty" else '{"tasks": [')
    found = offered(path)
    assert (found is not None and f"with 1 task; bring it back with: {command} " in found) is (command is not None)


def offered(path):
    """The text that offers the backup, None if there is none."""
    with pytest.raises(ConfigError) as caught:
        load_config(str(path))
    first, *_ = with_backup(str(path), caught.value.problems)
    return str(first.text) if first.text.code.startswith("config.file.backup") else None


@pytest.mark.parametrize("content", [None, "{", '{"tasks": 5}'])
def test_a_backup_that_is_no_better_is_not_offered(tmp_path, content):
    (tmp_path / "config.json").write_text("")
    if content is not None:
        (tmp_path / "config.json.bak").write_text(content)
    assert offered(tmp_path / "config.json") is None

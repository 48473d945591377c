"""A save leaves the old file or the new one, whatever fails and whenever it is killed."""

import errno
import os
import shutil
import stat
import subprocess
import sys

import pytest

from minisched.config import ConfigChanged, ConfigError, config_hash, parse_config, save_config, sweep_temporaries
from support.texts import in_both

OLD = b'{"tasks": []}\n'
NEW = '{"tasks": [{"task_id": "b", "task_exec": "x\u00e4"}, {"task_exec": "y", "task_id": "a"}]}\n'.encode()


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "config.json"
    file.write_bytes(OLD)
    return str(file)


def read(path):
    with open(path, "rb") as file:
        return file.read()


class Faulty:
    """`os`, of which the `at`-th call does `fail()` instead; `calls` counts them."""

    def __init__(self, at, fail):
        self.at, self.fail, self.calls = at, fail, 0

    def __getattr__(self, name):
        def call(*args):
            self.calls += 1
            if self.calls == self.at:
                self.fail()
            return getattr(os, name)(*args)

        return call


def test_a_save_keeps_order_mode_and_the_previous_file(path, tmp_path):
    os.chmod(path, 0o604)
    new_hash = save_config(path, NEW, expected_hash=config_hash(OLD))
    assert read(path) == NEW
    assert new_hash == config_hash(NEW)
    assert read(path + ".bak") == OLD
    assert {stat.S_IMODE(os.stat(name).st_mode) for name in (path, path + ".bak")} == {0o604}
    assert sorted(os.listdir(tmp_path)) == ["config.json", "config.json.bak"]
    assert list(parse_config(read(path))[0].tasks) == ["b", "a"]


def test_a_save_of_what_is_there_writes_nothing(path):
    save_config(path, NEW, expected_hash=None)
    before = os.stat(path).st_ino
    assert save_config(path, NEW, expected_hash=None) == config_hash(NEW)
    assert os.stat(path).st_ino == before
    assert read(path + ".bak") == OLD


def test_a_first_save_makes_a_file_that_others_cannot_read(tmp_path):
    path = str(tmp_path / "config.json")
    save_config(path, NEW, expected_hash=None)
    assert os.listdir(tmp_path) == ["config.json"]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o640


@pytest.mark.parametrize("missing", [(), ("_sha256", "_sha2")])
def test_the_hash_is_that_of_sha256sum_whichever_module_counts_it(monkeypatch, missing):
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)  # its import fails
    assert config_hash(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_symlink_stays_and_its_target_is_written(path, tmp_path):
    os.mkdir(tmp_path / "links")
    link = str(tmp_path / "links" / "config.json")
    os.symlink("../config.json", link)
    save_config(link, NEW, expected_hash=config_hash(OLD))
    assert os.readlink(link) == "../config.json"
    assert read(path) == NEW
    assert os.listdir(tmp_path / "links") == ["config.json"]


def test_a_file_changed_by_hand_is_not_overwritten(path, tmp_path):
    with pytest.raises(ConfigChanged):
        save_config(path, NEW, expected_hash=config_hash(b"{}"))
    assert (read(path), os.listdir(tmp_path)) == (OLD, ["config.json"])
    os.unlink(path)
    with pytest.raises(ConfigChanged):
        save_config(path, NEW, expected_hash=config_hash(OLD))
    assert os.listdir(tmp_path) == []


def test_a_file_changed_by_hand_while_it_is_saved_is_not_overwritten(path, tmp_path):
    class EditorAtWork(Faulty):
        def __getattr__(self, name):
            if name == "fsync" and read(path) == OLD:
                with open(path, "wb") as file:
                    file.write(b"{}")
            return getattr(os, name)

    with pytest.raises(ConfigChanged):
        save_config(path, NEW, expected_hash=config_hash(OLD), files=EditorAtWork(0, None))
    assert read(path) == b"{}"
    assert sorted(os.listdir(tmp_path)) == ["config.json", "config.json.bak"]


def test_a_text_that_is_too_large_to_be_read_is_not_written(path, tmp_path):
    with pytest.raises(ConfigError, match="at most 5242880 are allowed") as caught:
        save_config(path, b"y" * (5 * 2**20 + 1), expected_hash=None)
    in_both(caught.value.problems[0].text)
    assert (read(path), os.listdir(tmp_path)) == (OLD, ["config.json"])


def test_a_write_in_small_pieces_is_whole(path):
    class Slow(Faulty):
        def __getattr__(self, name):
            return (lambda fd, data: os.write(fd, data[:7])) if name == "write" else getattr(os, name)

    save_config(path, NEW, expected_hash=None, files=Slow(0, None))
    assert read(path) == NEW


def number_of_calls(path):
    files = Faulty(0, None)
    save_config(path, NEW, expected_hash=config_hash(OLD), files=files)
    with open(path, "wb") as file:
        file.write(OLD)
    os.unlink(path + ".bak")
    return files.calls


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EMFILE, errno.EBUSY, errno.EACCES])
def test_whichever_call_fails_the_file_is_old_or_new_and_no_temporary_is_left(path, tmp_path, number):
    def fail():
        raise OSError(number, os.strerror(number))

    outcomes = []
    calls = number_of_calls(path)
    assert calls > 20
    for at in range(1, calls + 2):
        with open(path, "wb") as file:
            file.write(OLD)
        files = Faulty(at, fail)
        try:
            save_config(path, NEW, expected_hash=config_hash(OLD), files=files)
            outcomes.append("saved")
            assert read(path) == NEW
        except OSError as error:
            outcomes.append("failed")
            assert error.errno == number
        assert read(path) in (OLD, NEW), at
        assert set(os.listdir(tmp_path)) <= {"config.json", "config.json.bak"}, at
        if os.path.exists(path + ".bak"):
            assert read(path + ".bak") == OLD, at
    assert outcomes[-1] == "saved"
    # An owner that cannot be kept is no reason not to save.
    assert outcomes[:-1].count("saved") == (2 if number == errno.EACCES else 0)


def test_an_owner_that_cannot_be_kept_takes_the_rights_of_his_group_along(path):
    class NotRoot(Faulty):
        def __getattr__(self, name):
            def refuse(*args):
                raise PermissionError(errno.EPERM, "not yours to give")

            return refuse if name == "fchown" else getattr(os, name)

    os.chmod(path, 0o664)
    save_config(path, NEW, expected_hash=None, files=NotRoot(0, None))
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_the_owner_is_kept(path):
    os.chown(path, 65534, 65533)
    save_config(path, NEW, expected_hash=None)
    assert [(os.stat(name).st_uid, os.stat(name).st_gid) for name in (path, path + ".bak")] == [(65534, 65533)] * 2


def test_wherever_it_is_killed_the_file_is_old_or_new_and_the_sweep_removes_the_rest(path, tmp_path):
    (tmp_path / ".config.mine").write_bytes(b"no temporary")
    swept = 0
    for at in range(1, number_of_calls(path) + 2):
        with open(path, "wb") as file:
            file.write(OLD)
        child = os.fork()
        if child == 0:
            save_config(path, NEW, expected_hash=None, files=Faulty(at, lambda: os._exit(9)))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert read(path) in (OLD, NEW), at
        swept += len(sweep_temporaries(str(tmp_path)))
        assert set(os.listdir(tmp_path)) <= {"config.json", "config.json.bak", ".config.mine"}, at
    assert os.WEXITSTATUS(status) == 0
    assert read(path) == NEW
    assert swept > 5


STRACE = shutil.which("strace")


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
@pytest.mark.parametrize(
    "inject",
    ["fsync:error=EIO:when=1", "fsync:error=EIO:when=3", "rename:error=EBUSY:when=2", "rename:signal=SIGKILL:when=2"],
)
def test_the_kernel_itself_fails_a_save(path, tmp_path, inject):
    code = (
        "import sys; from minisched.config import save_config;"
        "save_config(sys.argv[1], sys.argv[2].encode(), expected_hash=None)"
    )
    trace = [STRACE, "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,rename", "-e", f"inject={inject}"]
    found = subprocess.run(
        [*trace, sys.executable, "-c", code, path, NEW.decode()], stderr=subprocess.PIPE, encoding="utf-8"
    )
    if "ptrace" in found.stderr:
        pytest.skip("strace may not trace here")
    assert found.returncode != 0
    # Only the last fsync, that of the folder, comes after the new file has its name.
    assert read(path) == (NEW if "when=3" in inject else OLD)
    sweep_temporaries(str(tmp_path))
    assert set(os.listdir(tmp_path)) <= {"config.json", "config.json.bak"}


def test_a_full_disk_leaves_the_old_file_and_no_temporary(tmp_path):
    disk = str(tmp_path)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], stderr=subprocess.DEVNULL)
    if mounted.returncode:
        pytest.skip("a small disk can be mounted by root only")
    try:
        path = os.path.join(disk, "config.json")
        with open(path, "wb") as file:
            file.write(OLD)
        with pytest.raises(OSError, match="No space left") as caught:
            save_config(path, b"y" * 100_000, expected_hash=None)
        assert caught.value.errno == errno.ENOSPC
        assert (read(path), os.listdir(disk)) == (OLD, ["config.json"])
    finally:
        subprocess.run(["umount", disk], check=True)

"""The wheel and the sdist: what is in them, without network, in the same bytes; and Pythons that are too old."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path

import pytest

from minisched import __version__
from support import pythons
from support.clone import copy_of_the_clone
from support.programs import ROOT, environment


def build(source: Path, what: str, target: Path) -> Path:
    """As pip calls the backend, which works in the folder of the source. Returns the path of the archive."""
    target.mkdir(exist_ok=True)
    code = f"import sys; sys.path.insert(0, 'docs'); import build; print(build.build_{what}(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(target)], cwd=source, capture_output=True, text=True, check=True
    )
    return target / done.stdout.strip()


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of_the_clone(tmp_path_factory.mktemp("clone"))


@pytest.fixture(scope="module")
def wheel(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(clone, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(clone, "sdist", tmp_path_factory.mktemp("sdist"))


def files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def test_the_wheel_has_the_package_the_samples_and_the_documents(clone: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        expected = {str(path.relative_to(clone)) for path in files(clone / "minisched")}
        expected |= {f"minisched/sample/{path.name}" for path in files(clone / "tasks")}
        expected |= {f"minisched/docs/{path.name}" for path in files(clone / "docs") if path.suffix == ".md"}
        expected |= {f"minisched/docs/calendars/{path.name}" for path in files(clone / "docs/calendars")}
        expected |= {"minisched/docs/README.md", "minisched/docs/CHANGELOG.md"}
        expected.add(f"minisched-{__version__}.data/data/share/man/man1/minisched.1")
        assert names == expected
        for name, digest, size in re.findall("^(.+),sha256=(.+),([0-9]+)$", record(archive), re.MULTILINE):
            content = archive.read(name)
            assert digest == urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
            assert int(size) == len(content)
        assert record(archive).count("\n") == len(archive.namelist())


def record(archive: zipfile.ZipFile) -> str:
    return next(archive.read(name).decode() for name in archive.namelist() if name.endswith("/RECORD"))


def test_the_sdist_has_all_that_a_packager_needs(clone: Path, sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names == {str(path.relative_to(clone)) for path in files(clone)} | {"PKG-INFO"}
    assert {
        "CHANGELOG.md",
        "tests/conftest.py",
        "tests/support/sim.py",
        "docs/install.md",
        "docs/services/minisched.service",
        "SECURITY.md",
        "LICENSE",
    } <= names


@pytest.mark.parametrize("what", ["wheel", "sdist"])
def test_other_copies_of_the_same_files_give_the_same_bytes(what: str, clone: Path, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    other = copy_of_the_clone(tmp_path / "copy")
    for path in files(other):
        os.utime(path, (2_000_000_000, 2_000_000_000))
    (other / "tasks" / "my_own_task.py").write_text("the clone may be a home")
    (other / "minisched" / "__pycache__").mkdir(exist_ok=True)
    (other / "minisched" / "__pycache__" / "x.cpython-311.pyc").write_bytes(b"")
    one, two = build(clone, what, tmp_path / "one"), build(other, what, tmp_path / "two")
    assert one.read_bytes() == two.read_bytes()


def test_the_unpacked_sdist_builds_the_same_wheel_and_runs_its_tests(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    source = next(tmp_path.glob("minisched-*"))
    assert build(source, "wheel", tmp_path / "again").read_bytes() == wheel.read_bytes()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", "tests/timetable/test_durations.py"],
        cwd=source,
        env={**environment(), "PYTHONPATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_the_metadata_says_what_setup_cfg_says(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/METADATA"))
        metadata = message_from_bytes(archive.read(name))
    assert (metadata["Name"], metadata["Requires-Python"], metadata["License"]) == ("minisched", ">=3.9", "MIT")
    classifiers = metadata.get_all("Classifier", [])
    assert {"Typing :: Typed", "Natural Language :: Chinese (Simplified)"} <= set(classifiers)
    supported = {one.rpartition(" ")[2] for one in classifiers if re.search(r":: 3\.\d+$", one)}
    assert supported == {"3.9", "3.10", "3.11", "3.12", "3.13"}
    needed = metadata.get_all("Requires-Dist", [])
    assert [one for one in needed if "extra" not in one] == ["croniter>=1.3.5,<8"]
    assert '(python_version >= "3.11") and extra == "test"' in next(one for one in needed if "schemathesis" in one)
    description = metadata.get_payload()
    assert isinstance(description, str)
    assert "Configuration (`minisched help configuration`)" in description
    assert not re.search(r"\]\((?!https?:)", description), "a link that works only beside the files of the project"


@pytest.mark.parametrize("start", [["-m", "minisched"], ["minisched"], ["minisched/__main__.py"]], ids=" ".join)
@pytest.mark.parametrize("language", ["C", "zh_CN.UTF-8"])
def test_a_python_that_is_too_old_gets_one_sentence(start: list[str], language: str) -> None:
    if not pythons.find(*pythons.OLD):
        pytest.skip("no Python older than 3.9 here")
    for python in pythons.find(*pythons.OLD):
        env = {"LC_ALL": language, "PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run([python, *start, "list"], cwd=ROOT, env=env, capture_output=True)
        needed = "needs Python 3.9 or newer" if language == "C" else "需要 Python 3.9 或更新版本"
        assert (done.returncode, done.stdout) == (1, b"")
        assert re.fullmatch(f"minisched {needed}.*\n", done.stderr.decode()), done.stderr


@pytest.mark.parametrize("path", ["minisched", "minisched/__main__.py"])
@pytest.mark.parametrize("options", [[], ["-I"]], ids=str)
def test_a_copied_folder_is_started_by_its_path_from_anywhere(path: str, options: list[str], tmp_path: Path) -> None:
    command = [sys.executable, *options, str(ROOT / path)]
    (tmp_path / "queue.py").write_text("raise SystemExit('a file of the user was imported')")
    done = subprocess.run(
        [*command, "next", "--expr", "0 0 L * *", "--tz", "UTC", "-n", "1", "--after", "2027-01-05", "--json"],
        cwd=tmp_path,
        env={**environment(), "PYTHONPATH": ""},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "2027-01-31T00:00:00" in done.stdout

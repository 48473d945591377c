"""The commands of docs/install.md and of the README do what they say, without network."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from support import pythons
from support.clone import NO_NETWORK, copy_of_the_clone
from support.programs import ROOT, environment

INSTALL = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")


PIP = find_spec("pip")
# Most of the time of `python3 -m venv` is the unpacking of a pip: here it gets a link to the one of the tests.
VENV = """\
if [ "$1 $2" = "-m venv" ]; then
  {python} -m venv --without-pip "$3" || exit
  [ ! -e "$3/bin/pip" ] || exit 0
  ln -s {pip} "$("$3/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/pip"
  printf '#!/bin/sh\\nexec "%s/bin/python" -m pip "$@"\\n' "$(cd "$3" && pwd)" > "$3/bin/pip"
  chmod +x "$3/bin/pip"
  exit
fi
"""


class Machine:
    """A machine in a folder: `/opt` and `/srv` are below it, and `python3` is the Python of this test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("bin", "opt", "srv", "new", "work"):
            (folder / name).mkdir()
        self.path = folder / "work"
        venv = VENV.format(python=sys.executable, pip=Path(PIP.origin).parent) if PIP and PIP.origin else ""
        self.command("python3", f'{venv}exec {sys.executable} "$@"')
        path = f"{folder / 'bin'}:{os.environ['PATH']}"
        self.env = {**environment(), **NO_NETWORK, "PATH": path}

    def command(self, name: str, line: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)

    def do(self, line: str, cwd: Path) -> None:
        """Run a line as typed; an engine until it has printed the address of its page."""
        line = re.sub(r"(?<![\w.])/(opt|srv)/", rf"{self.folder}/\1/", line)
        if not line.endswith((" run", "-m minisched")):
            done = subprocess.run(["sh", "-c", line], cwd=cwd, env=self.env, capture_output=True, text=True)
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
            return
        script = re.sub(
            r"(?:.* && )?(?=\S+ (?:-m|\S*minisched|--home).*$)", lambda found: found[0] + "exec ", line, count=1
        )
        engine = subprocess.Popen(
            ["sh", "-c", script], cwd=cwd, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            assert engine.stdout is not None
            assert any("#token=" in one for one in engine.stdout), f"{script}: {engine.communicate()}"
            engine.terminate()
            _, errors = engine.communicate(timeout=60)
        finally:
            engine.kill()
        assert (engine.returncode, errors) == (0, ""), script


def use_any_port(config: Path) -> None:
    """Without the tasks, too: the project whose samples were copied may be the home of someone."""
    config.write_text(json.dumps({"version": 1, "settings": {"http": {"port": 0}}, "tasks": []}))


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    machine = Machine(tmp_path_factory.mktemp("machine"))
    copy_of_the_clone(machine.path / "minisched-main")
    shutil.copytree(machine.path / "minisched-main", machine.path / "new" / "minisched-main")
    return machine


def sections() -> Iterator[tuple[str, list[str]]]:
    for section in INSTALL.split("\n## ")[1:]:
        lines = [
            line
            for block in re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
            for line in block.splitlines()
        ]
        if lines:
            yield section.split("\n")[0], lines


def test_every_command_of_the_document_works_in_its_order(machine: Machine) -> None:
    for title, lines in sections():
        cwd = machine.path / "minisched-main" if "pip" in title else machine.path
        for line in lines:
            machine.do(line, cwd)
            config = machine.folder / "srv" / "jobs" / "tasks" / "config.json"
            if config.exists() and line.endswith(" init"):
                use_any_port(config)
            if line.startswith("alias "):
                words = shlex.split(line)[1].partition("=")[2].replace("/opt/", f"{machine.folder}/opt/")
                machine.command("minisched", f'exec {words.partition(" --home")[0]} "$@"')
    assert not (machine.folder / "opt" / "minisched").exists()
    assert (machine.folder / "srv" / "jobs" / "var" / "minisched.db").exists()


def test_the_chinese_document_has_the_same_commands() -> None:
    chinese = (ROOT / "docs" / "install.zh.md").read_text(encoding="utf-8")
    assert re.findall(r"^```sh\n.*?^```", chinese, re.M | re.S) == re.findall(r"^```sh\n.*?^```", INSTALL, re.M | re.S)


README = (ROOT / "README.md").read_text(encoding="utf-8")
RUN = next(line for line in README.splitlines() if line.startswith("python3 -m venv"))


@pytest.fixture(scope="module")
def clone(machine: Machine) -> Path:
    """Where the first command of the README has run once."""
    clone = copy_of_the_clone(machine.path / "clone")
    use_any_port(clone / "tasks" / "config.json")
    machine.do(RUN, clone)
    return clone


def test_the_first_command_of_the_readme_can_be_repeated_without_network(machine: Machine, clone: Path) -> None:
    machine.do(RUN, clone)


USE = ROOT / "tests" / "support" / "closed_machine.py"
WAYS = [(way, version) for way in ("copied folder", "one file") for version in ((3, 9), (3, 11), (3, 13))]
# A virtual environment takes long; CI runs these tests with the oldest and the newest Python as well.
WAYS.append(("installed", sys.version_info[:2]))


@pytest.mark.parametrize(("way", "version"), WAYS, ids=str)
def test_it_works_on_a_machine_without_network(
    way: str, version: tuple[int, int], machine: Machine, request: pytest.FixtureRequest
) -> None:
    """In a network namespace: init, run, the page, an `L` schedule, and mail to a server on this machine."""
    found = pythons.find(version)
    if not found:
        pytest.skip("this Python is not here")
    alone = ["unshare", "--net", "--fork", "--kill-child"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("a network namespace needs root and util-linux")
    folder = machine.folder / f"{way.replace(' ', '-')}-{'.'.join(map(str, version))}"
    folder.mkdir()
    python = found[0]
    env = {**environment(), **NO_NETWORK}
    if way == "copied folder":
        command = [python, str(machine.path / "minisched-main" / "minisched")]
    elif way == "one file":
        command = [python, str(folder / "minisched.pyz")]
        source = str(machine.path / "minisched-main" / "minisched")
        subprocess.run([sys.executable, source, "bundle", "-o", command[1]], env=env, check=True, capture_output=True)
    else:
        command = [f"{request.getfixturevalue('clone')}/.venv/bin/minisched"]
    use = [sys.executable, "-I", str(USE), str(folder / "home"), *command]
    script = f"ip link set lo up 2>/dev/null || ifconfig lo up; exec {shlex.join(use)}"
    done = subprocess.run(
        [*alone, "sh", "-c", script], env=env, cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr

"""docs/ describes every field, command, option, status and reason, and its links and console examples are right."""

from __future__ import annotations

import json
import os
import plistlib
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minisched.cli.arguments import COMMANDS
from minisched.cli.parser import parse
from minisched.config.exports import json_schema
from minisched.model import Reason, Status, Trigger
from support.cli import Cli
from support.programs import environment, minisched

ROOT = Path(__file__).parents[2]
DOCS = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}
ALL = "\n".join(text for name, text in DOCS.items() if not name.endswith(".zh.md"))


def named(word: str, text: str) -> bool:
    """Whether the text contains `word` as code."""
    return re.search(rf"`[^`\n]*(?<![\w-]){re.escape(word)}(?![\w-])[^`\n]*`", text) is not None


def fields(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for value in schema.values():
            yield from fields(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from fields(value)


@pytest.mark.parametrize("field", sorted(set(fields(json_schema()))))
def test_every_config_field_is_documented(field: str) -> None:
    assert named(field, DOCS["configuration.md"])


@pytest.mark.parametrize("word", [*(one.value for kind in (Status, Trigger, Reason) for one in kind)])
def test_every_status_trigger_and_reason_is_documented(word: str) -> None:
    assert named(word, DOCS["operation.md"])


def generate(docs: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(docs / "generate.py"), *options],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )


def test_the_generated_parts_are_current() -> None:
    done = generate(ROOT / "docs", "--check")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_the_manual_page_has_no_error() -> None:
    done = subprocess.run(
        ["groff", "-man", "-ww", "-z", str(ROOT / "docs" / "minisched.1")], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_unit_files(tmp_path: Path) -> None:
    services = ROOT / "docs" / "services"
    unit = tmp_path / "minisched.service"
    dropped_in = (services / "hardening.conf").read_text(encoding="utf-8")
    for name in ("minisched.service", "minisched-user.service"):
        text = (services / name).read_text(encoding="utf-8")
        unit.write_text(text.replace("/usr/bin/python3", sys.executable) + dropped_in)
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), name


def test_the_service_files_of_other_systems_are_well_formed() -> None:
    services = ROOT / "docs" / "services"
    for name in ("minisched.openrc", "minisched.runit", "minisched.finish", "minisched.procd", "minisched.busybox"):
        done = subprocess.run(["sh", "-n", str(services / name)], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), name
    job = plistlib.loads((services / "org.minisched.plist").read_bytes())
    assert job["ProgramArguments"][-3:] == ["--home", "/srv/jobs", "run"]
    recipe = (services / "Containerfile").read_text(encoding="utf-8")
    assert json.loads(re.findall("^ENTRYPOINT (.*)", recipe, re.MULTILINE)[0])[-1] == "/srv/jobs"


def test_the_script_writes_the_generated_parts(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    shutil.copytree(ROOT / "docs", docs)
    for name, text in (("configuration.md", "| `task_id` |"), ("api.md", "### `GET /tasks`")):
        (docs / name).write_text(DOCS[name].replace(text, "outdated"), encoding="utf-8")
    shutil.rmtree(docs / "services")
    done = generate(docs, "--check")
    names = "configuration.md, api.md, services/minisched.service"
    assert done.returncode == 1 and done.stderr.startswith(f"out of date: {names}, ")
    assert generate(docs).returncode == 0
    assert all((docs / name).read_text(encoding="utf-8") == DOCS[name] for name in ("configuration.md", "api.md"))
    assert sorted(os.listdir(docs / "services")) == sorted(os.listdir(ROOT / "docs" / "services"))


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_and_option_is_documented(name: str, cli: Cli) -> None:
    section = re.search(rf"^#+ `{name}\b.*?(?=^#+ |\Z)", DOCS["cli.md"], re.MULTILINE | re.DOTALL)
    assert section, f"docs/cli.md has no section `{name}`"
    listed = re.findall(r"^  (\S+(?: \S+)*)", cli(name, "--help").stdout.partition("examples:")[0], re.MULTILINE)
    for option in re.findall(r"(?<!\S)(--?[a-z][a-z-]*|^[A-Z_]+$)", "\n".join(listed), re.MULTILINE):
        if option not in ("-h", "--help"):
            assert named(option, section[0]), f"docs/cli.md: `{name}` does not describe {option}"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_help_has_an_example_that_parses(name: str, cli: Cli) -> None:
    examples = cli(name, "--help").stdout.partition("examples:\n")[2].splitlines()
    assert examples
    for line in examples:
        words = shlex.split(re.split(" [<>] ", line)[0])
        assert words[0] == "minisched"
        assert parse(words[1:]).command == name


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a document."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-")) for heading in headings}


@pytest.mark.parametrize("path", [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")], ids=lambda path: path.name)
def test_every_link_between_documents_has_its_target(path: Path) -> None:
    for name, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", path.read_text(encoding="utf-8")):
        target = path.parent / name if name else path
        assert target.exists(), name
        assert not anchor or anchor in anchors(target), f"{name}#{anchor}"


CONSOLE = [
    (name, command, output)
    for name, text in DOCS.items()
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for command, output in re.findall(r"^\$ (minisched .*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
]


@pytest.mark.parametrize(("name", "command", "output"), CONSOLE, ids=[f"{one[0]}-{one[1]}"[:70] for one in CONSOLE])
def test_a_console_example_prints_what_it_shows(name: str, command: str, output: str, tmp_path: Path) -> None:
    done = minisched(*shlex.split(command)[1:], home=tmp_path)
    assert (done.stdout + done.stderr).strip() == output.strip()


@pytest.mark.parametrize("readme", [ROOT / "README.md", ROOT / "docs" / "README.zh.md"], ids=lambda path: path.name)
def test_the_first_screen_of_the_readme_has_both_commands(readme: Path) -> None:
    first_screen = "\n".join(readme.read_text(encoding="utf-8").splitlines()[:40])
    assert "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/python -m minisched" in first_screen
    assert "python3 -m venv .venv && .venv/bin/pip install '.[test]' && .venv/bin/python -m pytest" in first_screen


def test_the_schema_is_json() -> None:
    assert json.loads(minisched("schema").stdout)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool")
def test_prometheus_takes_its_files(tmp_path: Path) -> None:
    text = DOCS["many_machines.md"].replace("/etc/prometheus/", f"{tmp_path}/")
    (tmp_path / "minisched.token").touch()
    for name, content in re.findall(r"```yaml\n# (\S+)\n(.*?)```", text, re.DOTALL):
        (tmp_path / name).write_text(content)
    done = subprocess.run(
        ["promtool", "check", "config", str(tmp_path / "prometheus.yml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

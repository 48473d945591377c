"""Sends the examples of docs/notifications.md and its translation, and computes its timeline."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiosmtpd.smtp import AuthResult

from minisched.config import parse_config
from minisched.config.notify_fields import PRESETS
from minisched.config.settings_fields import SMTP_PORTS
from minisched.model import Status
from minisched.model.notification import FinishedRun, RuleState, SendStatus
from minisched.model.task import TemplateVariables
from minisched.notify import deliver, presets
from minisched.notify.rules import decide
from support.cli import Cli
from support.factories import task
from support.notify import HOST, Authority, answering, hosted, message, parsed, send_request, serving

DOCS = Path(__file__).parents[2] / "docs"
TEXTS = {name: (DOCS / name).read_text(encoding="utf-8") for name in ("notifications.md", "notifications.zh.md")}
BOTH = pytest.mark.parametrize("name", TEXTS)
CODE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ACCEPTED = {"slack": b"ok", "dingtalk": b'{"errcode": 0}', "feishu": b'{"code": 0}', "wecom": b'{"errcode": 0}'}


def blocks(name: str, language: str) -> list[str]:
    return [text for kind, text in CODE.findall(TEXTS[name]) if kind == language]


def rows(name: str, columns: int, first: str) -> list[list[str]]:
    """The cells of all table rows with that many columns whose first cell matches the expression `first`."""
    found = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in TEXTS[name].splitlines() if line[:1] == "|"
    ]
    return [cells for cells in found if len(cells) == columns and re.fullmatch(first, cells[0])]


class Example(NamedTuple):
    name: str
    document: Any
    channel: dict[str, Any]

    def __str__(self) -> str:
        smtp = self.document.get("settings", {}).get("smtp", {}) if self.channel["type"] == "email" else {}
        return f"{self.channel['type']}-{self.channel.get('preset') or smtp.get('security', '')}"


def examples() -> list[Example]:
    found = []
    for text in blocks("notifications.md", "json"):
        document = json.loads(text)
        for one in document["tasks"]:
            for rule in one["task_notify"]:
                found += [Example("notifications.md", document, channel) for channel in rule["channels"]]
    return found


@BOTH
def test_every_example_is_a_valid_config(name: str) -> None:
    found = blocks(name, "json")
    assert len(found) == 10
    for text in found:
        assert [str(problem) for problem in parse_config(text.encode())[1]] == []


def test_both_languages_have_the_same_examples() -> None:
    english, chinese = [CODE.findall(text) for text in TEXTS.values()]
    assert english == chinese
    assert [len(re.findall(r"^#+ ", text, re.MULTILINE)) for text in TEXTS.values()] == [13, 13]


class Inbox:
    def __init__(self) -> None:
        self.mails: list[bytes] = []

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: Any, data: Any) -> AuthResult:
        return AuthResult(success=data.password == b"hunter2", handled=False)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append(envelope.content)
        return "250 OK"


def secrets_at(home: Path, value: Any) -> dict[str, str]:
    """Creates the secret files that an example refers to; returns its environment variables."""
    environ: dict[str, str] = {}
    if isinstance(value, dict):
        if set(value) == {"from_env"}:
            return {value["from_env"]: "hunter2"}
        if set(value) == {"from_file"}:
            path = home / value["from_file"]
            path.parent.mkdir(exist_ok=True)
            path.write_text("hunter2\n")
        for inner in value.values():
            environ.update(secrets_at(home, inner))
    return environ


@pytest.mark.parametrize("example", examples(), ids=str)
def test_every_example_is_delivered(example: Example, tmp_path: Path) -> None:
    channel, smtp = dict(example.channel), dict(example.document.get("settings", {}).get("smtp", {}))
    environ = {**secrets_at(tmp_path, channel), **secrets_at(tmp_path, smtp)}
    (tmp_path / "tasks").mkdir()
    (tmp_path / "logs").mkdir()
    (script,) = [text for text in blocks(example.name, "python") if text.startswith("# tasks/sound_siren.py\n")]
    (tmp_path / "tasks" / "sound_siren.py").write_text(script)
    seen: list[bytes] = []
    with ExitStack() as stack:
        if channel["type"] == "webhook":
            host = stack.enter_context(hosted(answering("200 OK", ACCEPTED.get(channel.get("preset", ""), b""))))
            channel["url"] = f"http://{HOST}:{host.port}/hook"
            seen = host.seen
        if channel["type"] == "email":
            inbox, authority = Inbox(), Authority.at(tmp_path)
            tls: dict[str, Any] = {
                "none": {},
                "starttls": {"tls_context": authority.server, "require_starttls": True},
                "ssl": {"ssl_context": authority.server, "auth_require_tls": False},
            }[smtp["security"]]
            # aiosmtpd does not count TLS from the first byte as TLS
            login = {"authenticator": inbox.authenticate, "auth_required": smtp["security"] == "starttls"}
            port = stack.enter_context(serving(inbox, **tls, **(login if "username" in smtp else {})))
            smtp.update(host=HOST, port=port, ca_file=authority.ca_file)
            seen = inbox.mails
        made = send_request(channel, message(), smtp or None, str(tmp_path), environ)
        result = deliver(made)
        assert (result.state, result.error) == (SendStatus.SENT, None)
    if channel["type"] == "command":
        assert result.answer == "the siren was sounded"
        assert (tmp_path / "siren.log").read_text().startswith("Nightly backup: technical failure")
    elif channel["type"] == "file":
        assert json.loads((tmp_path / channel["path"]).read_text().splitlines()[0])["task_id"] == "nightly_backup"
    else:
        assert len(seen) == 1


def test_the_function_shown_verifies_the_signature(tmp_path: Path) -> None:
    (code,) = [text for text in blocks("notifications.md", "python") if "is_genuine" in text]
    place: dict[str, Any] = {}
    exec(code, place)
    with hosted(answering("204 No Content")) as host:
        channel = {"type": "webhook", "url": f"http://{HOST}:{host.port}/", "secret": "hunter2"}
        assert deliver(send_request(channel)).state is SendStatus.SENT
        request = parsed(host.seen[0])
    signature = request.headers["X-Minisched-Signature"]
    assert place["is_genuine"](request.body, signature, "hunter2")
    assert not place["is_genuine"](request.body + b" ", signature, "hunter2")
    assert not place["is_genuine"](request.body, signature, "hunter3")


@BOTH
def test_the_timeline_is_what_the_policy_decides(name: str) -> None:
    found = rows(name, 4, r"\d\d:\d\d")
    assert len(found) == 15
    fields: dict[str, Any] = {"threshold": 3, "cooldown": "1h", "recovery": True, "triggers": ["technical_failure"]}
    for field, value in fields.items():
        assert f'`"{field}": {json.dumps(value)}`' in TEXTS[name]
    channel = {"type": "file", "path": "n"}
    (rule,) = task(task_notify=[{"name": "r", **fields, "channels": [channel]}]).task_notify
    finished: list[FinishedRun] = []
    state = RuleState("a", "r")
    for time, status, in_a_row, words in found:
        finished.insert(0, FinishedRun(len(finished) + 1, Status(status.strip("`")), None))
        now = int(time[:2]) * 3600.0 + int(time[3:]) * 60.0
        decision = decide(rule, finished, state, now)
        event = re.match(r"\*\*(\w+)\*\*", words)
        assert (decision.event and decision.event.value) == (event and event[1]), time
        counts = {key: int(value) for key, value in re.findall(r"`(\w+)` (\d+)", words)}
        assert counts.get("threshold_count", decision.streak) == decision.streak, time
        assert counts.get("suppressed_count", 0) == (decision.suppressed if event else 0), time
        assert decision.streak == int(in_a_row), time
        assert bool(words) == (bool(event) or decision.state.suppressed > state.suppressed), time
        state = decision.state


@BOTH
def test_every_variable_preset_and_security_is_described(name: str) -> None:
    variables = set(TemplateVariables._fields)
    assert [row[0].strip("`") for row in rows(name, 3, r"`[a-z_]+`") if row[0].strip("`") in variables]
    assert {row[0].strip("`") for row in rows(name, 3, r"`[a-z_]+`")} >= set(TemplateVariables._fields) | set(
        SMTP_PORTS
    ) - {"starttls"}
    sources = {row[0].strip("`"): row[3] for row in rows(name, 4, r"`[a-z]+`")}
    assert set(sources) == set(PRESETS)
    assert presets.__doc__
    for preset, cell in sources.items():
        (first, *_) = re.findall(r"<https://([^>]+)>", cell)
        (line,) = re.findall(rf"^- {preset}: (\S+)", presets.__doc__, re.MULTILINE)
        assert first == line


@BOTH
def test_the_first_test_prints_what_is_shown(name: str, cli: Cli) -> None:
    (cli.home / "tasks").mkdir(parents=True)
    (cli.home / "logs").mkdir()
    (cli.home / "tasks" / "config.json").write_text(blocks(name, "json")[0])
    shown = next(text for text in blocks(name, "text") if text.startswith("$ minisched notify-test"))
    command, output = shown.split("\n", 1)
    done = cli(*command.split()[2:])
    assert (done.returncode, done.stdout, done.stderr) == (0, output, "")


def test_the_readmes_link_to_the_document() -> None:
    assert "docs/notifications.md" in (DOCS.parent / "README.md").read_text(encoding="utf-8")
    assert "(notifications.zh.md)" in (DOCS / "README.zh.md").read_text(encoding="utf-8")

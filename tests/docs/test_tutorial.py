"""The tutorial as a new user does it: each command in its order, beside a running engine, with a mail server."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from support.notify import serving
from support.programs import Home, eventually
from support.walk import Terminal, blocks, commands, merged

NAMES = ("tutorial.md", "tutorial.zh.md")


class Inbox:
    """A handler of aiosmtpd that keeps the subjects."""

    def __init__(self) -> None:
        self.mails: list[str] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append(envelope.content.decode())
        return "250 OK"


def test_the_tutorial_works_as_written(terminal: Terminal, tmp_path: Path) -> None:
    home = Home(tmp_path / "jobs")
    inbox = Inbox()
    said: dict[str, str] = {}
    with serving(inbox) as port:
        try:
            for block in blocks("tutorial.md"):
                if block.language == "json":
                    here = {
                        "smtp": {"host": "127.0.0.1", "port": port, "security": "none", "from": "backup@example.org"}
                    }
                    document = json.loads(block.text.replace('"delay": "1s"', '"delay": "0.1s"'))
                    settings = {"http": {"port": 0}, **(here if "smtp" in document.get("settings", {}) else {})}
                    home.config.write_text(merged(document, **settings))
                    if home.process:
                        assert terminal.type("minisched reload")[0] == 0
                elif block.file:
                    (home.path / block.file).write_text(block.text)
                else:
                    for line in commands(block):
                        if line == "minisched run":
                            home.config.write_text(merged(json.loads(home.config.read_text()), http={"port": 0}))
                            home.start(HOME=str(tmp_path))
                            eventually(lambda: "url" in (tmp_path / "jobs" / "var" / "lock").read_text(), "the page")
                            continue
                        code, said[line] = terminal.type(line)
                        assert code == 0, f"{line}\n{said[line]}"
            eventually(lambda: len(inbox.mails) > 1, "the mail about the failure")
            mails = [re.search("^Subject: (.*)", mail, re.MULTILINE)[1] for mail in inbox.mails]  # type: ignore[index]
            assert mails[0].startswith("[test]") and len(mails) == 2, mails
        finally:
            home.close()
    assert "wrote 20" in said["minisched logs backup"]
    assert said['minisched trigger backup --wait || echo "it failed"'].endswith("it failed")
    assert "technical_failure" in said["minisched list"]
    assert len(list((home.path / "backup").glob("*.tar.gz"))) == 1


def test_the_chinese_tutorial_has_the_same_commands_and_files() -> None:
    """But for the comments, which are translated."""
    found = {name: [(one.language, re.sub(r"(?m) +# .*$", "", one.text)) for one in blocks(name)] for name in NAMES}
    english, chinese = found.values()
    assert chinese == english

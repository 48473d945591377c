"""The sentences that the engine keeps in its history and its outbox or tells of its troubles, out of the source. They
are English there; a Chinese page has to know each of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import minisched

PACKAGE = Path(minisched.__file__).parent
# Whose texts no page shows as they are: they are told by a code, in the log, in messages, or in parts (see TOGETHER).
QUIET = {"notify/defaults.py", "store/paging.py", *(f"engine/{name}.py" for name in ("reloader", "requests", "words"))}
PLACES = [
    *("cli/serve.py", "cli/trial.py", "cli/web.py", "home.py"),
    *sorted(
        {
            f"{folder}/{path.name}"
            for folder in ("engine", "executor", "notify", "policy", "store")
            for path in (PACKAGE / folder).glob("*.py")
        }
        - QUIET
    ),
]
SILENT = {
    "debug",
    "info",
    "warning",
    "error",
    "exception",
    "log",
    "note",
    "execute",
    "print",
    "greet",
}  # no page has it
SENTENCE = re.compile(r"[a-z]{2,} [a-z]{2,}|7 [a-z]{2,}|[a-z]{2,} 7")

# What these places say elsewhere: in logs and on the terminal, in decisions, as an answer that has a code, in messages.
ELSEWHERE = {
    *("their output not read any more", "7 processes left", "timed out", "exit 7", "signal 7 (7)"),
    *("queue until one of max_running is free", "queue until a run of the task has ended", "skip: it still runs"),
    *("skip: one waits already", "cancel the others, queue until they are gone"),
    *("the outbox cannot be written now: 7", "no delivery 7", "delivery 7 is waiting to be sent already"),
    *("is locked", "database or disk is full", "file is not a database", "unable to open", "history file"),
    *("Here stand the last lines of the task's output.", "task 7 has no rule in task_notify that is enabled"),
    *('task 7 has no rule "7"; it has 7', "; it said: 7", "cannot be checked now (7); it is tried again"),
    *("7: 7; stop it first, or use another --home", "the home 7 cannot be used: 7", "7 is not a regular file"),
}
# What the page knows by the reason of the run or by what it is about, or what has no words but those of the system.
BY_REASON = {
    *("ended by signal 7", "7 ended as 77", "7 due times", "waited 7 s for 7", "task_user 7: 7", "ca_file 7: 7"),
    "7 7 could not be sent in the last 24 h; see the outbox",
}
# Whose values are words of a few.
WORDED = {
    "7 after 7 s": ["ended after 7 s", "killed after 7 s"],
    "7 is not 7": [
        "the url is not an http:// or https:// address without a user name, blanks or templates",
        "header X-Key is not a text of printable ASCII characters",
    ],
    "the mail server refuses 7: 7": [
        f"the mail server refuses {who}: 550 no" for who in ("us", "the sender", "the message")
    ],
    "7 is 7 although this home had a history7: a new one was begun": [
        "/home/var/minisched.db is missing although this home had a history: a new one was begun",
        "/home/var/minisched.db is empty although this home had a history; what was left is at /x: a new one was begun",
    ],
}
# Made of parts, some of them foreign or from elsewhere (`engine/words.py`, `config/load.py`).
TOGETHER = {
    "run 7 is running": "运行 7 正在进行",
    "run 7 is queued, run 8 is retrying, run 9 is running by `exec`, 2 more": (
        "运行 7 正在排队，运行 8 等待重试，运行 9 正由 `exec` 执行，另有 2 次"
    ),
    "3 of the same moment": "同一时刻另有 3 次",
    "by API, 127.0.0.1:50000": "通过 API，127.0.0.1:50000",
    "/x/tell: No such file or directory: the interpreter in its #! line does not exist": (
        "/x/tell: No such file or directory：其 #! 行中的解释器不存在"
    ),
    "the url cannot be read: environment variable HOOK is not set": "无法读取地址：没有设置环境变量 HOOK",
    "settings.smtp.password cannot be read: No such file or directory": (
        "无法读取 settings.smtp.password：No such file or directory"
    ),
    "the service answers errcode 310000 (HTTP 200)": "服务返回 errcode 310000（HTTP 200）",
    "HTTP 302: a redirect, which is not followed: name the address itself": (
        "HTTP 302：不跟随重定向，请直接填写目标地址"
    ),
    "the server cannot be reached: the host is not known: Name or service not known": (
        "无法连接服务器：找不到主机：Name or service not known"
    ),
    "taken for 1 of 3 recipients; refused for a@b: 550 unknown user; c: no mail address": (
        "3 个收件人中已接受 1 个；被拒收：a@b: 550 unknown user；c：不是邮件地址"
    ),
    "/h: is writable by everyone; mend it by: chmod o-w /h; the lock cannot be kept: Read-only file system": (
        "/h：任何用户都可写入；请执行：chmod o-w /h；无法保持锁：Read-only file system"
    ),
    "/h: belongs to user 7, who could change it; mend it by: chown 0 /h": (
        "/h：属于用户 7，可被其修改；请执行：chown 0 /h"
    ),
}
FOREIGN = [
    *("550 5.1.1 user unknown", "Connection refused", "No such file or directory", "database is locked", "HTTP 503"),
    *("Transport endpoint is not connected", "/home/var/minisched.db: disk I/O error", "read more", "it is missing"),
]


class _Texts(ast.NodeVisitor):
    """The texts of a module but its docstrings, with 7 for each value in them."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):
            self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name not in SILENT:
            self.generic_visit(node)

    def visit_Assert(self, node: ast.Assert) -> None:
        pass

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self.found.append("".join(str(one.value) if isinstance(one, ast.Constant) else "7" for one in node.values))

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.found.append(node.value)


def collected() -> set[str]:
    found: set[str] = set()
    for place in PLACES:
        texts = _Texts()
        texts.visit(ast.parse((PACKAGE / place).read_text(encoding="utf-8")))
        found.update(text for text in texts.found if SENTENCE.search(text) and "SELECT" not in text)
    return found


def shown() -> Iterator[list[str]]:
    """Each sentence that a page may have to show, in several forms where a value may be a number or a file."""
    for text in sorted(collected() - ELSEWHERE - BY_REASON):
        for one in WORDED.get(text, [""]):
            yield [one] if one else [text, text.replace("7", "/home/var/minisched.db", 1)]

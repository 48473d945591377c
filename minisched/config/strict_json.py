"""Strict JSON, and what is wrong with it in a user's words, with line and column.

`json.loads` alone takes UTF-16, the last of two equal keys, NaN and 1e999, and ends in RecursionError where the
nesting is deep (FAULTS, C1 to C4).
"""

from __future__ import annotations

import json
import re
from itertools import accumulate
from math import isinf
from typing import Any, Optional

from minisched.model import LocalizedText, Problem, UserError

from .problems import Fault, printable, show

MAX_BYTES = 5 * 2**20
MAX_DEPTH = 32  # lists and objects within each other; a config has 8, and each level costs C stack while it is parsed
TOO_DEEP = LocalizedText(
    f"lists and objects are nested deeper than {MAX_DEPTH} levels", f"列表与对象的嵌套超过 {MAX_DEPTH} 层"
)
FINITE = LocalizedText("expected a finite number of at most 300 digits", "应为最多 300 位的有限数值")
MAX_DIGITS = 300  # of one number: Python itself refuses 4,300, at the price of their square

UNCLOSED = LocalizedText(
    "the file ends here; expected more: something above is not closed", "文件到此结束；内容不完整，前面有未闭合之处"
)
UNCLOSED_TEXT = LocalizedText("the text that begins here has no closing quote", "从此处开始的文本没有右引号")
NO_ESCAPE = LocalizedText(
    r"this backslash begins no escape; for a backslash itself write \\", r"此反斜杠不是转义的开头；反斜杠本身应写作 \\"
)

_ALL_BUT_STRUCTURE = bytes(set(range(256)) - set(b'"[]{}'))
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+')
_BLANKS = re.compile(r"[ \t\r\n]*")
_WORD = re.compile(r'//|/\*|"(?:[^"\\\n]|\\.){0,40}"?|\w{1,40}|.', re.DOTALL)
_WORDS = {"True": "true", "False": "false", "None": "null", "nil": "null", "undefined": "null"}


class _Unfit(UserError):
    """The data cannot be taken for JSON at all."""

    def __init__(self, words: LocalizedText, text: str = "", position: Optional[int] = None) -> None:
        super().__init__(words)
        self.place = LocalizedText("", "")
        if position is not None:
            line = text.count("\n", 0, position) + 1
            column = position - text.rfind("\n", 0, position)
            self.place = LocalizedText(f"line {line}, column {column}:", f"第 {line} 行，第 {column} 列：")


def parse_json(data: bytes, *, file: str = "tasks/config.json") -> tuple[Any, list[Problem]]:
    """The value of a JSON text in UTF-8, and what is wrong with it.

    Where a value can be made in spite of the problems (of two equal keys, the last one) it comes with them, so that
    what is in it can be told at once; else it is None.
    """
    try:
        return _parse(data, file)
    except _Unfit as error:
        return None, [Problem(error.place.en, error.words, file, place_zh=error.place.zh)]


def loads(text: str) -> Any:
    """The value of a JSON text that is no config: what `json.loads` makes of it. Raises ValueError, also where it is
    nested too deep: on a thread's stack that would end the process (CPython 3.13)."""
    if _depth(text.encode("utf-8", "surrogatepass")) > MAX_DEPTH:
        raise ValueError(TOO_DEEP.en)
    return json.loads(text)


def _parse(data: bytes, file: str) -> tuple[Any, list[Problem]]:
    text = _decode(data)
    if _depth(data) > MAX_DEPTH:
        raise _Unfit(TOO_DEEP)
    doubtful: list[str] = []  # what json lets pass; where it stands is looked for only if there is some

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(items)
        if len(fields) != len(items):
            doubtful.append("key")
        return fields

    def number(literal: str, read: Any = float) -> Any:
        if len(literal) > MAX_DIGITS or literal.lstrip("-")[0] in "NI" or isinf(value := read(literal)):
            doubtful.append("number")
            return 0
        return value

    try:
        document = json.loads(
            text,
            object_pairs_hook=pairs,
            parse_constant=number,
            parse_float=number,
            parse_int=lambda literal: number(literal, int),
        )
    except json.JSONDecodeError as error:
        raise _explained(text, error) from None
    if not doubtful:
        return document, []
    problems = [fault.problem("", file) for fault in _find_doubtful(text)]
    return (None if "number" in doubtful else document), problems


def _decode(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise _Unfit(
            LocalizedText(
                f"has {len(data)} bytes; at most {MAX_BYTES} (5 MB) are allowed",
                f"共 {len(data)} 字节；最多允许 {MAX_BYTES} 字节（5 MB）",
            )
        )
    if data.startswith(b"\xef\xbb\xbf"):
        raise _Unfit(
            LocalizedText(
                "begins with a byte order mark (BOM); save it as UTF-8 without BOM",
                "文件以字节顺序标记（BOM）开头；请保存为不带 BOM 的 UTF-8",
            )
        )
    # The first characters of a JSON text are ASCII: in UTF-16 and UTF-32 they have NUL bytes beside them.
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or 0 in data[:4]:
        wide = "UTF-32" if data[:4].count(0) > 2 else "UTF-16"
        raise _Unfit(LocalizedText(f"looks like {wide}; save it as UTF-8", f"似为 {wide} 编码；请保存为 UTF-8"))
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        byte = f"0x{data[error.start]:02x}"
        words = LocalizedText(
            f"byte {byte} (offset {error.start}) is not UTF-8; save the file as UTF-8",
            f"字节 {byte}（偏移 {error.start}）不是 UTF-8；请将文件保存为 UTF-8",
        )
        raise _Unfit(words, before, len(before)) from None
    if not text.strip():
        raise _Unfit(
            LocalizedText('is empty; expected an object such as {"tasks": []}', '内容为空；应为对象，如 {"tasks": []}')
        )
    return text


def _depth(data: bytes) -> int:
    """How deep the brackets outside of texts are nested, in JSON that is right up to there.

    Told beforehand, for the parser's own limit depends on the Python version, and its stack on the thread.
    """
    bare = data.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _ALL_BUT_STRUCTURE)
    bare = bare.replace(b'""', b"")  # texts without brackets: nearly all
    bare = re.sub(rb'"[^"]*"?', b"", bare)
    return max(accumulate(1 if byte in b"[{" else -1 for byte in bare), default=0)


def _explained(text: str, error: json.JSONDecodeError) -> _Unfit:
    """What json found, in words that help; the same for every Python version."""
    if error.msg.startswith("Unterminated string"):
        return _Unfit(UNCLOSED_TEXT, text, error.pos)
    if error.msg.startswith("Invalid control character"):
        found = show(text[error.pos : error.pos + 1])
        raw = LocalizedText(
            f"{found} stands in a text as it is; expected an escape such as \\n or \\t",
            f"文本中直接含有 {found}；应写作转义，如 \\n 或 \\t",
        )
        return _Unfit(raw, text, error.pos)
    if error.msg.startswith("Invalid \\"):
        return _Unfit(NO_ESCAPE, text, error.pos)
    here = _skip(text, error.pos)
    if here == len(text):
        return _Unfit(UNCLOSED, text, here)
    # A comma before a bracket: 3.13 stops at the comma, those before it at the bracket.
    comma = here if text[here] == "," else len(text[:here].rstrip()) - 1
    bracket = text[comma + 1 :].lstrip()[:1]
    if comma > 0 and text[comma] == "," and bracket in ("]", "}") and text[:comma].rstrip()[-1:] not in ":,[{":
        trailing = LocalizedText(
            f'found a "," with nothing but "{bracket}" after it; remove the comma',
            f'此处的 "," 之后只有 "{bracket}"；请删去逗号',
        )
        return _Unfit(trailing, text, comma)
    word = _matched(_WORD, text, here)
    why = _why_not(word, error.msg)
    return _Unfit(
        LocalizedText(f"found {printable(word)}; {why.en}", f"此处为 {printable(word)}；{why.zh}"), text, here
    )


def _why_not(word: str, message: str) -> LocalizedText:
    """Why JSON has no such word there. message: json's own."""
    if word in _WORDS:
        return LocalizedText(f"write {_WORDS[word]}", f"应写作 {_WORDS[word]}")
    if word == "'":
        return LocalizedText("texts stand in double quotes", "文本须用双引号")
    if word in ("#", "//", "/*"):
        return LocalizedText("JSON has no comments", "JSON 没有注释")
    if message == "Extra data":
        return LocalizedText("expected the end of the file", "应到文件末尾为止")
    if message == "Expecting ',' delimiter":
        return LocalizedText('expected a "," or a closing bracket before it', '之前应有 "," 或右括号')
    if message == "Expecting ':' delimiter":
        return LocalizedText('expected a ":" before it', '之前应有 ":"')
    if message == "Expecting property name enclosed in double quotes":
        return LocalizedText("expected a field name in double quotes", "应为双引号中的字段名")
    return LocalizedText("expected a value", "应为一个值")


def _skip(text: str, position: int) -> int:
    return position + len(_matched(_BLANKS, text, position))


def _matched(pattern: re.Pattern[str], text: str, position: int) -> str:
    found = pattern.match(text, position)
    return found[0] if found else ""


def _find_doubtful(text: str) -> list[Fault]:
    """Equal keys and numbers that are none, with place and line, in a text that json could read."""
    faults: list[Fault] = []
    # One entry per open bracket: the lines of the keys there (None: a list), and the key or index that is current.
    open_keys: list[Optional[dict[str, int]]] = []
    steps: list[Any] = []
    line, seen, expects_key = 1, 0, False
    for token in _TOKEN.finditer(text):
        word = token[0]
        line += text.count("\n", seen, token.start())
        seen = token.start()
        keys = open_keys[-1] if open_keys else None
        if word in "[{":
            open_keys.append({} if word == "{" else None)
            steps.append("" if word == "{" else 0)
            expects_key = word == "{"
        elif word in "]}":
            open_keys.pop()
            steps.pop()
        elif word == ",":
            expects_key = keys is not None
            steps[-1] = steps[-1] if expects_key else steps[-1] + 1
        elif expects_key and keys is not None:
            key = json.loads(word)
            if key in keys:
                faults.append(Fault(_path(steps[:-1]), _twice(key, keys[key], line), sentence=True))
            keys[key] = line
            steps[-1] = key
            expects_key = False
        elif word[0] in "-0123456789NI" and (len(word) > MAX_DIGITS or isinf(float(word)) or word == "NaN"):
            faults.append(Fault(_path(steps), _infinite(word, line)))
    return faults


def _twice(key: str, first: int, second: int) -> LocalizedText:
    return LocalizedText(
        f"field {show(key)} stands twice, in line {first} and in line {second}; remove one",
        f"字段 {show(key)} 重复，见第 {first} 行和第 {second} 行；请删去其一",
    )


def _infinite(number: str, line: int) -> LocalizedText:
    shown = LocalizedText(number, number)
    if len(number) > MAX_DIGITS:
        shown = LocalizedText(f"a number of {len(number)} digits", f"{len(number)} 位的数")
    return LocalizedText(f"is {shown.en} in line {line}; {FINITE.en}", f"第 {line} 行的值为 {shown.zh}；{FINITE.zh}")


def _path(steps: list[Any]) -> str:
    path = ""
    for step in steps:
        path += f"[{step}]" if isinstance(step, int) else f".{printable(step[:60])}"
    return path.lstrip(".")

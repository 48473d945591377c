"""The field table as Markdown, for `docs/configuration.md`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .containers import Field, Table
from .fields import DOCUMENT, SETTINGS
from .notify_fields import CHANNEL, RULE, TEMPLATE_VARIABLES
from .task_fields import LIMITS, RETRY, TASK

if TYPE_CHECKING:
    from collections.abc import Sequence

BEGIN = "<!-- generated from the field table by: python -m minisched.config -->"
END = "<!-- end of the generated part -->"

_HEADS = {
    "en": ("field", "type", "default", "meaning", "required", "none", "Template variables", "Example:"),
    "zh": ("字段", "类型", "默认值", "含义", "必填", "无", "模板变量", "例："),
}


def reference_markdown(language: str = "en") -> str:
    """A table of fields for each object of the file; `language` is "en" or "zh"."""
    tables: list[tuple[str, Table]] = [("config.json", DOCUMENT), ("settings", SETTINGS)]
    tables += [(f"settings.{row.name}", row.kind) for row in SETTINGS.rows.values() if isinstance(row.kind, Table)]
    tables += [("tasks[]", TASK), ("task_retry", RETRY), ("task_limits", LIMITS), ("task_notify[]", RULE)]
    tables += [(f'channels[], "type": "{name}"', table) for name, table in CHANNEL.tables.items()]
    parts = [_table(title, list(table.rows.values()), language) for title, table in tables]
    variables = "\n".join(f"- `{{{{ {name} }}}}`" for name in TEMPLATE_VARIABLES)
    return "\n\n".join([*parts, f"### {_HEADS[language][6]}\n\n{variables}"])


def _table(title: str, rows: Sequence[Field], language: str) -> str:
    chinese = language == "zh"
    lines = [
        f"### `{title}`\n",
        "| {} | {} | {} | {} |".format(*_HEADS[language][:4]),
        "| --- | --- | --- | --- |",
    ]
    for row in rows:
        example = f" {_HEADS[language][7]} `{_json(row.example)}`" if row.example is not None else ""
        words = row.kind.words[chinese]
        meaning = f"{row.help_zh if chinese else row.help}{example}"
        lines.append(f"| `{row.name}` | {words} | {_default(row, language)} | {meaning} |")
    return "\n".join(lines)


def _default(row: Field, language: str) -> str:
    chinese = language == "zh"
    if row.required:
        return f"**{_HEADS[language][4]}**"
    if row.default is None:
        return row.default_words[chinese] or _HEADS[language][5]
    return f"`{_json(row.default)}`"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def renewed(text: str) -> str:
    """The document with its generated part made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{reference_markdown()}\n\n{END}{after}"

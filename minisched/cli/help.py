"""`help`: of a command, and the documents, which need no network."""

from __future__ import annotations

import os

from minisched.cli.arguments import COMMANDS, main_help
from minisched.cli.output import CommandError, text
from minisched.cli.parser import parse
from minisched.cli.terminal import wrap
from minisched.model import EXIT_OK, Text
from minisched.osutil import PACKAGE, carried_folder, list_carried, read_carried

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace


def show_help(options: Namespace) -> int:
    """The help of a command; a document as it is, in Markdown; the names of all. Raises CommandError."""
    if options.topic is None:
        print(main_help())
        print("\n" + "\n  ".join(wrap(text("cli.documents", names=list(documents())), 76)))
        return EXIT_OK
    if options.topic in COMMANDS:
        parse([options.topic, "--help"])  # exits with 0
    word = options.topic.lower().removesuffix(".md")
    found = [name for name in documents() if word in name.lower()]
    name = min(found, key=len, default="")  # "guide.zh" is the Chinese "guide"
    if not name or (name.lower() != word and not all(other.startswith(name) for other in found)):
        raise CommandError(Text("cli.no_topic", topic=options.topic))
    print(read_carried(documents()[name]).decode(), end="")
    return EXIT_OK


def documents() -> dict[str, str]:
    """The path of each document, by its name without ".md", and of each sample of a calendar, without ".txt"."""
    folder = carried_folder("docs", "docs")
    names = [name for name in list_carried(folder) if name.endswith((".md", ".txt"))]
    found = {os.path.splitext(name)[0]: os.path.join(folder, name) for name in names}
    for name in ("README", "CHANGELOG"):  # in a clone they are beside the folder
        path = os.path.join(os.path.dirname(PACKAGE), f"{name}.md")
        if name not in found and os.path.isfile(path):
            found[name] = path
    return dict(sorted(found.items()))

"""`completion`: what bash, zsh and fish complete after `minisched`.

The scripts of the shells ask this program for each word, so that the rules are here only.
"""

from __future__ import annotations

import json
import os

from minisched.cli.arguments import COMMANDS
from minisched.cli.help import documents
from minisched.home import Home
from minisched.model import EXIT_OK, DeliveryState, Status, Trigger, Word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

FILES, FOLDERS = ":files", ":folders"  # the shell completes these itself
SCRIPTS = {
    "bash": """_minisched() {
    mapfile -t COMPREPLY < <("${COMP_WORDS[0]}" completion words "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    case "${COMPREPLY[0]}" in
        :files) compopt -o default; COMPREPLY=() ;;
        :folders) compopt -o dirnames; COMPREPLY=() ;;
    esac
}
complete -F _minisched minisched
""",
    "zsh": """#compdef minisched
_minisched() {
    local -a found
    found=("${(@f)$($words[1] completion words "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    case "$found[1]" in
        :files) _files ;;
        :folders) _files -/ ;;
        *) compadd -a found ;;
    esac
}
compdef _minisched minisched
""",
    "fish": """function __minisched
    set -l words (commandline -opc) (commandline -ct)
    set -l found ($words[1] completion words $words[2..-1] 2>/dev/null)
    switch "$found[1]"
        case :files
            __fish_complete_path (commandline -ct)
        case :folders
            __fish_complete_directories (commandline -ct)
        case '*'
            string join \\n -- $found
    end
end
complete -c minisched -f -a '(__minisched)'
""",
}


def completion(options: Namespace) -> int:
    """Print the script of a shell, or what can follow the words that a script passes on; the last one is unfinished."""
    if options.shell in SCRIPTS:
        print(SCRIPTS[options.shell], end="")
    else:
        for word in _candidates(options.words or [""], options.home):
            print(word)
    return EXIT_OK


def _candidates(words: Sequence[str], home: str) -> list[str]:
    *before, current = words
    if before[:1] == ["--home"]:
        if len(before) == 1:
            return [FOLDERS]
        home, before = os.path.expanduser(before[1]), before[2:]
    known = ["--home", "--help", *COMMANDS] if not before else _after(before, current, home)
    return [word for word in known if word in (FILES, FOLDERS) or word.startswith(current)]


def _after(before: Sequence[str], current: str, home: str) -> Sequence[str]:
    """What can follow a command and its words. A metavar tells what an argument stands for."""
    if before[0] not in COMMANDS:
        return []
    arguments = dict(COMMANDS[before[0]].arguments)
    for names, keywords in arguments.items():
        if names.startswith("-") and before[-1] in names.split() and keywords.get("action") != "store_true":
            return keywords.get("choices") or _values(keywords["metavar"], home)
    if current.startswith("-"):
        return ["--help", *(name for names in arguments for name in names.split() if name.startswith("-"))]
    for names, keywords in arguments.items():
        if not names.startswith("-"):
            return keywords.get("choices") or _values(keywords["metavar"], home)
    return []


def _values(metavar: str, home: str) -> Sequence[str]:
    words: dict[str, type[Word]] = {"STATE": DeliveryState, "S": Status, "T": Trigger}
    if metavar in words:
        return [one.value for one in words[metavar]]
    if metavar in ("TASK", "RUN_ID|TASK"):
        return _task_ids(home)
    if metavar == "TOPIC":
        return [*COMMANDS, *documents()]
    return [FILES] if metavar == "FILE" else []


def _task_ids(home: str) -> list[str]:
    """As they are in the config, whether the rest of it is valid or not."""
    try:
        with open(Home(home).config, "rb") as file:
            return [task["task_id"] for task in json.load(file)["tasks"]]
    except (OSError, ValueError, LookupError, TypeError):
        return []

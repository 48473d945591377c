"""What is taken off a command of a crontab, and what is left for the shell."""

from __future__ import annotations

import shlex
import subprocess
from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisched.migration.shell import scan, simplify

HOME = "/home/ann"


def codes(command: str, **options: Any) -> list[str]:
    return [note.code.split(".", 1)[1] for note in simplify(command, HOME, **options).notes]


@pytest.mark.parametrize(
    ("command", "left", "fields"),
    [
        ("/root/x.sh", "/root/x.sh", {}),
        ("cd /srv/app && ./x.sh", "./x.sh", {"task_cwd": "/srv/app"}),
        ("cd '/srv/my app' && ./x.sh", "./x.sh", {"task_cwd": "/srv/my app"}),
        ("cd ~/app && ./x.sh", "./x.sh", {"task_cwd": "/home/ann/app"}),
        ("cd $HOME && ./x.sh", "./x.sh", {"task_cwd": "/home/ann"}),
        ("cd app && ./x.sh | wc -l", "./x.sh | wc -l", {"task_cwd": "/home/ann/app"}),
        ("cd /a && cd /b && ./x.sh", "cd /b && ./x.sh", {"task_cwd": "/a"}),
        ("flock -n /l x.sh a", "x.sh a", {"task_overlap": "skip"}),
        ("/usr/bin/flock -xn /l x.sh", "x.sh", {"task_overlap": "skip"}),
        ("flock -w 0 /l x.sh", "x.sh", {"task_overlap": "skip"}),
        ("flock --timeout=0 /l x.sh", "x.sh", {"task_overlap": "skip"}),
        ("flock -x /l x.sh", "x.sh", {"task_overlap": "queue"}),
        ("flock -n $HOME/l x.sh", "x.sh", {"task_overlap": "skip"}),
        ("flock -n /l -c 'x.sh > /dev/null'", "x.sh", {"task_overlap": "skip"}),
        ("sleep $((RANDOM % 300)) && x.sh", "x.sh", {"task_jitter": "5m"}),
        ("sleep $((RANDOM%60)); x.sh", "x.sh", {"task_jitter": "1m"}),
        ("sleep $[ $RANDOM % 90 ] ; x.sh", "x.sh", {"task_jitter": "1m30s"}),
        ("perl -e 'sleep int(rand(3600))' && x.sh", "x.sh", {"task_jitter": "1h"}),
        ('perl -e "sleep rand 60"; x.sh', "x.sh", {"task_jitter": "1m"}),
        ("sleep $(shuf -i 0-120 -n 1) && x.sh", "x.sh", {"task_jitter": "2m"}),
        ("nice x.sh", "x.sh", {"task_nice": 10}),
        ("nice -n 19 x.sh", "x.sh", {"task_nice": 19}),
        ("nice -5 x.sh", "x.sh", {"task_nice": 5}),
        ("nice -n 19 ionice -c3 x.sh", "ionice -c3 x.sh", {"task_nice": 19}),
        ("timeout 10m x.sh", "x.sh", {"task_timeout": "10m"}),
        ("timeout -k 5 90 x.sh", "x.sh", {"task_timeout": "1m30s", "task_kill_grace": "5s"}),
        ("A=1 B='x y' x.sh", "x.sh", {"task_env": {"A": "1", "B": "x y"}}),
        ("env A=1 x.sh", "x.sh", {"task_env": {"A": "1"}}),
        ("chronic x.sh", "x.sh", {}),
        ("x.sh > /dev/null 2>&1", "x.sh", {}),
        ("x.sh >/dev/null", "x.sh", {}),
        ("x.sh &> /dev/null", "x.sh", {}),
        ("x.sh >& /dev/null", "x.sh", {}),
        ("x.sh 1>/dev/null 2>/dev/null", "x.sh", {}),
        ("x.sh >> /var/log/x.log 2>&1", "x.sh", {}),
        ("x.sh >> /srv/out.txt", "x.sh", {}),
        ("x.sh > /var/log/x 2>> /var/log/x.err", "x.sh", {}),
        ("x.sh 2>&1 | logger -t x", "x.sh", {}),
        ("x.sh > /proc/1/fd/1 2>/proc/1/fd/2", "x.sh", {}),
        (
            "cd /srv && A=b flock -n /l nice -n 5 timeout 1h ./x.sh 'a b' >> x.log 2>&1",
            "./x.sh 'a b'",
            {
                "task_cwd": "/srv",
                "task_env": {"A": "b"},
                "task_overlap": "skip",
                "task_nice": 5,
                "task_timeout": "1h",
            },
        ),
    ],
)
def test_what_a_field_says_is_taken_off(command: str, left: str, fields: dict[str, Any]) -> None:
    found = simplify(command, HOME)
    assert (found.command, found.fields) == (left, fields)
    if command != left:
        assert all(note.code.startswith("migration.better.") for note in found.notes)


@pytest.mark.parametrize(
    "command",
    [
        "cd /a || cd /b && x.sh",  # the second part runs where the first fails
        "cd $DIR && x.sh",
        "(cd /a && x.sh)",
        "cd /a; x.sh",  # runs even where there is no such folder
        "flock 200 x.sh",
        "flock -w 10 /l x.sh",
        "sleep 30 && x.sh",
        "timeout -s INT 5 x.sh",
        "A=$HOME x.sh",
        "pip freeze > requirements.txt",
        "x.sh >> $(date +log.%F)",
        "x.sh < input >> x.log",
        "a >> x.log; b >> x.log",
        "a | tee x",
        "A=1",
        "nice",
        "env -i x.sh",
        "a && b",
        "for i in 1 2; do x.sh; done",
        'echo "$(date)" >> "$LOG"',
    ],
)
def test_what_only_the_shell_can_tell_stays(command: str) -> None:
    found = simplify(command, HOME)
    assert (found.command, found.fields) == (command, {})


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("x.sh &", ["warn.background"]),
        ("x.sh > f & wait", ["note.file"]),
        ("source env && x.sh", ["warn.bash"]),
        ("[[ -e x ]] && y", ["warn.bash", "warn.test"]),
        ("diff <(a) <(b)", ["warn.bash"]),
        ("[ -x /y ] && /y", ["warn.test"]),
        ("test -x /y && /y || true", ["warn.test"]),
        ("if [ -x /y ]; then /y; fi", []),
        ("x | mail -s y root", ["note.mail"]),
        ("x > y.txt", ["note.file"]),
        ("echo 'it", ["warn.quotes"]),
        ("echo $(date", ["warn.quotes"]),
        ("x.sh 2>/dev/null", ["better.null_errors"]),
        ("x.sh 2>&1", ["better.streams"]),
    ],
)
def test_what_a_person_should_look_at_is_named(command: str, found: list[str]) -> None:
    assert codes(command) == found


def test_under_bash_the_syntax_of_bash_is_right() -> None:
    assert codes("source env && x.sh", bash=True) == []


def test_a_lock_of_several_jobs_stays() -> None:
    command = "flock -n /l x.sh > /dev/null"
    assert simplify(command, HOME, ["/l"]).command == "flock -n /l x.sh"
    assert simplify(command, HOME, ["/other"]).fields == {"task_overlap": "skip"}


def test_without_a_home_a_relative_folder_stays() -> None:
    assert simplify("cd app && x.sh", None).command == "cd app && x.sh"
    assert simplify("cd ~/app && x.sh", None).fields == {}


WORDS = st.lists(st.text(st.sampled_from("ab'\"\\ \t$`();|&<>#{}[]*?~=-12\n"), max_size=12), max_size=6)


@given(WORDS)
def test_a_word_without_variables_has_the_value_that_the_shell_gives_it(words: list[str]) -> None:
    command = " ".join(shlex.quote(word) for word in words)
    tokens = scan(command)
    assert tokens is not None and [token.value for token in tokens] == words


@given(st.text(st.sampled_from("ab'\"\\ $`();|&<>#{}[]*?~=-12\n"), max_size=30))
def test_no_command_is_too_strange(command: str) -> None:
    found = simplify(command, HOME)
    tokens = scan(command)
    assert tokens is None or all(command[token.start : token.end] == token.text for token in tokens)
    assert simplify(found.command, HOME).command == found.command or found.fields


@pytest.mark.parametrize(
    "command",
    [
        "echo a\\ b 'c d'\"e f\" g",
        'echo "a \\" b" "\\\\"',
        "A='1 2' env",
        "echo 'x' > /dev/null 2>&1",
        "cd /tmp && echo $PWD",
    ],
)
def test_what_is_left_prints_the_same(command: str, tmp_path: Any) -> None:
    def output(text: str, cwd: Optional[str] = None, env: Optional[dict[str, str]] = None) -> str:
        return subprocess.run(["/bin/sh", "-c", text], capture_output=True, text=True, cwd=cwd, env=env).stdout

    found = simplify(command, HOME)
    after = output(found.command, found.fields.get("task_cwd"), found.fields.get("task_env"))
    before = output(command.replace("> /dev/null 2>&1", ""), env={} if "task_env" in found.fields else None)
    kept = [line for line in before.splitlines() if not line.startswith(("PWD=", "SHLVL=", "_=", "OLDPWD="))]
    assert [line for line in after.splitlines() if not line.startswith(("PWD=", "SHLVL=", "_=", "OLDPWD="))] == kept

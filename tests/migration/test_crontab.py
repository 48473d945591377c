"""A crontab as tasks: no line with a job is lost, and each says what became of it."""

from __future__ import annotations

from typing import Any, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minisched.config import parse_document
from minisched.migration.crontab import Imported, Line, Options, read_crontab

HOMES = {"root": "/root", "ann": "/home/ann", "www-data": "/var/www"}
ANN = Options(user="ann")
SYSTEM = Options(system=True)


def read(text: str, options: Options = ANN, taken: tuple[str, ...] = ()) -> Imported:
    found = read_crontab(text.encode(), options, HOMES.get, taken)
    top: dict[str, Any] = {"timezone": "UTC"}
    if options.has_mail:
        top["smtp"] = {"host": "localhost", "from": "a@b.org"}
    config, problems = parse_document({"version": 1, "settings": top, "tasks": found.tasks}, home="/h")
    assert config is not None and not problems, problems
    return found


def one(text: str, options: Options = ANN) -> dict[str, Any]:
    (task,) = read(text, options).tasks
    return task


def line(text: str, options: Options = ANN) -> Line:
    (found,) = read(text, options).lines
    return found


def codes(found: Line) -> list[str]:
    return [note.code.split(".", 1)[1] for note in found.notes]


def test_a_job_becomes_a_task_that_starts_where_cron_starts_it() -> None:
    assert one("# Nightly backup. Ask Bob.\n30 2 * * *\t/srv/backup.sh  --full") == {
        "task_id": "backup",
        "task_name": "Nightly backup",
        "task_exec": "/srv/backup.sh  --full",
        "task_schedule": "30 2 * * *",
        "task_timeout": "1d",
        "task_cwd": "/home/ann",
    }


@pytest.mark.parametrize(
    ("fields", "schedule"),
    [
        ("*/5 * * * *", "*/5 * * * *"),
        ("  0\t 8-18/2  1,15 jan mon-fri", "0 8-18/2 1,15 jan mon-fri"),
        ("05 04 * * 7", "05 04 * * 7"),
        ("@daily", "@daily"),
        ("@reboot", "@reboot"),
        ("@every_minute", "* * * * *"),
        ("-*/5 * * * *", "*/5 * * * *"),
    ],
)
def test_times_are_taken_as_they_are(fields: str, schedule: str) -> None:
    assert one(f"{fields} x.sh")["task_schedule"] == schedule


def test_a_random_time_is_one_time_for_ever() -> None:
    first = one("0~29 3 * * * x.sh")["task_schedule"]
    assert first == one("0~29 3 * * * x.sh")["task_schedule"]
    assert 0 <= int(first.split()[0]) < 30 and first.endswith(" 3 * * *")
    assert len({one(f"~ 3 * * * {name}")["task_schedule"] for name in "abcdefgh"}) > 3
    assert codes(line("0~29 3 * * * x.sh")) == ["note.random"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("0 30 * * * x.sh", "left.schedule"),
        ("0 0 30 2 * x.sh", "left.schedule"),
        ("@sometimes x.sh", "left.schedule"),
        ("0 0 * * *", "left.no_command"),
        ("*/10 * * * * * x.sh", "left.six_fields"),
        ("0 0 * * * 2026 x.sh", "left.six_fields"),
        ("hello", "left.not_a_line"),
        ("0 0 * * * x\0y", "left.nul"),
        ("0 0 * * * " + "x" * 200_000, "left.too_long"),
        ("17 * * * * cd / && run-parts --report /etc/cron.hourly", "left.distribution"),
        ("#0 0 * * * x.sh", "disabled.line"),
        ("## */5 * * * *  /srv/x.sh", "disabled.line"),
    ],
)
def test_a_line_that_is_no_task_says_why_and_the_others_are_taken(text: str, code: str) -> None:
    found = read(f"1 1 * * * before\n{text}\n2 2 * * * after\n")
    assert [task["task_id"] for task in found.tasks] == ["before", "after"]
    (left,) = [line for line in found.lines if line.task_id is None]
    assert (left.number, codes(left)[-1]) == (2, code)


def test_comments_are_no_jobs() -> None:
    text = (
        "# m h  dom mon dow   command\n# * * * * * user-name command to be executed\n# just words, five of them here\n"
    )
    assert read(text).lines == []
    assert "task_name" not in one(text + "0 0 * * * x.sh")


@pytest.mark.parametrize(
    ("comment", "name"),
    [
        ("# Backs up.", "Backs up"),
        ("#--- Backs up ---", "Backs up"),
        ("# See v1.2 of it. Then more.", "See v1.2 of it"),
        ("# 每晚备份。问老王。", "每晚备份"),
        ("# one\n# two", "one two"),
        ("# a\n# b\n# c\n# the last", "the last"),
        ("# far above\n", None),
        ("# of the variable\nA=1", None),
        ("# " + "long " * 30, "long " * 11 + "long…"),
    ],
)
def test_the_name_is_the_first_sentence_above(comment: str, name: Optional[str]) -> None:
    assert one(f"{comment}\n0 0 * * * x.sh").get("task_name") == name


def test_ids_say_what_runs_and_never_meet() -> None:
    text = "".join(
        f"0 0 * * * {command}\n"
        for command in (
            "/usr/bin/python3 /srv/app/manage.py clear",
            "python manage.py send --all",
            "python manage.py send --all --now",
            "/usr/bin/php -q /srv/x.php",
            "flock -n /l /srv/y.sh > /dev/null",
            "~/bin/z.sh",
            "echo `date` 'it",
        )
    )
    ids = [task["task_id"] for task in read(text, taken=("x",)).tasks]
    assert ids == ["manage_clear", "manage_send", "manage_send_2", "x_2", "y", "z", "echo"]


# ---------------------------------------------------------------------------------------------------------- variables


def test_variables_hold_for_the_lines_below() -> None:
    found = read('0 0 * * * a\nPATH = /usr/local/bin:/bin \nNAME="x y"\n1 0 * * * b\nNAME=\n2 0 * * * c\n')
    assert [task.get("task_env") for task in found.tasks] == [
        None,
        {"PATH": "/usr/local/bin:/bin", "NAME": "x y"},
        {"PATH": "/usr/local/bin:/bin", "NAME": ""},
    ]


def test_shell_home_and_zone_are_fields() -> None:
    task = one("SHELL=/bin/bash\nHOME=/srv\nCRON_TZ=Asia/Shanghai\n0 0 * * * x.sh &>> /var/log/x.log")
    assert task["task_exec"] == ["/bin/bash", "-c", "x.sh"]
    assert (task["task_cwd"], task["task_timezone"], task["task_env"]) == ("/srv", "Asia/Shanghai", {"HOME": "/srv"})
    assert one("SHELL=/bin/sh\nRANDOM_DELAY=30\n0 0 * * * x.sh")["task_jitter"] == "30m"


@pytest.mark.parametrize("mailto", ["", "root", '""'])
def test_mail_to_a_local_mailbox_is_no_rule(mailto: str) -> None:
    found = read(f"MAILTO={mailto}\n0 0 * * * x.sh", Options(user="ann", has_mail=True))
    assert "task_notify" not in found.tasks[0] and not found.notes


def test_mail_to_an_address_is_a_rule_where_there_is_a_mail_server() -> None:
    text = "0 0 * * * before\nMAILTO=ops@example.org, b@example.org\n0 0 * * * x.sh"
    found = read(text, Options(user="ann", has_mail=True))
    assert "task_notify" not in found.tasks[0]
    (rule,) = found.tasks[1]["task_notify"]
    assert rule["channels"] == [{"type": "email", "recipients": ["ops@example.org", "b@example.org"]}]
    without = read(text)
    assert "task_notify" not in without.tasks[1]
    assert [note.code for note in without.notes] == ["migration.note.mailto"]


# ------------------------------------------------------------------------------------------------------------- percent


def test_a_percent_sign_ends_the_command_as_under_cron() -> None:
    found = read("0 0 * * * cat > out%first%second \\% of it")
    assert found.tasks[0]["task_exec"] == "printf '%s\\n' 'first' 'second % of it' | { cat > out\n}"
    assert "warn.percent" in codes(found.lines[0])
    assert one("0 0 * * * date +\\%F")["task_exec"] == "date +%F"


def test_a_percent_sign_can_be_taken_as_it_was_meant() -> None:
    options = Options(user="ann", fix_percent=True)
    found = read("0 0 * * * tar cf /b/$(date +%F).tar /srv", options)
    assert found.tasks[0]["task_exec"] == "tar cf /b/$(date +%F).tar /srv"
    assert codes(found.lines[0]) == ["warn.percent_mended"]


# ---------------------------------------------------------------------------------------------------- system crontabs


def test_a_system_crontab_has_a_column_of_users() -> None:
    found = read("0 0 * * * root a\n0 0 * * *\twww-data  b c\n0 0 * * * ghost d\n0 0 * * * root\n", SYSTEM)
    assert [task.get("task_user") for task in found.tasks] == [None, "www-data", "ghost"]
    assert [task.get("task_cwd") for task in found.tasks] == ["/root", "/var/www", None]
    assert [codes(line) for line in found.lines] == [[], [], ["warn.no_user"], ["left.no_command"]]


def test_a_user_in_the_sixth_column_is_pointed_at() -> None:
    assert codes(line("0 0 * * * root x.sh")) == ["warn.user_column"]


def test_jobs_of_the_system_and_jobs_commented_out_come_when_asked_for() -> None:
    text = "0 0 * * * run-parts /etc/cron.daily\n#0 1 * * * x.sh\n"
    assert read(text).tasks == []
    found = read(text, Options(user="ann", all_jobs=True, disabled=True)).tasks
    assert [(task["task_id"], task.get("enabled", True)) for task in found] == [("run-parts", True), ("x", False)]


def test_options_of_openbsd_come_before_the_command() -> None:
    assert one("0 0 * * * -ns x.sh")["task_overlap"] == "skip"


# --------------------------------------------------------------------------------------------------------------- locks


def test_a_lock_that_several_lines_share_stays() -> None:
    found = read("0 0 * * * flock -n /l a\n0 1 * * * flock /l b\n0 2 * * * flock -n /own c\n")
    assert [task["task_exec"] for task in found.tasks] == ["flock -n /l a", "flock /l b", "c"]
    assert [task.get("task_overlap") for task in found.tasks] == [None, None, "skip"]
    assert [line.kind for line in found.lines] == ["warned", "warned", "better"]


def test_a_lock_for_which_every_line_waits_becomes_a_lock_of_the_tasks() -> None:
    found = read("0 0 * * * flock /run/db.lock a\n0 1 * * * flock /run/db.lock b\n0 2 * * * flock /x/db.lock c\n")
    assert [task["task_exec"] for task in found.tasks] == ["a", "b", "c"]
    assert [task.get("task_locks") for task in found.tasks] == [["db"], ["db"], None]
    assert [task["task_overlap"] for task in found.tasks] == ["queue"] * 3
    assert [line.kind for line in found.lines] == ["better"] * 3
    found = read("0 0 * * * flock /l a\n0 1 * * * flock /l b\n0 99 * * * flock /l stays_in_cron\n")
    assert [task["task_exec"] for task in found.tasks] == ["flock /l a", "flock /l b"]
    found = read("0 0 * * * flock /l a\n0 1 * * * flock /l b\n0 2 * * * flock -n /l c\n")
    assert [task["task_exec"] for task in found.tasks] == ["flock /l a", "flock /l b", "flock -n /l c"]


# --------------------------------------------------------------------------------------------------------- anacrontab


def test_an_anacrontab_runs_once_a_period_when_the_machine_is_up() -> None:
    text = (
        "SHELL=/bin/sh\nRANDOM_DELAY=45\nSTART_HOURS_RANGE=3-22\n"
        "1\t5\tclean\ta.sh\n7 70 week.ly b.sh\n@monthly 45 monthly c.sh\n10 0 ten d.sh\n0 0 zero e.sh\n"
    )
    found = read(text, SYSTEM)
    assert [(task["task_id"], task["task_schedule"], task["task_misfire_grace"]) for task in found.tasks] == [
        ("clean", "5 3 * * *", "1d"),
        ("week_ly", "10 4 * * 1", "7d"),
        ("monthly", "45 3 1 * *", "30d"),
        ("ten", "@every 10d", "10d"),
    ]
    assert {task["task_jitter"] for task in found.tasks} == {"45m"}
    assert codes(found.lines[-1]) == ["left.period"]


# ------------------------------------------------------------------------------------------------------------ bad input


def test_a_file_from_windows_is_read() -> None:
    found = read_crontab(b"\xef\xbb\xbf0 0 * * * x.sh\r\n1 0 * * * y.sh\r\n", ANN, HOMES.get)
    assert [task["task_exec"] for task in found.tasks] == ["x.sh", "y.sh"]
    assert [note.code for note in found.notes] == ["migration.note.bom", "migration.note.crlf"]


def test_a_file_that_is_not_utf8_is_read_as_latin_1() -> None:
    found = read_crontab("0 0 * * * echo a\n1 0 * * * echo é\n".encode("latin-1"), ANN, HOMES.get)
    assert found.tasks[1]["task_exec"] == "echo é"
    assert [note.as_json() for note in found.notes] == [{"code": "migration.note.latin1", "line": 2}]


def test_a_range_that_runs_backwards_is_pointed_at() -> None:
    for fields, wraps in (
        ("0 0 * * sat-sun", True),
        ("0 22-2 * * *", True),
        ("0 0 * * 5-7", False),
        ("0 0 * * sun-tue", False),
    ):
        assert ("warn.wraps" in codes(line(f"{fields} x.sh"))) is wraps, fields


def test_programs_whose_names_differ_only_in_case_get_different_ids() -> None:
    found = read("* * * * * Backup\n0 * * * * backup\n")
    assert [task["task_id"] for task in found.tasks] == ["Backup", "backup_2"]


FIELD = st.sampled_from(["*", "1", "5-7", "*/2", "99", "a"])
LINES = st.lists(
    st.one_of(
        st.text(st.sampled_from("0123456789*/,-~@#%= abc\t\"'\\$`();|&<>\0é"), max_size=60),
        st.builds(
            "{} {} {} * * {}".format, *[st.sampled_from(["*", "1", "5-7", "*/2", "99", "a"])] * 3, st.text(max_size=20)
        ),
    ),
    max_size=8,
)


@settings(deadline=None)
@given(LINES, st.booleans(), st.booleans(), st.booleans())
def test_any_text_is_read_and_each_line_with_a_job_is_named(
    lines: list[str], system: bool, disabled: bool, fix: bool
) -> None:
    text = "\n".join(line.replace("\n", " ").replace("\r", " ") for line in lines)
    options = Options(system=system, disabled=disabled, fix_percent=fix, user="ann")
    found = read_crontab(text.encode("utf-8", "replace"), options, HOMES.get)
    assert len(found.tasks) == sum(line.task_id is not None for line in found.lines)
    assert len({task["task_id"] for task in found.tasks}) == len(found.tasks)
    assert all(line.task_id or line.notes for line in found.lines)
    begins_as_job = [
        number
        for number, line in enumerate(text.split("\n"), 1)
        if line.strip()[:1].isdigit() or line.strip()[:1] == "*"
    ]
    assert set(begins_as_job) <= {line.number for line in found.lines}
    problems = parse_document({"version": 1, "settings": {"timezone": "UTC"}, "tasks": found.tasks}, home="/h")[1]
    assert not [problem for problem in problems if "\0" not in text and "task_exec" not in str(problem.place)]

"""All errors of a config are reported together, each with place, value and rule."""

import json

import pytest

from minisched.catalogue import LANGUAGES, render
from minisched.config import check_task, parse_config, parse_document
from minisched.config.field_types import FieldType, SecretString
from minisched.config.problems import ParseContext, ValidationError, count_problems
from minisched.config.validate import DOCUMENT
from support.config import problems_of, task
from support.texts import CHINESE, in_both


def problems_of_task(**fields):
    return [problem.replace("tasks[0] (a): ", "", 1) for problem in problems_of({"tasks": [task(**fields)]})]


def problems_of_channel(**fields):
    rule = {"name": "n", "triggers": ["success"], "channels": [fields]}
    place = "task_notify[0].channels[0]"
    return [problem.replace(place, "", 1).lstrip(".: ") for problem in problems_of_task(task_notify=[rule])]


def test_the_two_lines_of_the_contract_come_out_to_the_letter():
    nightly = task("nightly_backup", task_timeout="5 min", task_retrys={})
    _, problems = parse_config(json.dumps({"tasks": [task("a"), task("b"), nightly]}).encode())
    assert [render(problem.as_text()) for problem in problems] == [
        'tasks/config.json: tasks[2] (nightly_backup): task_timeout is "5 min"; '
        'expected a duration such as 300 or "5m"',
        'tasks/config.json: tasks[2] (nightly_backup): unknown field "task_retrys"; did you mean "task_retry"?',
    ]


def test_all_problems_of_a_file_are_reported_together():
    document = {
        "version": 2,
        "settings": {"max_running": 0, "locks": {"db": 0, "a b": 1}, "http": {"prot": 1}},
        "defaults": {"task_nice": 20, "task_id": "x"},
        "setings": {},
        "tasks": [
            task("a", task_retry={"max_attempts": 0, "dely": 1}, task_dependencies=["c", "zz"]),
            {"task_id": "b!"},
            task("c", task_dependencies=["a"]),
            5,
        ],
    }
    assert problems_of(document) == [
        "version is 2; expected 1",
        "settings.max_running is 0; expected a whole number from 1 to 1000",
        "settings.locks.db is 0; expected a whole number from 1 to 1000",
        'settings.locks: "a b" is not a valid name; expected the name of a lock: 1 to 64 ASCII letters, digits, "_"'
        ' or "-"',
        'settings.http: unknown field "prot"; did you mean "port"?',
        "defaults.task_nice is 20; expected a whole number from -20 to 19",
        "defaults.task_id cannot be set in defaults; each task has its own",
        'unknown field "setings"; did you mean "settings"?',
        "tasks[0] (a): task_retry.max_attempts is 0; expected a whole number from 1 to 1000",
        'tasks[0] (a): task_retry: unknown field "dely"; did you mean "delay"?',
        'tasks[1]: task_id is "b!"; expected 1 to 64 ASCII letters, digits, "_" or "-"; "task_name" can hold any text',
        "tasks[1]: task_exec is missing; "
        "expected a command: a text for /bin/sh, or a list of a program and its arguments",
        'tasks[3] is 5; expected an object such as {"task_id": "backup", "task_exec": "tasks/backup.sh"}',
        'tasks[0] (a): task_dependencies[1] is "zz"; no task has this id',
        "tasks[0] (a): task_dependencies form a cycle in which each task depends on the next: a -> c -> a",
    ]


@pytest.mark.parametrize("document", [None, 5, "x", [], [{}]])
def test_a_file_that_is_no_object_is_reported(document):
    (problem,) = problems_of(document)
    assert problem.startswith("is ") and problem.endswith('; expected an object: {"tasks": [...]}')


TASKS = 'a list of tasks: [{"task_id": "backup", "task_exec": "tasks/backup.sh"}]'


def test_tasks_are_required_and_are_a_list():
    assert problems_of({}) == [f"tasks is missing; expected {TASKS}"]
    assert problems_of({"tasks": {"a": 1}}) == [f"tasks is {{...}}; expected {TASKS}"]


TEXT = "expected a text of 1 to 200 characters on one line"
DURATION = 'expected a duration such as 300 or "5m"'
SECRET = '{"from_env": "NAME"} or {"from_file": "path"}'
COMMAND = "expected a command: a text for /bin/sh, or a list of a program and its arguments"


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("task_name", "a\r\nBcc: x", f'task_name is "a\\r\\nBcc: x"; {TEXT}'),
        ("task_name", "", f'task_name is ""; {TEXT}'),
        ("task_name", 5, 'task_name is 5; expected a text: "5"'),
        ("task_name", ["x"], f"task_name is [...]; {TEXT}"),
        ("task_name", "x" * 201, f'task_name is "{"x" * 55}..."; {TEXT}'),
        ("task_name", "a\u202eb" + "x" * 200, f'task_name is "a\\u202eb{"x" * 52}..."; {TEXT}'),
        ("task_description", "\0", 'task_description is "\\u0000"; expected a text without a NUL character'),
        ("task_cwd", "\ud800", 'task_cwd is "\\ud800"; expected a text without unpaired surrogates'),
        ("task_cwd", "", 'task_cwd is ""; expected a path without control characters'),
        ("enabled", 1, "enabled is 1; expected true or false"),
        ("enabled", None, "enabled is null; expected true or false"),
        ("task_nice", True, "task_nice is true; expected a whole number from -20 to 19"),
        ("task_nice", 1.0, "task_nice is 1.0; expected a whole number from -20 to 19"),
        ("task_max_instances", 10**299,
         f"task_max_instances is 1{'0' * 56}...; expected a whole number from 1 to 1000"),
        ("task_overlap", "wait", 'task_overlap is "wait"; expected "skip", "queue" or "replace"'),
        ("task_overlap", [], 'task_overlap is []; expected "skip", "queue" or "replace"'),
        ("task_timeout", True, f"task_timeout is true; {DURATION}"),
        ("task_timeout", {}, f"task_timeout is {{}}; {DURATION}"),
        ("task_timeout", -1, f"task_timeout is -1; {DURATION}"),
        ("task_timeout", 0, f"task_timeout is 0; {DURATION}, of at least 0.1s"),
        ("task_timeout", "0s", f'task_timeout is "0s"; {DURATION}, of at least 0.1s'),
        ("task_timeout", "367d", f'task_timeout is "367d"; {DURATION}, of at most 366 days'),
        ("task_timeout", 1e300, f"task_timeout is 1e+300; {DURATION}, of at most 366 days"),
        ("task_retry", 3, 'task_retry is 3; expected an object such as {"max_attempts": 3}'),
        ("task_retry", {"jitter": 1.1}, "task_retry.jitter is 1.1; expected a number from 0 to 1"),
        ("task_retry", {"jitter": False}, "task_retry.jitter is false; expected a number from 0 to 1"),
        ("task_limits", {"memory": "5 MB"}, 'task_limits.memory is "5 MB"; '
         'expected a size such as 1048576 or "10MB", of at least 1024; write "5MB"'),
        ("task_limits", {"memory": True}, "task_limits.memory is true; "
         'expected a size such as 1048576 or "10MB", of at least 1024'),
        ("task_limits", {"memory": "9999999TB"}, 'task_limits.memory is "9999999TB"; '
         'expected a size such as 1048576 or "10MB", of at least 1024'),
        ("task_condition", [],
         "task_condition is []; expected a command: a text for /bin/sh, or a list of a program and its arguments"),
        ("task_condition_wait", None, 'task_condition_wait is null; expected a duration such as 300 or "5m"'),
        ("task_locks", ["db", "a b"],
         'task_locks[1] is "a b"; expected the name of a lock: 1 to 64 ASCII letters, digits, "_" or "-"'),
        ("task_locks", ["db", "db"], 'task_locks[1]: "db" occurs twice in this list'),
        ("task_locks", "db", 'task_locks is "db"; expected a list: ["db"]'),
        ("task_tags", ["a", 5, "b"], 'task_tags[1] is 5; expected a text: "5"'),
        ("task_tags", ["a", "b", "a"], 'task_tags[2]: "a" occurs twice in this list'),
        ("task_tags", "a", 'task_tags is "a"; expected a list: ["a"]'),
        ("task_dependencies", ["a"], 'task_dependencies[0] is "a"; a task cannot depend on itself'),
        ("task_dependencies", ["b"], 'task_dependencies[0] is "b"; no task has this id'),
        ("task_exec", "", f'task_exec is ""; {COMMAND}'),
        ("task_exec", " \n", f'task_exec is " \\n"; {COMMAND}'),
        ("task_exec", [], f"task_exec is []; {COMMAND}"),
        ("task_exec", [" ", "x"], f"task_exec is [...]; {COMMAND}"),
        ("task_exec", ["x", 5], 'task_exec[1] is 5; expected a text: "5"'),
        ("task_exec", ["x", "a\0b"], 'task_exec[1] is "a\\u0000b"; expected a text without a NUL character'),
        ("task_exec", "a\0b", 'task_exec is "a\\u0000b"; expected a text without a NUL character'),
        ("task_timezone", "Mars/Base", "task_timezone: unknown time zone "
         '"Mars/Base"; expected an IANA name such as "Europe/Berlin" or "UTC"'),
        ("task_timezone", 5, 'task_timezone is 5; expected an IANA time zone name such as "Europe/Berlin"'),
        ("task_env", [], 'task_env is []; expected an object such as {"LEVEL": "full"}'),
        ("task_env", {"1A": "x"}, 'task_env: "1A" is not a valid name; expected the name of an environment variable: '
         'letters, digits and "_"; names that start with "MINISCHED_" are reserved'),
        ("task_env", {"MINISCHED_RUN_ID": "x"}, 'task_env: "MINISCHED_RUN_ID" is not a valid name; '
         'expected the name of an environment variable: letters, digits and "_"; names that start with "MINISCHED_" '
         'are reserved'),
        ("task_env", {"A": 5}, 'task_env.A is 5; expected a text: "5"'),
        ("task_env", {"A": {"from_env": "1"}}, 'task_env.A.from_env is "1"; '
         'expected the name of an environment variable: letters, digits and "_"; not one that every task gets '
         '(PATH, HOME, USER, LOGNAME, SHELL, LANG, LC_*, TZ)'),
        ("task_env", {"A": {"from": "B"}}, "task_env.A is {...}; "
         f"expected a text of at most 100000 characters, or {SECRET}"),
        ("task_schedule", 5, 'task_schedule is 5; expected a schedule such as "30 2 * * *", "@every 90s" or "@reboot"'),
    ],
)  # fmt: skip
def test_a_wrong_value_is_reported_with_its_place_and_the_rule(field, value, problem):
    assert problems_of_task(**{field: value}) == [problem]


def test_missing_fields_of_a_rule_are_reported():
    assert [line.split(" is missing")[0] for line in problems_of_task(task_notify=[{}])] == [
        f"task_notify[0].{name}" for name in ("name", "triggers", "channels")
    ]


@pytest.mark.parametrize(
    ("schedule", "words"),
    [("0 0 30 2 *", "is never due"), ("61 * * * *", 'minute: "61" is out of range'), ("* *", '"* *" has 2 fields')],
)
def test_a_schedule_that_is_wrong_or_never_due_is_reported(schedule, words):
    for value, place in ((schedule, "task_schedule: "), (["@daily", schedule], "task_schedule[1]: ")):
        (problem,) = problems_of_task(task_schedule=value)
        assert problem.startswith(place) and words in problem and "schedule: schedule:" not in problem


def test_every_use_of_an_unknown_time_zone_is_reported():
    found = problems_of({"tasks": [task("a", task_timezone="Asia/Shangai"), task("b", task_timezone="Asia/Shangai")]})
    rest = 'task_timezone: unknown time zone "Asia/Shangai"; did you mean "Asia/Shanghai"?'
    assert found == [f"tasks[0] (a): {rest}", f"tasks[1] (b): {rest}"]


@pytest.mark.parametrize(
    ("http", "refused"),
    [
        ({"host": "0.0.0.0"}, "settings.http.host is"),
        ({"host": "127.evil.example"}, "settings.http.host is"),
        ({"host": "0.0.0.0", "allowed_hosts": ["*"]}, "settings.http.allowed_hosts[0] is"),
        ({"host": "0.0.0.0", "allowed_hosts": ["plant.example:8787", "[::1]:8787"]}, None),
        ({"host": "0.0.0.0", "enabled": False}, None),
        ({"host": "127.0.0.2"}, None),
        ({"host": "127.1"}, "settings.http.host is"),
        ({"host": "127.0.0.01"}, "settings.http.host is"),
        ({"host": "256.0.0.1", "allowed_hosts": ["x"]}, "settings.http.host is"),
        ({"host": "plant.example.org", "allowed_hosts": ["x"]}, "settings.http.host is"),
        ({"host": "localhost.", "allowed_hosts": ["x"]}, "settings.http.host is"),
        ({"host": "::", "allowed_hosts": ["x"]}, None),
        ({"host": "fe80::1:2", "allowed_hosts": ["x"]}, None),
        ({"host": ":::", "allowed_hosts": ["x"]}, "settings.http.host is"),
        ({"host": "a:b", "allowed_hosts": ["x"]}, "settings.http.host is"),
        ({"host": "fe80::1%eth0", "allowed_hosts": ["x"]}, "settings.http.host is"),
        ({"host": "LocalHost"}, None),
        ({"host": "::1"}, None),
        ({"host": "localhost"}, None),
    ],
)
def test_a_host_other_than_loopback_needs_the_names_browsers_use(http, refused):
    found = problems_of({"settings": {"http": http}, "tasks": []})
    assert [problem.startswith(str(refused)) for problem in found] == ([True] if refused else [])


def test_mail_name_and_password_go_together():
    found = problems_of({"settings": {"smtp": {"host": "mail", "username": "x"}}, "tasks": []})
    assert found == ["settings.smtp.password is missing; username and password must be set together"]
    found = problems_of({"settings": {"smtp": {"host": "mail", "password": "x"}}, "tasks": []})
    assert found == ["settings.smtp.username is missing; username and password must be set together"]


MAIL = [{"name": "n", "triggers": ["success"], "channels": [{"type": "email", "recipients": ["a@b"]}]}]
MAIL_PLACE = "task_notify[0].channels[0] is an email channel"
NO_SMTP = 'but settings.smtp is not set; expected settings.smtp with "host" and "from", or another type of channel'
NO_FROM = 'but settings.smtp has no "from"; expected the sender\'s address there, such as "minisched@example.org"'


def test_a_mail_without_a_server_or_a_sender_is_reported_once():
    tasks = [task("a"), task("b", task_notify=MAIL), task("c", task_notify=MAIL)]
    assert problems_of({"tasks": tasks}) == [f"tasks[1] (b): {MAIL_PLACE}, {NO_SMTP}"]
    settings = {"smtp": {"host": "mail.example.org"}}
    assert problems_of({"settings": settings, "tasks": tasks}) == [f"tasks[1] (b): {MAIL_PLACE}, {NO_FROM}"]
    document = {"defaults": {"task_notify": MAIL}, "tasks": tasks}
    assert problems_of(document) == [f"defaults.{MAIL_PLACE}, {NO_SMTP}"]
    settings["smtp"]["from"] = "ops@example.org"
    assert problems_of({**document, "settings": settings}) == []
    (problem,) = parse_document({"tasks": tasks})[1]
    assert problem.path == "task_notify[0].channels[0]"


def test_a_wrong_mail_server_is_reported_without_its_consequences():
    settings = {"smtp": {"host": "mail.example.org", "prot": 25}}
    found = problems_of({"settings": settings, "tasks": [task(task_notify=MAIL)]})
    assert found == ['settings.smtp: unknown field "prot"; did you mean "port"?']


ADDRESS = (
    "url is ***; expected an http:// or https:// address without user name, blanks or templates, "
    f"or {SECRET}"
)  # fmt: skip


@pytest.mark.parametrize(
    ("channel", "problem"),
    [
        ({}, 'type is missing; expected "email", "webhook", "command" or "file"'),
        ({"type": "mail"}, 'type is "mail"; expected "email", "webhook", "command" or "file"'),
        ({"type": ["email"]}, 'type is [...]; expected "email", "webhook", "command" or "file"'),
        ({"type": "email", "recipients": []}, "recipients is []; expected a list that is not empty"),
        ({"type": "email", "recipients": ["a@b"], "subject_template": "{{ task_nmae }}"},
         'subject_template: unknown template variable "task_nmae"; did you mean "task_name"?'),
        ({"type": "email", "recipients": ["a@b"], "subject_template": "a\nb"},
         'subject_template is "a\\nb"; expected a text of at most 65536 characters on one line'),
        ({"type": "email", "recipients": ["a@b"], "body_template": {"a": "b"}},
         "body_template is {...}; expected a text of at most 65536 characters"),
        ({"type": "webhook", "url": "ftp://x"}, ADDRESS),
        ({"type": "webhook", "url": "file:///etc/passwd"}, ADDRESS),
        ({"type": "webhook", "url": "http://{{task_id}}.example/x"}, ADDRESS),
        ({"type": "webhook", "url": "http://user:geheim@example/x"}, ADDRESS),
        ({"type": "webhook", "url": "http://x", "body_template": {"a": [{"b": "{{ exit_cod }}"}, 5]}},
         'body_template: unknown template variable "exit_cod"; did you mean "exit_code"?'),
        ({"type": "webhook", "url": "http://x", "body_template": {"a\0": 1}},
         'body_template is "a\\u0000"; expected a text without a NUL character'),
        ({"type": "webhook", "url": "http://x", "preset": "slack", "body_template": "x"},
         "has both preset and body_template; with a preset use text_template"),
        ({"type": "webhook", "url": "http://x", "text_template": "x"},
         "text_template needs a preset; without one use body_template"),
        ({"type": "webhook", "url": "http://x", "preset": "slack", "text_template": "{{ task_nam }}"},
         'text_template: unknown template variable "task_nam"; did you mean "task_name"?'),
        ({"type": "webhook", "url": "http://x", "headers": {"A b": "x"}},
         'headers: *** is not a valid name; expected the name of an HTTP header'),
        ({"type": "command", "task_exec": []}, f"task_exec is []; {COMMAND}"),
        ({"type": "file"}, "path is missing; expected a path without control characters"),
        ({"type": "file", "path": "x", "mode": 5}, 'unknown field "mode"; expected one of path'),
    ],
)  # fmt: skip
def test_a_wrong_channel_is_reported(channel, problem):
    assert problems_of_channel(**channel) == [problem]


def test_an_unknown_template_variable_far_from_all_comes_with_the_list():
    (problem,) = problems_of_channel(type="email", recipients=["a@b"], body_template="{{ x }}")
    assert "expected one of task_id, task_name" in problem


def test_a_channel_that_is_no_object_and_two_rules_of_one_name_are_reported():
    rule = {"name": "n", "triggers": ["success"], "channels": ["email"]}
    assert problems_of_task(task_notify=[rule]) == [
        "task_notify[0].channels[0] is ***; expected an object such as "
        '{"type": "email", "recipients": ["ops@example.org"]}'
    ]
    rule = {**rule, "channels": [{"type": "file", "path": "x"}]}
    assert problems_of_task(task_notify=[rule, rule]) == ['task_notify[1]: "n" occurs twice in this list']


def test_secrets_are_never_shown():
    settings = {"smtp": {"host": "m", "username": "u", "password": ["geheim"]}}
    channel = {"type": "webhook", "url": "gopher://geheim", "secret": {"geheim": "geheim"}, "headers": ["geheim"]}
    rule = {"name": "n", "triggers": ["success"], "channels": [channel]}
    env = {"A": {"from_env": "A", "x": "geheim"}}
    found = problems_of({"settings": settings, "tasks": [task(task_notify=[rule], task_env=env)]})
    assert len(found) == 5
    assert "settings.smtp.password is ***" in found[0]
    assert "geheim" not in "\n".join(found)


def kinds_in(kind, path=""):
    """Every kind of the table, with a place to name it by."""
    yield path, kind
    for name, inner in vars(kind).items():
        if isinstance(inner, FieldType):
            yield from kinds_in(inner, f"{path}.{name}")
    for row in getattr(kind, "rows", {}).values():
        yield from kinds_in(row.type, f"{path}.{row.name}")
    for name, table in getattr(kind, "tables", {}).items():
        yield from kinds_in(table, f"{path}.{name}")


KINDS = dict(kinds_in(DOCUMENT))
SECRETS = {path: kind for path, kind in KINDS.items() if isinstance(kind, SecretString) and kind.redacted}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_every_kind_of_the_table_says_its_rule_in_chinese_too(kind):
    rule = in_both(kind.rule)
    assert CHINESE.match(rule.zh), "it follows a Chinese character, without a blank"
    assert all(render(kind.type_name, language) for language in LANGUAGES)


def test_the_secrets_of_the_table_are_found():
    ends = {path.rsplit(".", 2)[-2] + "." + path.rsplit(".", 1)[-1] for path in SECRETS}
    assert ends == {"webhook.url", "headers.item", "webhook.secret", "smtp.password", "heartbeat.url"}


@pytest.mark.parametrize("kind", SECRETS.values(), ids=SECRETS.keys())
def test_no_wrong_value_of_a_secret_is_shown(kind):
    texts = ["geheim\0", "geheim\ud800", "geheim\nX: y", "geheim" * 20_000]
    for value in [*texts, ["geheim"], {"geheim": "geheim"}, {"from_env": "A", "geheim": 1}, 1234567, True, 12.34567]:
        with pytest.raises(ValidationError) as wrong:
            kind.read(value, ParseContext(), None)
        shown = repr(wrong.value.errors)
        assert not [word for word in ("geheim", "1234567", "12.34567") if word in shown], value


def test_headers_written_as_one_text_are_not_shown():
    (problem,) = problems_of_channel(type="webhook", url="https://x", headers="Authorization: geheim")
    assert problem == 'headers is ***; expected an object such as {"X-Token": {"from_env": "TOKEN"}}'


def test_a_file_of_nonsense_is_answered_in_time_without_hints():
    fields = {f"field_{index}": 1 for index in range(20_000)}
    found = problems_of({"tasks": [{**task(), **fields}]})
    assert found[-1] == "19900 more problems"
    assert "did you mean" not in found[-2]


def test_a_document_and_a_task_are_checked_without_a_file():
    assert parse_document({"tasks": [task()]})[1] == []
    assert [render(problem.as_text()) for problem in parse_document({"tasks": [task(enabled=1)]}, file="x")[1]] == [
        "x: tasks[0] (a): enabled is 1; expected true or false"
    ]
    assert check_task(task()) == []
    (problem,) = check_task(task(enabled=1, task_dependencies=["of_the_file"]))
    assert (problem.place, render(problem.text)) == ("task (a): enabled", "is 1; expected true or false")


def test_a_value_that_is_no_json_is_reported_too():
    assert [render(problem.text) for problem in check_task(task(task_nice={1}))] == [
        "is of type set; expected a whole number from -20 to 19"
    ]


def test_a_document_is_left_as_it_is():
    document = {"tasks": [task(task_env={"A": "1"})], "defaults": {"task_env": {"B": "2"}}}
    before = json.dumps(document)
    assert parse_document(document)[1] == []
    assert json.dumps(document) == before


def test_a_problem_has_the_path_of_the_field_inside_its_task():
    rule = {"name": "a", "triggers": ["success"], "channels": [{"type": "webhook", "url": "ftp://x"}]}
    wrong = [
        task("a", task_retry={"delay": "5 min"}, task_notify=[rule], tsak_name="x"),
        task("b", task_dependencies=["c"]),
        task("c", task_dependencies=["b"], task_log="minisched.log"),
    ]
    _, problems = parse_config(json.dumps({"tasks": wrong, "settings": {"http": {"port": "x"}}}).encode())
    assert [problem.path for problem in problems] == [
        "settings.http.port",
        "task_retry.delay",
        "task_notify[0].channels[0].url",
        "",
        "task_dependencies",
        "task_log",
    ]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (
            "task_timeout",
            "５m",
            'expected a duration such as 300 or "5m"; instead of "５" write "5"',
        ),
        ("task_limits", {"memory": "10ＭB"}, 'instead of "Ｍ" write "M"'),
        ("task_overlap", "skip，", 'instead of "，" write ","'),
        ("task_dependencies", ["a–b"], 'instead of "–" write "-"'),
    ],
)
def test_a_character_that_looks_like_ascii_is_named_with_the_one_to_write(field, value, message):
    (problem,) = problems_of({"tasks": [task(**{field: value})]})
    assert message in problem


def test_a_chinese_id_is_shown_as_it_is_with_the_field_for_names():
    (problem,) = problems_of({"tasks": [task("备份")]})
    assert 'task_id is "备份"; expected 1 to 64 ASCII letters, digits, "_" or "-"; "task_name" can' in problem


@pytest.mark.parametrize(
    "value", ["gb18031", "base64", "rot13", "hex", "idna", "undefined", "utf-16", "", "../x", "utf-8\n", 8, "汉字"]
)
def test_an_encoding_is_one_that_decodes_any_output(value):
    (problem,) = problems_of({"tasks": [task(task_output_encoding=value)]})
    assert 'expected the name of a text encoding that Python knows, such as "utf-8", "gb18030" or "latin-1"' in problem


def test_tasks_may_share_an_encoding():
    tasks = [task(name, task_output_encoding="gb18030") for name in ("a", "b")]
    assert problems_of({"tasks": tasks}) == []


def test_of_very_many_problems_the_first_hundred_and_the_number_of_the_others_are_reported():
    found = problems_of({"tasks": [task(f"t{number}", task_retrys={}) for number in range(1000)]})
    assert found[99:] == [
        'tasks[99] (t99): unknown field "task_retrys"; see docs/configuration.md for the known names',
        "900 more problems",
    ]
    _, problems = parse_config(json.dumps({"tasks": [{} for _ in range(1000)]}).encode())
    assert count_problems(problems) == 2000


def test_only_the_first_problems_of_a_file_have_a_suggestion():
    fields = problems_of({"tasks": [task(f"t{number}", task_retrys={}) for number in range(90)]})
    zones = problems_of({"tasks": [task(f"t{number}", task_timezone=f"Europe/Berlim{number}") for number in range(90)]})
    ids = problems_of({"tasks": [task(f"task_{number}", task_dependencies=[f"tsak_{number}"]) for number in range(90)]})
    for lines in (fields, zones, ids):
        assert ["did you mean" in line for line in lines] == [True] * 20 + [False] * 70


def test_a_very_long_name_is_compared_with_nothing():
    (problem,) = problems_of_task(**{"task_exec" * 20: 1})
    assert "did you mean" not in problem

"""Whatever the bytes or the JSON: problems or a config, never an exception."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from minisched.catalogue import LANGUAGES, render
from minisched.config import check_task, parse_config, parse_document
from minisched.config.json_edit import edit_json
from minisched.config.task_fields import TASK
from support.texts import CHINESE

FUZZ = settings(derandomize=True, deadline=None, max_examples=80)
OBJECTS = ["version", "settings", "defaults", "tasks", "smtp", "http", "from_env", "max_attempts", "url", "headers"]
RULE_WORDS = ["type", "name", "triggers", "channels", "host", "body_template"]
NAMES = st.sampled_from([*OBJECTS, *RULE_WORDS, *TASK.rows])
TEXTS = st.text(max_size=20) | st.sampled_from(["5m", "10MB", "30 2 * * *", "UTC", "a", "email", "webhook", "{{ x }}"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=6),
    max_leaves=30,
)
TASKS = st.dictionaries(st.sampled_from(list(TASK.rows)), JSON, max_size=8)


def as_promised(answer):
    config, problems = answer
    assert (config is None) == bool(problems)
    for problem in problems:
        english, chinese = (render(problem.as_text(), language) for language in LANGUAGES)
        assert english.isprintable() and len(english) < 1500
        assert chinese.isprintable() and CHINESE.search(chinese)


@FUZZ
@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,\\ 1aeNI.-+/\n', max_size=40).map(str.encode))
def test_any_bytes_give_problems_or_a_config(data):
    as_promised(parse_config(data))


@FUZZ
@given(JSON)
def test_any_json_gives_problems_or_a_config(document):
    as_promised(parse_document(document))
    as_promised(parse_config(json.dumps(document).encode()))


@FUZZ
@given(st.lists(TASKS, max_size=3), st.dictionaries(st.sampled_from(list(TASK.rows)), JSON, max_size=4))
def test_any_tasks_give_problems_or_a_config(tasks, defaults):
    as_promised(parse_document({"tasks": tasks, "defaults": defaults}))
    for task in tasks:
        assert isinstance(check_task(task), list)


def optional(**fields):
    return st.fixed_dictionaries({}, optional=fields)


DURATIONS = st.integers(1, 10**6) | st.sampled_from(["90s", "5m", "1d12h", "0.5s"])
LINES = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20)
RULES = st.fixed_dictionaries(
    {
        "triggers": st.just(["missed", "timeout"]),
        "channels": st.lists(
            st.fixed_dictionaries({"type": st.just("file"), "path": LINES})
            | st.fixed_dictionaries(
                {
                    "type": st.just("webhook"),
                    "url": st.sampled_from(["http://a", "HTTPS://b.c:1/d?e=f"]),
                },
                optional={"secret": LINES, "body_template": st.dictionaries(LINES, st.just("{{task_id}}"), max_size=2)},
            ),
            min_size=1,
            max_size=2,
        ),
    },
    optional={"threshold": st.integers(1, 9), "cooldown": DURATIONS, "recovery": st.booleans()},
)
FIELDS = optional(
    task_name=LINES,
    task_description=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30),
    task_tags=st.lists(LINES, unique=True, max_size=3),
    enabled=st.booleans(),
    task_schedule=st.none()
    | st.sampled_from(["30 2 * * *", "@reboot", "@every 5m", ["@daily", "@at 2026-12-01T08:00"]]),
    task_timezone=st.sampled_from(["UTC", "Europe/Berlin", None]),
    task_timeout=st.none() | DURATIONS,
    task_retry=optional(max_attempts=st.integers(1, 5), delay=DURATIONS, jitter=st.floats(0, 1)),
    task_env=st.dictionaries(st.sampled_from("ABC"), LINES | st.just({"from_env": "X"}), max_size=3),
    task_limits=st.none() | optional(memory=st.sampled_from([4096, "1.5MB"]), open_files=st.integers(3, 99)),
    task_notify=st.lists(RULES, max_size=2).map(
        lambda rules: [{"name": f"rule {index}", **rule} for index, rule in enumerate(rules)]
    ),
)


@FUZZ
@given(st.lists(FIELDS, max_size=4), FIELDS.map(lambda fields: {k: v for k, v in fields.items() if k != "task_name"}))
def test_any_right_config_is_read_and_saved_and_read_again_as_the_same(fields, defaults):
    tasks = [{"task_id": f"t{index}", "task_exec": ["x", "y"], **each} for index, each in enumerate(fields)]
    document = {"defaults": defaults, "tasks": tasks}
    config, problems = parse_config(json.dumps(document).encode())
    assert problems == []
    data = edit_json('{"tasks": []}', {"tasks": []}, document).encode()
    assert json.loads(data) == document
    assert parse_config(data) == (config, [])

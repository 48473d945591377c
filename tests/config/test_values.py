"""What a right config means: defaults, how they are laid over, what is shared."""

import json
import math
from typing import Any

import pytest

from minisched.config import parse_config
from minisched.config.exports import json_schema
from minisched.model import (
    Channel,
    Dependency,
    ExitCodes,
    Limits,
    Misfire,
    On,
    Overlap,
    Retry,
    Secret,
    SmtpSettings,
    Task,
)
from support.config import line


def config_of(document):
    config, problems = parse_config(json.dumps(document).encode())
    assert [line(problem) for problem in problems] == []
    return config


def task_of(defaults=None, **fields):
    task = {"task_id": "a", "task_exec": "true", **fields}
    return config_of({"tasks": [task], **({"defaults": defaults} if defaults else {})}).tasks["a"]


def test_a_task_of_two_fields_has_the_defaults_of_the_contract():
    task = task_of()
    assert {**task._asdict(), "task_env": dict(task.task_env), "task_timezone": ""} == {
        "task_id": "a",
        "task_exec": "true",
        "task_name": "a",
        "task_description": "",
        "task_tags": (),
        "enabled": True,
        "task_schedule": (),
        "task_timezone": "",
        "task_calendar": None,
        "task_dependencies": (),
        "task_dependency_timeout": None,
        "task_overlap": Overlap.SKIP,
        "task_max_instances": 1,
        "task_locks": (),
        "task_condition": None,
        "task_condition_wait": 0.0,
        "task_misfire": Misfire.LATEST,
        "task_misfire_grace": 3600.0,
        "task_timeout": 86_400.0,
        "task_expect": None,
        "task_exit_codes": ExitCodes((0,), (1,)),
        "task_kill_grace": 10.0,
        "task_retry": Retry(1, 10.0, 2.0, 600.0, 0.1),
        "task_jitter": 0.0,
        "task_cwd": None,
        "task_output_encoding": "utf-8",
        "task_env_file": (),
        "task_env": {},
        "task_user": None,
        "task_nice": None,
        "task_limits": None,
        "task_log": None,
        "task_notify": (),
        "task_notify_defaults": False,
    }


def test_a_dependency_is_an_id_or_an_object():
    others = [{"task_id": name, "task_exec": "true"} for name in "bcd"]
    written = ["b", {"task_id": "c", "on": "failure"}, {"task_id": "d", "on": "end", "within": "26h"}]
    task = {"task_id": "a", "task_exec": "true", "task_dependencies": written}
    found = config_of({"tasks": [task, *others]}).tasks["a"].task_dependencies
    assert found == (Dependency("b"), Dependency("c", On.FAILURE), Dependency("d", On.END, 93_600.0))
    assert [one.as_json() for one in found] == [*written[:2], {**written[2], "within": 93_600.0}]
    forms = (*found, Dependency("e", On.SUCCESS, math.inf))
    assert tuple(Dependency.from_json(json.loads(json.dumps(one.as_json()))) for one in forms) == forms
    assert forms[-1].as_json()["within"] == "ever"


def test_exit_codes_are_laid_over_those_of_the_defaults():
    assert task_of(task_exit_codes={"success": [0, 24]}).task_exit_codes == ExitCodes((0, 24), (1,))
    plain = {"task_exit_codes": {"business_failure": []}}
    assert task_of(plain).task_exit_codes == ExitCodes((0,), ())
    assert task_of(plain, task_exit_codes={"success": [0, 1]}).task_exit_codes == ExitCodes((0, 1), ())


def test_the_log_of_a_task_has_its_id_as_name():
    assert task_of().log_file == "a.log"
    assert task_of(task_log="b/c.log").log_file == "b/c.log"


def test_a_limit_of_a_log_is_none_or_one_that_holds():
    def read(value):
        config, problems = parse_config(json.dumps({"settings": {"log": {"max_bytes": value}}, "tasks": []}).encode())
        return config.settings.log.max_bytes if config else line(problems[0])

    assert [read(value) for value in (0, "0MB", "1MB", 2**20, "2.5MB")] == [0, 0, 2**20, 2**20, 2621440]
    for value in (1, "10KB", 2**20 - 1):
        assert read(value) == (
            f"tasks/config.json: settings.log.max_bytes is {json.dumps(value)}; "
            'expected a size such as 1048576 or "10MB", of at least 1MB, or 0'
        )


def test_settings_have_the_defaults_of_the_contract(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    settings = config_of({"tasks": []}).settings
    assert (settings.timezone, settings.max_running, settings.shutdown_grace) == ("Asia/Shanghai", 10, 30.0)
    assert settings.locks == {}
    assert settings.log._asdict() == {"when": "midnight", "backup_count": 3, "max_bytes": 50 * 2**20}
    assert settings.history._asdict() == {"keep_days": 90, "keep_runs": 20_000, "max_bytes": 500 * 2**20}
    assert settings.http._asdict() == {
        "enabled": True, "host": "127.0.0.1", "port": 8787, "public_status": False, "allowed_hosts": ()
    }  # fmt: skip
    assert settings.smtp is None
    assert settings.notify.log_tail_lines == 50


def test_listening_on_a_name_is_refused():
    settings = config_of({"settings": {"http": {"host": "LocalHost"}}, "tasks": []}).settings
    assert settings.http.host == "127.0.0.1"


@pytest.mark.parametrize(("security", "port"), [("none", 25), ("starttls", 587), ("ssl", 465)])
def test_a_mail_server_has_the_port_of_its_security(security, port):
    smtp = {"host": "mail", "security": security, "from": "a@b", "username": "u", "password": {"from_env": "P"}}
    settings = config_of({"settings": {"smtp": smtp}, "tasks": []}).settings
    assert settings.smtp == SmtpSettings("mail", port, security, "u", Secret("from_env", "P"), "a@b", 30.0)


def test_a_port_that_is_set_is_used_and_a_password_stays_hidden():
    smtp = {"host": "mail", "port": 2525, "username": "u", "password": "geheim"}
    settings = config_of({"settings": {"smtp": smtp}, "tasks": []}).settings
    assert settings.smtp.port == 2525
    assert settings.smtp.password.reveal({}, "") == "geheim"
    assert "geheim" not in repr(settings)


@pytest.mark.parametrize(
    ("field", "value", "read"),
    [
        ("task_exec", ["a", ""], ("a", "")),
        ("task_schedule", None, ()),
        ("task_schedule", "@reboot", ("@reboot",)),
        ("task_schedule", ["@daily", "0 5 * * *"], ("@daily", "0 5 * * *")),
        ("task_timeout", None, None),
        ("task_timeout", "1d12h", 129600.0),
        ("task_timeout", 0.5, 0.5),
        ("task_name", None, "a"),
        ("task_output_encoding", "gb18030", "gb18030"),
        ("task_output_encoding", "GBK", "GBK"),
        ("task_output_encoding", "UTF8", "utf-8"),
        ("task_output_encoding", "utf_16_le", "utf_16_le"),
        ("task_log", "/var/log/a.log", "/var/log/a.log"),
        ("task_timezone", "Europe/Berlin", "Europe/Berlin"),
        ("task_overlap", "queue", Overlap.QUEUE),
        ("task_misfire", "all", Misfire.ALL),
        ("task_limits", {"memory": "1.5KB"}, Limits(1536, None, None)),
        ("task_limits", {"memory": 2048, "open_files": 64}, Limits(2048, None, 64)),
        ("task_limits", None, None),
        ("task_retry", {"backoff": 3}, Retry(1, 10.0, 3.0, 600.0, 0.1)),
        ("task_env", {"A": "1", "B": {"from_file": "b"}}, {"A": "1", "B": Secret("from_file", "b")}),
        ("task_tags", ["ä", "b"], ("ä", "b")),
        ("task_locks", ["db", "NAS-1"], ("db", "NAS-1")),
        ("task_condition", ["test", "-e", "x"], ("test", "-e", "x")),
        ("task_condition", "test -e x", "test -e x"),
        ("task_condition", None, None),
        ("task_condition_wait", "2h", 7200.0),
    ],
)
def test_a_field_is_read_as_the_engine_uses_it(field, value, read):
    assert getattr(task_of(**{field: value}), field) == read


def test_a_task_without_a_zone_has_that_of_the_settings():
    config = config_of({"settings": {"timezone": "Asia/Tokyo"}, "tasks": [{"task_id": "a", "task_exec": "x"}]})
    assert config.tasks["a"].task_timezone == "Asia/Tokyo"


def test_objects_are_laid_over_the_defaults_and_all_else_replaces_them():
    defaults = {
        "task_retry": {"max_attempts": 3, "delay": "1m"},
        "task_env": {"A": "1", "B": "2"},
        "task_limits": {"memory": "1MB"},
        "task_tags": ["x"],
        "task_timeout": "5m",
    }
    task = task_of(
        defaults,
        task_retry={"delay": 5},
        task_env={"B": "3"},
        task_limits={"open_files": 10},
        task_tags=[],
        task_timeout=None,
    )
    assert task.task_retry == Retry(3, 5.0, 2.0, 600.0, 0.1)
    assert task.task_env == {"A": "1", "B": "3"}
    assert task.task_limits == Limits(2**20, None, 10)
    assert (task.task_tags, task.task_timeout) == ((), None)
    unset = task_of(defaults)
    assert (unset.task_retry.max_attempts, dict(unset.task_env), unset.task_timeout) == (3, {"A": "1", "B": "2"}, 300.0)


def test_null_takes_a_default_away():
    assert task_of({"task_limits": {"memory": "1MB"}}, task_limits=None).task_limits is None


def test_channels_are_read_with_their_defaults_and_secrets():
    channels = [
        {"type": "email", "recipients": ["ops@example.org"]},
        {
            "type": "webhook",
            "url": "https://h.example:8443/x?y=%20",
            "headers": {"X": {"from_env": "T"}},
            "secret": "s",
        },
        {"type": "webhook", "url": {"from_file": "u"}, "body_template": {"t": ["{{task_id}} {{  exit_code  }}", 1]}},
        {"type": "command", "task_exec": "tell"},
        {"type": "file", "path": "n.jsonl"},
    ]
    rule = {"name": "n", "triggers": ["missed", "success"], "channels": channels, "cooldown": "1h"}
    smtp = {"host": "mail", "from": "a@example.org"}
    document = {"settings": {"smtp": smtp}, "tasks": [{"task_id": "a", "task_exec": "true", "task_notify": [rule]}]}
    (read,) = config_of(document).tasks["a"].task_notify
    assert (read.enabled, read.threshold, read.cooldown, read.recovery) == (True, 1, 3600.0, False)
    assert read.triggers == ("missed", "success")
    email, webhook, by_file, command, file = read.channels
    assert email == Channel(
        "email", {"recipients": ("ops@example.org",), "subject_template": None, "body_template": None}
    )
    assert webhook.options == {
        "url": Secret("text", "https://h.example:8443/x?y=%20"),
        "method": "POST",
        "headers": {"X": Secret("from_env", "T")},
        "body_template": None,
        "secret": Secret("text", "s"),
        "preset": None,
        "text_template": None,
        "ca_file": None,
    }
    assert by_file.options["url"] == Secret("from_file", "u")
    assert by_file.options["body_template"] == {"t": ["{{task_id}} {{  exit_code  }}", 1]}
    assert command.options == {"task_exec": "tell"} and file.options == {"path": "n.jsonl"}
    assert "h.example" not in repr(webhook)


def test_tasks_are_in_the_order_of_the_file():
    tasks = [{"task_id": task_id, "task_exec": "x"} for task_id in ("c", "a", "b")]
    assert list(config_of({"tasks": tasks}).tasks) == ["c", "a", "b"]


def test_equal_values_are_one_object():
    fields = {
        "task_retry": {"delay": 5},
        "task_env": {"A": "1"},
        "task_tags": ["x"],
        "task_schedule": "@daily",
        "task_notify": [{"name": "n", "triggers": ["missed"], "channels": [{"type": "file", "path": "x"}]}],
    }
    tasks = config_of({"tasks": [{"task_id": i, "task_exec": "x", **fields} for i in ("a", "b")]}).tasks
    for name in fields:
        assert getattr(tasks["a"], name) is getattr(tasks["b"], name)
    tasks = config_of({"tasks": [{"task_id": i, "task_exec": "x"} for i in ("a", "b")]}).tasks
    for name in ("task_retry", "task_env", "task_timezone", "task_timeout"):
        assert getattr(tasks["a"], name) is getattr(tasks["b"], name)


def test_what_looks_the_same_in_python_but_not_in_json_is_kept_apart():
    first = {"task_id": "a", "task_exec": "x", "task_retry": {"max_attempts": 1}}
    _, problems = parse_config(
        json.dumps({"tasks": [first, {**first, "task_id": "b", "task_retry": {"max_attempts": True}}]}).encode()
    )
    assert len(problems) == 1


def admits(schema, value, root):
    """Whether a JSON Schema, of the few words ours is made of, admits a value."""
    import re

    if "$ref" in schema:
        return admits(root["$defs"][schema["$ref"].rpartition("/")[2]], value, root)
    types = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)}
    type_names = schema.get("type", [])
    type_names = [type_names] if isinstance(type_names, str) else type_names
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    items = value if isinstance(value, list) else []
    fields = value if isinstance(value, dict) else {}
    more = schema.get("additionalProperties", {})
    return all(
        [
            not type_names
            or (
                any(value is None if name == "null" else isinstance(value, types[name]) for name in type_names)
                and not (isinstance(value, bool) and "boolean" not in type_names)
            ),
            "const" not in schema or value == schema["const"],
            "enum" not in schema or value in schema["enum"],
            "anyOf" not in schema or any(admits(each, value, root) for each in schema["anyOf"]),
            "oneOf" not in schema or sum(admits(each, value, root) for each in schema["oneOf"]) == 1,
            not is_number or schema.get("minimum", value) <= value <= schema.get("maximum", value),
            not isinstance(value, str) or re.search(schema.get("pattern", ""), value) is not None,
            not isinstance(value, str) or schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 10**9),
            len(items) >= schema.get("minItems", 0) or not isinstance(value, list),
            all(admits(schema.get("items", {}), each, root) for each in items),
            all(name in fields for name in schema.get("required", [])) or not isinstance(value, dict),
            all(admits(schema.get("propertyNames", {}), name, root) for name in fields),
            all(
                admits(schema.get("properties", {}).get(name, more), each, root)
                for name, each in fields.items()
                if name in schema.get("properties", {}) or more is not False
            ),
            more is not False or all(name in schema["properties"] for name in fields),
        ]
    )


@pytest.mark.parametrize(
    ("document", "right"),
    [
        ({"tasks": []}, True),
        ({"$schema": "x", "version": 1, "tasks": []}, True),
        ({"version": 2, "tasks": []}, False),
        ({}, False),
        ({"tasks": [{"task_id": "a"}]}, False),
        ({"tasks": [{"task_id": "a b", "task_exec": "x"}]}, False),
        ({"tasks": [{"task_id": "a", "task_exec": "x", "task_retrys": {}}]}, False),
        ({"tasks": [{"task_id": "a", "task_exec": ["x"], "task_timeout": None, "task_schedule": ["@daily"]}]}, True),
        ({"tasks": [{"task_id": "a", "task_exec": "x", "task_timeout": "5 min"}]}, False),
        ({"tasks": [{"task_id": "a", "task_exec": "x", "task_env": {"A": {"from_env": "B"}, "C": "d"}}]}, True),
        ({"tasks": [{"task_id": "a", "task_exec": "x", "task_env": {"1": "d"}}]}, False),
        ({"tasks": [], "defaults": {"task_nice": 5, "task_limits": {"memory": "1GB"}}}, True),
        ({"tasks": [], "defaults": {"task_id": "x"}}, False),
    ],
)
def test_the_schema_admits_what_the_reader_admits(document, right):
    schema = json_schema()
    assert admits(schema, document, schema) is right
    assert (parse_config(json.dumps(document).encode())[0] is not None) is right


def test_the_examples_and_defaults_of_the_schema_are_right():
    schema = json_schema()
    rows = list(schema["$defs"].items())
    assert {name for name, _ in rows} == set(Task._fields)
    for name, row in rows:
        assert row["description"]
        for example in [*row.get("examples", []), *([row["default"]] if "default" in row else [])]:
            assert admits(row, example, schema), name
            if name not in ("task_id", "task_exec", "task_dependencies", "task_calendar"):
                task_of(**{name: example})
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(json.dumps(schema)) == schema


def test_a_task_may_keep_the_rules_of_the_defaults_beside_its_own() -> None:
    def rule(name: str, trigger: str) -> dict[str, Any]:
        return {"name": name, "triggers": [trigger], "channels": [{"type": "file", "path": "n"}]}

    defaults = {"task_notify": [rule("a", "missed"), rule("b", "missed")]}
    own = [rule("b", "success"), rule("c", "success")]
    fields: dict[str, Any] = {
        "plain": {},
        "own": {"task_notify": own},
        "both": {"task_notify": own, "task_notify_defaults": True},
        "none": {"task_notify": [], "task_notify_defaults": True},
    }
    tasks = [{"task_id": name, "task_exec": "x", **more} for name, more in fields.items()]
    config, problems = parse_config(json.dumps({"defaults": defaults, "tasks": tasks}).encode())
    assert config is not None and not problems
    names = {name: "".join(one.name for one in found.task_notify) for name, found in config.tasks.items()}
    assert names == {"plain": "ab", "own": "bc", "both": "bca", "none": "ab"}
    assert config.tasks["both"].task_notify[0].triggers == ("success",)


@pytest.mark.parametrize("text", ["6:00", "24:00", "06:60", "06", "06:00 ", "6am", 360])
def test_a_time_of_day_has_two_digits_for_hours_and_minutes(text):
    tasks = [{"task_id": "a", "task_exec": "x", "task_expect": {"finish_by": text}}]
    config, (problem,) = parse_config(json.dumps({"tasks": tasks}).encode())
    assert config is None
    assert "task_expect.finish_by is " in line(problem) and 'expected a time of day such as "06:00"' in line(problem)

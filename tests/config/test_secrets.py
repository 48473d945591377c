"""No secret leaves by the API, and none is lost or misplaced when what was shown comes back."""

import json

import pytest

from minisched.catalogue import render
from minisched.config import parse_config, secrets
from minisched.config.secrets import base_environment, effective_task, redact
from minisched.config.validate import DOCUMENT
from support.config import problems_of, task
from support.factories import config
from support.texts import in_both

HOOK = {
    "type": "webhook",
    "url": "https://chat.example.org/hooks/hunter2",
    "secret": "hunter3",
    "headers": {"Authorization": "Bearer hunter4", "X-Key": {"from_env": "HOOK_KEY"}},
}
OTHER = {"type": "webhook", "url": {"from_file": "var/hook.url"}, "method": "PUT"}
MAIL = {"type": "email", "recipients": ["ops@example.org"]}


def rule(name="tell ops", *channels, **fields):
    return {"name": name, "triggers": ["success"], "channels": list(channels), **fields}


def with_rules(*rules, **fields):
    return task(task_notify=list(rules), **fields)


def restore(*arguments):
    task, faults = secrets.restore(*arguments)
    for fault in faults:
        in_both(fault.text)
    return task, faults


def test_secrets_are_stars_and_their_places_are_shown():
    found = redact(with_rules(rule("a", HOOK, OTHER, MAIL), task_env={"LEVEL": "full", "PW": {"from_env": "DB"}}))
    assert found["task_notify"][0]["channels"] == [
        {
            "type": "webhook",
            "url": "***",
            "secret": "***",
            "headers": {"Authorization": "***", "X-Key": {"from_env": "HOOK_KEY"}},
        },
        OTHER,
        MAIL,
    ]
    assert found["task_env"] == {"LEVEL": "full", "PW": {"from_env": "DB"}}
    assert list(found) == ["task_id", "task_exec", "task_notify", "task_env"]


def test_a_whole_document_is_masked_by_its_own_table():
    smtp = {"host": "mail", "username": "u", "password": "hunter2"}
    document = {"settings": {"smtp": smtp}, "defaults": {"task_notify": [rule("a", HOOK)]}, "tasks": [with_rules()]}
    text = json.dumps(redact(document, DOCUMENT))
    assert "hunter" not in text
    assert json.loads(text)["settings"]["smtp"] == {**smtp, "password": "***"}


@pytest.mark.parametrize("value", [None, 5, "x", ["x"], {"type": "x"}, {"x": [1]}])
def test_a_value_of_another_shape_is_left_to_the_check(value):
    assert redact(value) == value
    assert restore({"task_id": "a", "task_notify": value, "x": value}, None) == (
        {"task_id": "a", "task_notify": value, "x": value},
        [],
    )


def test_what_is_in_force_is_shown_with_every_field_and_no_secret():
    task = with_rules(rule("a", HOOK, OTHER, MAIL), task_retry={"delay": "1m"}, task_env={"A": "b"})
    one = config(task, smtp={"host": "mail", "from": "a@example.org"}).tasks["a"]
    found = effective_task(one)
    assert json.loads(json.dumps(found)) == found
    assert "hunter" not in json.dumps(found)
    after = {**task, "task_id": "b", "task_dependencies": [{"task_id": "a", "on": "failure"}]}
    both = config(task, after, smtp={"host": "mail", "from": "a@example.org"})
    assert effective_task(both.tasks["b"])["task_dependencies"] == [{"task_id": "a", "on": "failure"}]
    assert found["task_retry"] == {"max_attempts": 1, "delay": 60, "backoff": 2, "max_delay": 600, "jitter": 0.1}
    assert (found["task_overlap"], found["task_limits"], found["task_timeout"]) == ("skip", None, 86_400)
    assert (found["task_log"], found["task_env"], found["task_exec"]) == ("a.log", {"A": "b"}, "true")
    first, second, _ = found["task_notify"][0]["channels"]
    assert (first["url"], first["secret"], first["preset"]) == ("***", "***", None)
    assert first["headers"] == {"Authorization": "***", "X-Key": {"from_env": "HOOK_KEY"}}
    assert second["url"] == {"from_file": "var/hook.url"}
    assert problems_of({"tasks": [{**found, "task_notify": []}]}) == []


def test_stars_are_replaced_by_the_current_value():
    before = with_rules(rule("a", HOOK, MAIL), rule("b", OTHER))
    assert restore(redact(before), before) == (before, [])
    changed = redact(before)
    changed["task_notify"][0]["channels"][0]["method"] = "PUT"
    changed["task_notify"].reverse()
    changed["task_name"] = "***"  # no secret: a name like any other
    found, faults = restore(changed, before)
    assert faults == []
    assert found["task_notify"] == [rule("b", OTHER), rule("a", {**HOOK, "method": "PUT"}, MAIL)]
    assert found["task_name"] == "***"


def test_a_secret_can_be_replaced_and_removed():
    before = with_rules(rule("a", HOOK))
    new = {**HOOK, "url": "***", "secret": {"from_env": "K"}, "headers": {"Authorization": "***"}}
    found, faults = restore(with_rules(rule("a", new)), before)
    assert faults == []
    [channel] = found["task_notify"][0]["channels"]
    assert channel == {**new, "url": HOOK["url"], "headers": {"Authorization": "Bearer hunter4"}}


@pytest.mark.parametrize("url", ["https://elsewhere.example.org/", {"from_env": "URL"}, None])
def test_where_the_address_is_changed_no_secret_goes_along(url):
    before = with_rules(rule("a", HOOK))
    back = redact(before)
    back["task_notify"][0]["channels"][0]["url"] = url
    _, faults = restore(back, before)
    assert [fault.path for fault in faults] == [
        "task_notify[0].channels[0].secret",
        "task_notify[0].channels[0].headers.Authorization",
    ]
    assert all(
        render(fault.text).startswith('is "***", but url was changed: enter this value again;') for fault in faults
    )
    back["task_notify"][0]["channels"][0]["url"] = HOOK["url"]  # it was typed again
    assert restore(back, before) == (before, [])


def test_a_header_that_is_called_url_is_no_address():
    before = with_rules(rule("a", {**HOOK, "headers": {"url": "hunter5", "X-Key": "hunter6"}}))
    back = redact(before)
    back["task_notify"][0]["channels"][0]["headers"]["url"] = "new"
    found, faults = restore(back, before)
    assert (faults, found["task_notify"][0]["channels"][0]["headers"]) == ([], {"url": "new", "X-Key": "hunter6"})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["u1", "u2"], [{"method": "PUT"}, {"url": "https://new"}]),  # one removed, one changed, one added
        (["u1", "u2"], [{"url": "https://new"}, {"method": "PUT"}]),
        (["u1", "u2"], [{"method": "PUT"}]),
        (["u1", "u1"], [{"method": "PUT"}]),
        (["u1"], [{"method": "PUT"}, {"method": "PATCH"}]),
        (["u1", "u2"], [{"method": "PUT"}, {"method": "PATCH"}]),
    ],
)
def test_a_secret_never_reaches_another_channel_by_its_place(old, new):
    """Stars get the value of a current channel only if no other channel is possible."""
    before = with_rules(rule("a", *({"type": "webhook", "url": f"https://{url}"} for url in old)))
    back = with_rules(rule("a", *({"type": "webhook", "url": "***", **fields} for fields in new)))
    found, faults = restore(back, before)
    assert faults
    assert found == back
    assert {fault.path for fault in faults} == {
        f"task_notify[0].channels[{index}].url" for index, fields in enumerate(new) if "url" not in fields
    }


def test_the_one_that_is_left_is_found_wherever_it_stands():
    before = with_rules(rule("a", MAIL, HOOK, OTHER))
    back = redact(before)
    changed = back["task_notify"][0]["channels"].pop(1)
    back["task_notify"][0]["channels"].append({**changed, "method": "PUT"})
    found, faults = restore(back, before)
    assert (faults, found["task_notify"][0]["channels"]) == ([], [MAIL, OTHER, {**HOOK, "method": "PUT"}])


def test_a_renamed_rule_keeps_its_secrets_where_it_stands():
    before = with_rules(rule("a", HOOK), rule("b", MAIL))
    renamed = redact(before)
    renamed["task_notify"][0]["name"] = "c"
    found, faults = restore(renamed, before)
    assert (faults, found["task_notify"][0]["channels"]) == ([], [HOOK])


def test_of_two_channels_that_look_alike_the_one_left_gets_neither_secret():
    first, second = {**HOOK, "secret": "hunter5"}, HOOK
    before = with_rules(rule("a", first, second))
    kept = redact(before)
    assert restore(kept, before) == (before, [])
    del kept["task_notify"][0]["channels"][0]
    _, faults = restore(kept, before)
    assert [fault.path for fault in faults] == [
        "task_notify[0].channels[0].url",
        "task_notify[0].channels[0].secret",
        "task_notify[0].channels[0].headers.Authorization",
    ]
    assert render(faults[0].text).startswith('is "***", but there is no current value to keep; expected an http://')
    twins = with_rules(rule("a", HOOK, HOOK))
    kept = redact(twins)
    del kept["task_notify"][0]["channels"][0]
    assert restore(kept, twins) == (with_rules(rule("a", HOOK)), [])


def test_a_channel_of_another_type_takes_no_secret_over():
    before = with_rules(rule("a", MAIL))
    _, faults = restore(with_rules(rule("a", {"type": "webhook", "url": "***"})), before)
    assert [fault.path for fault in faults] == ["task_notify[0].channels[0].url"]


def test_stars_without_a_current_value_are_reported():
    before = with_rules(rule("a", {**HOOK, "secret": None}))
    back = redact(before)
    assert back["task_notify"][0]["channels"][0]["secret"] is None
    back["task_notify"][0]["channels"][0]["secret"] = "***"
    found, faults = restore(back, before)
    assert [fault.path for fault in faults] == ["task_notify[0].channels[0].secret"]
    assert found["task_notify"][0]["channels"][0]["secret"] is None
    assert [fault.path for fault in restore(redact(before), None)[1]] == [
        "task_notify[0].channels[0].url",
        "task_notify[0].channels[0].headers.Authorization",
    ]


def test_secrets_of_the_defaults_are_kept_in_a_task_that_takes_them_over():
    rules = [rule("a", HOOK)]
    back = redact(with_rules(*rules))
    assert restore(back, task(), {"task_notify": rules}) == (with_rules(*rules), [])


def test_no_task_inherits_a_secret_the_log_or_what_the_engine_was_started_with():
    smtp = {"host": "mail", "username": "u", "password": {"from_env": "MAIL_PW"}, "from": "ops@example.org"}
    hook = {**HOOK, "url": {"from_env": "HOOK_URL"}, "secret": {"from_file": "var/key"}}
    both = [
        task("a", task_env={"PW": {"from_env": "DB_PW"}, "LEVEL": "full"}),
        {**with_rules(rule("x", hook)), "task_id": "b"},
    ]
    found, problems = parse_config(json.dumps({"settings": {"smtp": smtp}, "tasks": both}).encode())
    assert not problems
    secret = dict.fromkeys(["MAIL_PW", "HOOK_URL", "HOOK_KEY", "DB_PW"], "hunter2")
    others = {"PATH": "/bin", "LEVEL": "low", "var/key": "x"}
    environ = {**secret, **others, "TASK_LOG": "a.log", "MINISCHED_RUN_ID": "7"}
    assert base_environment(environ, found) == others


@pytest.mark.parametrize("name", ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "USER", "SHELL"])
def test_what_every_task_needs_cannot_be_the_secret_of_one(name):
    task = {"task_id": "a", "task_exec": "x", "task_env": {"A": {"from_env": name}}}
    config, problems = parse_config(json.dumps({"tasks": [task]}).encode())
    (problem,) = problems
    assert config is None and "not one that every task gets (PATH, HOME" in render(problem.text)
    task["task_env"]["A"]["from_env"] = f"MY_{name}"
    assert parse_config(json.dumps({"tasks": [task]}).encode())[1] == []


def test_variables_that_only_the_engine_reads_go_to_no_task():
    hook = {"type": "webhook", "url": {"from_env": "ENGINE_HOOK"}}
    engine = [{"name": "engine", "triggers": ["problem"], "channels": [hook]}]
    found = config(heartbeat={"url": {"from_env": "HEARTBEAT_URL"}}, notify={"engine": engine})
    environ = {"ENGINE_HOOK": "x", "HEARTBEAT_URL": "y", "PATH": "/bin"}
    assert base_environment(environ, found) == {"PATH": "/bin"}

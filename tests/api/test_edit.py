"""Tasks are changed in the config file: by its rules, completely or not at all, in force when the response comes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minisched.model import FieldError, Reload, Reply, Text
from support.api import Api
from support.config import task
from support.store import fill_to_the_brim, small_disk

HOOK = {"type": "webhook", "url": "https://chat.example.org/hooks/hunter2", "headers": {"Authorization": "hunter3"}}
RULE = {"name": "tell ops", "triggers": ["technical_failure"], "channels": [HOOK]}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    one = Api(
        tmp_path / "home",
        {"task_exec": "echo a", "task_id": "a", "task_timeout": "5m", "task_notify": [RULE]},
        task("b", task_dependencies=["a"], task_env={"LEVEL": "full", "PW": {"from_env": "DB_PW"}}),
        task("c"),
    )
    yield one
    one.close()


def in_file(api: Api, task_id: str) -> Any:
    return next((one for one in api.document["tasks"] if one["task_id"] == task_id), None)


def paths(found: Any) -> list[str]:
    assert (found.status, found.code) == (422, "invalid_config"), found.body
    return [problem["path"] for problem in found.json["error"]["problems"]]


def test_a_task_is_read_with_its_summary_its_object_and_its_effective_fields(api: Api) -> None:
    found = api.get("/tasks/a")
    assert found.json["task"] == api.get("/tasks").json["items"][0]
    assert found.json["config"]["task_timeout"] == "5m"
    assert found.json["effective"]["task_timeout"] == 300
    assert found.json["effective"]["task_log"] == "a.log"
    assert b"hunter" not in found.body
    assert found.json["config"]["task_notify"][0]["channels"] == [
        {**HOOK, "url": "***", "headers": {"Authorization": "***"}}
    ]
    assert api.get("/tasks/b").json["effective"]["task_env"] == {"LEVEL": "full", "PW": {"from_env": "DB_PW"}}
    assert found.headers["ETag"] == f'"{api.get("/status").json["config"]["hash"]}"'
    assert api.get("/tasks/never_was").code == "not_found"


def test_a_task_is_created_at_the_end(api: Api) -> None:
    found = api("POST", "/tasks", task("new", task_dependencies=["a"]))
    assert (found.status, found.headers["Location"]) == (201, "/api/scheduler/tasks/new")
    assert found.json["current_status"] == "idle"
    assert [one["task_id"] for one in api.document["tasks"]] == ["a", "b", "c", "new"]
    assert found.headers["ETag"] == api.get("/tasks/new").headers["ETag"]
    [message] = api.posted
    assert isinstance(message, Reload)
    assert message.by == "task new created, API, 127.0.0.1:9"
    assert (api.path / "tasks" / "config.json.bak").exists()
    for name in ("new", "NEW", "A"):
        again = api("POST", "/tasks", task(name))
        assert (again.status, again.code) == (409, "exists")
    assert len(api.posted) == 1


def test_an_invalid_task_is_refused_with_every_problem_at_its_field(api: Api) -> None:
    before = api.config.read_bytes()
    wrong = {
        "task_id": "x y",
        "task_retry": {"delay": "5 min"},
        "task_notify": [{**RULE, "channels": [MAIL, {"type": "webhook", "url": "ftp://x"}]}],
    }
    found = api("POST", "/tasks", wrong)
    assert paths(found) == ["task_id", "task_retry.delay", "task_notify[0].channels[1].url", "task_exec"]
    assert found.json["error"]["problems"][1]["message"] == 'is "5 min"; expected a duration such as 300 or "5m"'
    assert found.json["error"]["problems"][1]["place"] == "tasks[3]: task_retry.delay"
    assert paths(api("POST", "/tasks", {})) == ["task_id", "task_exec"]
    assert paths(api("POST", "/tasks", task("x", tsak_name="y"))) == [""]
    assert paths(api("POST", "/tasks", task("x", task_log="C.LOG"))) == ["task_log"]
    assert paths(api("POST", "/tasks", task("x", task_notify=[{**RULE, "channels": [{**HOOK, "url": "***"}]}]))) == [
        "task_notify[0].channels[0].url"
    ]
    assert (api.config.read_bytes(), api.posted) == (before, [])


MAIL = {"type": "email", "recipients": ["ops@example.org"]}


def test_a_cycle_is_refused_at_its_field(api: Api) -> None:
    found = api("PATCH", "/tasks/a", {"task_dependencies": ["b"]})
    assert paths(found) == ["task_dependencies"]
    assert "a -> b -> a" in found.json["error"]["problems"][0]["message"]


def test_a_task_is_replaced_in_its_place_with_its_secrets_kept(api: Api) -> None:
    config = api.get("/tasks/a").json["config"]
    found = api("PUT", "/tasks/a", {"task_name": "Anew", **dict(reversed(config.items())), "task_timeout": None})
    assert (found.status, found.json["task_name"], found.json["task_timeout"]) == (200, "Anew", None)
    assert list(in_file(api, "a")) == ["task_exec", "task_id", "task_timeout", "task_notify", "task_name"]
    assert in_file(api, "a")["task_notify"] == [RULE]
    assert [one["task_id"] for one in api.document["tasks"]] == ["a", "b", "c"]
    assert api.get("/tasks/a").json["task"]["task_name"] == "Anew"


def test_a_task_keeps_its_id(api: Api) -> None:
    for method in ("PUT", "PATCH"):
        assert paths(api(method, "/tasks/c", task("d"))) == ["task_id"]
    assert paths(api("PUT", "/tasks/c", {"task_exec": "true"})) == ["task_id"]
    assert paths(api("PATCH", "/tasks/c", {"task_id": None})) == ["task_id"]
    assert api("PUT", "/tasks/never_was", task("never_was")).code == "not_found"


def test_fields_are_patched_and_null_removes_one(api: Api) -> None:
    api("PUT", "/tasks/c", task("c", task_timeout=None, task_name="C", task_nice=5))
    found = api("PATCH", "/tasks/c", {"task_name": None, "task_nice": 7, "task_cwd": None})
    assert found.status == 200
    assert in_file(api, "c") == {"task_id": "c", "task_exec": "true", "task_timeout": None, "task_nice": 7}
    assert isinstance(api.posted[-1], Reload)
    assert api.posted[-1].by == "task c changed (task_name, task_nice, task_cwd), API, 127.0.0.1:9"
    back = api.get("/tasks/a").json["config"]["task_notify"]
    back[0]["threshold"] = 3
    assert api("PATCH", "/tasks/a", {"task_notify": back}).status == 200
    assert in_file(api, "a")["task_notify"] == [{**RULE, "threshold": 3}]


@pytest.mark.parametrize("value", [None, 5])
def test_a_patch_of_an_unknown_field_is_refused(api: Api, value: Any) -> None:
    found = api("PATCH", "/tasks/c", {"task_timout": value})
    assert (found.status, found.code) == (422, "invalid_config")
    [problem] = found.json["error"]["problems"]
    assert problem["message"] == 'unknown field "task_timout"; did you mean "task_timeout"?'
    assert "task_timout" not in in_file(api, "c")


def test_a_task_is_disabled_and_enabled(api: Api) -> None:
    assert api("POST", "/tasks/c/disable").json["enabled"] is False
    assert in_file(api, "c")["enabled"] is False
    found = api("POST", "/tasks/c/enable", {})
    assert found.json["enabled"] is True
    assert in_file(api, "c")["enabled"] is True
    assert found.headers["ETag"] == api.get("/tasks/c").headers["ETag"]
    assert api("POST", "/tasks/never_was/enable").code == "not_found"


def test_many_tasks_are_changed_in_one_write(api: Api) -> None:
    api("PATCH", "/tasks/b", {"task_tags": ["night", "db"]})
    loads = len(api.posted)
    found = api("PATCH", "/tasks", {"task_ids": ["b", "c", "gone", "b"], "enabled": False, "add_tags": ["db"]})
    assert found.json == {"changed": ["b", "c"], "unchanged": [], "missing": ["gone"]}
    assert [(in_file(api, name)["enabled"], in_file(api, name)["task_tags"]) for name in "bc"] == [
        (False, ["night", "db"]),
        (False, ["db"]),
    ]
    assert len(api.posted) - loads == 1
    assert api.posted[-1].by.startswith("tasks b, c changed (disabled, tags added), ")
    found = api("PATCH", "/tasks", {"task_ids": ["b", "c"], "enabled": False, "remove_tags": ["night"]})
    assert found.json == {"changed": ["b"], "unchanged": ["c"], "missing": []}
    assert in_file(api, "b")["task_tags"] == ["db"]
    assert "enabled" not in in_file(api, "a")


def test_many_tasks_are_removed_in_one_write_unless_others_depend_on_them(api: Api) -> None:
    found = api("PATCH", "/tasks", {"task_ids": ["c", "a"], "delete": True})
    assert (found.status, found.code, found.json["error"]["dependents"]) == (409, "has_dependents", ["b"])
    assert (found.message, len(api.document["tasks"])) == ("a is a dependency of b", 3)
    loads = len(api.posted)
    found = api("PATCH", "/tasks", {"task_ids": ["b", "a", "gone"], "delete": True})
    assert found.json == {"changed": ["a", "b"], "unchanged": [], "missing": ["gone"]}
    assert [one["task_id"] for one in api.document["tasks"]] == ["c"]
    assert len(api.posted) - loads == 1
    assert api.posted[-1].by.startswith("tasks b, a removed, ")
    found = api("PATCH", "/tasks", {"task_ids": ["c"], "delete": False})
    assert found.json == {"changed": [], "unchanged": ["c"], "missing": []}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"task_ids": ["c"], "delete": 1}, "bad_request"),
        ({"task_ids": ["c"], "delete": True, "enabled": True}, "bad_request"),
        ({"task_ids": "b"}, "bad_request"),
        ({"enabled": True}, "bad_request"),
        ({"task_ids": ["b"], "enabled": 1}, "bad_request"),
        ({"task_ids": ["b"], "enabled": None}, "bad_request"),
        ({"task_ids": ["b"], "task_cwd": "/"}, "bad_request"),
        ({"task_ids": ["b", "c"], "add_tags": [""]}, "invalid_config"),
    ],
)
def test_many_tasks_are_changed_all_or_not_at_all(api: Api, body: Any, code: str) -> None:
    before = api.config.read_bytes()
    assert api("PATCH", "/tasks", body).code == code
    assert api.config.read_bytes() == before


def test_the_engine_is_paused_and_resumed(api: Api) -> None:
    found = api("POST", "/pause")
    assert (found.status, found.json) == (
        200,
        {"paused": {"since": None, "source": "file", "by": ""}, "unfinished": 0, "changed": True},
    )
    assert json.loads(api.config.read_text())["settings"]["paused"] is True
    assert api.get("/status").json["paused"]["source"] == "file"  # no engine has recorded it here
    assert b"minisched_paused 1\n" in api.get("/metrics").body
    before = api.config.read_bytes()
    assert api("POST", "/pause").status == 200
    assert api.config.read_bytes() == before
    assert api("POST", "/resume").json["paused"] is None
    assert json.loads(api.config.read_text())["settings"]["paused"] is False
    assert api.get("/status").json["paused"] is None


def test_what_is_so_already_is_not_written(api: Api) -> None:
    before, stamp = api.config.read_bytes(), api.stamp()
    for method, path, body in (
        ("POST", "/tasks/c/enable", None),
        ("PATCH", "/tasks/c", {"task_cwd": None}),
        ("PUT", "/tasks/c", api.get("/tasks/c").json["config"]),
    ):
        assert api(method, path, body).status == 200
    assert (api.config.read_bytes(), api.stamp(), api.posted) == (before, stamp, [])
    assert not (api.path / "tasks" / "config.json.bak").exists()


def test_a_change_leaves_the_rest_of_a_file_as_it_was_written(api: Api) -> None:
    text = """{ "tasks" : [
    {"task_id": "a", "task_exec": "echo \\u00fc", "task_timeout": 6e1},

    {"task_id": "b", "task_exec": "true"}]}"""
    api.config.write_text(text)
    api.reload()
    assert api("POST", "/tasks/b/disable").status == 200
    assert api.config.read_text() == text.replace('"true"}', '"true", "enabled": false}')
    assert api("POST", "/tasks/b/enable").status == 200
    assert api("PATCH", "/tasks/a", {"task_timeout": 60, "task_nice": 5}).status == 200
    assert api.config.read_text() == text.replace('"true"}', '"true", "enabled": true}').replace(
        "6e1}", '6e1, "task_nice": 5}'
    )
    assert api("DELETE", "/tasks/a").status == 200
    assert (
        api.config.read_text()
        == """{ "tasks" : [
    {"task_id": "b", "task_exec": "true", "enabled": true}]}"""
    )


def test_a_dependency_as_an_object_is_kept_as_it_is_written(api: Api) -> None:
    written = ["a", {"task_id": "c", "within": "26h", "on": "end"}]
    assert api("PATCH", "/tasks/b", {"task_dependencies": written}).status == 200
    found = api.get("/tasks/b").json
    assert found["config"]["task_dependencies"] == written
    assert found["effective"]["task_dependencies"] == ["a", {"task_id": "c", "on": "end", "within": 93_600.0}]
    assert found["task"]["task_dependencies"] == found["effective"]["task_dependencies"]
    assert api("DELETE", "/tasks/c").code == "has_dependents"


def test_a_task_is_removed_unless_others_depend_on_it(api: Api) -> None:
    found = api("DELETE", "/tasks/a")
    assert (found.status, found.code) == (409, "has_dependents")
    assert found.json["error"]["dependents"] == ["b"]
    assert found.message == "a is a dependency of b"
    assert api("DELETE", "/tasks/b").json == {"task_id": "b"}
    assert api("DELETE", "/tasks/a").json == {"task_id": "a"}
    assert [one["task_id"] for one in api.document["tasks"]] == ["c"]
    assert api("DELETE", "/tasks/a").code == "not_found"


def test_a_change_with_a_stale_etag_is_refused(api: Api) -> None:
    etag = api.get("/tasks/c").headers["ETag"]
    assert api("PATCH", "/tasks/c", {"task_nice": 1}, {"if-match": etag}).status == 200
    for method, body in (("PUT", task("c")), ("PATCH", {}), ("DELETE", None)):
        found = api(method, "/tasks/c", body, {"if-match": etag})
        assert (found.status, found.code) == (412, "stale")
    newest = api.get("/tasks/c").headers["ETag"]
    assert api("PATCH", "/tasks/c", {"task_nice": 2}, {"if-match": f"W/{newest}"}).code == "stale"  # a strong one only
    assert api("PATCH", "/tasks/c", {"task_nice": 2}, {"if-match": f'"x", {newest}'}).status == 200
    assert api("PATCH", "/tasks/c", {"task_nice": 3}, {"if-match": "*"}).status == 200
    assert in_file(api, "c")["task_nice"] == 3


@pytest.mark.parametrize("by_hand", ['{"tasks": []}', '{"tasks": [', None], ids=["right", "broken", "removed"])
def test_a_file_edited_manually_is_not_overwritten(api: Api, by_hand: Any) -> None:
    if by_hand is None:
        api.config.unlink()
    else:
        api.config.write_text(by_hand)
    for method, path, body in (
        ("POST", "/tasks", task("new")),
        ("PUT", "/tasks/c", task("c")),
        ("DELETE", "/tasks/c", None),
        ("POST", "/tasks/c/disable", None),
    ):
        found = api(method, path, body)
        assert (found.status, found.code) == (409, "config_changed")
    assert api.posted == []
    assert (api.config.read_text() if by_hand else None) == by_hand
    found = api.get("/tasks/c")
    assert (found.status, found.json["config"], found.json["effective"]["task_id"]) == (200, None, "c")
    assert ("ETag" in found.headers) == (by_hand is not None)


def test_a_valid_file_that_is_not_in_force_yet_is_shown_but_not_changed(api: Api) -> None:
    document = api.document
    document["tasks"][2]["task_name"] = "By hand"
    api.write(document)
    assert api.get("/tasks/c").json["config"]["task_name"] == "By hand"
    assert api("PATCH", "/tasks/c", {"task_nice": 1}).code == "config_changed"
    api.reload()
    assert api("PATCH", "/tasks/c", {"task_nice": 1}).status == 200
    assert in_file(api, "c")["task_name"] == "By hand"


def test_a_file_edited_at_the_last_moment_is_not_overwritten(api: Api) -> None:
    stamps = []

    def stamp() -> object:
        stamps.append(api.stamp())
        if len(stamps) == 2:  # the file has been read
            api.config.write_text('{"tasks": []}')
        return stamps[-1]

    api.app.config_stamp = stamp
    assert api("PATCH", "/tasks/c", {"task_nice": 1}).code == "config_changed"
    assert api.config.read_text() == '{"tasks": []}'


def test_one_change_at_a_time(api: Api) -> None:
    api.app.reply_s = 0.05
    with api.app.write_lock:
        assert api("PATCH", "/tasks/c", {"task_nice": 1}).code == "busy"
    assert api("PATCH", "/tasks/c", {"task_nice": 1}).status == 200


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (None, "busy", "the file is written, but not in force yet: the engine did not answer"),
        (
            Reply("stopping", Text("text", text="it stops")),
            "stopping",
            "the file is written, but not in force yet: it stops",
        ),
        (
            Reply(
                "invalid", Text("text", text="it has problems"), problems=(FieldError("", Text("config.json.empty")),)
            ),
            "invalid_config",
            "the file is written, but not in force: it has problems",
        ),
    ],
)
def test_a_change_that_is_not_loaded_is_reported(api: Api, answer: Any, code: str, message: str) -> None:
    api.mute, api.refusal, api.app.reply_s = answer is None, answer, 0.05
    found = api("PATCH", "/tasks/c", {"task_nice": 1})
    assert found.code == code
    assert found.message.startswith(message)
    assert in_file(api, "c")["task_nice"] == 1


def test_a_config_that_everyone_can_write_is_not_changed(api: Api) -> None:
    before = api.config.read_bytes()
    api.config.chmod(0o666)
    found = api("PATCH", "/tasks/c", {"task_nice": 1})
    assert (found.status, found.code) == (422, "invalid_config")
    [problem] = found.json["error"]["problems"]
    assert problem["message"] == f"is writable by everyone; fix it with: chmod o-w {api.config}"
    assert "nothing was changed" in found.message
    assert (api.config.read_bytes(), api.posted) == (before, [])
    api.config.chmod(0o640)
    assert api("PATCH", "/tasks/c", {"task_nice": 1}).status == 200


def test_a_task_that_is_not_in_force_in_time_is_reported(api: Api) -> None:
    api.refusal = Reply()  # it says so, and does nothing
    assert api("POST", "/tasks", task("new")).code == "busy"


def test_a_full_disk_leaves_the_config_as_it_was(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1024) as disk:
        api = Api(disk / "home", task("c"))
        before = api.config.read_bytes()
        api.get("/tasks")
        fill_to_the_brim(disk)
        found = api("POST", "/tasks", task("new", task_description="x" * 60_000))
        assert (found.status, found.code) == (507, "disk_full")
        assert api.config.read_bytes() == before
        assert sorted(os.listdir(disk / "home" / "tasks")) == ["config.json"]
        assert not api.app.write_lock.locked()
        api.close()


def test_a_config_that_would_be_too_large_is_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minisched.config.file.MAX_BYTES", 2000)
    found = api("POST", "/tasks", task("new", task_description="x" * 3000))
    assert (found.status, found.code) == (422, "invalid_config")
    assert "at most 2000 are allowed" in found.json["error"]["problems"][0]["message"]


def test_a_task_is_validated_in_its_place(api: Api) -> None:
    def problems(one: Any) -> list[str]:
        found = api("POST", "/validate", {"task": one}).json
        assert found["valid"] == (not found["problems"])
        return [problem["path"] for problem in found["problems"]]

    assert problems(task("new", task_dependencies=["b"])) == []
    assert problems(api.get("/tasks/a").json["config"]) == []
    assert problems(task("a", task_dependencies=["b"])) == ["task_dependencies"]
    assert problems(task("new", task_timeout="x", task_nice=99)) == ["task_timeout", "task_nice"]
    assert problems(task("new", task_notify=[{**RULE, "channels": [{**HOOK, "url": "***"}]}])) != []
    assert problems(task("B")) == ["task_id"]
    for strange in (None, 5, "x", [], {}, {"task_id": []}):
        assert problems(strange) != []
    api.config.write_text("{")
    assert problems(task("new", task_dependencies=["gone"])) == []  # the others are not known
    assert problems(task("new", task_nice=99)) == ["task_nice"]
    assert api.posted == []


def test_a_config_is_validated_whole(api: Api) -> None:
    for config, valid in (({"tasks": [task("x")]}, True), ({"tasks": [{}]}, False), (None, False), ([], False)):
        assert api("POST", "/validate", {"config": config}).json["valid"] is valid
    for body in ({}, {"task": {}, "config": {}}, {"tasks": []}):
        assert api("POST", "/validate", body).code == "bad_request"


def test_the_form_gets_its_fields_and_the_schema(api: Api) -> None:
    found = api.get("/schema").json
    assert found["json_schema"]["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert found["fields"][0]["name"] == "task_id"


def test_a_reload_puts_the_file_in_force(api: Api) -> None:
    api.write({"tasks": [task("other")]})
    assert api("POST", "/reload").json == {"problems": []}
    assert [summary["task_id"] for summary in api.get("/tasks").json["items"]] == ["other"]
    api.write({"tasks": [{"task_id": "other"}]})
    assert paths(api("POST", "/reload", {})) == ["task_exec"]


def test_a_task_is_found_in_any_valid_file(api: Api) -> None:
    api.config.write_text(' {"settings": {"timezone": "UTC"},\n\t"tasks" :[ {"task_id": "a", "task_exec": "x"} ]}')
    api.reload()
    assert api.get("/tasks/a").json["config"] == {"task_id": "a", "task_exec": "x"}
    text = (
        '{"tasks": [{"task_exec": "echo \\"]}\\"", "task_id": "one", "task_description": "Früh 迟到 😀 [{"},'
        '{"task_id": "two", "task_exec": ["x"], "task_dependencies": ["one"]} ], "version": 1, "defaults": {}}'
    )
    api.config.write_text(text, encoding="utf-8")
    api.reload()
    for task_id, own in zip(("one", "two"), json.loads(text)["tasks"]):
        assert api.get(f"/tasks/{task_id}").json["config"] == own
    assert api("PATCH", "/tasks/one", {"task_description": "x" * 5000}).status == 200
    assert api.get("/tasks/two").json["config"]["task_dependencies"] == ["one"]

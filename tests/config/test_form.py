"""The page's form gets every field of a task, and for each type what it needs."""

import json

from minisched.config.exports import form_fields
from minisched.config.task_fields import TASK
from minisched.model.task import TemplateVariables

KINDS = {
    "bool", "integer", "number", "duration", "size", "text", "choice", "zone", "schedule", "command", "list", "map",
    "object", "name_or_object", "variants", "secret", "template", "task_ids",
}  # fmt: skip


def everything(fields):
    for field in fields:
        yield field
        yield from everything(field.get("fields", []))
        for inside in field.get("variants", {}).values():
            yield from everything(inside)
        if "item" in field:
            yield from everything([field["item"]])


FIELDS = {field["name"]: field for field in form_fields()}


def test_every_field_of_a_task_is_there_in_the_order_of_the_table():
    assert list(FIELDS) == list(TASK.rows)
    assert json.loads(json.dumps(FIELDS)) == FIELDS


def test_every_kind_has_a_word_and_says_its_rule_in_both_languages():
    found = list(everything(FIELDS.values()))
    assert {field["kind"] for field in found} == KINDS
    for field in found:
        assert all(field[name][language] for name in ("rule", "words") for language in ("en", "zh"))
        if "name" in field:
            assert field["help"]["en"] and field["help"]["zh"]


def test_a_field_has_the_members_of_its_type():
    assert (FIELDS["task_nice"]["low"], FIELDS["task_nice"]["high"], FIELDS["task_nice"]["nullable"]) == (-20, 19, True)
    assert FIELDS["task_overlap"]["choices"] == ["skip", "queue", "replace"]
    assert FIELDS["task_overlap"]["default"] == "skip"
    assert FIELDS["task_description"]["multiline"] and not FIELDS["task_name"]["multiline"]
    assert FIELDS["task_name"]["default_words"] == {"en": "`task_id`", "zh": "`task_id`"}
    dependency = FIELDS["task_dependencies"]
    assert dependency["kind"] == "task_ids"
    assert [(one["name"], one["kind"]) for one in dependency["fields"]] == [
        ("task_id", "text"),
        ("on", "choice"),
        ("within", "duration"),
    ]
    assert dependency["fields"][2]["ever"] is True
    assert (FIELDS["task_schedule"]["item"]["kind"], FIELDS["task_schedule"]["one"]) == ("schedule", True)
    assert [field["name"] for field in FIELDS["task_limits"]["fields"]] == ["memory", "cpu_seconds", "open_files"]
    assert (FIELDS["task_env"]["item"]["kind"], FIELDS["task_env"]["item"]["secret"]) == ("secret", False)
    assert "environment variable" in FIELDS["task_env"]["name_rule"]["en"]
    rule = {field["name"]: field for field in FIELDS["task_notify"]["item"]["fields"]}
    channels = rule["channels"]["item"]["variants"]
    assert list(channels) == ["email", "webhook", "command", "file"]
    webhook = {field["name"]: field for field in channels["webhook"]}
    assert webhook["url"]["secret"] and webhook["headers"]["item"]["secret"]
    assert webhook["body_template"]["variables"] == list(TemplateVariables._fields)
    assert webhook["body_template"]["json"] and webhook["body_template"]["multiline"]
    assert rule["triggers"]["item"]["choices"][0] == "success"

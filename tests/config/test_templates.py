"""Templates when the config is loaded: known names only, whatever is around them, and never a long wait."""

from time import process_time

import pytest

from minisched.config.field_types import Template
from minisched.config.notify_fields import is_json, media_type
from minisched.config.problems import ParseContext, ValidationError
from minisched.model import Secret
from minisched.model.task import TemplateVariables
from minisched.notify.templates import fill, fill_json, fill_json_text
from support.config import problems_of, task


@pytest.mark.parametrize(
    "piece", ["{{", "{{ ", "{", " ", " }", "{{}", "{{ \n a", "a "], ids=lambda piece: piece.replace("\n", "n")
)
def test_no_template_takes_long_to_read(piece):
    template = Template(TemplateVariables._fields)
    for size in (1024, 65_536):  # the shorter one first: it fails within seconds what the longer one would never end
        text = ("{{" + piece * size)[:size]
        began = process_time()
        try:
            assert template.read(text, ParseContext(), None) == text
        except ValidationError as error:
            assert error.errors[0].text.code in ("config.half_open", "config.unknown_variable")
        assert process_time() - began < 1.0


def test_names_in_a_template_are_found_wherever_they_stand():
    template = Template(TemplateVariables._fields)
    for text in ("{{ task_id }}{{task_name}} {{\n\texit_code\u3000}}", "}} }", "{{{{ {{{{", '{"a": {"b": {}}}'):
        assert template.read(text, ParseContext(), None) == text
    for text in ("{{ task_id }}{{ task_idd }}", "{{}}", "{{ task_id {{ exit_code }}", "{{{ task_id }}}", "{{ a\nb }}"):
        with pytest.raises(ValidationError):
            template.read(text, ParseContext(), None)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{{ task_name } failed", "{{ task_name } failed"),
        ("{ task_name }} failed", "{ task_name }}"),
        ("{{ task_id }} {{", "{{"),
        ("}} {{ {{", "{{ {{"),
        ('{"a": "{ task_name }}"}', "{ task_name }}"),
    ],
)
def test_half_of_a_variable_is_an_error(text, found):
    (problem,) = problems_of(hook(text))
    assert f': "{found}" is only half of a variable; expected one such as "{{{{ task_name }}}}"' in problem
    assert 'or "{{{{" for the text "{{"' in problem


def test_braces_around_another_name_are_text():
    assert problems_of(hook("{ backup }} of { x }}")) == []


def test_four_braces_are_two_literal_ones():
    text = "{{{{ task_name }} is {{ task_name }} {{{{{{{{ {{{{"
    assert problems_of(hook(text)) == []
    assert fill(text, {"task_name": "Backup"}) == "{{ task_name }} is Backup {{{{ {{"
    assert fill_json({"a": "{{{{x}}"}, {}) == {"a": "{{x}}"}
    text = '{"a": "{{{{{{ exit_code }}", "b": {{ exit_code }}}'
    assert fill_json_text(text, {"exit_code": "1"}) == '{"a": "{{1", "b": 1}'


def hook(template, **headers):
    channel = {"type": "webhook", "url": "http://x/", "headers": headers, "body_template": template}
    return {"tasks": [task(task_notify=[{"name": "n", "triggers": ["success"], "channels": [channel]}])]}


@pytest.mark.parametrize(
    "text",
    ["{{ task_name }}", "a={{ task_name }}", '{"a": }', '"{{ task_name }}"', '{"a', "[" * 99, "[" * 33 + "]" * 33],
)
def test_a_text_that_is_no_json_is_none(text):
    assert not is_json(text)
    assert problems_of(hook(text)) == problems_of(hook(text, Accept="application/json")) == []


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8", "application/vnd.x+json"])
def test_a_text_that_says_it_is_json_is_json(kind):
    headers = {"content-Type": kind}
    right = (
        '{"a": "{{ task_name }}", "b": {{ exit_code }}}',
        "{{ task_name }}",
        '"{{ task_name }}"',
        "[\n1]",
        {"a": "b"},
    )
    for text in right:
        assert problems_of(hook(text, **headers)) == []
    for text in ('{"msg": "{{ task_name }}",}', "{}\n{}", "", "task {{ task_name }}", "[" * 33 + "]" * 33):
        assert problems_of(hook(text, **headers)) == [
            "tasks[0] (a): task_notify[0].channels[0].body_template is not JSON, but the header Content-Type says that"
            ' the body is; expected JSON, or the type "application/x-ndjson" for one JSON value per line'
        ]
        assert problems_of(hook(text, **{"Content-Type": "application/x-ndjson"})) == []


def test_a_type_that_only_the_environment_knows_is_not_judged():
    assert problems_of(hook("a", **{"Content-Type": {"from_env": "TYPE"}})) == []
    assert media_type({"Content-Type": Secret("from_env", "TYPE"), "X": "application/json"}) == ""

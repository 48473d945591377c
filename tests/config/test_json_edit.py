"""A changed JSON text has the new value, and the bytes of everything that did not change."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minisched.config.json_edit import edit_json, is_same

HAND_MADE = """{
    "version":1,

    "settings": { "timezone" : "Asia/Shanghai", "max_running": 1e1 },
    "tasks": [
        {"task_id": "dump", "task_exec": "pg_dump \\u00fc /", "task_timeout": 1.0},

        { "task_id": "upload",
          "task_dependencies": ["dump"],
          "task_retry": {"max_attempts": 3, "delay": "30s"}
        }
    ]
}"""


def changed(text, change):
    """The text after `change` of its value, which may return another one."""
    value = json.loads(text)
    value = change(value) or value
    found = edit_json(text, json.loads(text), value)
    assert json.loads(found) == value
    return found


def lines_changed(text, found):
    return [line for line in found.split("\n") if line not in text.split("\n")]


def test_a_changed_value_changes_only_its_own_characters():
    assert changed(HAND_MADE, lambda value: value["tasks"][0].update(task_timeout=60)) == HAND_MADE.replace("1.0", "60")
    found = changed(HAND_MADE, lambda value: value["tasks"][1]["task_retry"].update(delay="5s"))
    assert found == HAND_MADE.replace("30s", "5s")


def test_what_is_the_same_number_stays_as_it_was_written():
    assert changed(HAND_MADE, lambda value: value["settings"].update(max_running=10)) == HAND_MADE
    assert changed(HAND_MADE, lambda value: value["tasks"][0].update(task_timeout=1)) == HAND_MADE
    assert changed('{"a": 1}', lambda value: value.update(a=True)) == '{"a": true}'


def test_a_new_field_follows_the_others_in_their_way():
    found = changed(HAND_MADE, lambda value: value["tasks"][0].update(enabled=False))
    assert found == HAND_MADE.replace("1.0}", '1.0, "enabled": false}')
    found = changed(HAND_MADE, lambda value: value["tasks"][1].update(enabled=False))
    assert found == HAND_MADE.replace('"30s"}\n', '"30s"},\n          "enabled": false\n')
    found = changed(HAND_MADE, lambda value: value["settings"].update(locks={"db": 1}))
    assert found == HAND_MADE.replace("1e1 }", '1e1, "locks": {"db": 1} }')


def test_a_field_is_removed_with_its_comma():
    assert changed('{"a": 1, "b": 2}', lambda value: value.pop("b") and None) == '{"a": 1}'
    assert changed('{"a": 1, "b": 2}', lambda value: value.pop("a") and None) == '{"b": 2}'
    assert changed('{ "a": 1 }', lambda value: value.clear()) == "{}"
    text = '{\n  "a": 1,\n  "b": 2\n}\n'
    assert changed(text, lambda value: value.pop("a") and None) == '{\n  "b": 2\n}\n'
    assert changed(text, lambda value: value.pop("b") and None) == '{\n  "a": 1\n}\n'


def test_a_task_is_added_in_the_way_of_the_last_one():
    found = changed(HAND_MADE, lambda value: value["tasks"].append({"task_id": "x", "task_tags": ["a", "b"]}))
    assert lines_changed(HAND_MADE, found) == [
        "        },",
        "        {",
        '            "task_id": "x",',
        '            "task_tags": ["a", "b"]',
    ]
    one_line = '{"tasks": [\n  {"task_id": "a"},\n  {"task_id": "b"}\n]}\n'
    found = changed(one_line, lambda value: value["tasks"].append({"task_id": "c", "task_retry": {"delay": 1}}))
    assert found == one_line.replace('"b"}', '"b"},\n  {"task_id": "c", "task_retry": {"delay": 1}}')


def test_a_task_is_removed_and_moved_with_its_text():
    found = changed(HAND_MADE, lambda value: value["tasks"].pop(0) and None)
    kept = HAND_MADE.index('{"task_id": "dump"'), HAND_MADE.index('{ "task_id": "upload"')
    assert found == HAND_MADE[: kept[0]] + HAND_MADE[kept[1] :]
    found = changed(HAND_MADE, lambda value: value["tasks"].reverse())
    for task in re.findall(r"\{[ ]?\"task_id.*?\}\n?(?:        \})?", HAND_MADE, re.DOTALL):
        assert task.rstrip() in found


def test_a_compact_file_stays_compact():
    text = '{"tasks":[{"task_id":"a","task_exec":"x"}]}'
    found = changed(text, lambda value: value["tasks"].append({"task_id": "b", "a": {"x": 1, "y": 0}}))
    assert found == '{"tasks":[{"task_id":"a","task_exec":"x"},{"task_id":"b","a":{"x":1,"y":0}}]}'


def test_line_ends_tabs_and_a_missing_last_line_end_are_kept():
    text = '{\r\n\t"tasks": [\r\n\t\t{\r\n\t\t\t"task_id": "a"\r\n\t\t}\r\n\t]\r\n}'
    found = changed(text, lambda value: value["tasks"][0].update(task_env={"A": {"from_env": "B"}}))
    lines = ['"task_env": {', '\t"A": {', '\t\t"from_env": "B"', "\t}", "}"]
    assert found == text.replace('"a"', '"a",' + "".join(f"\r\n\t\t\t{line}" for line in lines))


def test_the_first_task_of_an_empty_list():
    text = '{\n    "version": 1,\n    "tasks": []\n}\n'
    found = changed(text, lambda value: value["tasks"].append({"task_id": "a"}))
    assert found == text.replace("[]", '[\n        {\n            "task_id": "a"\n        }\n    ]')
    assert changed("{}", lambda value: value.update(tasks=[])) == '{\n  "tasks": []\n}'


def test_the_last_element_leaves_an_empty_list():
    assert changed('{"a": [\n  1\n]}', lambda value: {"a": []}) == '{"a": []}'
    assert changed('{"a": {"b": 1, "c": 2}}', lambda value: {"a": {}}) == '{"a": {}}'


def test_a_list_that_is_too_long_for_a_line_has_several():
    text = '{\n  "a": [1, 2],\n  "b": 1\n}\n'
    long = ["x" * 30 for _ in range(6)]
    assert changed(text, lambda value: {**value, "b": long}).count("\n") > text.count("\n") + 5
    assert '"b": [3, 4]' in changed(text, lambda value: {**value, "b": [3, 4]})


def test_another_task_is_not_written_over_the_one_in_its_place():
    text = '{"tasks": [{"task_id":   "a"}, {"task_id": "b"}]}'
    found = changed(text, lambda value: {"tasks": [{"task_id": "c"}, {"task_id": "b"}]})
    assert '{"task_id":   ' not in found


def test_commas_before_the_lines_are_kept_there():
    text = '{ "tasks":\n  [ {"task_id": "a"}\n  , {"task_id": "b"}\n  ]\n}\n'
    found = changed(text, lambda value: value["tasks"].append({"task_id": "c"}))
    assert found == text.replace('"b"}\n', '"b"}\n  , {"task_id": "c"}\n')
    assert changed(text, lambda value: value["tasks"].pop() and None) == text.replace('  , {"task_id": "b"}\n', "")


def test_escapes_are_kept_and_used_where_the_file_uses_them():
    text = '{"a": "\\u00fc", "b": "\\/"}'
    assert changed(text, lambda value: value.update(c="\u00e4")) == '{"a": "\\u00fc", "b": "\\/", "c": "\\u00e4"}'
    assert changed('{"a": "\u00fc"}', lambda value: value.update(c="\u00e4")) == '{"a": "\u00fc", "c": "\u00e4"}'


def test_a_value_that_json_does_not_have_is_refused():
    with pytest.raises(ValueError, match=r"JSON compliant|not JSON"):
        edit_json("{}", {}, {"x": float("nan")})


# ---------------------------------------------------------------------------------------------------------- any text

SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.0, 1.0, 2.5, "a", "b", "\u00fc", '{ "[,'])
NAMES = st.sampled_from(["task_id", "name", "a", "b", "c", "\u00fc"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=20
)
BLANKS = st.sampled_from(["", "", " ", "\n  ", "\r\n\t", "\n\n"])


@st.composite
def texts(draw, value):
    """A text of the value, with any blanks, numbers and escapes."""

    def write(one):
        if isinstance(one, (dict, list)):
            items = one.items() if isinstance(one, dict) else ((None, inner) for inner in one)
            written = []
            for name, inner in items:
                label = "" if name is None else f"{write(name)}{draw(BLANKS)}:{draw(BLANKS)}"
                written.append(f"{draw(BLANKS)}{label}{write(inner)}{draw(BLANKS)}")
            inside = ",".join(written) or draw(BLANKS)
            return f"{{{inside}}}" if isinstance(one, dict) else f"[{inside}]"
        if isinstance(one, (int, float)) and not isinstance(one, bool):
            return draw(st.sampled_from([json.dumps(one), f"{one:e}"]))
        return json.dumps(one, ensure_ascii=draw(st.booleans()))

    return f"{draw(BLANKS)}{write(value)}{draw(BLANKS)}"


@st.composite
def changes(draw):
    """A text, its value, and another value that has parts of it."""
    before = draw(VALUES)

    def change(one):
        kind = draw(st.integers(0, 5))
        if kind == 0 or not isinstance(one, (dict, list)):
            return draw(VALUES) if kind < 2 else one
        if isinstance(one, dict):
            kept = {name: change(inner) for name, inner in one.items() if draw(st.integers(0, 5))}
            return {**kept, **(draw(st.dictionaries(NAMES, VALUES, max_size=1)))}
        kept = [change(inner) for inner in one if draw(st.integers(0, 5))]
        return draw(st.permutations(kept + draw(st.lists(VALUES, max_size=1))))

    return draw(texts(before)), before, change(before)


def leaves(text, value, at=0, path=()):
    """The text of everything below a value, by its path, read without the code under test."""
    decode = json.JSONDecoder().raw_decode
    at += len(text[at:]) - len(text[at:].lstrip(" \t\r\n,:"))
    found = {path: text[at : decode(text, at)[1]]}
    if isinstance(value, (dict, list)):
        inside = at + 1
        for name in value if isinstance(value, dict) else range(len(value)):
            inside += len(text[inside:]) - len(text[inside:].lstrip(" \t\r\n,:"))
            if isinstance(value, dict):
                name, inside = decode(text, inside)
            found.update(leaves(text, value[name], inside, (*path, name)))
            inside += len(text[inside:]) - len(text[inside:].lstrip(" \t\r\n,:"))
            inside = decode(text, inside)[1]
    return found


def at_path(value, path):
    for step in path:
        value = value[step]
    return value


@settings(derandomize=True, deadline=None, max_examples=300)
@given(changes())
def test_any_change_of_any_text_gives_the_value_and_keeps_the_rest(case):
    text, before, after = case
    found = edit_json(text, before, after)
    assert is_same(json.loads(found), after)
    assert edit_json(text, before, json.loads(json.dumps(before))) == text
    assert found[: len(text) - len(text.lstrip())] == text[: len(text) - len(text.lstrip())]
    old, new = leaves(text, before), leaves(found, json.loads(found))
    for path, body in old.items():
        in_objects = path in new and not any(isinstance(step, int) for step in path)
        if in_objects and is_same(at_path(before, path), at_path(after, path)):
            assert new[path] == body, path


ELEMENTS = st.fixed_dictionaries({"task_id": st.integers(0, 99).map(str)}, optional={"a": SCALARS})
LISTS = st.lists(ELEMENTS, max_size=6, unique_by=lambda one: one["task_id"])


@settings(derandomize=True, deadline=None, max_examples=150)
@given(LISTS.flatmap(lambda tasks: st.tuples(st.just(tasks), texts(tasks), st.permutations(tasks))))
def test_each_element_keeps_its_text_wherever_it_is_moved(case):
    tasks, text, moved = case
    found = edit_json(text, tasks, moved)
    assert json.loads(found) == moved
    old, new = leaves(text, tasks), leaves(found, moved)
    assert sorted(old[(index,)] for index in range(len(tasks))) == sorted(new[(index,)] for index in range(len(tasks)))

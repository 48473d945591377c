"""JSON is read strictly, and told in words that help, the same on every Python."""

import json

import pytest

from minisched.config import parse_config, parse_json
from minisched.config.strict_json import loads
from support.texts import in_both, values_in


def told(data):
    document, problems = parse_json(data)
    assert problems
    for problem in problems:
        in_both(problem.words)
        assert values_in(problem.place) == values_in(problem.place_zh or problem.place)
    return [f"{problem.place} {problem.message}".strip() for problem in problems], document


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", 'is empty; expected an object such as {"tasks": []}'),
        (b" \n", 'is empty; expected an object such as {"tasks": []}'),
        (b"{", "line 1, column 2: the file ends here; expected more: something above is not closed"),
        (b'{"a":\n 1,\n}', 'line 2, column 3: found a "," with nothing but "}" after it; remove the comma'),
        (b'{"a":[1, ]}', 'line 1, column 8: found a "," with nothing but "]" after it; remove the comma'),
        (b'{"a":1,,}', "line 1, column 8: found ,; expected a field name in double quotes"),
        (b'{"a":,}', "line 1, column 6: found ,; expected a value"),
        (b" ,]", "line 1, column 2: found ,; expected a value"),
        (b"],", "line 1, column 1: found ]; expected a value"),
        (b"]", "line 1, column 1: found ]; expected a value"),
        (b"{'a':1}", "line 1, column 2: found '; texts stand in double quotes"),
        (b'{"a":1\n "b":2}', 'line 2, column 2: found "b"; expected a "," or a closing bracket before it'),
        (b'{"a" 1}', 'line 1, column 6: found 1; expected a ":" before it'),
        (b'{"a":True}', "line 1, column 6: found True; write true"),
        (b'{"a":None}', "line 1, column 6: found None; write null"),
        (b"nul", "line 1, column 1: found nul; expected a value"),
        (b"{} {}", "line 1, column 4: found {; expected the end of the file"),
        (b'{"a":"x\ny"}', 'line 1, column 8: "\\n" stands in a text as it is; expected an escape such as \\n or \\t'),
        (
            b'{"a":"x\0y"}',
            'line 1, column 8: "\\u0000" stands in a text as it is; expected an escape such as \\n or \\t',
        ),
        (b'{"a":"\\x"}', "line 1, column 7: this backslash begins no escape; for a backslash itself write \\\\"),
        (b'{"a":"x', "line 1, column 6: the text that begins here has no closing quote"),
        (b"{\n  # c\n}", "line 2, column 3: found #; JSON has no comments"),
        (b"{} // c", "line 1, column 4: found //; JSON has no comments"),
        (b'{"a": /* c */ 1}', "line 1, column 7: found /*; JSON has no comments"),
        (b"\xef\xbb\xbf{}", "begins with a byte order mark (BOM); save it as UTF-8 without BOM"),
        ('{"a":1}'.encode("utf-16"), "looks like UTF-16; save it as UTF-8"),
        ('{"a":1}'.encode("utf-16-le"), "looks like UTF-16; save it as UTF-8"),
        ('{"a":1}'.encode("utf-16-be"), "looks like UTF-16; save it as UTF-8"),
        ('{"a":1}'.encode("utf-32-le"), "looks like UTF-32; save it as UTF-8"),
        ('{"a":1}'.encode("utf-32-be"), "looks like UTF-32; save it as UTF-8"),
        (
            '{"a":\n"ä'.encode() + b'\xe9"}',
            "line 2, column 3: byte 0xe9 (offset 9) is not UTF-8; save the file as UTF-8",
        ),
        (b'"' + b"x" * (5 * 2**20) + b'"', "has 5242882 bytes; at most 5242880 (5 MB) are allowed"),
    ],
)
def test_broken_json_is_told_with_line_column_and_what_was_found(data, words):
    assert told(data) == ([words], None)


@pytest.mark.parametrize("data", [b"[" * 50_000, b'{"a":' * 50_000, b"[" * 33 + b"]" * 33])
def test_a_nesting_too_deep_is_told_whatever_the_stack(data):
    assert told(data) == (["lists and objects are nested deeper than 32 levels"], None)


def test_brackets_in_texts_are_no_nesting():
    texts = ["[[[[" * 20, '\\"[[[[' * 20, "{" * 50, '"', "\\"]
    assert parse_json(json.dumps(texts).encode()) == (texts, [])
    deep = json.loads("[" * 32 + "]" * 32)
    assert parse_json(json.dumps(deep).encode()) == (deep, [])


def test_a_field_that_stands_twice_is_told_with_its_place_and_both_lines():
    data = (
        b'{"tasks": [\n{"task_id": "a", "task_exec": "x",\n "task_env": {"A": "1",\n "\\u0041": "2"}}],\n"tasks": []}'
    )
    words, document = told(data)
    assert words == [
        'tasks[0].task_env: field "A" stands twice, in line 3 and in line 4; remove one',
        'field "tasks" stands twice, in line 1 and in line 5; remove one',
    ]
    assert document == {"tasks": []}


def test_other_problems_are_told_beside_a_field_that_stands_twice():
    _, problems = parse_config(b'{"version": 1, "version": 2, "tasks": []}')
    assert [str(problem) for problem in problems] == [
        'tasks/config.json: field "version" stands twice, in line 1 and in line 1; remove one',
        "tasks/config.json: version is 2; expected 1",
    ]
    config, problems = parse_config(b'{"version": 1, "version": 1, "tasks": []}')
    assert config is None and len(problems) == 1


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (b"NaN", "NaN"),
        (b"Infinity", "Infinity"),
        (b"-Infinity", "-Infinity"),
        (b"1e999", "1e999"),
        (b"-1e999", "-1e999"),
        (b"1" * 400, "a number of 400 digits"),
        (b"1" * 5000, "a number of 5000 digits"),
    ],
)
def test_a_number_that_is_none_is_refused_with_its_place_and_line(number, shown):
    words, document = told(b'{"s": "NaN", "a": true,\n "b": [1, -2.5e3, {"c": ' + number + b"}]}")
    assert words == [f"b[2].c is {shown} in line 2; expected a finite number of at most 300 digits"]
    assert document is None
    assert parse_config(number)[0] is None


def test_right_json_is_read_as_it_is():
    value = {"a": [1, -2.5, True, None, "ä\n😀", {"b": {}}]}
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == (value, [])
    assert parse_json(b"null") == (None, [])


def test_json_of_others_is_read_to_the_same_depth():
    assert loads('{"a": ["[[", 1]}') == {"a": ["[[", 1]}
    assert loads("[" * 32 + "]" * 32)
    for text in ("[" * 33 + "]" * 33, "[" * 60_000, '{"a":' * 13_000, '{"a": "\ud800", "b": ' + "[" * 33):
        with pytest.raises(ValueError, match="nested deeper than 32 levels"):
            loads(text)

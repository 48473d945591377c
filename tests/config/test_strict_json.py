"""JSON is read strictly, with errors that help, the same on every Python."""

import json

import pytest

from minisched.catalogue import render
from minisched.config import parse_config, parse_json
from minisched.config.strict_json import Faulty, loads, parse, stream
from support.texts import in_both


def errors_of(data):
    document, problems = parse_json(data)
    assert problems
    for problem in problems:
        in_both(problem.as_text())
    return [render(problem.as_text()).replace("tasks/config.json: ", "", 1) for problem in problems], document


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", 'is empty; expected an object such as {"tasks": []}'),
        (b" \n", 'is empty; expected an object such as {"tasks": []}'),
        (b"{", "line 1, column 2: unexpected end; a bracket or brace above is not closed"),
        (b'{"a":\n 1,\n}', 'line 2, column 3: unexpected "," before "}"; remove the comma'),
        (b'{"a":[1, ]}', 'line 1, column 8: unexpected "," before "]"; remove the comma'),
        (b'{"a":1,,}', "line 1, column 8: found ,; expected a field name in double quotes"),
        (b'{"a":,}', "line 1, column 6: found ,; expected a value"),
        (b" ,]", "line 1, column 2: found ,; expected a value"),
        (b"],", "line 1, column 1: found ]; expected a value"),
        (b"]", "line 1, column 1: found ]; expected a value"),
        (b"{'a':1}", "line 1, column 2: found '; texts need double quotes"),
        (b'{"a":1\n "b":2}', 'line 2, column 2: found a text; expected a "," or a closing bracket before it'),
        (b'{"a" 1}', 'line 1, column 6: found a number; expected a ":" before it'),
        (b'{"a":True}', "line 1, column 6: found True; write true"),
        (b'{"a":None}', "line 1, column 6: found None; write null"),
        (b"nul", "line 1, column 1: found nul; expected a value"),
        (b"{} {}", "line 1, column 4: found {; expected the end of the file"),
        (b'{"a":"x\ny"}', 'line 1, column 8: unescaped "\\n" in a text; write it as an escape such as \\n or \\t'),
        (
            b'{"a":"x\0y"}',
            'line 1, column 8: unescaped "\\u0000" in a text; write it as an escape such as \\n or \\t',
        ),
        (b'{"a":"\\x"}', "line 1, column 7: invalid escape; for a backslash write \\\\"),
        (b'{"a":"x', "line 1, column 6: the text that starts here has no closing quote"),
        ('{"a":‘x’}'.encode(), 'line 1, column 6: found the curly quote ‘; write " instead'),
        ('{"a":１}'.encode(), "line 1, column 6: found the full-width character １; write 1 instead"),
        ('{"a":1、"b":2}'.encode(), "line 1, column 7: found the full-width character 、; write , instead"),
        ('{"a"：1}'.encode(), "line 1, column 5: found the full-width character ：; write : instead"),
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
        (b'"' + b"x" * (5 * 2**20) + b'"', "has 5242882 bytes; at most 5242880 are allowed"),
    ],
)
def test_broken_json_is_reported_with_line_column_and_what_was_found(data, words):
    assert errors_of(data) == ([words], None)


@pytest.mark.parametrize("data", [b"[" * 50_000, b'{"a":' * 50_000, b"[" * 33 + b"]" * 33])
def test_too_deep_a_nesting_is_reported_on_any_stack(data):
    assert errors_of(data) == (["lists and objects are nested deeper than 32 levels"], None)


def test_brackets_in_texts_are_no_nesting():
    texts = ["[[[[" * 20, '\\"[[[[' * 20, "{" * 50, '"', "\\"]
    assert parse_json(json.dumps(texts).encode()) == (texts, [])
    deep = json.loads("[" * 32 + "]" * 32)
    assert parse_json(json.dumps(deep).encode()) == (deep, [])


def test_a_field_that_occurs_twice_is_reported_with_its_path_and_both_lines():
    data = (
        b'{"tasks": [\n{"task_id": "a", "task_exec": "x",\n "task_env": {"A": "1",\n "\\u0041": "2"}}],\n"tasks": []}'
    )
    words, document = errors_of(data)
    assert words == [
        "tasks[0].task_env.A occurs twice, in line 3 and in line 4; remove one",
        "tasks occurs twice, in line 1 and in line 5; remove one",
    ]
    assert document == {"tasks": []}


def test_other_problems_are_reported_with_a_field_that_occurs_twice():
    _, problems = parse_config(b'{"version": 1, "version": 2, "tasks": []}')
    assert [render(problem.as_text()) for problem in problems] == [
        "tasks/config.json: version occurs twice in line 1, in column 2 and in column 16; remove one",
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
    words, document = errors_of(b'{"s": "NaN", "a": true,\n "b": [1, -2.5e3, {"c": ' + number + b"}]}")
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


@pytest.mark.parametrize(
    ("data", "pointer", "text"),
    [
        (
            b'{"a": [1, {"b/~": 9007199254740992}]}',
            "/a/1/b~1~0",
            "is 9007199254740992; expected an integer of at most ",
        ),
        (b'{"a": -' + b"1" * 50 + b"}", "/a", f"is -{'1' * 35}...; expected an integer of at most 9007199254740991"),
        (b'{"a": "' + b"x" * 65537 + b'"}', "/a", "is a text of 65537 characters; expected at most 65536"),
        (b'{"\\ud83d": 1}', "/\ud83d", "contains a NUL character or an unpaired surrogate"),
        (b'{"a": "\\u0000"}', "/a", "contains a NUL character or an unpaired surrogate"),
    ],
)
def test_a_portable_document_holds_only_what_every_reader_reads_alike(data, pointer, text):
    assert parse(data)[1] == []
    value, (error,) = parse(data, portable=True)
    assert value is None and error.pointer == pointer
    assert render(error.located_text).startswith(text)
    in_both(error.text)


def test_a_portable_document_may_hold_large_floats_pairs_and_digits_in_texts():
    data = b'{"a": 1e99, "b": "\\ud83d\\ude00", "c": "1234567890123456", "d": 9007199254740991, "": 0.123456789012345}'
    value, errors = parse(data, portable=True)
    assert errors == [] and value["b"] == "\U0001f600" and value["d"] == 2**53 - 1


def test_the_size_that_is_allowed_is_the_callers_to_say():
    value, (error,) = parse(b'{"a": 1}', max_bytes=7)
    assert value is None and render(error.located_text) == "has 8 bytes; at most 7 are allowed"


def test_the_items_of_a_last_list_are_read_one_by_one():
    data = b' {"version" : 1,\n"defaults":{"a":[{"b":"]}"}]},"tasks":[ {"c":1e3},\t"x" ,[[]],-1]\r\n} '
    members, items = stream(data, "tasks")
    assert {**members, "tasks": list(items)} == parse(data)[0]
    assert list(members) == ["version", "defaults"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[1]}",
        b'{"tasks":[]}',
        b'{"tasks":{}}',
        b'{"tasks":[1],"defaults":{}}',
        b'{"tasks":[1],"more":[2]}',
        b'{"tasks":1,"tasks":[2]}',
        b'{"a":1,"a":2,"tasks":[2]}',
        b',"tasks":[2]}',
        b'{{"tasks":[2]}',
        b'{"a":1{"tasks":[2]}',
        b'{"a":[1]{"tasks":[2]}',
        b'{"a":,"tasks":[2]}',
        b'{"tasks":[{"a":1,"a":2}]}',
        b'{"tasks":[NaN]}',
        b'{"tasks":[1e999]}',
        b'{"tasks":[1,]}',
        b'{"tasks":[1 2]}',
        b'{"tasks":[1]]}',
        b'{"tasks":[1]}]}',
        b'{"tasks":[1]}x{"a":[]}',
        b'\x0c{"tasks":[1]}',
        b'{"\\u0074asks":[1]}',
        b'{"tasks":[' + b"[" * 40 + b"]" * 40 + b"]}",
    ],
)
def test_a_document_with_an_error_or_another_order_is_not_read_so(data):
    with pytest.raises(Faulty):
        list(stream(data, "tasks")[1])


def test_a_config_means_the_same_in_any_order_and_equal_values_of_tasks_are_one_object():
    tasks = [{"task_id": name, "task_exec": "true", "task_schedule": ["@daily", "0 5 * * 1"]} for name in "abc"]
    settings, defaults = {"timezone": "Europe/Berlin"}, {"task_timeout": "5m", "task_env": {"A": "1"}}
    orders = [("settings", "defaults", "tasks"), ("tasks", "defaults", "settings")]
    document = {"settings": settings, "defaults": defaults, "tasks": tasks}
    configs = [parse_config(json.dumps({name: document[name] for name in order}).encode())[0] for order in orders]
    assert configs[0] == configs[1] and configs[0].tasks["c"].task_timeout == 300
    for config in configs:
        for field in ("task_schedule", "task_env", "task_retry", "task_timezone", "task_exit_codes"):
            assert len({id(getattr(task, field)) for task in config.tasks.values()}) == 1

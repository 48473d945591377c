"""Templates: a value is data wherever it lands."""

import json
from time import process_time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from minisched.config.notify_fields import ENGINE_TRIGGERS, TRIGGERS, is_json
from minisched.model.task import TemplateVariables
from minisched.notify.templates import (
    LINE_CHARS_MAX,
    default_subject,
    default_text,
    fill,
    fill_json,
    fill_json_text,
    last_lines,
    log_tail,
    message_json,
    one_line,
    to_json,
    visible,
)
from support.notify import CREATED, MESSAGE_ID, VARIABLES, message
from support.texts import CHINESE

ANY = st.text(st.characters())  # half surrogate pairs too
NASTY = 'a"b\\c\nd\r\n{{ task_id }}\u2028\x85\x00\x1b[31m\ud800</script>'


def test_the_sample_message_has_every_variable():
    assert set(VARIABLES) == set(TemplateVariables._fields)


def test_blanks_around_a_name_make_no_difference():
    values = {"task_id": "a", "exit_code": "1"}
    assert fill("{{task_id}}-{{ task_id }}-{{\ttask_id\n}}={{exit_code}}", values) == "a-a-a=1"
    assert fill("{ task_id } {{}} {{ nothing }} {{{ task_id }}}", values) == "{ task_id } {{}} {{ nothing }} {a}"


@pytest.mark.parametrize(
    "text",
    ["{task_id.__init__.__globals__}", "{{ task_id.__class__ }}", "{{ task_id:>99999999 }}", "$task_id", "%(task_id)s"],
)
def test_a_template_reaches_nothing_beyond_its_values(text):
    assert fill(text, {"task_id": "secret"}) == text


def test_a_value_is_never_a_template():
    assert fill("{{ task_name }}", {"task_name": "{{ task_id }}", "task_id": "x"}) == "{{ task_id }}"
    assert default_text(message(task_name="{{ task_url }}"), 0).startswith("{{ task_url }} (nightly_backup)")


@given(ANY)
@example(NASTY)
def test_a_subject_is_one_line_of_at_most_200_characters(value):
    line = one_line(fill("a {{ task_name }} b", {"task_name": value}))
    assert line.splitlines() == [line] and len(line) <= LINE_CHARS_MAX
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in line)


@given(ANY)
@example(NASTY)
def test_an_object_of_templates_stays_json_and_keeps_its_values(value):
    template = {"text": "a {{ task_name }}", "list": ["{{ task_name }}", 1, None], "{{ task_id }}": True}
    body = json.loads(to_json(fill_json(template, {"task_name": value, "task_id": "x"})).encode())
    shown = value.encode("utf-8", "backslashreplace").decode()
    assert json.loads(json.dumps(body)) == {"text": "a " + shown, "list": [shown, 1, None], "{{ task_id }}": True}


@given(ANY)
@example(NASTY)
@example("-12.5")
@example("007")
@example("")
def test_a_text_that_is_json_stays_json_for_any_value(value):
    template = '{"text": "a \\"{{ task_name }}\\"", "code": {{ exit_code }}, "list": [{{exit_code}}, "{{task_name}}"]}'
    assert is_json(template)
    body = json.loads(fill_json_text(template, {"task_name": value, "exit_code": value}).encode())
    shown = value.encode("utf-8", "backslashreplace").decode()
    assert list(body) == ["text", "code", "list"] and len(body["list"]) == 2
    assert (body["text"], body["list"][1]) == (f'a "{shown}"', shown)
    assert body["code"] in (shown, None) or isinstance(body["code"], (int, float))


def test_a_bare_variable_in_json_is_a_number_null_or_a_string():
    filled = fill_json_text("[{{ exit_code }}, {{ attempt }}, {{ task_id }}]", {"exit_code": "75", "task_id": 'a"'})
    assert json.loads(filled) == [75, None, 'a"']


def test_a_value_affects_only_its_own_line_of_json():
    template = '{"index": {}}\n{"a": "{{ task_name }}", "b": {{ exit_code }}}\n{"c": "{{ task_name }}'
    value = 'x"}\n{"index": {"_index": "evil"}}\n{"a": "b'
    first, second, broken = fill_json_text(template, {"task_name": value, "exit_code": "75"}).split("\n")
    assert (first, json.loads(second)) == ('{"index": {}}', {"a": value, "b": 75})
    assert json.loads(broken + '"}') == {"c": value}


def test_unprintable_characters_are_escaped():
    assert visible("a\x1b[31mb\u202ec\u200bd\ud800e\tf\n\u3000中") == "a\\x1b[31mb\\u202ec\\u200bd\\ud800e\tf\n\u3000中"


def test_a_log_tail_is_its_last_whole_lines():
    output = b"".join(b"line %d\n" % number for number in range(5000))
    tail = log_tail(output, 3)
    assert tail == "line 4997\nline 4998\nline 4999"
    assert log_tail(output, 0) == "" and log_tail(b"", 50) == ""
    assert log_tail(b"a\rb\r\nc", 2) == "b\nc"
    assert log_tail("中\x1b[0m".encode() + b"\xff", 5) == "中\\x1b[0m\\xff"


@given(st.binary(max_size=300) | ANY, st.integers(0, 20), st.integers(4, 100))
def test_a_log_tail_keeps_its_limits(output, lines, size):
    tail = log_tail(output, lines, size)
    assert len(tail.encode()) <= size
    assert tail.count("\n") < max(lines, 1)
    assert tail == visible(tail) and "\r" not in tail


def test_a_cut_output_begins_with_its_first_whole_line():
    assert log_tail(b"alf line\nwhole\nlast\n", 50, 20) == "whole\nlast"
    assert log_tail(b"whole\nlast\n", 50, 20) == "whole\nlast"


def test_the_end_of_a_line_longer_than_the_limit_is_kept():
    assert last_lines("x" * 100 + "end", 10) == "...xxxxend"
    assert last_lines("a\nbc\ndef", 6) == "bc\ndef"
    assert last_lines("中中中", 7) == "...中"
    assert last_lines("abc", 0) == ""


def test_one_line_marks_where_it_cut():
    assert one_line("  a\nb  ") == "a b"
    assert one_line("x" * 300) == "x" * 197 + "..."


def test_the_default_subject_has_task_and_status():
    assert default_subject(message()) == "Nightly backup: technical failure (3 in a row)"
    assert default_subject(message(threshold_count="1")) == "Nightly backup: technical failure"
    assert default_subject(message("recovery", threshold_count="")) == "Nightly backup: recovered"
    assert default_subject(message("test", task_name="")) == "[test] nightly_backup: technical failure (3 in a row)"
    assert default_subject(message(task_name="x" * 300)).endswith("...: technical failure (3 in a row)")


def test_the_default_text_has_the_known_facts_only():
    assert default_text(message(), 1000) == (
        "Nightly backup (nightly_backup) on plant7: technical failure\n"
        "Exit code: 75\nDue: 2026-11-23T02:30:00+08:00\nStarted: 2026-11-23T02:30:00+08:00\n"
        "Ended: 2026-11-23T02:30:03+08:00\nDuration: 3.2 s\nAttempt: 2\nIn a row: 3\nRun: 120\n"
        "http://127.0.0.1:8787/#nightly_backup\n\nThe last lines of its output:\nline 1\nline 2\n"
    )
    empty = dict.fromkeys(VARIABLES, "")
    assert default_text(message("test", **{**empty, "task_id": "a", "task_name": "A", "attempt": "1"}), 1000) == (
        "This is a test message. Nothing has happened.\nA (a): \n"
    )
    late = message(execution_reason="timeout", explanation="took longer than 60 s")
    assert "Reason: exceeded its time limit and was terminated (timeout)\nDetails: took" in default_text(late, 0)
    assert "The task works again." in default_text(message("recovery"), 0)
    assert "Held back since the last message: 4" in default_text(message(suppressed_count="4"), 0)


def test_the_built_in_texts_speak_chinese_too():
    late = message(execution_reason="timeout", explanation="退出码 75", suppressed_count="4")._replace(language="zh")
    assert default_subject(late) == "Nightly backup：技术失败，连续 3 次"
    assert default_text(late, 1000) == (
        "Nightly backup（nightly_backup），主机 plant7：技术失败\n"
        "原因：运行超时，已被终止（timeout）\n说明：退出码 75\n"
        "退出码：75\n计划时间：2026-11-23T02:30:00+08:00\n开始：2026-11-23T02:30:00+08:00\n"
        "结束：2026-11-23T02:30:03+08:00\n用时：3.2 s\n尝试：第 2 次\n连续次数：3\n上一条消息之后被抑制的消息：4\n"
        "运行：#120\nhttp://127.0.0.1:8787/#nightly_backup\n\n输出的最后几行：\nline 1\nline 2\n"
    )
    recovery = message("recovery", execution_status="success", threshold_count="0")._replace(language="zh")
    assert default_subject(recovery) == "Nightly backup：已恢复"
    assert default_text(recovery, 0).splitlines()[:2] == [
        "任务已恢复正常。",
        "Nightly backup（nightly_backup），主机 plant7：成功",
    ]
    test = message("test")._replace(language="zh")
    assert default_text(test, 0).startswith("这是一条测试消息，没有发生任何事情。\n")
    assert default_subject(test).startswith("[test] ")
    assert message_json(test).keys() == message_json(message()).keys()


@pytest.mark.parametrize("status", [*TRIGGERS, *ENGINE_TRIGGERS])
def test_each_status_of_a_message_has_words_in_both_languages(status):
    if status != "timeout":  # as a status it is a technical failure
        assert "_" not in default_subject(message(execution_status=status))
        subject = default_subject(message(execution_status=status)._replace(language="zh"))
        assert CHINESE.search(subject.partition("，")[0]) and status not in subject


def test_the_json_form_has_every_variable():
    found = message_json(message("recovery", task_name="a\x1b"))
    assert found == {
        **VARIABLES,
        "task_name": "a\\x1b",
        "delivery": MESSAGE_ID,
        "event": "recovery",
        "recovered": True,
        "test": False,
        "created_time": "2026-11-22T18:30:03+00:00",
        "subject": "a\\x1b: recovered (3 in a row)",
    }
    assert int(CREATED) == 1_795_372_203


@pytest.mark.parametrize("piece", ["{{", "{{ ", " ", '\\"', '"', "\\", "{{ a ", "{{a", '{{ task_id }}"'])
def test_no_template_takes_long_to_fill(piece):
    def seconds(size):
        text = ('["{{' + piece * size)[:size]
        start = process_time()
        assert not is_json(text) and fill(text, {}) == text.replace("{{{{", "{{")
        return process_time() - start

    seconds(1024)
    assert seconds(65_536) < 30 * max(seconds(8192), 0.002)  # 8 times as long; 64 times if it were quadratic

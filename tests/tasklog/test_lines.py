"""From bytes to lines, and text made harmless to show."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from minisched.model.text import visible, visible_bytes, visible_line
from minisched.tasklog.lines import LINE_MAX, LineAssembler, is_ascii_superset
from support.process import Logs, until


def assemble(*blocks: bytes) -> list[bytes]:
    assembler = LineAssembler()
    text = b"".join([assembler.feed(block, 0.0) for block in blocks] + [assembler.flush(final=True)])
    assert text == b"" or text.endswith(b"\n")
    return text.split(b"\n")[:-1]


def test_lines_come_out_whole_over_the_borders_of_blocks() -> None:
    assert assemble(b"a\nb", b"c", b"d\n\ne") == [b"a", b"bcd", b"", b"e"]


@pytest.mark.parametrize("data", [b"50%\r60%\rdone\n", b"50%\r\n60%\rdone\r\n"])
def test_a_carriage_return_ends_a_line_wherever_the_block_is_cut(data: bytes) -> None:
    for cut in range(len(data) + 1):
        assert assemble(data[:cut], data[cut:]) == [b"50%", b"60%", b"done"], cut


def test_invalid_utf8_becomes_escapes_over_the_borders_of_blocks() -> None:
    data = "中é😀\n".encode() + b"\xff\xfe\x00ok\xe4\xb8\n\xed\xa0\x80"
    expected = ["中é😀".encode(), b"\\xff\\xfe\x00ok\\xe4\\xb8", b"\\xed\\xa0\\x80"]
    for cut in range(len(data) + 1):
        assert assemble(data[:cut], data[cut:]) == expected, cut
    assert assemble(*(bytes([byte]) for byte in data)) == expected


def test_terminal_escapes_and_nul_are_kept() -> None:
    assert assemble(b"\x1b[31mred\x1b[0m\0\n") == [b"\x1b[31mred\x1b[0m\0"]


def test_a_line_without_an_end_is_cut_and_none_of_it_is_lost() -> None:
    data = b"x" * (5 * LINE_MAX // 2)
    for size in (1000, LINE_MAX - 1, LINE_MAX, LINE_MAX + 1, 4 * LINE_MAX):
        lines = assemble(*(data[at : at + size] for at in range(0, len(data), size)))
        assert [len(line) for line in lines] == [LINE_MAX, LINE_MAX, LINE_MAX // 2]


def test_a_line_of_exactly_the_limit_stays_one_line() -> None:
    for cut in (0, 1, LINE_MAX - 1, LINE_MAX):
        data = b"x" * LINE_MAX + b"\ny\n"
        assert [len(line) for line in assemble(data[:cut], data[cut:])] == [LINE_MAX, 1]


def test_a_long_line_is_not_cut_within_a_character() -> None:
    lines = assemble(b"x" + "中".encode() * LINE_MAX)
    assert all(line.decode() for line in lines)
    assert b"".join(lines).decode() == "x" + "中" * LINE_MAX


def test_no_line_exceeds_the_limit_and_no_byte_is_lost_whatever_comes() -> None:
    chance = random.Random(7)
    for _ in range(12):
        data = b"".join(
            chance.choice([b"\n", b"ab", b"\xff" * 20_000, "é".encode() * chance.randrange(50_000)]) for _ in range(12)
        )
        cuts = sorted(chance.randrange(len(data) + 1) for _ in range(6))
        lines = assemble(*(data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)])))
        assert max(map(len, lines)) <= LINE_MAX
        plain = data.decode("utf-8", "backslashreplace").encode()
        assert b"".join(lines) == plain.replace(b"\n", b"")


def test_a_prompt_is_written_when_due_and_its_rest_becomes_a_further_line(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    sink = logs.open()
    assert sink.flush_due is None
    sink.write("out", b"Password: ")
    due = until(lambda: sink.flush_due)
    assert due - time.monotonic() < 1.0
    sink.flush()
    assert logs.lines() == ["[120.1 out] Password: "]
    assert sink.flush_due is None
    sink.write("out", b"ok\n")
    sink.write("out", b"more")
    sink.flush()
    sink.write("out", b"\n\nlast")
    sink.close()
    assert logs.lines()[1:] == ["[120.1 out] ok", "[120.1 out] more", "[120.1 out] ", "[120.1 out] last"]


def test_a_flowing_stream_is_not_flushed_in_the_middle_of_a_line(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    sink = logs.open()
    sink.write("out", b"begun")
    first = sink.flush_due
    sink.write("out", b" and done\nnext")
    sink.flush(time.monotonic())
    assert logs.lines() == ["[120.1 out] begun and done"]
    assert first is not None
    assert sink.flush_due is not None
    assert sink.flush_due > first
    sink.close()


def test_lines_wait_a_moment_for_others_and_are_written_with_them(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    sink = logs.open()
    sink.marker("start", "x")
    assert sink.flush_due is not None and 0 < sink.flush_due - time.monotonic() < 0.1
    sink.write("out", b"a\n")
    assert logs.names() == []
    sink.flush()
    assert logs.lines() == ["[120.1 start] x", "[120.1 out] a"]
    assert sink.flush_due is None
    sink.write("out", b"y" * 79 + b"\n")
    sink.write("out", (b"z" * 79 + b"\n") * 800)  # as much as a pipe holds is not held
    assert len(logs.lines()) == 803
    sink.close()


def test_held_lines_of_two_days_come_into_the_files_of_their_days(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    sink = logs.open()
    logs.wall.set("2026-11-23T23:59:59.999")
    sink.write("out", b"before\n")
    logs.wall.set("2026-11-24T00:00:00.001")
    sink.write("out", b"after\n")
    sink.close()
    assert logs.lines("t.log.2026-11-23") == ["[120.1 out] before"]
    assert logs.lines() == ["[120.1 out] after"]


def test_the_tail_is_the_last_16_kib_in_valid_utf8(tmp_path: Path) -> None:
    sink = Logs(tmp_path).open()
    for number in range(4000):
        sink.write("err" if number % 2 else "out", f"中{number}\n".encode())
    sink.write("out", b"part")
    sink.close()
    assert 16_380 <= len(sink.tail) <= 16_384
    assert sink.tail.decode().endswith("中3998\n中3999\npart\n")


def test_what_is_shown_has_no_terminal_escape_bidi_or_zero_width_mark() -> None:
    assert visible("a\x1b[31m\u202e\u200b\x00\x7f\x85\u2028\U000e0001\n\tz") == (
        "a\\x1b[31m\\u202e\\u200b\\x00\\x7f\\x85\\u2028\\U000e0001\n\tz"
    )
    assert visible("中文\u3000é😀\u00a0ok") == "中文\u3000é😀\u00a0ok"
    assert visible("中文\n\x07\n\u200b中") == "中文\n\\x07\n\\u200b中"
    assert visible_line("a\nb\r") == "a\\nb\\x0d"


def test_output_is_shown_as_the_text_that_it_is() -> None:
    chance = random.Random(3)
    pieces = [b"plain ASCII\t~\n", "中文 é\n".encode(), b"\xff\xe4\xb8", b"\x1b[0m", b"\r\n", b"\x7f", b"\0"]
    for _ in range(200):
        data = b"".join(chance.choice(pieces) for _ in range(chance.randrange(6)))
        assert visible_bytes(data) == visible(data.decode("utf-8", "backslashreplace")), data


def test_showing_much_output_takes_no_look_at_each_character() -> None:
    for line in ("x" * 79 + "\n", "备份完成" * 20 + "\n"):
        data = line.encode() * (2_000_000 // len(line.encode()))
        begun = time.thread_time()
        visible_bytes(data)
        took_s = time.thread_time() - begun
        begun = time.thread_time()
        for _ in range(10):
            data.decode().replace("\n", "\t")
        assert took_s < 5 * (time.thread_time() - begun)


@pytest.mark.parametrize(
    ("encoding", "word"),
    [
        *((name, "错误 联通") for name in ("gb18030", "gbk", "gb2312", "utf-16-le", "utf-32-be", "utf-7", "utf-8-sig")),
        *((name, "日本語 ソ") for name in ("shift_jis", "euc-jp", "iso2022_jp")),
        ("big5", "錯誤 許功蓋"),
        ("euc-kr", "오류"),
        ("latin-1", "Größe"),
        ("cp1252", "Größe – €"),
        ("hz", "错误"),
    ],
)
def test_output_in_another_encoding_becomes_utf8_wherever_the_blocks_end(encoding: str, word: str) -> None:
    text = f"{word} a\n{word}|\r\n- {word}\n"
    data = text.encode(encoding)
    for size in (1, 2, 3, 5, len(data)):
        lines = LineAssembler(encoding)
        found = b"".join(lines.feed(data[start : start + size], 0.0) for start in range(0, len(data), size))
        assert (found + lines.flush(final=True)).decode() == text.replace("\r\n", "\n")


def test_a_byte_that_is_not_in_the_encoding_becomes_an_escape() -> None:
    lines = LineAssembler("gbk")
    assert lines.feed(b"\xb4\xed\xff\xff ok\n", 0.0) == "错\\xff\\xff ok\n".encode()
    assert lines.feed("联".encode("gbk")[:1], 0.0) + lines.flush(final=True) == b"\\xc1\n"


def test_ascii_is_not_decoded_where_it_means_the_same() -> None:
    names = ("gb18030", "latin-1", "utf-16-le", "iso2022_jp", "hz", "utf-7")
    assert [name for name in names if is_ascii_superset(name)] == ["gb18030", "latin-1"]

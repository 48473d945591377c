"""The page in a browser, in Chinese: errors and reasons of the engine are Chinese too."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from minisched import catalogue
from minisched.api.static_files import RENDERED_AREAS, is_rendered
from minisched.model import Text
from support.page import (
    Engine,
    OpenPage,
    act,
    card,
    change_setting,
    choose,
    dialog,
    engine,
    expect,
    field,
    problem,
    view,
)

SAMPLES = json.loads((Path(__file__).parents[1] / "support" / "text_samples.json").read_text(encoding="utf-8"))
ENGLISH = re.compile(r"\b(?:is|expected|found|unknown|line|column|the|of|an?)\b")


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    hook = {"type": "webhook", "url": "http://127.0.0.1:9/"}
    rule = {"name": "tell", "triggers": ["technical_failure"], "channels": [hook]}
    tasks = [
        {"task_id": "first", "task_exec": "true"},
        {"task_id": "second", "task_exec": "true"},
        {"task_id": "absent", "task_exec": ["tasks/absent"], "task_notify": [rule]},
        {"task_id": "slow", "task_exec": "exec sleep 60", "task_timeout": "0.2s"},
        {"task_id": "windows", "task_exec": "tasks/windows"},
    ]
    with engine(tmp_path_factory.mktemp("chinese"), *tasks) as running:
        yield running


def test_wrong_fields_and_a_wrong_schedule_are_reported_in_chinese(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, expected="422|400|414", locale="zh-CN")
    choose(page, "first", "edit")
    schedule = field(page, "task_schedule")
    schedule.get_by_role("combobox").first.fill("0 25 * * *")
    expect(schedule.locator(".ed-errors").first).to_have_text(
        '小时："25" 超出范围；可用 0 至 23，写法为 *、a、a-b、*/s、a/s、a-b/s（步长 s 至少为 1），'
        '以及由逗号分隔的多项（见 "0 25 * * *"）'
    )
    schedule.get_by_role("combobox").first.fill("x" * 1500)
    preview = schedule.locator("..").locator(".ed-preview")
    expect(preview).to_have_text(re.compile('操作失败：.*"schedule"：应为.* 1000 个字符的文本'))
    schedule.get_by_role("combobox").first.fill("x" * 9000)
    expect(preview).to_have_text(re.compile("请求的地址(超过 [0-9]+ 字节|过长)"))
    schedule.get_by_role("combobox").first.fill("@fortnightly")
    field(page, "task_timezone").locator("input").fill("Asia/Shangai")
    dialog(page).get_by_text("限制", exact=True).click()
    field(page, "task_timeout").get_by_role("textbox").fill("5 min")
    dialog(page).get_by_role("button", name="保存").click()
    expect(problem(page, "task_timeout")).to_have_text('值为 "5 min"；应为时长，如 300 或 "5m"')
    expect(problem(page, "task_timezone")).to_have_text('未知时区 "Asia/Shangai"；是否指 "Asia/Shanghai"？')
    # From the preview at the row or from the save at the field, whichever came last.
    expect(schedule).to_contain_text('"@fortnightly"；应为以下之一：@yearly、')
    summary = dialog(page).locator(".ed-summary")
    expect(summary).to_contain_text("有 3 个问题，未保存。")
    assert not ENGLISH.search(summary.inner_text())


def test_a_wrong_body_and_a_taken_id_are_reported_in_chinese(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, expected="400|409", locale="zh-CN")
    page.get_by_role("button", name="新建任务").click()
    field(page, "task_id").locator("input").fill("First")
    field(page, "task_exec").get_by_role("textbox").first.fill("true")
    dialog(page).get_by_role("button", name="保存").click()
    expect(problem(page, "task_id")).to_contain_text("已被任务 First 使用")
    dialog(page).get_by_role("tab", name="JSON").click()
    dialog(page).locator(".ed-raw").fill('{"task_id": "third", "task_exec": "a\\u0000b"}')
    dialog(page).get_by_role("button", name="保存").click()
    expect(dialog(page).locator(".ed-summary")).to_contain_text(
        '操作失败：请求内容 "/task_exec" 处：含有 NUL 字符或不成对的代理项'
    )


def test_what_an_exit_code_hides_and_what_will_fail_is_said_in_chinese(one: Engine, open_page: OpenPage) -> None:
    script = one.home.path / "tasks" / "windows"
    script.write_bytes(b"#!/bin/sh\r\necho\r\n")
    script.chmod(0o755)
    one.run("windows")
    one.until("windows", "technical_failure")
    page = open_page(one.link, locale="zh-CN")
    expect(card(page, "windows")).to_contain_text("退出码 127")
    expect(card(page, "windows")).to_contain_text("tasks/windows：行尾是 Windows 的 CR LF，CR 会成为名称的一部分")
    view(page, "engine")
    warning = page.locator(".warnings .problem").first
    expect(warning).to_contain_text("(absent): task_exec: 会失败：tasks/absent")
    warning.get_by_role("button").click()
    expect(problem(page, "task_exec")).to_contain_text("会失败：tasks/absent")
    expect(field(page, "task_exec").get_by_role("textbox").first).to_be_focused()
    page.keyboard.press("Escape")
    state, warning = (mark.bounding_box() for mark in page.locator(".panel-body > .mark").all())
    assert state and warning and state["y"] + state["height"] <= warning["y"]  # one below the other


def test_an_invalid_config_is_reported_in_chinese(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, expected="422", locale="zh-CN")
    view(page, "engine")
    problems = page.locator(".problems .problem")
    again = page.get_by_role("button", name="重新加载配置")
    good = one.home.config.read_text()
    bad = json.loads(good)
    bad["tasks"][0]["task_retrys"] = {}
    bad["tasks"][1]["task_dependencies"] = ["secnd"]
    try:
        one.home.config.write_text(json.dumps(bad))
        again.click()
        expect(page.locator(".notice.bad")).to_contain_text("配置文件无效")
        expect(problems).to_have_text(
            [
                'tasks/config.json: tasks[0] (first): 未知字段 "task_retrys"；是否指 "task_retry"？',
                "tasks/config.json: tasks[1] (second): task_dependencies[0] "
                '值为 "secnd"；没有此 ID 的任务；是否指 "second"？',
            ]
        )
        expect(problems.first.get_by_role("link")).to_have_attribute("href", "#task/first")
        one.home.config.write_text('{"version": 1,\n "tasks": [}')
        again.click()
        expect(problems).to_have_text(["tasks/config.json: 第 2 行，第 12 列: 此处为 }；应为一个值"])
        os.chmod(one.home.config, 0o666)
        again.click()
        expect(problems.first).to_contain_text("任何用户都可写入；请执行：chmod o-w")
    finally:
        os.chmod(one.home.config, 0o600)
        one.home.config.write_text(good)
    again.click()
    expect(page.get_by_text("配置已加载。")).to_be_visible()


def test_details_are_chinese_and_messages_of_the_system_unchanged(one: Engine, open_page: OpenPage) -> None:
    script = one.home.path / "tasks" / "absent"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    for task_id in ("absent", "slow"):
        one.run(task_id)
        one.until(task_id, "technical_failure")
    (one.home.path / "tasks").chmod(0o777)
    page = open_page(one.link, locale="zh-CN")
    expect(card(page, "absent")).to_contain_text(
        re.compile("无法启动：.*tasks/absent：.*其 #! 行中的解释器 /no/such/interpreter 不存在")
    )
    try:
        expect(page.locator(".bands")).to_contain_text("任何用户都可写入；请执行：chmod o-w")
        view(page, "engine")
        expect(page.locator(".problem").first).to_contain_text("文件")
        expect(page.locator(".problem").first).to_contain_text("任何用户都可写入；请执行：chmod o-w")
    finally:
        (one.home.path / "tasks").chmod(0o755)
    expect(page.locator(".outbox")).to_contain_text("无法连接服务器：Connection refused")
    view(page, "tasks")
    act(page, "slow", "history")
    dialog(page).locator("tbody tr").first.click()
    expect(dialog(page)).to_contain_text(re.compile(r"0\.\d 秒后被终止"))
    page.keyboard.press("Escape")
    choose(page, "absent", "edit")
    dialog(page).get_by_role("button", name="发送测试消息").click()
    expect(dialog(page).locator(".tr-results li")).to_contain_text("无法连接服务器：Connection refused")


def test_details_follow_the_switch_of_the_language(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    view(page, "engine")
    outbox = page.locator(".outbox")
    expect(outbox).to_contain_text("the server cannot be reached: Connection refused")
    change_setting(page, "Language", "zh")
    expect(outbox).to_contain_text("无法连接服务器：Connection refused")
    change_setting(page, "语言", "en")
    expect(outbox).to_contain_text("the server cannot be reached: Connection refused")


FILLED = """async ([samples, language]) => {
  const { filled } = await import('/i18n/engine_text.js');
  const { TEMPLATES } = await import(`/i18n/texts_${language}.js`);
  return samples.map(([template, values]) => filled(template, values, (code) => TEMPLATES[code], language));
}"""
RENDERED = """async ([texts, language]) => {
  const { engineText, loadTexts, setLang } = await import('/i18n/i18n.js');
  await setLang(language);
  await loadTexts(texts);
  return texts.map(engineText);
}"""


def test_the_page_fills_templates_by_the_rules_of_the_catalogue(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    expect(card(page, "first")).to_be_visible()
    for i, language in enumerate(("en", "zh")):
        assert page.evaluate(FILLED, [SAMPLES, language]) == [sample[2 + i] for sample in SAMPLES]


def test_the_page_renders_the_texts_of_all_areas_like_the_command_line(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    expect(card(page, "first")).to_be_visible()
    values = {"n": 2, "seconds": 2.25, "tasks": ["a", "b"], "why": {"code": "notify.timeout"}, "text": "{n}"}
    texts = [{"code": code, **values} for area in RENDERED_AREAS for code in codes(area)]
    texts += [{"code": "of_a_newer_version"}, {"code": "text", "text": texts[0]}]
    for language in ("en", "zh"):
        expected = [catalogue.render(Text.from_json(text), language) for text in texts]
        assert page.evaluate(RENDERED, [texts, language]) == expected


def codes(area: str) -> list[str]:
    found = catalogue.table(area) if find_spec(f"minisched.catalogue.{area}") else ()
    return sorted(code for code in found if is_rendered(code))

"""The page in a browser: the timeline, the graph, the engine, and an invalid config."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime

import pytest

from minisched.api import static_files
from minisched.api.shorten import BROWSER, tokens, variables
from support.page import HELD, Engine, OpenPage, act, card, choose, dialog, engine, expect, view
from support.programs import eventually

REPORT = "Report of the whole night to the management"


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    tasks = [
        {
            "task_id": "extract",
            "task_name": "Extract",
            "task_exec": HELD.format(name="extract"),
            "task_tags": ["shop"],
            "task_schedule": f"{(datetime.now().minute + 30) % 60 or 1} * * * *",  # not during the test
        },
        {"task_id": "clean", "task_exec": "true", "task_dependencies": ["extract"]},
        {
            "task_id": "report",
            "task_name": REPORT,
            "task_exec": "echo reported",
            "task_dependencies": [{"task_id": "clean", "on": "end"}],
        },
        {
            "task_id": "alone",
            "task_name": "Alone",
            "task_exec": "echo begun; echo no such table >&2; exit 3",
            "task_schedule": f"* {(datetime.now().hour + 2) % 24} * * *",  # more due times than are shown
        },
    ]
    with engine(tmp_path_factory.mktemp("views"), *tasks) as running:
        running.run("alone")
        eventually(lambda: running.home.ended("alone"))
        yield running
        running.release("extract")


def test_the_timeline_shows_runs_and_due_times_and_opens_a_run(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    expect(card(page, "alone")).to_be_visible()
    page.evaluate("location.hash = '#timeline?hours=24'")
    lane = page.get_by_role("row").filter(has=page.get_by_role("button", name="History of Alone"))
    run = lane.get_by_role("gridcell", name="Technical failure")
    expect(run).to_have_count(1)
    due = (
        page.get_by_role("row")
        .filter(has=page.get_by_role("button", name="History of Extract"))
        .get_by_role("gridcell")
    )
    assert due.filter(has_not=page.locator(".tl-run")).count() >= 20  # each hour of the next day
    more = lane.get_by_role("gridcell", name="Repeats")
    band, track = more.bounding_box(), lane.locator(".tl-track").bounding_box()
    assert band and track
    assert abs(band["x"] + band["width"] - track["x"] - track["width"]) < 2  # up to the right edge
    expect(page.locator(".tl-note")).not_to_contain_text("too many")  # no run is left out
    run.hover()
    expect(page.get_by_role("tooltip")).to_contain_text(re.compile("Alone.*no such table"))  # its last line of output
    run.click()
    expect(dialog(page).locator("h2")).to_have_text("Run 1 of Alone")
    page.keyboard.press("Escape")
    page.get_by_text("± 6 h").click()
    expect(due.nth(4)).to_be_visible()
    expect(due.nth(7)).to_have_count(0)
    page.get_by_role("searchbox").fill("alone")
    expect(page.locator(".tl-lane")).to_have_count(1)
    one.run("alone")  # shown without a reload
    page.get_by_role("searchbox").fill("")
    both = lane.get_by_role("gridcell", name="2 runs")
    expect(both).to_have_attribute("aria-label", re.compile("2 × Technical failure"))
    page.emulate_media(forced_colors="active")  # put together, they are seen there too
    assert "gradient" in both.evaluate("el => getComputedStyle(el).backgroundImage")


def test_the_timeline_is_zoomed_moved_and_filtered_and_its_address_has_it_all(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    view(page, "timeline")
    expect(page).to_have_url(re.compile(r"#timeline\?hours=1$"))  # on the first day, the span in which all runs are
    expect(page.get_by_role("radio", name="± 1 h")).to_be_checked()
    page.get_by_role("button", name="Zoom in").click()
    expect(page).to_have_url(re.compile("hours=0.5$"))
    page.go_back()
    expect(page.get_by_role("radio", name="± 1 h")).to_be_checked()
    name = page.get_by_role("button", name="History of Alone")
    name.focus()
    page.keyboard.press("-")
    expect(page).to_have_url(re.compile("hours=2$"))
    page.keyboard.press("Shift+ArrowLeft")
    expect(page).to_have_url(re.compile(r"hours=2&at=20\d\d-"))
    expect(name).to_be_focused()
    page.keyboard.press("Home")
    expect(page).to_have_url(re.compile("hours=2$"))
    expect(page.get_by_role("button", name="Now")).to_be_disabled()
    track = page.locator(".tl-track").first
    box = track.bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 300, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, middle, steps=3)
    page.mouse.up()
    expect(page).to_have_url(re.compile("hours=2&at="))
    expect(page.locator("dialog")).to_have_count(0)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    expect(page).to_have_url(re.compile(r"hours=0\.7\d+&at="))
    pinch = """(el, [x, y]) => {
      const send = (type, id, at) => el.dispatchEvent(new PointerEvent(type, {pointerId: id, pointerType: 'touch',
        isPrimary: id === 8, clientX: at, clientY: y, bubbles: true, buttons: 1}));
      el.closest('.tl-grid').setPointerCapture = () => {};
      send('pointerdown', 8, x); send('pointerdown', 9, x + 100);
      send('pointermove', 9, x + 120); send('pointermove', 9, x + 200);
      send('pointerup', 8, x); send('pointerup', 9, x + 200);
    }"""
    track.evaluate(pinch, [box["x"] + 300, middle])
    expect(page).to_have_url(re.compile(r"hours=0\.3\d+&at="))
    page.evaluate("location.hash = '#timeline?hours=6&failed=1'")
    expect(page.locator(".tl-lane")).to_have_count(1)
    expect(page.get_by_label("Only problems")).to_be_checked()
    expect(page.locator(".tl-mark[role=gridcell]:not(.tl-technical_failure)")).to_have_count(0)
    page.get_by_label("Only problems").uncheck()
    expect(page.locator(".tl-lane")).not_to_have_count(1)
    page.get_by_label("Tag").select_option("shop")
    expect(page.locator(".tl-name")).to_have_text(["Extract"])
    page.reload()
    expect(page.locator(".tl-name")).to_have_text(["Extract"])
    page.locator(".tl-track").first.click(position={"x": 30, "y": 30})  # nothing ran there
    expect(dialog(page).locator("h2")).to_have_text("Why did Extract run, or not?")
    expect(page).to_have_url(re.compile(r"#why/extract/20\d\d-\d\d-\d\dT\d\d:\d\d$"))
    page.keyboard.press("Escape")
    page.get_by_text("Next 24 h").click()
    rows = page.locator(".ag-row")
    expect(rows).to_have_text(
        re.compile(r"Extract.*at minute \d+ of every hour: 24 times, until .*then clean.*in \d+ min")
    )
    page.get_by_label("Tag").select_option("")
    expect(rows.filter(has_text="Alone")).to_contain_text(re.compile("60 times, until"))
    page.go_back()
    page.go_back()
    expect(page.locator(".tl-name")).to_have_text(["Extract"])


def test_a_task_has_a_page_of_its_own(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, expected="404")
    card(page, "alone").locator(".card-name a").click()
    main = page.locator("main")
    expect(page).to_have_url(re.compile("#task/alone$"))
    expect(main.get_by_role("heading", level=1)).to_have_text("Alone")
    expect(main.locator(".tk-status")).to_contain_text(re.compile("Technical failure.*exit code 3.*no such table"))
    expect(main.locator(".tk-times li")).to_have_count(5)
    expect(main.locator(".tk-times li").first).to_have_text(re.compile(r"^(Mon|Tue|Wed|Thu|Fri|Sat|Sun) .*in "))
    expect(main.locator(".tk-code", has_text="no such table")).to_be_visible()
    for _ in range(2):  # a chart needs two durations
        one.run("alone")
    expect(main.locator(".chart svg")).to_have_attribute("aria-label", re.compile("Durations of the last [3-9] runs"))
    main.locator(".runs tbody tr").first.locator("button").first.click()
    expect(dialog(page).locator("h2")).to_contain_text("of Alone")
    page.go_back()  # closes the run
    expect(page.locator("dialog")).to_have_count(0)
    expect(page).to_have_url(re.compile("#task/alone$"))
    page.go_back()
    expect(card(page, "alone")).to_be_visible()
    page.evaluate("location.hash = '#task/extract'")
    main.locator(".tk-neighbours").get_by_role("link", name="clean").click()
    expect(main.get_by_role("heading", level=1)).to_have_text("clean")
    expect(main.locator(".tk-neighbours li")).to_have_text(["Extract", REPORT])
    page.evaluate("location.hash = '#task/none_such'")
    expect(main.get_by_role("alert")).to_have_text("There is no task “none_such”. It may have been deleted.")


def test_the_timeline_works_with_the_keyboard(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    view(page, "timeline")
    name = page.get_by_role("button", name="History of Alone")
    expect(page.locator(".tl-mark.s-technical_failure[role=gridcell]")).not_to_have_count(0)
    name.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(dialog(page).locator("h2")).to_contain_text("of Alone")
    page.keyboard.press("Escape")
    expect(page.locator(":focus")).to_have_attribute("role", "gridcell")


def test_the_graph_is_updated_and_runs_a_task(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    view(page, "graph")
    nodes = page.locator(".gr-node")
    expect(nodes).to_have_count(3)
    expect(page.locator(".gr-edge")).to_have_count(2)
    expect(page.locator(".gr-label text")).to_have_text(["", "on any end"])
    assert " ".join(page.locator('.gr-node[data-id="report"] tspan').all_text_contents()) == REPORT  # not cut
    expect(page.get_by_text("1 task without dependencies is not shown.")).to_be_visible()
    expect(page.get_by_role("button", name="clean, Never ran; depends on extract; required by report")).to_be_visible()
    page.locator('.gr-node[data-id="extract"]').focus()
    page.keyboard.press("r")
    expect(page.locator('.gr-node[data-id="extract"]')).to_have_class(re.compile("s-running"))
    page.keyboard.press("Enter")
    panel = page.get_by_role("region", name="Selected task")
    expect(panel.get_by_role("button").first).to_have_text("Stop")
    one.release("extract")
    expect(page.locator(".gr-node.s-success")).to_have_count(3)  # one after the other
    one.hold("extract")
    expect(panel.get_by_role("button").first).to_have_text("Run now")
    expect(panel.get_by_role("link", name="Extract")).to_have_attribute("href", "#task/extract")
    expect(page.locator(".gr-edge.gr-on")).to_have_count(2)  # the edges to its dependents
    panel.get_by_role("button", name="History").click()
    expect(dialog(page).locator("tbody tr").first).to_contain_text("Success")
    page.keyboard.press("Escape")
    page.locator('.gr-node[data-id="clean"]').focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator('.gr-node[data-id="report"]')).to_be_focused()
    page.set_viewport_size({"width": 360, "height": 740})  # all of it is seen on a phone
    frame = page.locator(".gr-frame").bounding_box()
    tools = page.locator(".gr-tools").bounding_box()
    assert frame and tools
    for id in ("extract", "clean", "report"):
        expect(page.locator(f'.gr-node[data-id="{id}"] rect')).to_be_in_viewport(ratio=1)
        box = page.locator(f'.gr-node[data-id="{id}"] rect').bounding_box()
        assert box and frame["x"] <= box["x"] and box["x"] + box["width"] <= frame["x"] + frame["width"]
        assert box["y"] >= tools["y"] + tools["height"]  # not below the buttons


def test_the_engine_view_shows_facts_and_the_log(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    view(page, "engine")
    facts = page.locator(".facts")
    status = one.call("GET /status")
    expect(facts).to_contain_text(f"minisched {status['version']}, Python {status['python']}, pid {status['pid']}")
    expect(facts).to_contain_text(str(one.home.path))
    expect(facts).to_contain_text("4, 0 disabled")
    expect(page.get_by_text("Config loaded.")).to_be_visible()
    log = page.get_by_label("Engine log")
    expect(log).to_contain_text("engine started")
    run_id = one.run("alone")
    expect(log).to_contain_text(re.compile(rf"alone.*run {run_id}|run {run_id}.*alone"))  # the log is followed


def test_an_invalid_config_is_reported_until_it_is_fixed(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, expected="422")
    expect(card(page, "alone")).to_be_visible()
    good = one.home.config.read_text()
    bad = json.loads(good)
    bad["tasks"][0]["task_timeout"] = "40 sec"
    bad["tasks"][1]["task_retrys"] = {}
    one.home.config.write_text(json.dumps(bad))
    banner = page.locator(".banner")
    expect(banner).to_contain_text("The config file has 2 problems. The engine uses the last valid config.")
    banner.get_by_role("link", name="Show").click()
    expect(page.get_by_text("The config file is invalid.")).to_be_visible()
    problems = page.locator(".problems .problem")
    expect(problems).to_have_count(2)
    expect(problems.first).to_contain_text(re.compile("config.json.*extract.*40 sec"))
    expect(problems.last).to_contain_text(re.compile("clean.*task_retrys"))
    page.get_by_role("button", name="Reload config").click()
    expect(page.locator(".notice.bad")).to_contain_text("invalid")
    one.home.config.write_text(good)
    page.get_by_role("button", name="Reload config").click()
    expect(page.locator(".notice.good")).to_contain_text("Config reloaded.")
    expect(page.get_by_text("Config loaded.")).to_be_visible()
    view(page, "tasks")
    expect(banner).to_have_count(0)


def test_logs_that_cannot_be_written_are_a_problem_in_both_languages_and_a_mark_on_their_runs(
    one: Engine, open_page: OpenPage
) -> None:
    log = one.home.path / "logs" / "report.log"
    log.unlink(missing_ok=True)
    log.mkdir()
    one.run("report")
    page = open_page(one.link)
    expect(page.locator(".banner")).to_contain_text(f"output of tasks is lost: {log}: Is a directory")
    act(page, "report", "history")
    row = dialog(page).locator(".runs tbody tr").first
    expect(row).to_contain_text("part of the output could not be written to the log")
    page.keyboard.press("Escape")
    view(page, "engine")
    expect(page.locator(".problem")).to_contain_text(f"logs output of tasks is lost: {log}: Is a directory")
    chinese = open_page(one.link, locale="zh-CN")
    view(chinese, "engine")
    expect(chinese.locator(".problem")).to_contain_text(f"日志 任务输出丢失：{log}：Is a directory；运行历史中保留")
    log.rmdir()
    for each in (page, chinese):
        expect(each.locator(".problem")).to_be_hidden()


def test_with_an_invalid_config_a_task_cannot_be_disabled(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, expected="409")
    good = one.home.config.read_text()
    one.home.config.write_text(good.replace("exit 3", "exit 3\n"))
    expect(page.locator(".banner")).to_contain_text("The config file has 1 problem")
    choose(page, "alone", "disable")
    expect(page.locator(".notice.bad")).to_contain_text(
        "The config file has problems; fix it first (see the Engine view)."
    )
    one.home.config.write_text(good)
    expect(page.locator(".banner")).to_have_count(0)


def test_no_global_of_the_browser_is_taken_for_a_variable(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    known = page.evaluate(
        "() => { const found = []; for (let at = globalThis; at; at = Object.getPrototypeOf(at))"
        " found.push(...Object.getOwnPropertyNames(at)); return found; }"
    )
    for bundle in {modules[-1] for modules in static_files.bundles().values()}:
        found = list(tokens(static_files.joined(bundle)))
        assert not {found[place].text for place, _ in variables(found)} & set(known) - BROWSER, bundle

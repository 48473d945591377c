"""The page in a browser: the history of a task, the output of a run, and a growing log."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from support.page import HELD, Engine, OpenPage, act, choose, dialog, engine, expect
from support.programs import eventually

SAYS = 'echo "run by $WHO"; exit $CODE'
RUNS = 17  # two pages of 15
PRINTS = 'i=0; while [ ! -e "$MINISCHED_HOME/go-prints" ]; do i=$((i+1)); echo "line $i"; sleep 0.1; done; echo done'

VERBOSE = r"""
printf '\033[1;31mERROR\033[0m no such host\n'
for n in 20 40 60 100; do printf '\rloading %3d%% [####      ]' $n; done; echo
for n in $(seq 20); do echo "line $n of an output that is long enough to be wrapped twice on a phone, as they are"; done
echo "cannot read '/mnt/plc/export.csv'" >&2
exit 75
"""


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    tasks = [
        {
            "task_id": "often",
            "task_name": "Often",
            "task_exec": SAYS,
            "task_max_instances": 20,
        },
        {"task_id": "again", "task_exec": "echo tried; exit 75", "task_retry": {"max_attempts": 2, "delay": "1s"}},
        {"task_id": "prints", "task_exec": PRINTS},
        {"task_id": "held", "task_exec": f"echo begun; {HELD.format(name='held')}"},
        {"task_id": "rows", "task_exec": "seq 1 4000"},
        {"task_id": "broken", "task_exec": "exit 9"},
        {
            "task_id": "verbose",
            "task_exec": VERBOSE,
            "task_retry": {"max_attempts": 3, "delay": "0.1s"},
        },
        {
            "task_id": "variables",
            "task_exec": 'echo "for $WHO"',
            "task_env": {"SECRET": "hunter2", "WHO": "nobody"},
            "task_schedule": "30 2 * * *",
        },
        {"task_id": "boot", "task_exec": "true", "task_schedule": "@reboot", "enabled": False},
    ]
    with engine(tmp_path_factory.mktemp("runs"), *tasks) as running:
        for n in range(RUNS):
            running.run("often", WHO=f"number {n}", CODE="3" if n in (1, 16) else "0")
        running.run("again")
        running.run("rows")
        running.run("broken")
        running.run("verbose")
        eventually(lambda: len(running.home.ended()) == RUNS + 4)
        yield running
        running.release("prints")
        running.release("held")


def test_the_history_has_pages_filters_statistics_and_a_table(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    act(page, "often", "history")
    rows = dialog(page).locator(".runs tbody tr")
    pager, on_page = dialog(page).locator(".pager"), dialog(page).get_by_label("Page", exact=True)
    expect(rows).to_have_count(RUNS)
    expect(dialog(page)).to_contain_text(re.compile(rf"Last {RUNS} runs, 2 failed · median .* s, 95 % within .* s"))
    expect(rows.first).to_contain_text("Manual")
    expect(rows.first).to_contain_text(re.compile("Technical failure.*exit code 3"))
    dialog(page).get_by_label("Runs per page").select_option("10")
    expect(rows).to_have_count(10)
    dialog(page).get_by_role("button", name="Older").click()
    expect(pager).to_contain_text(f"11–{RUNS} of {RUNS}")
    expect(dialog(page).get_by_role("button", name="Newer")).to_be_focused()  # the other one is disabled
    expect(page).to_have_url(re.compile(r"#history/often\?page=2$"))
    dialog(page).get_by_label("Go to a day").fill("2999-01-01")
    expect(pager).to_contain_text(f"1–10 of {RUNS}")
    dialog(page).get_by_label("Go to a day").fill("2000-01-01")  # older than all
    expect(pager).to_contain_text(f"11–{RUNS} of {RUNS}")
    expect(on_page).to_have_count(0)  # two pages have buttons enough
    dialog(page).get_by_label("Status").select_option("technical_failure")
    expect(rows).to_have_count(2)
    dialog(page).get_by_label("Trigger").select_option("schedule")
    expect(dialog(page).get_by_text("No matching runs.")).to_be_visible()
    dialog(page).get_by_label("Trigger").select_option("manual")
    dialog(page).get_by_label("Time").select_option("dates")
    dialog(page).get_by_label("Up to").fill("2026-01-01")
    expect(dialog(page).get_by_text("No matching runs.")).to_be_visible()
    dialog(page).get_by_label("Up to").fill("2999-01-01")
    expect(rows).to_have_count(2)
    expect(page).to_have_url(
        re.compile(r"#history/often\?status=technical_failure&span=dates&until=2999-01-01&trigger")
    )
    page.reload()
    expect(rows).to_have_count(2)
    expect(dialog(page).locator("h2")).to_have_text("History: Often")  # by name, also through a link
    with page.expect_download() as coming:
        dialog(page).get_by_role("button", name="Table (CSV)").click()
    assert coming.value.suggested_filename == "often.csv"
    assert len(coming.value.path().read_text("utf-8-sig").splitlines()) == 3
    page.goto(f"{one.url}/#history/verbose")
    expect(dialog(page).locator("h2")).to_have_text("History: verbose")
    expect(rows).to_have_count(1)


def test_a_link_to_nothing_says_so_and_leads_on(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, expected="404")
    expect(page.locator(".card").first).to_be_visible()
    for address, text, way in (
        ("#task/nope", "There is no task “nope”.", "Tasks"),
        ("#history/nope", "There is no task “nope”.", ""),
        ("#log/nope", "Not found.", "Tasks"),
        ("#run/999999", "Not found.", "Runs"),
        ("#output/999999", "Not found.", "Runs"),
    ):
        page.goto("about:blank")
        page.goto(f"{one.url}/{address}")
        place = page.locator("main") if address.startswith("#task") else dialog(page)
        expect(place).to_contain_text(text)
        expect(place).not_to_contain_text("Loading")
        if way:
            place.get_by_role("link", name=way).click()
            expect(page.locator("dialog")).to_have_count(0)
            expect(page.locator(f".view-{way.lower()}")).to_be_visible()


def test_all_runs_are_in_one_view_with_filters_in_the_address(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, expected="404")
    page.get_by_role("link", name=re.compile(r"^\d+ failed in 24 h$")).click()
    rows = page.locator(".view-runs .runs tbody tr")
    expect(page).to_have_url(re.compile(r"#runs\?status=failed&span=24h$"))
    expect(rows.filter(has_text="Often").first).to_contain_text(re.compile("exit code 3.*run by number 16", re.DOTALL))
    today = page.locator(".day").last
    expect(today.locator(".day-failures")).to_have_text(re.compile(r"^\d+$"))
    today.click()
    expect(page).to_have_url(re.compile(r"#runs\?status=failed&day=\d{4}-\d\d-\d\d$"))
    page.get_by_label("Search reason, output").fill("NUMBER 16")
    expect(rows).to_have_count(1)
    page.reload()
    expect(rows).to_have_count(1)
    expect(page.get_by_label("Search reason, output")).to_have_value("NUMBER 16")
    page.go_back()
    expect(page).to_have_url(re.compile("span=24h$"))
    expect(rows.filter(has_text="broken")).not_to_have_count(0)
    rows.filter(has_text="Often").first.locator(".col-time button").click()
    expect(page).to_have_url(re.compile("#run/17$"))
    expect(dialog(page).locator(".run-output .lg-lines")).to_contain_text("run by number 16")
    page.reload()  # a link to a run
    expect(dialog(page).locator("h2")).to_have_text("Run 17 of Often")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    page.goto(f"{one.url}/#runs?task=broken")
    expect(rows).to_have_count(1)
    rows.get_by_role("button", name="Why did broken run, or not?").click()
    expect(page).to_have_url(re.compile(r"#why/broken/\d{4}-\d\d-\d\dT\d\d:\d\d$"))
    page.keyboard.press("Escape")
    with page.expect_download() as coming:
        page.get_by_role("button", name="Table (CSV)").click()
    assert coming.value.path().read_text("utf-8-sig").splitlines()[1].startswith(f"{RUNS + 3},broken,manual,technical")
    page.get_by_role("button", name="Run failed again").click()
    dialog(page).get_by_role("button", name="Run failed again").click()
    expect(page.locator(".notice")).to_have_text("1 run started.")
    expect(rows).to_have_count(2)
    page.goto(f"{one.url}/#run/999")
    expect(dialog(page).locator(".field-error")).to_have_text("Not found.")


def test_a_task_is_run_with_variables_or_for_a_due_time_and_a_run_is_repeated_with_its_own(
    one: Engine, open_page: OpenPage
) -> None:
    page = open_page(one.link, expected="400")
    choose(page, "variables", "run_with")
    start = dialog(page).get_by_role("button", name="Run now")
    names, values = dialog(page).get_by_label("Name"), dialog(page).get_by_label("Value")
    expect(names.first).to_be_focused()
    offered = dialog(page).locator("datalist option")
    expect(offered).to_have_count(2)
    expect(offered.first).to_have_attribute("value", "SECRET")
    expect(dialog(page)).not_to_contain_text("hunter2")
    names.first.fill("WHO")
    values.first.fill("<b>me</b> & you")
    dialog(page).get_by_role("button", name="Add a variable").click()
    names.last.fill("1=2")
    start.click()
    error = dialog(page).locator(".rw-rows .field-error:visible")
    expect(error).to_have_text(re.compile("^expected the name of"))
    expect(names.last).to_be_focused()
    dialog(page).get_by_role("button", name="Remove this variable").last.click()
    due = dialog(page).get_by_label("For the due time")
    due.fill("2999-01-01T02:30")
    start.click()
    expect(dialog(page).locator(".field-error:visible")).to_have_text(re.compile("^2999-01-01T02:30 is still to come"))
    due.fill("2026-11-01T03:33")
    values.first.press("Enter")
    expect(page.locator(".notice")).to_contain_text(
        re.compile(r"variables: run \d+ started. The schedule has no such due time.")
    )
    run = one.until("variables", "success")["last_run"]
    assert run["trigger"] == "backfill" and run["scheduled_time"].startswith("2026-11-01T03:33:00")
    page.evaluate("id => { location.hash = `#run/${id}`; }", run["run_id"])
    expect(dialog(page).locator(".run-output")).to_contain_text("<b>me</b> & you")
    dialog(page).get_by_role("button", name="Run again…").click()
    expect(values).to_have_value("<b>me</b> & you")  # this page started that run
    expect(dialog(page)).to_contain_text(f"For the due time of run {run['run_id']}: 1 Nov, 03:33:00")
    start.click()
    expect(page.locator("dialog[open]")).to_have_count(1)
    eventually(lambda: one.call("GET /tasks/variables/history")["total"] == 2)
    again = one.until("variables", "success")["last_run"]
    assert again["repeats"] == run["run_id"] and "me</b>" in one.home.log("variables").splitlines()[-2]
    page.reload()
    dialog(page).get_by_role("button", name="Run again…").click()
    expect(dialog(page)).to_contain_text("The variables of a run are not kept after its end.")
    expect(values).to_have_value("")


def test_due_times_of_some_days_are_made_up_one_after_another(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, expected="400")
    page.goto(f"{one.url}/#task/boot")
    expect(page.locator("main")).to_contain_text("Due when the machine starts.")
    page.goto(f"{one.url}/#task/variables")
    next_due = page.locator(".tk-times li").first
    expect(next_due).to_have_text(re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun).*02:30 "))  # without seconds
    page.get_by_role("button", name="Make up for days…").click()
    since, until = dialog(page).get_by_label("From"), dialog(page).get_by_label("Up to")
    expect(dialog(page)).to_contain_text("1 due time to make up, from")
    since.fill("2000-01-01")
    expect(dialog(page).get_by_role("alert")).to_contain_text("there are more than 1000 due times")
    since.fill("2026-11-02")
    until.fill("2026-11-04")
    expect(dialog(page)).to_contain_text("3 due times to make up, from 2 Nov, 02:30 to 4 Nov, 02:30.")
    dialog(page).get_by_role("button", name="Make up", exact=True).click()
    expect(dialog(page).locator("h2")).to_have_text("Run variables 3 times, one after another?")
    dialog(page).get_by_role("button", name="Make up", exact=True).click()
    expect(dialog(page)).to_contain_text("All 3 due times made up.")
    expect(dialog(page).locator(".bf-runs .s-success")).to_have_count(3)
    made = [run["scheduled_time"] for run in one.call("GET /tasks/variables/history?trigger=backfill")["items"][:3]]
    assert [due[:16] for due in made] == [f"2026-11-0{day}T02:30" for day in (4, 3, 2)]
    since.fill("2026-11-01")
    expect(dialog(page)).to_contain_text("3 have a success already.")


def test_new_runs_do_not_move_rows_under_the_pointer(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    act(page, "often", "history")
    rows = dialog(page).locator(".runs tbody tr")
    expect(rows).to_have_count(RUNS)
    newest = rows.first.get_attribute("data-run-id")
    rows.nth(3).hover()
    latest = one.run("often", CODE="0")
    for x in range(10):  # the pointer keeps moving
        page.mouse.move(500 + x, 400)
        page.wait_for_timeout(150)
    expect(rows.first).to_have_attribute("data-run-id", str(newest))
    expect(rows.first).to_have_attribute("data-run-id", str(latest))  # now it rests
    dialog(page).get_by_label("Runs per page").select_option("10")
    dialog(page).get_by_role("button", name="Older").click()
    expect(dialog(page).locator(".pager")).to_contain_text("11–")
    range_shown, first = dialog(page).locator(".pager").inner_text(), rows.first.get_attribute("data-run-id")
    with page.expect_response("**/executions?*"):
        one.run("often", CODE="0")
    one.until("often", "success")
    with page.expect_response("**/executions?*"):
        one.run("often", CODE="0")
    assert (dialog(page).locator(".pager").inner_text(), rows.first.get_attribute("data-run-id")) == (
        range_shown,
        first,
    )
    dialog(page).get_by_role("button", name="Newer").click()
    expect(rows).to_have_count(10)
    rows.last.locator("button").first.focus()
    one.run("often", CODE="0")
    expect(rows.first.locator("button").first).to_be_focused()  # the focused row has moved to the next page


def test_a_failed_request_is_shown_and_tried_again(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link, expected="503")
    page.set_default_timeout(5000)
    act(page, "again", "history")
    row = dialog(page).locator(".runs tbody tr")
    expect(row).to_have_count(1)
    error = dialog(page).locator(".field-error")
    expect(error).to_be_hidden()
    page.route("**/executions?*", lambda route: route.fulfill(status=503, body="{}"))
    one.run("again")
    expect(error).to_have_text("The engine is busy. Try again.")
    expect(row).to_have_count(1)
    page.unroute("**/executions?*")
    expect(row).to_have_count(2)
    expect(error).to_be_hidden()
    page.route("**/executions/*", lambda route: route.fulfill(status=503, body="{}"))
    row.last.click()
    expect(error).to_be_visible()
    page.unroute("**/executions/*")
    expect(dialog(page).locator(".run-output .lg-lines")).to_contain_text("tried")
    expect(error).to_be_hidden()


def test_views_and_dialogs_of_an_address_wait_for_the_tasks(one: Engine, open_page: OpenPage) -> None:
    run = one.run("variables")
    one.until("variables", "success")
    page = open_page(one.link)
    expect(page.locator(".card").first).to_be_visible()
    held: list[Any] = []
    page.route("**/tasks?*", lambda route: held.append(route))
    for address, title, button in (
        (f"run/{run}", f"Run {run} of variables", "Run again…"),
        ("why/variables", "Why did variables run, or not?", "Day before"),
        ("runs", "Runs", "Run again: variables"),
        ("timeline", "Timeline", "History of variables"),
    ):
        page.goto("about:blank")
        with page.expect_response("**/core/shared.css"):
            page.goto(f"{one.url}/#{address}")
        place = dialog(page) if "/" in address else page.locator("main")
        expect(place.get_by_role("heading", name=title)).to_have_count(0)
        held.pop().continue_()
        expect(place.get_by_role("heading", name=title)).to_have_count(1)
        expect(place.get_by_role("button", name=button).first).to_be_attached()


def test_a_run_shows_its_result_and_output_and_leads_back(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    act(page, "often", "history")
    rows = dialog(page).locator(".runs tbody tr")
    rows.filter(has_text="Technical failure").first.click()
    expect(dialog(page).locator("h2")).to_have_text("Run 17 of Often")
    expect(dialog(page).locator(".run-result")).to_have_text("Technical failureexit code 3")
    expect(dialog(page).locator(".run-facts")).to_contain_text("Manual")
    output = dialog(page).locator(".run-output .lg-lines")
    expect(output).to_contain_text("run by number 16")
    expect(output).not_to_contain_text("run by number 15")  # only its own output
    dialog(page).get_by_role("button", name="Open the whole output").click()
    expect(dialog(page).locator("h2")).to_contain_text("Output of run 17")
    expect(dialog(page).locator(".lg-line.lg-out")).to_contain_text("run by number 16")
    expect(dialog(page).locator(".lg-state")).to_have_text("ended")
    expect(dialog(page).locator(".lg-edge")).to_have_text("Start of the log.")  # nothing more to load
    page.keyboard.press("Escape")
    dialog(page).get_by_role("button", name="Back to the history").click()
    expect(rows).not_to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)


IN_SIGHT = """(el) => {
  const box = el.getBoundingClientRect();
  const seen = ({ top, bottom }) => top >= box.top && bottom <= Math.min(box.bottom, innerHeight);
  return [...el.querySelectorAll('.lg-line')].filter((line) => seen(line.getBoundingClientRect())).length;
}"""


@pytest.mark.parametrize(("size", "lines"), [((1280, 720), 12), ((390, 844), 8)])
def test_a_failed_run_shows_the_end_of_its_output_first_and_its_attempts_folded(
    one: Engine, open_page: OpenPage, size: tuple[int, int], lines: int
) -> None:
    page = open_page(one.link, size=size)
    page.evaluate(
        "id => { location.hash = `#run/${id}`; }", one.call("GET /tasks/verbose")["task"]["last_run"]["run_id"]
    )
    output = dialog(page).locator(".run-output .lg-lines")
    expect(output.locator(".lg-end").last).to_be_in_viewport()
    assert output.evaluate(IN_SIGHT) >= lines
    expect(output.locator(".lg-date").first).to_be_hidden()
    expect(output.locator(".lg-err .lg-tag").first).to_be_visible()
    attempts = dialog(page).locator(".attempts")
    expect(attempts.locator("tbody tr")).to_have_count(3)
    expect(attempts.locator("tbody tr").last).to_be_hidden()
    attempts.locator("summary").click()
    expect(attempts.locator("tbody tr").last).to_contain_text("exit code 75")


def test_colours_and_progress_bars_of_output_are_shown_as_such_or_as_printed(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    act(page, "verbose", "log")
    lines = dialog(page).locator(".lg-line.lg-out")
    red = lines.filter(has_text="ERROR no such host").last
    expect(red.locator(".lg-c1.lg-fg.lg-bold")).to_have_text("ERROR")
    bar = lines.filter(has_text="loading 100%").last
    expect(lines.filter(has_text="loading 40%").last).to_be_hidden()
    bar.get_by_role("button", name="3 earlier steps").click()
    expect(lines.filter(has_text="loading 40%").last).to_be_visible()
    search = dialog(page).get_by_label("Search the log")
    search.fill("ERROR no such")  # over the end of a colour
    expect(dialog(page).locator(".lg-current mark")).to_have_text(["ERROR", " no such"])
    search.fill("loading  20%")  # in a hidden step
    expect(dialog(page).locator(".lg-current")).to_be_visible()
    raw = dialog(page).get_by_label("As printed")
    raw.check()
    expect(lines.filter(has_text="ERROR").last).to_contain_text(r"\x1b[1;31mERROR\x1b[0m no such host")
    expect(lines.filter(has_text="loading 40%").last).to_be_visible()
    page.keyboard.press("Escape")
    page.evaluate(
        "id => { location.hash = `#run/${id}`; }", one.call("GET /tasks/verbose")["task"]["last_run"]["run_id"]
    )
    output = dialog(page).locator(".run-output")
    expect(output).to_contain_text(r"\x1b[1;31mERROR")  # the choice is kept
    output.get_by_label("As printed").uncheck()
    expect(output.locator(".lg-c1")).to_have_count(3)


CONTRASTS = """(scheme) => {
  const pen = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const light = (colours) => {
    pen.clearRect(0, 0, 1, 1);
    for (const one of colours) { pen.fillStyle = one; pen.fillRect(0, 0, 1, 1); }
    const [r, g, b] = [...pen.getImageData(0, 0, 1, 1).data].map((n) => {
      const part = n / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  };
  const box = document.querySelector('.lg-lines');
  const found = [];
  for (const kind of ['lg-out', 'lg-err']) for (const use of ['lg-fg', 'lg-bg']) for (let n = 0; n < 16; n += 1) {
    const line = document.createElement('div');
    const part = document.createElement('span');
    line.className = `lg-line ${kind}`;
    part.className = `lg-c${n} ${use}`;
    line.append(part);
    box.append(line);
    const under = [box, line, part].map((el) => getComputedStyle(el).backgroundColor);
    const [a, b] = [light([...under, getComputedStyle(part).color]), light(under)];
    found.push([Math.max(a, b) / Math.min(a, b), `${kind} ${part.className}`]);
    line.remove();
  }
  return found.filter(([ratio]) => ratio < 4.5);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_colour_of_output_is_readable(one: Engine, open_page: OpenPage, scheme: str) -> None:
    page = open_page(one.link, media={"color_scheme": scheme})
    act(page, "verbose", "log")
    expect(dialog(page).locator(".lg-line").first).to_be_visible()
    assert page.evaluate(CONTRASTS) == []


def test_an_open_history_and_an_open_run_are_updated(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    act(page, "held", "history")
    expect(dialog(page).get_by_text("No runs yet.")).to_be_visible()
    one.run("held")
    row = dialog(page).locator(".runs tbody tr")
    expect(row).to_contain_text("Running")
    row.click()
    expect(dialog(page).locator(".run-output .lg-lines")).to_contain_text("begun")
    expect(dialog(page).get_by_role("button", name="Stop")).to_be_visible()
    one.release("held")
    expect(dialog(page).locator(".run-result")).to_contain_text("Success")
    expect(dialog(page).get_by_role("button", name="Stop")).to_be_hidden()
    one.hold("held")
    one.run("held")
    dialog(page).get_by_role("button", name="Back to the history").click()
    row.first.click()
    dialog(page).get_by_role("button", name="Stop").click()
    dialog(page).get_by_role("button", name="Stop").click()
    asked = page.locator(".notice", has_text="is being stopped")
    expect(asked).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    expect(asked).to_be_visible()  # a notice stays when its dialog is closed


def test_the_output_grows_without_losing_focus_or_selection(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    one.run("prints")
    one.until("prints", "running")
    act(page, "prints", "history")
    dialog(page).locator(".runs tbody tr").first.click()
    output = dialog(page).locator(".run-output .lg-lines")
    expect(output).to_contain_text("line 1")
    duration = dialog(page).locator("dt:text-is('Duration') + dd")
    elapsed = duration.inner_text()
    output.evaluate(
        """el => { el.focus(); const range = document.createRange();
        range.selectNodeContents(el.querySelector('.lg-line'));
        getSelection().removeAllRanges(); getSelection().addRange(range); }"""
    )
    chosen = page.evaluate("String(getSelection())")
    lines = output.inner_text().count("line")
    eventually(lambda: output.inner_text().count("line") > lines + 15, "the output goes on")
    expect(duration).not_to_have_text(elapsed)
    assert page.evaluate("String(getSelection())") == chosen
    expect(output).to_be_focused()
    one.release("prints")
    expect(output).to_contain_text("done")
    expect(dialog(page).locator(".run-result")).to_contain_text("Success")
    one.hold("prints")


def test_the_log_is_followed_paused_and_resumed(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    run_id = one.run("prints")
    act(page, "prints", "log")
    lines = dialog(page).locator(".lg-line.lg-out")
    state = dialog(page).locator(".lg-state")
    expect(state).to_have_text("following")
    expect(lines.filter(has_text=re.compile(rf"\[{run_id}\.1 out\] line 12$"))).to_be_in_viewport()
    dialog(page).get_by_role("button", name="Pause").click()
    expect(state).to_have_text("paused")
    shown = lines.count()
    eventually(lambda: one.home.log("prints").count("line") > shown + 15, "the log grows")
    assert lines.count() <= shown + 1  # one request may have been under way
    one.release("prints")
    one.until("prints", "success")
    dialog(page).get_by_role("button", name="Follow").click()
    expect(state).to_have_text("following")
    expect(lines.last).to_have_text(re.compile("done$"))
    expect(dialog(page).locator(".lg-line.lg-end").last).to_be_in_viewport()
    expect(dialog(page).locator(".lg-start").first).to_contain_text(re.compile(r"pid \d+"))


def test_a_search_goes_on_over_the_whole_log_by_itself_and_counts(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    one.run("rows")  # a second run of 4000 lines
    one.until("rows", "success")
    act(page, "rows", "log")
    search = dialog(page).get_by_label("Search the log")
    count, current = dialog(page).locator(".lg-count"), dialog(page).locator(".lg-current")
    earlier, later = (dialog(page).get_by_role("button", name=f"{one} match") for one in ("Previous", "Next"))
    expect(dialog(page).locator(".lg-line.lg-end").last).to_be_in_viewport()
    search.fill("out] 399")  # 399, 3990 to 3999, in each run
    expect(count).to_have_text("22 of 22")
    expect(current).to_contain_text("out] 3999")
    earlier.click()
    expect(count).to_have_text("21 of 22")
    search.fill("out] 17")  # far above the loaded lines: 17, 170 to 179, 1700 to 1799, in each run
    expect(count).to_have_text("222 of 222")
    expect(current).to_contain_text("out] 1799")
    search.fill("out] 1$")
    expect(count).to_have_text("No match in the whole log.")
    search.fill("out] 100")  # 100, 1000 to 1009
    expect(count).to_have_text("22 of 22")
    for n in (21, 20, 19):
        earlier.click()
        expect(count).to_have_text(f"{n} of 22")
    search.fill("out] 4000")
    expect(count).to_have_text("1 of 2")  # near the selected line, in the first run
    first = current.text_content()
    later.click()  # in the other run, which replaces the loaded lines
    expect(count).to_have_text("2 of 2")
    expect(current).not_to_have_text(str(first))
    later.click()
    expect(count).to_have_text("No match after this.")
    earlier.click()
    expect(count).to_have_text("1 of 2")
    expect(current).to_have_text(str(first))
    one.run("rows")  # lines that come while it is followed
    dialog(page).get_by_role("button", name="Go to the end").click()
    expect(count).to_have_text(re.compile("of 3$"))
    search.press("Escape")  # clears the field, does not close the dialog
    expect(search).to_have_value("")
    expect(count).to_have_text("")
    run_id = one.call("GET /tasks/rows")["task"]["last_run"]["run_id"]
    page.keyboard.press("Escape")
    page.evaluate("id => { location.hash = `#output/${id}`; }", run_id)  # which can be read forward only
    search.fill("out] 17")
    expect(count).to_have_text("111 of 111")
    search.fill("out] 1")
    expect(count).to_have_text(re.compile("^9.. of 1111$"))  # from the visible lines up


def test_the_log_is_downloaded_unchanged(one: Engine, open_page: OpenPage) -> None:
    page = open_page(one.link)
    act(page, "rows", "log")
    with page.expect_download() as coming:
        dialog(page).get_by_role("button", name="Download").click()
    assert coming.value.suggested_filename == "rows.log"
    assert coming.value.path().read_text() == one.home.log("rows")

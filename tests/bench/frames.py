"""How smooth the list of tasks is: frames and elements of the page with 1,000 tasks and 40 changes a second.

Run: python tests/bench/frames.py [checkout ...]

For each checkout (without one, the current folder) it opens the page in Chromium, slows the browser's processor down
by six, changes tasks in the page's own store, and prints the time between frames in ms and the number of elements: at
first sight, and after all tasks were scrolled through; as cards and with one line per task. Needs the package
playwright and chromium. On a busy machine compare two checkouts of one run, never a figure alone.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from kit import Home, percentile
from playwright.sync_api import Page, sync_playwright

TASKS = 1_000
CHANGES_A_SECOND = 40
SLOWER = 6
MEASURED_S = 10
SIZE = {"width": 1440, "height": 900}

# Starts a random task, then ends the one that has run longest, in turn. Each tenth run fails.
CHANGE = """async ([every, span]) => {
  const { store } = await import(new URL('core/store.js', location));
  const ids = [...store.tasks.keys()];
  const running = [];
  let n = 0;
  let random = 1;
  const change = () => {
    n += 1;
    random = (random * 48271) % 2147483647;
    const starts = n % 2 === 1 || running.length < 20;
    const id = starts ? ids[random % ids.length] : running.shift();
    const held = store.tasks.get(id);
    if (starts && held.running.length) return;
    if (starts) running.push(id);
    const status = starts ? 'running' : n % 20 ? 'success' : 'technical_failure';
    const now = new Date().toISOString();
    const first = { run_id: 1e6 + n, attempt: 1, start_time: now, exit_code: null };
    const run = { ...(starts ? first : held.running[0]), status };
    const ended = starts ? held.last_run : { ...run, end_time: now, exit_code: 0, duration: 0.5 };
    const outcomes = starts ? [] : [[run.run_id, status, Math.round(Date.now() / 1000), 0.5]];
    const live = starts ? [run] : [];
    store.put({ ...held, current_status: status, running: live, last_run: ended, outcomes, version: held.version + 1 });
  };
  const spans = [];
  const timer = setInterval(change, every);
  const until = performance.now() + span;
  let last = await new Promise(requestAnimationFrame);
  while (performance.now() < until) {
    const at = await new Promise(requestAnimationFrame);
    spans.push(at - last);
    last = at;
  }
  clearInterval(timer);
  return spans;
}"""
SCROLL = """async () => {
  for (let y = 0; y < document.documentElement.scrollHeight - innerHeight; y += 600) {
    scrollTo(0, y);
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 20)));
  }
}"""


def frames(page: Page, what: str) -> None:
    wire = page.context.new_cdp_session(page)
    wire.send("Performance.enable")
    wire.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    before = metrics(wire)
    spans: list[float] = page.evaluate(CHANGE, [1000 / CHANGES_A_SECOND, MEASURED_S * 1000])
    after = metrics(wire)
    wire.send("Emulation.setCPUThrottlingRate", {"rate": 1})
    elements = page.evaluate("document.querySelectorAll('*').length")
    busy = (after["TaskDuration"] - before["TaskDuration"]) / MEASURED_S * 100
    print(
        f"  {what}: frames p50 {percentile(spans, 50):.1f}, p95 {percentile(spans, 95):.1f},"
        f" p99 {percentile(spans, 99):.1f}, max {max(spans):.0f} ms,"
        f" {sum(span > 50 for span in spans)} of {len(spans)} over 50;"
        f" main thread busy {busy:.0f} %; {elements:,} elements",
        flush=True,
    )


def metrics(wire: Any) -> dict[str, float]:
    return {one["name"]: one["value"] for one in wire.send("Performance.getMetrics")["metrics"]}


def measure(checkout: Path, folder: Path, compact: bool) -> None:
    home = Home(folder, {**os.environ, "PYTHONPATH": str(checkout)})
    home.write(
        *(
            {
                "task_id": f"backup_{n}",
                "task_name": f"Nightly backup of machine {n}",
                "task_exec": ["/bin/true"],
                "task_schedule": f"{n % 60} 3 1 1 *",
                "task_tags": [f"rack{n % 12}"],
            }
            for n in range(TASKS)
        )
    )
    home.start()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_page(viewport=SIZE, reduced_motion="reduce")
            token = (home.path / "var" / "token").read_text().strip()
            page.goto(f"http://127.0.0.1:{home.port}/#token={token}")
            page.locator(".card").first.wait_for()
            if compact:
                page.get_by_role("button", name="View").click()
                page.get_by_label("One line per task").check()
                page.keyboard.press("Escape")
            page.wait_for_timeout(1000)
            frames(page, "at first sight")
            page.evaluate(SCROLL)
            frames(page, "all scrolled through")
            browser.close()
    finally:
        home.stop()


def main() -> None:
    for checkout in map(Path, sys.argv[1:] or ["."]):
        print(checkout)
        for compact in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                measure(checkout.resolve(), Path(folder) / "home", compact)


if __name__ == "__main__":
    main()

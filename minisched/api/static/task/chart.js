/** The durations of the last runs of a task, with the median of its successes and the duration that is expected of it. */
import { h, svg } from "../core/dom.js";
import { fmtDuration, fmtTime } from "../core/format.js";
import { runTime } from "../core/status_text.js";
import { listed, t } from "../i18n/i18n.js";
import { statsOf } from "../runs/table.js";

const HEIGHT = 100;
const BAR = 8;

/**
 * `runs`: newest first. `expected`: in seconds, or null. `open(run)` is called for a click on a bar; null: they cannot be
 * opened. Returns an element, or null if there are fewer than two durations.
 */
export function chart(runs, expected, open) {
  const shown = runs.filter((run) => run.end_time).reverse();
  const durations = shown.map((run) => run.duration).filter((one) => one !== null);
  if (durations.length < 2) return null;
  const { median, p95 } = statsOf(shown);
  const longest = Math.max(...durations);
  const top = Math.max(longest, 0.001, expected && expected < longest * 3 ? expected : 0) * 1.05;
  const y = (seconds) => HEIGHT - (seconds / top) * HEIGHT;
  const width = shown.length * BAR;
  const bars = shown.map((run, i) => {
    const height = run.duration === null ? 3 : Math.max(3, HEIGHT - y(run.duration));
    const label = t("bar_label", { id: run.run_id, status: t(`status_${run.status}`), time: fmtTime(runTime(run), { seconds: false }), duration: fmtDuration(run.duration) });
    const bar = svg("rect", { class: `s-${run.status}`, x: i * BAR + 1, y: HEIGHT - height, width: BAR - 2, height }, svg("title", {}, label));
    if (open) bar.addEventListener("click", () => open(run));
    return bar;
  });
  const line = (seconds, name) => seconds !== null && seconds <= top && svg("line", { class: name, x1: 0, x2: width, y1: y(seconds), y2: y(seconds), "vector-effect": "non-scaling-stroke" });
  const words = [t("chart_of", { n: shown.length }), median !== null && t("runs_times", { median: fmtDuration(median), p95: fmtDuration(p95) }), t("chart_longest", { span: fmtDuration(longest) }), expected && t("task_expect_duration", { span: fmtDuration(expected) })].filter(Boolean);
  return h(
    "figure",
    { class: "chart" },
    svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": listed(words), style: { "max-width": `${width * 2}px` } }, bars, line(median, "chart-median"), line(expected ?? null, "chart-expected")),
    h("figcaption", { class: "muted small number", text: words.join(" · ") }),
  );
}

/** The axis of the timeline, and the marks of a lane: runs and due times. Marks that are too close are merged. */
import { token } from "../core/api.js";
import { h } from "../core/dom.js";
import { fmtDay, fmtDuration, fmtTime, offsetIn, shownOffset } from "../core/format.js";
import { UNFINISHED } from "../core/status_text.js";
import { listed, t } from "../i18n/i18n.js";

const STEPS_MIN = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 5760];
// A label with the space around it.
const LABEL_PX = 64;
// So close to an edge, a label would be cut.
const EDGE_PX = 22;
// The smallest width of a mark, so that it can be seen and clicked.
const MIN_PX = 7;
// Marks that begin within this distance are merged.
const SLOT_PX = 9;
// Merged marks have the colour of the first of these statuses.
const WEIGHT = ["technical_failure", "business_failure", "missed", "skipped", "retrying", "running", "waiting", "queued", "cancelled", "success"];

// The time zone that all tasks have; "" if they differ.
let zone = "";

/** Take over the tasks: where "of each task" is chosen, one zone for all of them is theirs. */
export function useZoneOf(cards) {
  const zones = new Set([...cards].map((card) => card.task_timezone));
  zone = zones.size === 1 ? [...zones][0] : "";
}

/** The UTC offset, in minutes, in which a time (ms) is shown on the axis: by the choice of the user, as on the cards. */
export const axisOffset = (instant) => shownOffset(instant, zone ? offsetIn(zone, instant) : undefined);

/** The distance of a time (ms) from the left, in px. scale: {since, until: ms, width: px}. */
export function positionOf(at, { since, until, width }) {
  return Math.round(((at - since) / (until - since)) * width * 10) / 10;
}

/**
 * The axis: lines and labels at round times of the clock that the page shows. `edge`: where labels may begin, in px.
 * Returns {labels, lines}: elements.
 */
export function axis(scale, edge = EDGE_PX) {
  const { since, until, width } = scale;
  const minStep = ((until - since) / width) * LABEL_PX;
  const step = (STEPS_MIN.find((minutes) => minutes * 60000 >= minStep) ?? STEPS_MIN[STEPS_MIN.length - 1]) * 60000;
  const offset = axisOffset(since) * 60000;
  const labels = [];
  const lines = [];
  for (let at = Math.ceil((since + offset) / step) * step - offset; at < until; at += step) {
    const time = new Date(at + offset);
    const x = positionOf(at, scale);
    const midnight = !time.getUTCHours() && !time.getUTCMinutes();
    lines.push(h("div", { class: "tl-tick", style: { left: `${x}px` } }));
    if (x < edge || x > width - EDGE_PX) continue;
    labels.push(h("span", { class: midnight ? "tl-hour tl-midnight" : "tl-hour", style: { left: `${x}px` } }, midnight ? fmtDay(time, { day: "numeric", month: "short" }) : clockText(time)));
  }
  return { labels, lines };
}

/** "02:30", of a Date whose UTC fields are what the clock shows. */
export const clockText = (time) => time.toISOString().slice(11, 16);

// ---- marks ----

/**
 * The marks of a lane, from left to right.
 *
 * lane: {runs: [run], due: [{at: ms, iso}], more: whether there are further due times}. scale: {since, until: ms, width: px}.
 * Returns [{key, status, left, width, count, runs or due, runId, share, base}]. runId: the run that a click opens; share
 * and base: see `mixture`.
 */
export function marksOf(lane, scale, present) {
  const { since, until, width } = scale;
  const x = (at) => ((at - since) / (until - since)) * width;
  const marks = [];
  for (const run of [...lane.runs].sort((a, b) => startOf(a, present) - startOf(b, present))) {
    const from = startOf(run, present);
    const to = run.end_time ? Date.parse(run.end_time) : UNFINISHED.has(run.status) ? present : from;
    if (to < since || from > until) continue;
    const right = Math.max(0, Math.min(x(to), width + MIN_PX));
    // A run that has just ended must not reach into the future.
    const left = Math.max(0, Math.min(x(from), right - MIN_PX));
    addMark(marks, { key: `r${run.run_id}`, status: run.status, left, right: Math.max(right, left + MIN_PX), runs: [run], live: !run.end_time && UNFINISHED.has(run.status) });
  }
  const coming = [];
  for (const { at, iso } of lane.due) {
    if (at <= present || at < since || at > until) continue;
    addMark(coming, { key: `d${at}`, status: "due", left: x(at) - MIN_PX / 2, right: x(at) + MIN_PX / 2, due: [iso] });
  }
  const last = lane.due.length ? x(lane.due[lane.due.length - 1].at) + MIN_PX : x(present);
  if (lane.more && last < width - MIN_PX) coming.push({ key: "on", status: "on", left: Math.max(0, last), right: width, due: [] });
  return [...marks, ...coming].map(({ right, ...mark }) => {
    const first = mark.runs && leading(mark.runs);
    return {
      ...mark,
      left: Math.round(mark.left * 10) / 10,
      width: Math.round((right - mark.left) * 10) / 10,
      count: (mark.runs ?? mark.due).length,
      runId: first?.run_id,
      status: first?.status ?? mark.status,
      ...(mark.runs?.length > 1 ? mixture(mark.runs, first.status) : {}),
    };
  });
}

/** Add a mark, or merge it with the last one if both begin within a slot. Unfinished runs are not merged. */
function addMark(marks, mark) {
  const last = marks[marks.length - 1];
  if (!last || mark.live || last.live || mark.left >= last.left + SLOT_PX) {
    if (last && mark.left < last.right + 1 && mark.left > last.left) last.right = Math.max(last.left + 2, mark.left - 1);
    marks.push(mark);
    return;
  }
  if (mark.runs) {
    last.right = Math.max(last.right, mark.right);
    last.runs.push(...mark.runs);
  } else last.due.push(...mark.due);
}

/** For merged runs: the share of the status that gives the colour, and the most frequent of the other statuses. */
function mixture(runs, status) {
  const numbers = countsOf(runs);
  const others = [...numbers].filter(([other]) => other !== status).sort((a, b) => b[1] - a[1]);
  return { share: numbers.get(status) / runs.length, base: others[0]?.[0] ?? status };
}

function countsOf(runs) {
  const numbers = new Map();
  for (const { status } of runs) numbers.set(status, (numbers.get(status) ?? 0) + 1);
  return numbers;
}

export const startOf = (run, present) => Date.parse(run.start_time ?? run.scheduled_time ?? run.end_time ?? "") || present;

/** The run that represents several: the newest of those with the heaviest status. */
function leading(runs) {
  const weight = (run) => WEIGHT.indexOf(run.status);
  return runs.reduce((best, run) => (weight(run) <= weight(best) ? run : best));
}

/** A mark as text. */
export function describe({ runs, due, runId, count }) {
  if (due && !count) return t("tl_on");
  if (due) return count === 1 ? t("tl_due_at", { time: fmtTime(due[0]) }) : t("tl_due_many", { n: count, from: fmtTime(due[0]), to: fmtTime(due[count - 1]) });
  const when = (run) => fmtTime(run.start_time ?? run.scheduled_time ?? run.end_time);
  if (count > 1) {
    const counts = [...countsOf(runs)].sort(([a], [b]) => WEIGHT.indexOf(a) - WEIGHT.indexOf(b)).map(([status, n]) => `${n} × ${t(`status_${status}`)}`);
    const text = t("tl_runs", { n: count, from: when(runs[0]), to: when(runs[count - 1]), counts: listed(counts) });
    return token() ? `${text}; ${t("tl_opens", { id: runId })}` : text;
  }
  const [run] = runs;
  const status = t(`status_${run.status}`);
  if (!run.end_time) return t("tl_run_live", { status, from: when(run) });
  if (!run.start_time) return t("tl_run_point", { status, from: when(run) });
  const seconds = (Date.parse(run.end_time) - Date.parse(run.start_time)) / 1000;
  return t("tl_run", { status, from: when(run), to: fmtTime(run.end_time), duration: fmtDuration(seconds) });
}

/** The marks of a lane: runs and due times, those too near to tell apart put together. */
import { token } from "./api.js";
import { fmtDuration, fmtTime } from "./dom.js";
import { t } from "./i18n.js";
import { UNFINISHED } from "./words.js";

const LEAST_PX = 7; // of a mark, so that it can be seen and hit
const SLOT_PX = 9; // marks that begin within it are one; so a crowd stays a row of marks, not one bar
/** Of marks put together the first of these gives the colour: what one has to know comes first. */
const WEIGHT = ["technical_failure", "business_failure", "missed", "skipped", "retrying", "running", "waiting", "queued", "cancelled", "success"];

/**
 * lane: {runs: Map of runs, due: [ISO], more: due times follow on them}. scale: {since, until: ms, width: px}.
 * Gives [{key, status, left, width, count, runs or due, runId, share, base}] from left to right. runId: the run that a
 * click opens; share, base: of several runs, see `mixture`.
 */
export function marksOf(lane, scale, present) {
  const { since, until, width } = scale;
  const x = (at) => ((at - since) / (until - since)) * width;
  const marks = [];
  for (const run of [...lane.runs.values()].sort((a, b) => startOf(a, present) - startOf(b, present))) {
    const from = startOf(run, present);
    const to = run.end_time ? Date.parse(run.end_time) : UNFINISHED.has(run.status) ? present : from;
    if (to < since || from > until) continue;
    const right = Math.max(0, x(to));
    const left = Math.max(0, Math.min(x(from), right - LEAST_PX)); // what has just ended does not reach into the future
    put(marks, { key: `r${run.run_id}`, status: run.status, left, right: Math.max(right, left + LEAST_PX), runs: [run], live: !run.end_time && UNFINISHED.has(run.status) });
  }
  const coming = [];
  for (const iso of lane.due) {
    const at = Date.parse(iso);
    if (at <= present || at > until) continue;
    put(coming, { key: `d${at}`, status: "due", left: x(at) - LEAST_PX / 2, right: x(at) + LEAST_PX / 2, due: [iso] });
  }
  const last = coming.length ? coming[coming.length - 1].right + 1 : x(present);
  if (lane.more && last < width - LEAST_PX) coming.push({ key: "on", status: "on", left: last, right: width, due: [] });
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

/** Adds a mark, or puts it to the one before where they begin within a slot. An unfinished one stands alone. */
function put(marks, mark) {
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

/** Of several runs: the share of the status that stands for them, and the status that most of the others have. */
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

const startOf = (run, present) => Date.parse(run.start_time ?? run.scheduled_time ?? run.end_time ?? "") || present;

/** The run that stands for several: of the heaviest status, the newest. */
function leading(runs) {
  const weight = (run) => WEIGHT.indexOf(run.status);
  return runs.reduce((best, run) => (weight(run) <= weight(best) ? run : best));
}

/** A mark in words. */
export function describe({ runs, due, runId, count }) {
  if (due && !count) return t("tl_on");
  if (due) return count === 1 ? t("tl_due_at", { time: fmtTime(due[0]) }) : t("tl_due_many", { n: count, from: fmtTime(due[0]), to: fmtTime(due[count - 1]) });
  const when = (run) => fmtTime(run.start_time ?? run.scheduled_time ?? run.end_time);
  if (count > 1) {
    const counts = [...countsOf(runs)].sort(([a], [b]) => WEIGHT.indexOf(a) - WEIGHT.indexOf(b)).map(([status, n]) => `${n} × ${t(`status_${status}`)}`);
    const told = t("tl_runs", { n: count, from: when(runs[0]), to: when(runs[count - 1]), counts: counts.join(", ") });
    return token() ? `${told}; ${t("tl_opens", { id: runId })}` : told;
  }
  const [run] = runs;
  const status = t(`status_${run.status}`);
  if (!run.end_time) return t("tl_run_live", { status, from: when(run) });
  if (!run.start_time) return t("tl_run_point", { status, from: when(run) });
  const seconds = (Date.parse(run.end_time) - Date.parse(run.start_time)) / 1000;
  return t("tl_run", { status, from: when(run), to: fmtTime(run.end_time), duration: fmtDuration(seconds) });
}

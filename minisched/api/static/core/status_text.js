/** The status of a task or a run, and the reason for it, as text. */
import { fmtAgo, fmtSpan, now } from "./format.js";
import { visible } from "./dom.js";
import { engineText, has, listed, localized, t } from "../i18n/i18n.js";

export const FAILURES = new Set(["business_failure", "technical_failure"]);
export const UNFINISHED = new Set(["running", "retrying", "queued", "waiting"]);
export const STATUSES = [
  "running", "retrying", "queued", "waiting", "technical_failure", "business_failure", "missed", "skipped", "cancelled", "success", "idle",
];

// Reasons whose meaning is the text of a code of the engine.
const CODES = {
  why_technical_failure_exit_code: "exit_code",
  why_business_failure_exit_code: "business_exit_code",
  why_technical_failure_signal: "signal",
  why_technical_failure_interrupted: "interrupted",
  why_skipped_superseded: "superseded",
};
// Reasons whose `detail` is shown in addition to their text. Of others only the `hint` is, what an exit code hides.
const WITH_DETAIL = new Set(["spawn", "condition"]);
// Codes of a `detail` that says all by itself.
const WHOLE = new Set(["lock", "condition_failed", "interrupted_killed"]);

/** A dependency as the engine names it: an id, or a code with values. */
function needText(need) {
  if (typeof need === "string") return visible(need);
  return t(need.code, { ...need, need: need.need && needText(need.need) });
}

/** The id of a dependency as it is in the config: an id, or an object with `task_id`, `on` and `within`. */
export const upstreamId = (dependency) => (typeof dependency === "string" ? dependency : dependency?.task_id);
export const upstreamIds = (card) => (card.task_dependencies ?? []).map(upstreamId);

/** A dependency of a card in words; the id alone for the usual one. */
export function dependencyText(dependency) {
  if (typeof dependency === "string") return visible(dependency);
  const need = t(`need_${dependency.on}`, { task: visible(dependency.task_id) });
  if (dependency.within === undefined) return need;
  return dependency.within === "ever" ? t("need_ever", { need }) : t("need_within", { need, within: fmtSpan(dependency.within) });
}

/** Why a run or an attempt has its status; "" if the status says it all. */
export function reasonText(run) {
  const { status, reason, detail } = run;
  if (detail?.code === "waiting_for") return t("waiting_for", { needs: listed(detail.needs.map(needText)) });
  if (status === "waiting") return reason ? t("why_waiting", { tasks: visible(reason).replaceAll(",", ", ") }) : "";
  if (!reason || status === "success" || status === "running") return "";
  if (["upstream_failed", "upstream_ended"].includes(detail?.code)) return t("upstream_ended", { task: detail.task, status: t(`status_${detail.status}`) });
  if (detail?.code === "dependency_timeout") return t("dependency_timeout", { seconds: detail.seconds, tasks: listed(detail.tasks) });
  const last = run.attempts?.[run.attempts.length - 1];
  if (WHOLE.has(detail?.code) && engineText(detail)) return visible(engineText(detail));
  const meaning = `why_${status === "retrying" ? "technical_failure" : status}_${reason}`;
  const key = detail?.looks_like_crash ? "business_exit_code_crash" : (CODES[meaning] ?? meaning);
  const exitCode = run.exit_code ?? last?.exit_code;
  let text = has(key) ? t(key, { exit_code: exitCode ?? "?", signal: signalName(last?.signal) }) : visible(reason);
  if (status === "missed" && run.missed_count > 1) text = t("with_note", { text, note: t("due_times", { count: run.missed_count }) });
  const more = WITH_DETAIL.has(reason) || !has(key) ? visible(engineText(detail)) : visible(engineText(detail?.hint));
  return more ? t("with_detail", { text, detail: more }) : text;
}

/** The details of a card's runs that are shown as texts of the engine. */
export function shownDetails(card) {
  return [...card.running, card.last_run].filter((run) => run && (WITH_DETAIL.has(run.reason) || WHOLE.has(run.detail?.code) || run.detail?.hint)).map((run) => run.detail);
}

// The names on Linux. Numbers above 15 mean other signals on other systems.
const SIGNALS = { 1: "HUP", 2: "INT", 3: "QUIT", 4: "ILL", 6: "ABRT", 7: "BUS", 8: "FPE", 9: "KILL", 11: "SEGV", 13: "PIPE", 14: "ALRM", 15: "TERM", 24: "XCPU", 25: "XFSZ" };

/** A signal number as "9 (KILL)". */
export function signalName(signal) {
  if (signal === null || signal === undefined) return "?";
  return SIGNALS[signal] ? `${signal} (${SIGNALS[signal]})` : String(signal);
}

/** The run that the status of a card is about: the unfinished one, else the last finished one, else null. */
export function leadRun(card) {
  return card.running.find((run) => run.status === card.current_status) ?? card.running[0] ?? card.last_run;
}

/** The time by which a run is listed: its start, else its due time, else its end. */
export function runTime(run) {
  return run.start_time ?? run.scheduled_time ?? run.end_time;
}

/** The number and the time of the next attempt of a retrying run. */
export function retryText(run) {
  const counts = { a: run.attempt + 1, m: run.max_attempts };
  return Date.parse(run.retry_time) > now() ? t("retry_next", { ...counts, when: fmtAgo(run.retry_time) }) : t("retry_soon", counts);
}

const TROUBLE = { business_failure: "failed", technical_failure: "failed", missed: "missed", skipped: "skipped" };

/**
 * Why a task needs attention: "failed", "missed", "skipped", "late" (no success by its `finish_by`), or "". Its last finished run decides, or that a run is being
 * retried; not what runs now.
 */
export function troubleOf(card) {
  if (card.running.some((run) => run.status === "retrying" || run.attempt > 1)) return "failed";
  if (!card.enabled && !card.running.length) return "";
  const late = card.late ? "late" : "";
  // Skipped on purpose: its condition said so.
  if (card.last_run?.status === "skipped" && card.last_run.reason === "condition") return card.consecutive_failures ? "failed" : late;
  return TROUBLE[card.last_run?.status] ?? late;
}

/** The run that decided on `troubleOf`: one that is being retried, else the last finished one. */
export function troubledRun(card) {
  return card.running.find((run) => run.status === "retrying" || run.attempt > 1) ?? card.last_run;
}

/** The kinds under which a card is counted: what it is doing, and why it needs attention. */
export function kindsOf(card) {
  return new Set([kindOf(card), troubleOf(card)].filter(Boolean));
}

/** What a card is doing: "running", "waiting", "disabled", "failed", or its status. */
export function kindOf(card) {
  const status = card.current_status;
  if (status === "running") return "running";
  if (UNFINISHED.has(status)) return "waiting";
  if (!card.enabled) return "disabled";
  return TROUBLE[status] ?? status;
}

/** "attention", "active" or "rest". */
export function groupOf(card) {
  if (troubleOf(card)) return "attention";
  return UNFINISHED.has(card.current_status) ? "active" : "rest";
}

// The engine's loop runs at least every 2 s; a slow disk may delay it.
const HANGING_S = 15;

/** The current problems of the engine, without those of the config that the config panel lists: [{key, message}]. */
export function engineProblems(status) {
  const listed = status.problems.filter(({ key }) => key !== "config" || !status.config.problems.length);
  const found = listed.map((problem) => ({ key: problem.key, message: localized(problem) }));
  if (status.clock?.beat_age > HANGING_S) found.push({ key: "engine", message: t("engine_hangs", { span: fmtSpan(status.clock.beat_age) }) });
  if (status.clock?.sane === false) found.push({ key: "clock", message: t("clock_unset") });
  return found;
}

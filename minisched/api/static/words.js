/** What became of a run, and why, in words. */
import { fmtAgo, fmtSpan, now, visible } from "./dom.js";
import { has, t, translated } from "./i18n.js";

export const FAILURES = new Set(["business_failure", "technical_failure"]);
export const UNFINISHED = new Set(["running", "retrying", "queued", "waiting"]);
export const STATUSES = [
  "running", "retrying", "queued", "waiting", "technical_failure", "business_failure", "missed", "skipped", "cancelled", "success", "idle",
];

// Reasons whose `detail` says more than the words here.
const TOLD_BY_DETAIL = new Set(["spawn"]);

// Details that say more than the reason, in the engine's words.
const UPSTREAM = /^([A-Za-z0-9_-]{1,64}) ended as ([a-z_]+)/;
const LEFT_OVER = /; (\d+) left over were killed$/;
const WAITED_FOR = /^waited \S+ s for ([A-Za-z0-9_, -]+)$/;

/** Why a run has its status, as a sentence; "" where there is nothing to say. */
export function why(run) {
  const { status, reason } = run;
  if (status === "waiting") return reason ? t("why_waiting", { tasks: visible(reason).replaceAll(",", ", ") }) : "";
  if (!reason || status === "success" || status === "running") return "";
  const upstream = reason === "upstream_failed" && UPSTREAM.exec(run.detail);
  if (upstream) return t("why_upstream", { task: upstream[1], status: t(`status_${upstream[2]}`) });
  const waited = reason === "dependency_timeout" && WAITED_FOR.exec(run.detail);
  if (waited) return t("why_waited_for", { tasks: waited[1] });
  const last = run.attempts?.[run.attempts.length - 1];
  const key = `why_${status === "retrying" ? "technical_failure" : status}_${reason}`;
  const exitCode = run.exit_code ?? last?.exit_code;
  let text = has(key) ? t(key, { code: exitCode ?? "?", signal: signalName(last?.signal) }) : visible(reason);
  if (status === "missed" && run.missed_count > 1) text = t("with_note", { text, note: t("missed_many", { n: run.missed_count }) });
  const killed = reason === "interrupted" && LEFT_OVER.exec(run.detail);
  if (killed) text = t("with_note", { text, note: t("left_killed", { n: killed[1] }) });
  if (run.detail && (TOLD_BY_DETAIL.has(reason) || !has(key))) text = t("told_by", { text, detail: visible(translated(run.detail)) });
  return text;
}

const SIGNALS = { 1: "HUP", 2: "INT", 3: "QUIT", 4: "ILL", 6: "ABRT", 7: "BUS", 8: "FPE", 9: "KILL", 11: "SEGV", 13: "PIPE", 14: "ALRM", 15: "TERM", 24: "XCPU", 25: "XFSZ" };

/** "9 (KILL)"; numbers differ between systems above 15, so those are named by Linux. */
export function signalName(signal) {
  if (signal === null || signal === undefined) return "?";
  return SIGNALS[signal] ? `${signal} (${SIGNALS[signal]})` : String(signal);
}

/** What is odd about the attempts of a run, as sentences. */
export function oddities(attempt) {
  const odd = [];
  if (attempt.leftover_processes) odd.push(t("leftovers", { n: attempt.leftover_processes }));
  if (attempt.log_lost) odd.push(t("log_lost"));
  if (attempt.output_cut) odd.push(t("output_cut"));
  return odd;
}

/** The run that a card's status tells of: the unfinished one, or the latest finished one; or null. */
export function leadRun(card) {
  return card.running.find((run) => run.status === card.current_status) ?? card.running[0] ?? card.last_run;
}

/** The time a run stands at in a list: when it began, else when it was due, else when it ended. */
export function timeOf(run) {
  return run.start_time ?? run.scheduled_time ?? run.end_time;
}

/** How often a retrying run was tried, and when it is tried next. */
export function retryWords(run) {
  const counts = { a: run.attempt + 1, m: run.max_attempts };
  return Date.parse(run.retry_time) > now() ? t("retry_next", { ...counts, when: fmtAgo(run.retry_time) }) : t("retry_soon", counts);
}

/** "failed", "missed", "skipped", "running", "waiting", "success", "cancelled", "idle" or "disabled": what a filter counts. */
export function kindOf(card) {
  const status = card.current_status;
  if (status === "running") return "running";
  if (UNFINISHED.has(status)) return "waiting";
  if (!card.enabled) return "disabled";
  return FAILURES.has(status) ? "failed" : status;
}

const GROUPS = { failed: "attention", missed: "attention", skipped: "attention", running: "active", waiting: "active" };

/** "attention", "active" or "rest". */
export function groupOf(card) {
  return GROUPS[kindOf(card)] ?? "rest";
}

const HANGS_S = 15; // the engine's loop comes round every two seconds; a slow disk may hold it up

/** A problem in the page's language. */
function inWords(one) {
  const n = one.about === "notifications" && Number.parseInt(one.message, 10);
  return { ...one, message: n ? t("messages_failed_today", { n }) : translated(one.message) };
}

/** What troubles the engine beside its config: [{about, message}]. */
export function troubles(status) {
  const found = status.problems.filter(({ about }) => about !== "config" || !status.config.problems.length).map(inWords);
  if (status.clock?.beat_age > HANGS_S) found.push({ about: "engine", message: t("engine_hangs", { span: fmtSpan(status.clock.beat_age) }) });
  if (status.clock?.sane === false) found.push({ about: "clock", message: t("clock_unset") });
  return found;
}

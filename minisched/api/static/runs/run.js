/** One run: its result and reason, its output, and its attempts. Updated until the run ends. */
import { call, token } from "../core/api.js";
import { h, icon, setText, statusMark, visible, visibleText } from "../core/dom.js";
import { errorText } from "../core/error_text.js";
import { fmtDuration, fmtSpan, fmtTime, now } from "../core/format.js";
import { UNFINISHED, reasonText, signalName } from "../core/status_text.js";
import { engineText, t } from "../i18n/i18n.js";
import { LogView, rawChoice, wrapsLines } from "../logs/log_view.js";

const TICK_MS = 1000;
const OUTPUT_LINES = 1000;
const OUTPUT_BYTES = 256 * 1024;
// Details of the engine that the reason text of the page already says.
const REDUNDANT = new Set(["exit_code", "business_exit_code", "business_exit_code_crash", "business_exit_code_hint", "signal", "exit_code_hint", "signal_hint", "due_times", "upstream_failed", "upstream_ended", "waiting_for", "dependency_timeout"]);

/**
 * `ask(path, use)` is that of the history dialog. `openRun(taskId, runId)` opens another run. `onUpdate(run, gone)` is called with each state of the run; `gone`:
 * whether its output has been deleted.
 */
export class RunView {
  constructor(runId, ask, openRun, onUpdate) {
    Object.assign(this, { runId, ask, openRun, onUpdate });
    // An ended run never changes.
    this.live = true;
    this.result = h("div", { class: "run-result" });
    this.facts = h("div", { class: "run-facts" });
    this.output = new Output();
    this.el = h("div", {}, this.result, this.output.el, this.facts);
    this.clock = setInterval(() => this.tick(), TICK_MS);
  }

  close() {
    this.live = false;
    clearInterval(this.clock);
  }

  tick() {
    if (!this.live) return;
    const elapsed = this.facts.querySelector("[data-fact=duration]");
    if (elapsed && this.run) setText(elapsed, spanOf(this.run));
    if (!document.hidden) this.refresh();
  }

  async refresh() {
    // What is skipped now comes with the next tick.
    if (!this.live || this.busy) return;
    this.busy = true;
    const error = await this.ask(`/executions/${this.runId}`, (run) => this.update(run));
    this.busy = false;
    if (error?.status === 404) this.live = false;
    return error;
  }

  async update(run) {
    const key = JSON.stringify({ ...run, output_tail: "" });
    if (key !== this.shown) {
      const open = Boolean(this.facts.querySelector("[open]"));
      this.result.replaceChildren(...resultOf(run, this.openRun));
      this.facts.replaceChildren(factList(run), attemptTable(run, open));
    }
    [this.shown, this.run] = [key, run];
    this.onUpdate(run, this.output.gone);
    // The output of an ended run is complete.
    const over = !UNFINISHED.has(run.status);
    const read = await this.output.read(run);
    if (this.output.gone) this.onUpdate(run, true);
    if (over && read) this.live = false;
  }
}

/** The end of a run's output. It grows in place, so that focus, selection and scroll position are kept. */
class Output {
  constructor() {
    this.noteText = h("span");
    this.note = h("p", { class: "note", hidden: true }, icon("info"), this.noteText);
    this.none = h("p", { class: "muted", text: t("loading") });
    this.view = new LogView(t("output"));
    this.view.el.classList.toggle("lg-wrapped", wrapsLines());
    this.raw = rawChoice(this.view);
    this.block = h("div", { class: "run-lines", hidden: true }, this.view.el, this.raw);
    this.el = h("div", { class: "run-output" }, this.note, this.none, this.block);
  }

  /** Resolves to whether the output was read to its end, or is known to be deleted. */
  async read(run) {
    if (!run.attempts.length) return this.show(UNFINISHED.has(run.status) ? "no_output_yet" : "never_started");
    if (!token()) return this.show("");
    const path = `/executions/${run.run_id}/log`;
    try {
      for (let page = null; !page || (page.text && !page.at_end); ) {
        const query = this.view.empty ? { tail: OUTPUT_LINES } : { offset: this.view.to, limit: OUTPUT_BYTES };
        ({ data: page } = await call("GET", `${path}?${new URLSearchParams(query)}`));
        if (page.text) this.append(page);
      }
      return this.show(UNFINISHED.has(run.status) ? "no_output_yet" : "no_output");
    } catch (error) {
      if (error.status !== 410) {
        // The text that is shown stays.
        this.showNote(errorText(error));
        return false;
      }
      this.gone = true;
      if (run.output_tail && this.view.empty) this.append({ text: visibleText(run.output_tail), offset: "", next_offset: "" });
      this.show("");
      this.showNote(t(run.output_tail ? "output_gone" : "output_gone_all"));
      return true;
    }
  }

  append(page) {
    this.block.hidden = false;
    const stays = this.view.empty || this.view.scrolledToEnd;
    this.view.append(page);
    if (stays) this.view.toBottom();
    this.raw.hidden = !this.view.differs;
  }

  /** `none`: the message in place of an output. */
  show(none) {
    this.showNote("");
    this.none.hidden = !this.view.empty || !none;
    setText(this.none, none && t(none));
    return true;
  }

  showNote(text) {
    setText(this.noteText, text);
    this.note.hidden = !text;
  }
}

export function exitOf(run) {
  if (run.exit_code !== null) return String(run.exit_code);
  const signal = run.attempts[run.attempts.length - 1]?.signal;
  return signal ? t("signal_name", { signal: signalName(signal) }) : "–";
}

/** The time from the first start to the end, or to now, with the delays between attempts. */
function spanOf(run) {
  if (!run.end_time) return fmtSpan((now() - Date.parse(run.start_time)) / 1000);
  return fmtDuration(run.attempts.length > 1 ? (Date.parse(run.end_time) - Date.parse(run.start_time)) / 1000 : run.duration);
}

/** Of a run that was skipped for its dependency: the run that failed, and the last line of its output. */
function causeOf(run, openRun) {
  const { task, run: id } = run.detail ?? {};
  if (run.status !== "skipped" || !id) return null;
  const line = run.last_line && h("p", { class: "said mono", text: visible(run.last_line) });
  return [line, h("p", {}, h("button", { type: "button", class: "link", text: t("open_run", { id }), on: { click: () => openRun(task, id) } }))];
}

function missedSpan(run) {
  const count = t("due_times", { count: run.missed_count });
  const [from, to] = [run.missed_since, run.scheduled_time].map((time) => fmtTime(time, { date: true }));
  return run.missed_since ? `${count}, ${from} – ${to}` : count;
}

/** The status, why it is so, and what was unusual. */
function resultOf(run, openRun) {
  const reason = reasonText(run);
  const more = run.detail && !REDUNDANT.has(run.detail.code) ? visible(engineText(run.detail)) : "";
  const notes = [reason.includes(more) ? "" : more, ...new Set(run.attempts.flatMap(warningsOf))].filter(Boolean);
  const cause = causeOf(run, openRun) ?? [];
  return [statusMark(run.status), reason && h("span", { text: reason }), ...notes.map((text) => h("p", { class: "muted small", text })), ...cause].filter(Boolean);
}

function factList(run) {
  const facts = [
    ["trigger", t(`trigger_${run.trigger}`)],
    run.scheduled_time && ["due", fmtTime(run.scheduled_time, { date: true })],
    run.missed_count > 1 && ["missed", missedSpan(run)],
    run.start_time && ["started", fmtTime(run.start_time, { date: true })],
    run.end_time && [run.start_time ? "ended" : "noted", fmtTime(run.end_time, { date: true })],
    run.start_time && ["duration", spanOf(run)],
    run.attempts.length > 1 && run.duration !== null && ["ran", fmtDuration(run.duration)],
    exitOf(run) !== "–" && ["exit", exitOf(run)],
  ];
  return h("dl", { class: "facts" }, facts.filter(Boolean).map(([name, value]) => h("div", {}, h("dt", { text: t(`fact_${name}`) }), h("dd", { class: "number", dataset: { fact: name } }, value))));
}

/** What was lost of the output of some attempts, as sentences. */
export const lossesOf = (attempts) => ["log_lost", "output_cut"].filter((loss) => attempts.some((attempt) => attempt[loss])).map((loss) => t(loss));

/** What was unusual about an attempt, as sentences. */
function warningsOf(attempt) {
  const left = attempt.leftover_processes ? [t("leftovers", { n: attempt.leftover_processes })] : [];
  return [...left, ...lossesOf([attempt])];
}

/** The attempts, folded; `open`: unfolded. */
function attemptTable(run, open) {
  if (run.attempts.length < 2) return "";
  const rows = run.attempts.map((attempt) =>
    h(
      "tr",
      {},
      h("td", { text: attempt.attempt }),
      h("td", {}, statusMark(attempt.status), [reasonText({ ...attempt, attempts: [attempt] }), ...warningsOf(attempt)].filter(Boolean).map((text) => h("p", { class: "muted small", text }))),
      h("td", { class: "nowrap", text: fmtTime(attempt.start_time) }),
      h("td", { class: "nowrap", text: fmtDuration(attempt.duration) }),
    ),
  );
  const head = ["attempt", "status", "time", "duration"].map((name) => h("th", { scope: "col", text: t(`col_${name}`) }));
  const table = h("table", { class: "table", "aria-label": t("attempts_n", { n: run.attempts.length }) }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows));
  return h("details", { class: "attempts", open }, h("summary", { text: t("attempts_n", { n: run.attempts.length }) }), h("div", { class: "scroll-x" }, table));
}

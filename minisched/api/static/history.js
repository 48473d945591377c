/** The history of a task, and one run with its attempts and output, in one dialog. */
import { acts } from "./acts.js";
import { call, token } from "./api.js";
import { openDialog } from "./dialog.js";
import { button, clear, fmtDuration, fmtTime, h, icon, iconButton, statusMark, visible, visibleText } from "./dom.js";
import { t, translated } from "./i18n.js";
import { store } from "./store.js";
import { STATUSES, UNFINISHED, failure, oddities, signalName, timeOf, why } from "./words.js";

const PAGE_SIZE = 15;
const TAIL_LINES = 1000;
// Details in the engine's English that say no more than the words of the page.
const TOLD = /^(exit code \d+|ended by signal \d+|\d+ due times|[\w-]+ ended as [a-z_]+( \/ [a-z_]+)?|waited \S+ s for [\w, -]+)$/;

/** Open the runs of a task. */
export function openHistory(taskId) {
  const place = new Place(taskId);
  place.list();
}

/** Open one run; `taskId` is where "back" leads. */
export function openRun(runId, taskId) {
  const place = new Place(taskId);
  place.run(runId);
}

const nameOf = (taskId) => visible(store.tasks.get(taskId)?.task_name ?? taskId);

class Place {
  constructor(taskId) {
    this.taskId = taskId;
    this.page = 1;
    this.status = "";
    this.asked = 0; // only the latest answer is shown
    this.leave = store.on((change) => (change.all || change.ids.has(taskId)) && this.changed());
    this.dialog = openDialog({ title: "", body: null, wide: true, kind: "history", onClose: () => this.close() });
  }

  close() {
    this.leave();
    clearTimeout(this.later);
    this.asked += 1;
    if (location.hash.startsWith("#task/")) history.replaceState(null, "", "#tasks");
  }

  /** The task changed: show that within a second, if it can be seen here. */
  changed() {
    if (this.later) return;
    this.later = setTimeout(() => {
      this.later = null;
      this.refresh?.();
    }, 700);
  }

  /** Give `use` the answer of a call, unless something else was asked for since. */
  async ask(path, use) {
    this.asked += 1;
    const mine = this.asked;
    try {
      const { data } = await call("GET", path);
      if (mine === this.asked) use(data);
    } catch (error) {
      if (mine === this.asked) clear(this.dialog.body).append(h("p", { class: "field-error", text: failure(error) }));
    }
  }

  // ---- the list ----

  list(focusRun = null) {
    const { dialog } = this;
    dialog.setTitle(t("history_of", { task: nameOf(this.taskId) }));
    clear(dialog.footer);
    const choice = h("select", { "aria-label": t("col_status"), class: "status-filter" });
    choice.append(h("option", { value: "", text: t("all_statuses") }));
    for (const status of STATUSES) if (status !== "idle") choice.append(h("option", { value: status, text: t(`status_${status}`) }));
    choice.value = this.status;
    choice.addEventListener("change", () => {
      this.status = choice.value;
      this.page = 1;
      this.refresh();
    });
    const table = h("div", { class: "scroll-x run-list", "aria-live": "off" }, h("p", { class: "muted", text: t("loading") }));
    const pager = h("div", { class: "pager" });
    clear(dialog.body).append(h("div", { class: "history-tools" }, choice, pager), table);
    this.refresh = () => {
      const filter = this.status ? `&status=${this.status}` : "";
      this.ask(`/tasks/${encodeURIComponent(this.taskId)}/history?page=${this.page}&page_size=${PAGE_SIZE}${filter}`, (data) => {
        const focused = document.activeElement?.closest?.("tr")?.dataset.runId ?? focusRun;
        focusRun = null;
        table.replaceChildren(this.table(data.items));
        this.fillPager(pager, data);
        if (focused) table.querySelector(`tr[data-run-id="${Number(focused)}"] button`)?.focus();
      });
    };
    this.refresh();
  }

  table(runs) {
    if (!runs.length) return h("p", { class: "empty muted", text: t(this.status ? "no_runs_match" : "no_runs") });
    const columns = ["time", "trigger", "status", "attempt", "duration", "exit"];
    const head = columns.map((name) => h("th", { scope: "col", class: `col-${name}`, text: t(`col_${name}`) }));
    return h("table", { class: "table runs" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, runs.map((run) => this.row(run))));
  }

  row(run) {
    const reason = why(run);
    // The button is the way in by keyboard; the row is the larger target of a mouse.
    const link = h("button", { type: "button", class: "link number", "aria-label": `${t("open_run", { id: run.run_id })}, ${fmtTime(timeOf(run))}`, text: fmtTime(timeOf(run)) });
    return h(
      "tr",
      { dataset: { runId: run.run_id }, on: { click: () => String(getSelection()) || this.run(run.run_id) } },
      h("td", { class: "col-time" }, link),
      h("td", { class: "col-trigger muted", text: t(`trigger_${run.trigger}`) }),
      h("td", { class: "col-status" }, statusMark(run.status), reason && h("p", { class: "muted small", text: reason })),
      h("td", { class: "col-attempt", text: run.max_attempts > 1 && run.attempt ? `${run.attempt}/${run.max_attempts}` : run.attempt || "–" }),
      h("td", { class: "col-duration nowrap", text: fmtDuration(run.duration) }),
      h("td", { class: "col-exit", text: exitOf(run) }),
    );
  }

  fillPager(pager, { page, page_size: size, total }) {
    const turn = (to) => () => {
      this.page = to;
      this.refresh();
    };
    const from = total ? (page - 1) * size + 1 : 0;
    const focused = pager.contains(document.activeElement) ? document.activeElement.dataset.way : "";
    pager.replaceChildren(
      h("span", { class: "muted number nowrap", role: "status", text: t("page_of", { from, to: Math.min(total, page * size), total }) }),
      iconButton("left", t("newer"), turn(page - 1), { disabled: page <= 1, "data-way": "newer" }),
      iconButton("right", t("older"), turn(page + 1), { disabled: page * size >= total, "data-way": "older" }),
    );
    if (focused) (pager.querySelector(`[data-way=${focused}]:enabled`) ?? pager.querySelector("button:enabled"))?.focus();
  }

  // ---- one run ----

  run(runId) {
    const { dialog } = this;
    dialog.setTitle(t("run_title", { id: runId, task: nameOf(this.taskId) }));
    const facts = h("div", { class: "run-facts" });
    const output = h("div", { class: "run-output" }, h("p", { class: "muted", text: t("loading") }));
    clear(dialog.body).append(facts, output);
    const stop = token() ? button(t("stop_run"), () => acts.stopRun({ task_id: this.taskId, task_name: nameOf(this.taskId) }, runId, stop), { kind: "danger", icon: "stop", hidden: true }) : null;
    const log = button(t("open_log"), () => import("./log.js").then((room) => room.openLog({ runId })), { icon: "log", hidden: true });
    const back = button(t("back"), () => this.list(runId), { icon: "left", class: "button back" });
    clear(dialog.footer).append(...[back, stop, log].filter(Boolean));
    let live = true;
    this.refresh = () => {
      if (!live) return; // an ended run never changes
      this.ask(`/executions/${runId}`, (run) => {
        live = UNFINISHED.has(run.status);
        if (stop) stop.hidden = !live;
        log.hidden = !run.attempts.length;
        clear(facts).append(factList(run), attemptTable(run));
        this.showOutput(output, run);
      });
    };
    this.refresh();
    dialog.el.querySelector("h2").focus();
  }

  async showOutput(el, run) {
    if (!run.attempts.length) {
      el.replaceChildren(h("p", { class: "muted", text: t(UNFINISHED.has(run.status) ? "no_output_yet" : "never_started") }));
      return;
    }
    if (!token()) return clear(el);
    const mine = this.asked;
    let text = "";
    let told = "";
    try {
      const { data } = await call("GET", `/executions/${run.run_id}/log?tail=${TAIL_LINES}`);
      text = data.text;
    } catch (error) {
      if (error.status !== 410) told = failure(error);
      else {
        text = run.output_tail ?? "";
        told = t(text ? "output_gone" : "output_gone_all");
      }
    }
    if (mine !== this.asked) return;
    const before = el.querySelector("pre");
    const atEnd = !before || before.scrollHeight - before.scrollTop - before.clientHeight < 30;
    const kept = before?.scrollTop ?? 0;
    const none = !text && !told && h("p", { class: "muted", text: t(UNFINISHED.has(run.status) ? "no_output_yet" : "no_output") });
    const block = text && h("pre", { class: "output", tabindex: "0", "aria-label": t("output"), text: visibleText(text) });
    el.replaceChildren(...[h("h3", { text: t("output") }), told && h("p", { class: "note" }, icon("info"), h("span", { text: told })), none, block].filter(Boolean));
    if (block) block.scrollTop = atEnd ? block.scrollHeight : kept;
  }
}

function exitOf(run) {
  if (run.exit_code !== null) return String(run.exit_code);
  const signal = run.attempts[run.attempts.length - 1]?.signal;
  return signal ? t("signal_name", { signal: signalName(signal) }) : "–";
}

function factList(run) {
  const reason = why(run);
  const more = run.detail && !TOLD.test(run.detail) ? visible(translated(run.detail)) : "";
  const detail = reason.includes(more) ? "" : more;
  const facts = [
    ["status", h("div", {}, statusMark(run.status), reason && h("p", { text: reason }), detail && h("p", { class: "muted small", text: detail }))],
    ["trigger", t(`trigger_${run.trigger}`)],
    run.scheduled_time && ["due", fmtTime(run.scheduled_time, { date: true })],
    run.missed_count > 1 && ["missed", t("missed_many", { n: run.missed_count }) + (run.missed_since ? `, ${fmtTime(run.missed_since, { date: true })} –` : "")],
    run.start_time && ["started", fmtTime(run.start_time, { date: true })],
    run.end_time && ["ended", fmtTime(run.end_time, { date: true })],
    run.duration !== null && ["duration", fmtDuration(run.duration)],
    exitOf(run) !== "–" && ["exit", exitOf(run)],
  ];
  return h("dl", { class: "facts" }, facts.filter(Boolean).map(([name, value]) => h("div", {}, h("dt", { text: t(`fact_${name}`) }), h("dd", { class: "number" }, value))));
}

function attemptTable(run) {
  const odd = run.attempts.some((attempt) => oddities(attempt).length);
  if (run.attempts.length < 2 && !odd) return "";
  const rows = run.attempts.map((attempt) =>
    h(
      "tr",
      {},
      h("td", { text: attempt.attempt }),
      h("td", {}, statusMark(attempt.status), [why({ ...attempt, attempts: [attempt] }), ...oddities(attempt)].filter(Boolean).map((text) => h("p", { class: "muted small", text }))),
      h("td", { class: "nowrap", text: fmtTime(attempt.start_time) }),
      h("td", { class: "nowrap", text: fmtDuration(attempt.duration) }),
    ),
  );
  const head = ["attempt", "status", "time", "duration"].map((name) => h("th", { scope: "col", text: t(`col_${name}`) }));
  return h("div", { class: "attempts" }, h("h3", { text: t("attempts") }), h("div", { class: "scroll-x" }, h("table", { class: "table" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows))));
}

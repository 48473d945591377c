/** The history of a task, and one run of it, in one dialog. */
import { acts } from "./acts.js";
import { ApiError, call, token } from "./api.js";
import { openDialog } from "./dialog.js";
import { button, clear, fmtDuration, fmtTime, h, iconButton, now, statusMark, visible } from "./dom.js";
import { failure } from "./failure.js";
import { t } from "./i18n.js";
import { RunView, exitOf } from "./run.js";
import { store } from "./store.js";
import { STATUSES, UNFINISHED, timeOf, why } from "./words.js";

const PAGE_SIZE = 15;
const FRESH_MS = 700; // a change of the task shows within a second
const STILL_MS = 1500; // rows do not move under a pointer that moved within
const AGAIN_MS = 2000; // after which a list is asked for anew that did not come

/** Open the runs of a task. */
export function openHistory(taskId) {
  const place = new Place(taskId);
  place.list();
}

/** Open one run; `taskId` is where "back" leads. */
export function openRun(runId, taskId) {
  const place = new Place(taskId);
  place.open(runId);
}

const nameOf = (taskId) => visible(store.tasks.get(taskId)?.task_name ?? taskId);

class Place {
  constructor(taskId) {
    this.taskId = taskId;
    this.page = 1;
    this.status = "";
    this.asked = 0; // only the latest answer is shown
    this.leave = store.on((change) => (change.all || change.ids.has(taskId)) && this.changed());
    this.pointerAt = 0; // when it last moved over the rows
    this.told = h("p", { class: "field-error", role: "alert", hidden: true });
    this.content = h("div");
    this.dialog = openDialog({ title: "", body: [this.told, this.content], wide: true, kind: "history", onClose: () => this.close() });
  }

  close() {
    this.leave();
    this.run?.close();
    clearTimeout(this.later);
    this.asked += 1;
    if (location.hash === `#task/${this.taskId}`) history.replaceState(null, "", "#tasks");
  }

  /** Show what is new after a while, if it can be seen here; but no rows are pushed down under a pointer. */
  changed(after = FRESH_MS) {
    if (this.later) return;
    this.later = setTimeout(() => {
      this.later = null;
      const still = STILL_MS - (Date.now() - this.pointerAt);
      if (still > 0 && this.page === 1 && !this.run) this.changed(still);
      else this.refresh?.();
    }, after);
  }

  /** Fill the dialog with other content; gives the place for it. */
  turn() {
    this.run?.close();
    this.run = null;
    this.told.hidden = true;
    clear(this.dialog.footer);
    return clear(this.content);
  }

  /**
   * Give `use` the answer of a call, unless something else was asked for since. Where it does not come, that is told
   * above what is shown, until it comes. Gives the ApiError, or null.
   */
  async ask(path, use) {
    this.asked += 1;
    const mine = this.asked;
    try {
      const { data } = await call("GET", path);
      if (mine !== this.asked) return null;
      this.told.hidden = true;
      await use(data);
      return null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (mine !== this.asked) return null;
      this.told.textContent = failure(error);
      this.told.hidden = false;
      return error;
    }
  }

  // ---- the list ----

  list(focusRun = null) {
    const { dialog } = this;
    dialog.setTitle(t("history_of", { task: nameOf(this.taskId) }));
    const content = this.turn();
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
    table.addEventListener("pointermove", () => (this.pointerAt = Date.now()), { passive: true });
    const pager = h("div", { class: "pager" });
    content.append(h("div", { class: "history-tools" }, choice, pager), table);
    this.refresh = async () => {
      const query = new URLSearchParams({ page: this.page, page_size: PAGE_SIZE });
      if (this.status) query.set("status", this.status);
      if (this.page > 1) query.set("until", this.until); // what is new since would push the older ones on
      const error = await this.ask(`/tasks/${encodeURIComponent(this.taskId)}/history?${query}`, (data) => {
        if (data.page === 1) this.until = lastTold(data.items);
        const focused = document.activeElement?.closest?.("tr")?.dataset.runId ?? focusRun;
        focusRun = null;
        table.replaceChildren(this.table(data.items));
        this.fillPager(pager, data);
        const row = focused && (table.querySelector(`tr[data-run-id="${Number(focused)}"]`) ?? table);
        if (row) row.querySelector("tbody button, td button")?.focus();
      });
      if (error && (error.status === 0 || error.status >= 500)) this.changed(AGAIN_MS);
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
    const inert = !token(); // a run's own page needs it
    // The button is the way in by keyboard; the row is the larger target of a mouse.
    const link = inert ? fmtTime(timeOf(run)) : h("button", { type: "button", class: "link number", "aria-label": `${t("open_run", { id: run.run_id })}, ${fmtTime(timeOf(run))}`, text: fmtTime(timeOf(run)) });
    return h(
      "tr",
      { class: inert && "inert", dataset: { runId: run.run_id }, on: { click: () => inert || String(getSelection()) || this.open(run.run_id) } },
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

  open(runId) {
    const { dialog } = this;
    dialog.setTitle(t("run_title", { id: runId, task: nameOf(this.taskId) }));
    const content = this.turn();
    const stop = token() ? button(t("stop_run"), () => acts.stopRun({ task_id: this.taskId, task_name: nameOf(this.taskId) }, runId, stop), { kind: "danger", icon: "stop", hidden: true }) : null;
    const log = button(t("open_log"), () => import("./log.js").then((room) => room.openLog({ runId })), { icon: "log", hidden: true });
    const back = button(t("back"), () => this.list(runId), { icon: "left", class: "button back" });
    dialog.footer.append(...[back, stop, log].filter(Boolean));
    this.run = new RunView(
      runId,
      (path, use) => this.ask(path, use),
      (run, gone) => {
        if (stop) stop.hidden = !UNFINISHED.has(run.status);
        log.hidden = gone || !run.attempts.length;
      },
    );
    content.append(this.run.el);
    this.refresh = () => this.run.refresh();
    this.refresh();
    dialog.el.querySelector("h2").focus();
  }
}

/** A time, as ISO 8601, before which all of the newest runs were made; the browser's clock may be a second off. */
function lastTold(runs) {
  const newest = runs.map((run) => Date.parse(timeOf(run)) + 1);
  return new Date(Math.max(now(), ...newest)).toISOString();
}

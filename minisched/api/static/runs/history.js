/** The history of a task, and one run of it, in the same dialog. */
import { addressOf } from "../core/address.js";
import { ApiError, call, token } from "../core/api.js";
import { openDialog } from "../core/dialog.js";
import { button, clear, h, visible } from "../core/dom.js";
import { errorText } from "../core/error_text.js";
import { now } from "../core/format.js";
import { lazy } from "../core/lazy.js";
import { STATUSES, UNFINISHED, runTime } from "../core/status_text.js";
import { store } from "../core/store.js";
import { loadTexts, t } from "../i18n/i18n.js";
import { actions } from "../tasks/actions.js";
import { RunView } from "./run.js";
import { canRepeat, fillPager, LaterRefresh, runTable } from "./table.js";

const PAGE_SIZE = 15;
// A change of the task is shown within a second.
const REFRESH_MS = 700;
// A list that could not be loaded is requested again after this time.
const RETRY_MS = 2000;

/** Open the history of a task. */
export function openHistory(taskId) {
  new HistoryDialog(taskId).list();
}

/** Open one run. The back button leads to the history of its task; `taskId` may be unknown. */
export function openRun(runId, taskId = "") {
  new HistoryDialog(taskId).open(runId);
}

const nameOf = (taskId) => visible(store.tasks.get(taskId)?.task_name ?? taskId);

class HistoryDialog {
  constructor(taskId) {
    this.taskId = taskId;
    this.page = 1;
    this.status = "";
    // Counts the requests: only the answer to the latest one is shown.
    this.asked = 0;
    this.later = new LaterRefresh(() => this.refresh?.(), REFRESH_MS, () => this.page === 1 && !this.run);
    this.unsubscribe = store.on((change) => (change.all || change.ids.has(taskId)) && this.later.changed());
    this.error = h("p", { class: "field-error", role: "alert", hidden: true });
    this.content = h("div");
    this.dialog = openDialog({ title: "", body: [this.error, this.content], wide: true, kind: "history", onClose: () => this.close() });
  }

  close() {
    this.unsubscribe();
    this.run?.close();
    this.later.stop();
    this.asked += 1;
  }

  /** Remove the content of the dialog. Returns the empty element. */
  clearContent() {
    this.run?.close();
    this.run = null;
    this.error.hidden = true;
    clear(this.dialog.footer);
    return clear(this.content);
  }

  /**
   * Request `path` and pass the answer to `use`, unless another request was made meanwhile. A failure is shown above the
   * content until a request succeeds. Resolves to the ApiError, or null.
   */
  async ask(path, use) {
    this.asked += 1;
    const mine = this.asked;
    try {
      const { data } = await call("GET", path);
      await loadTexts(data.items ?? [data]);
      if (mine !== this.asked) return null;
      this.error.hidden = true;
      await use(data);
      return null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (mine !== this.asked) return null;
      this.error.textContent = errorText(error);
      this.error.hidden = false;
      return error;
    }
  }

  // ---- the list ----

  list(focusRun = null) {
    const { dialog } = this;
    dialog.setTitle(t("history_of", { task: nameOf(this.taskId) }));
    dialog.setAddress(addressOf("history", this.taskId));
    const content = this.clearContent();
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
    this.later.watch(table);
    const pager = h("div", { class: "pager" });
    content.append(h("div", { class: "history-tools" }, choice, pager), table);
    this.refresh = async () => {
      const query = new URLSearchParams({ page: this.page, page_size: PAGE_SIZE });
      if (this.status) query.set("status", this.status);
      // New runs must not move those of the later pages.
      if (this.page > 1) query.set("until", this.until);
      const error = await this.ask(`/tasks/${encodeURIComponent(this.taskId)}/history?${query}`, (data) => {
        if (data.page === 1) this.until = afterNewest(data.items);
        const focused = document.activeElement?.closest?.("tr")?.dataset.runId ?? focusRun;
        focusRun = null;
        table.replaceChildren(runTable(data.items, { open: (run) => this.open(run.run_id), none: t(this.status ? "no_runs_match" : "no_runs") }));
        fillPager(pager, data, (page) => {
          this.page = page;
          this.refresh();
        });
        const row = focused && (table.querySelector(`tr[data-run-id="${Number(focused)}"]`) ?? table);
        if (row) row.querySelector("tbody button, td button")?.focus();
      });
      if (error && (error.status === 0 || error.status >= 500)) this.later.changed(RETRY_MS);
      if (error?.status === 404) clear(table);
    };
    this.refresh();
  }

  // ---- one run ----

  open(runId) {
    const { dialog } = this;
    dialog.setTitle(this.taskId ? t("run_title", { id: runId, task: nameOf(this.taskId) }) : t("run_id", { id: runId }));
    dialog.setAddress(addressOf("run", runId));
    const content = this.clearContent();
    const stop = token() ? button(t("stop_run"), () => actions.stopRun({ task_id: this.taskId, task_name: nameOf(this.taskId) }, runId, stop), { kind: "danger", icon: "stop", hidden: true }) : null;
    const log = button(t("open_log"), () => lazy("logs/log.js").then(({ openLog }) => openLog({ runId })), { icon: "log", hidden: true });
    const why = token() ? button(t("why"), () => actions.why({ task_id: this.taskId }, this.due), { icon: "info", hidden: true }) : null;
    const back = button(t("back"), () => this.list(runId), { icon: "left", class: "button back" });
    const again = token() ? button(t("run_again_with"), () => actions.run_with({ task_id: this.taskId }, this.run.run), { icon: "refresh", hidden: true }) : null;
    dialog.footer.append(...[back, stop, again, log, why].filter(Boolean));
    this.run = new RunView(
      runId,
      (path, use) => this.ask(path, use),
      (taskId, id) => openRun(id, taskId),
      (run, gone) => {
        if (!this.taskId) {
          this.taskId = run.task_id;
          dialog.setTitle(t("run_title", { id: runId, task: nameOf(this.taskId) }));
        }
        if (stop) stop.hidden = !UNFINISHED.has(run.status);
        if (again) again.hidden = !canRepeat(run);
        this.due = minuteOf(run);
        if (why) why.hidden = false;
        log.hidden = gone || !run.attempts.length;
      },
    );
    content.append(this.run.el);
    this.refresh = async () => {
      const error = await this.run.refresh();
      if (error?.status === 404) clear(this.content);
    };
    this.refresh();
    dialog.el.querySelector("h2").focus();
  }
}

/** Its due time, else its start, in the zone of its task and to the minute: what the dialog "Why?" takes. */
const minuteOf = (run) => (run.scheduled_time ?? runTime(run)).slice(0, 16);

/** A time (ISO 8601) after all of these runs, which are the newest. The browser's clock may be a second off. */
function afterNewest(runs) {
  const newest = runs.map((run) => Date.parse(runTime(run)) + 1);
  return new Date(Math.max(now(), ...newest)).toISOString();
}

/** The history of a task, and one run of it, in the same dialog. */
import { addressOf, here } from "../core/address.js";
import { ApiError, call, token } from "../core/api.js";
import { openDialog } from "../core/dialog.js";
import { button, clear, h, visible } from "../core/dom.js";
import { errorLine, errorText } from "../core/error_text.js";
import { lazy } from "../core/lazy.js";
import { UNFINISHED } from "../core/status_text.js";
import { store } from "../core/store.js";
import { loadTexts, t } from "../i18n/i18n.js";
import { actions } from "../tasks/actions.js";
import { filtersOf, RunList } from "./list.js";
import { RunView } from "./run.js";
import { canRepeat, minuteOf } from "./table.js";

/** Open the history of a task, with the filters of the address if it leads there. */
export function openHistory(taskId) {
  const { name, id, query } = here();
  new HistoryDialog(taskId, filtersOf(name === "history" && id === taskId ? query : new URLSearchParams())).list();
}

/** Open one run. The back button leads to the history of its task; `taskId` may be unknown. */
export function openRun(runId, taskId = "") {
  new HistoryDialog(taskId, filtersOf(new URLSearchParams())).open(runId);
}

const nameOf = (taskId) => visible(store.tasks.get(taskId)?.task_name ?? taskId);

class HistoryDialog {
  constructor(taskId, wanted) {
    Object.assign(this, { taskId, wanted });
    // The id of the run that is shown, null for the list.
    this.runId = null;
    this.closed = false;
    this.error = errorLine();
    this.content = h("div");
    this.dialog = openDialog({ title: "", body: this.content, wide: true, kind: "history", onClose: () => this.close() });
  }

  close() {
    this.closed = true;
    this.shown?.close();
  }

  showTitle() {
    const task = nameOf(this.taskId);
    const title = this.runId === null ? t("history_of", { task }) : task ? t("run_title", { id: this.runId, task }) : t("run_id", { id: this.runId });
    if (this.dialog.el.querySelector("h2").textContent !== title) this.dialog.setTitle(title);
  }

  /** Show another content: the list for the id null, else a run. */
  enter(runId) {
    this.shown?.close();
    this.runId = runId;
    clear(this.dialog.footer);
    clear(this.content);
    this.showTitle();
  }

  // ---- the list ----

  list(focusRun = null) {
    this.enter(null);
    const keep = (wanted) => {
      this.wanted = wanted;
      this.dialog.setAddress(addressOf("history", this.taskId, wanted));
    };
    keep(this.wanted);
    const open = (run) => (run.task_id === this.taskId ? this.open(run.run_id) : openRun(run.run_id, run.task_id));
    this.shown = new RunList(this.taskId, this.wanted, keep, open, focusRun);
    this.content.append(this.shown.el);
  }

  // ---- one run ----

  open(runId) {
    const { dialog } = this;
    this.enter(runId);
    dialog.setAddress(addressOf("run", runId));
    const ofToken = (make) => (token() ? make() : null);
    const hidden = { hidden: true };
    const stop = ofToken(() => button(t("stop_run"), () => actions.stopRun({ task_id: this.taskId, task_name: nameOf(this.taskId) }, runId, stop), { kind: "danger", icon: "stop", ...hidden }));
    const again = ofToken(() => button(t("run_again_with"), () => actions.run_with({ task_id: this.taskId }, view.run), { icon: "refresh", ...hidden }));
    const log = button(t("open_log"), () => lazy("logs/log.js").then(({ openLog }) => openLog({ runId })), { icon: "log", ...hidden });
    const why = ofToken(() => button(t("why"), () => actions.why({ task_id: this.taskId }, minuteOf(view.run)), { icon: "info", ...hidden }));
    const back = button(t("back"), () => this.list(runId), { icon: "left", class: "button back", hidden: !this.taskId });
    dialog.footer.append(...[back, stop, again, log, why].filter(Boolean));
    const view = new RunView(
      runId,
      (path, use) => this.ask(runId, path, use),
      (taskId, id) => openRun(id, taskId),
      (run, gone) => {
        this.taskId = run.task_id;
        this.showTitle();
        if (stop) stop.hidden = !UNFINISHED.has(run.status);
        if (again) again.hidden = !canRepeat(run);
        if (why) why.hidden = false;
        back.hidden = false;
        log.hidden = gone || !run.attempts.length;
      },
    );
    this.shown = view;
    this.error.hidden = true;
    this.content.append(this.error, view.el);
    view.refresh();
    dialog.el.querySelector("h2").focus();
  }

  /**
   * Request `path` and pass the answer to `use`, unless something else than the run is shown meanwhile. A failure is shown
   * above the content until a request succeeds. Resolves to the ApiError, or null.
   */
  async ask(runId, path, use) {
    try {
      const { data } = await call("GET", path);
      await loadTexts([data]);
      if (this.closed || this.runId !== runId) return null;
      this.error.hidden = true;
      await use(data);
      return null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (this.closed || this.runId !== runId) return null;
      this.error.textContent = errorText(error);
      this.error.hidden = false;
      if (error.status === 404) this.content.replaceChildren(this.error, h("p", {}, h("a", { href: "#runs", text: t("view_runs") })));
      return error;
    }
  }
}

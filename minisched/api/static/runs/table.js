/** Runs as a table, newest first, and the buttons that turn its pages. */
import { token } from "../core/api.js";
import { h, iconButton, statusMark, visible } from "../core/dom.js";
import { fmtDuration, fmtTime, fmtWhen } from "../core/format.js";
import { reasonText, runTime } from "../core/status_text.js";
import { store } from "../core/store.js";
import { t } from "../i18n/i18n.js";
import { exitOf, lossesOf } from "./run.js";

// Rows do not move within this time after the pointer moved over them.
const STILL_MS = 1500;

/**
 * Calls `refresh` so many ms after a change; later, while the pointer moves over the rows: they must not move away from
 * under it. `moves`: whether a refresh would move them.
 */
export class LaterRefresh {
  constructor(refresh, ms, moves = () => true) {
    Object.assign(this, { refresh, ms, moves, pointerAt: 0, timer: null });
  }

  watch(rows) {
    rows.addEventListener("pointermove", () => (this.pointerAt = Date.now()), { passive: true });
  }

  changed(after = this.ms) {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      const still = STILL_MS - (Date.now() - this.pointerAt);
      if (still > 0 && this.moves()) this.changed(still);
      else this.refresh();
    }, after);
  }

  stop() {
    clearTimeout(this.timer);
  }
}

/**
 * `open(run)` is called for a click on a row. `tasks`: whether there is a column for the task. `again(run, button)`: what
 * a button in each row does; without it there is none. `none`: what is shown if there are no runs.
 */
export function runTable(runs, { open, tasks = false, again = null, none }) {
  if (!runs.length) return h("p", { class: "empty muted", text: none });
  const columns = ["time", tasks && "task", "trigger", "status", "attempt", "duration", "exit", again && "again"].filter(Boolean);
  const head = columns.map((name) => h("th", { scope: "col", class: `col-${name}` }, name === "again" ? h("span", { class: "hidden-label", text: t("run_again") }) : t(`col_${name}`)));
  return h("table", { class: tasks ? "table runs of-all" : "table runs" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, runs.map((run) => row(run, { open, tasks, again }))));
}

function row(run, { open, tasks, again }) {
  const notes = [reasonText(run), ...lossesOf(run.attempts)].filter(Boolean);
  // A run can be opened only with the token.
  const inert = !token();
  const time = fmtTime(runTime(run));
  const name = visible(store.tasks.get(run.task_id)?.task_name ?? run.task_id);
  // The button is for the keyboard; for the mouse the whole row is a target.
  const link = inert ? fmtWhen(runTime(run)) : h("button", { type: "button", class: "link number", "aria-label": `${t("open_run", { id: run.run_id })}, ${time}`, title: time, text: fmtWhen(runTime(run)) });
  return h(
    "tr",
    { class: inert && "inert", dataset: { runId: run.run_id }, on: { click: (event) => inert || event.target.closest("a, .again") || String(getSelection()) || open(run) } },
    h("td", { class: "col-time" }, link),
    tasks && h("td", { class: "col-task" }, h("a", { href: `#task/${run.task_id}`, text: name })),
    h("td", { class: "col-trigger muted", text: t(`trigger_${run.trigger}`) }),
    h(
      "td",
      { class: "col-status" },
      statusMark(run.status),
      notes.map((text) => h("p", { class: "muted small", text })),
      run.last_line && h("p", { class: "said mono", title: visible(run.last_line), text: visible(run.last_line) }),
    ),
    h("td", { class: "col-attempt", text: run.max_attempts > 1 && run.attempt ? `${run.attempt}/${run.max_attempts}` : run.attempt || "–" }),
    h("td", { class: "col-duration nowrap", text: fmtDuration(run.duration) }),
    h("td", { class: "col-exit", text: exitOf(run) }),
    again && h("td", { class: "col-again" }, canRepeat(run) && iconButton("refresh", t("action_for", { action: t("run_again"), task: name }), (event) => again(run, event.currentTarget), { class: "again", title: t("run_again") })),
  );
}

/** Whether a run has ended, and its task is still there. */
export const canRepeat = (run) => Boolean(run.end_time) && store.tasks.has(run.task_id);

/** Fill `pager` for a page of the API. `turn(page)` is called for another one. */
export function fillPager(pager, { page, page_size: size, total }, turn) {
  const from = total ? (page - 1) * size + 1 : 0;
  const focused = pager.contains(document.activeElement) ? document.activeElement.dataset.way : "";
  pager.replaceChildren(
    h("span", { class: "muted number nowrap", role: "status", text: t("page_of", { from, to: Math.min(total, page * size), total }) }),
    iconButton("left", t("newer"), () => turn(page - 1), { disabled: page <= 1, "data-way": "newer" }),
    iconButton("right", t("older"), () => turn(page + 1), { disabled: page * size >= total, "data-way": "older" }),
  );
  if (focused) (pager.querySelector(`[data-way=${focused}]:enabled`) ?? pager.querySelector("button:enabled"))?.focus();
}

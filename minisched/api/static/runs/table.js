/** Runs as a table, newest first, the buttons that turn its pages, and what runs have in common. */
import { token } from "../core/api.js";
import { h, iconButton, setText, statusMark, visible } from "../core/dom.js";
import { fmtDuration, fmtTime, fmtWhen } from "../core/format.js";
import { FAILURES, reasonText, runTime } from "../core/status_text.js";
import { store } from "../core/store.js";
import { t } from "../i18n/i18n.js";
import { actions } from "../tasks/actions.js";
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
 * `open(run)` is called for a click on a row. `tasks`: whether there is a column for the task. `none`: what is shown if
 * there are no runs.
 */
export function runTable(runs, { open, tasks = false, none }) {
  if (!runs.length) return h("p", { class: "empty muted", text: none });
  const columns = ["time", tasks && "task", "trigger", "status", "attempt", "duration", "exit", token() && "actions"].filter(Boolean);
  const head = columns.map((name) => h("th", { scope: "col", class: `col-${name}` }, name === "actions" ? h("span", { class: "hidden-label", text: t("more_actions") }) : t(`col_${name}`)));
  return h("table", { class: tasks ? "table runs of-all" : "table runs", "aria-label": t("view_runs") }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, runs.map((run) => row(run, open, tasks))));
}

function row(run, open, tasks) {
  const notes = [reasonText(run), ...lossesOf(run.attempts)].filter(Boolean);
  // Of a run that was skipped for its dependency: the run that failed.
  const cause = run.status === "skipped" && run.detail?.run;
  // A run can be opened only with the token.
  const inert = !token();
  const time = fmtTime(runTime(run));
  const name = visible(store.tasks.get(run.task_id)?.task_name ?? run.task_id);
  // The button is for the keyboard; for the mouse the whole row is a target.
  const link = inert ? fmtWhen(runTime(run)) : h("button", { type: "button", class: "link number", "aria-label": `${t("open_run", { id: run.run_id })}, ${time}`, title: time, text: fmtWhen(runTime(run)) });
  return h(
    "tr",
    { class: inert && "inert", dataset: { runId: run.run_id }, on: { click: (event) => inert || event.target.closest("a, .col-actions, .cause") || String(getSelection()) || open(run) } },
    h("td", { class: "col-time" }, link),
    tasks && h("td", { class: "col-task" }, h("a", { href: `#task/${run.task_id}`, text: name })),
    h("td", { class: "col-trigger muted", text: t(`trigger_${run.trigger}`) }),
    h(
      "td",
      { class: "col-status" },
      statusMark(run.status),
      notes.map((text) => h("p", { class: "muted small", text })),
      cause && !inert && h("button", { type: "button", class: "link small cause", text: t("open_run", { id: cause }), on: { click: () => open({ task_id: run.detail.task, run_id: cause }) } }),
      run.last_line && h("p", { class: "said mono", title: visible(run.last_line), text: visible(run.last_line) }),
    ),
    h("td", { class: "col-attempt", text: run.max_attempts > 1 && run.attempt ? `${run.attempt}/${run.max_attempts}` : run.attempt || "–" }),
    h("td", { class: "col-duration nowrap", text: fmtDuration(run.duration) }),
    h("td", { class: "col-exit", text: exitOf(run) }),
    !inert && h("td", { class: "col-actions" }, iconButton("info", t("why_title", { task: name }), () => actions.why(run, minuteOf(run)), { title: t("why") }), canRepeat(run) && iconButton("refresh", t("action_for", { action: t("run_again"), task: name }), (event) => actions.repeat(run, event.currentTarget), { title: t("run_again") })),
  );
}

/** The due time of a run, else its start, in the zone of its task and to the minute: what the dialog "Why?" takes. */
export const minuteOf = (run) => (run.scheduled_time ?? runTime(run)).slice(0, 16);

/** Whether a run has ended, and its task is still there. */
export const canRepeat = (run) => Boolean(run.end_time) && store.tasks.has(run.task_id);

/** Fill `pager` for a page of the API. `turn(page)` is called for another one. */
export function fillPager(pager, { page, page_size: size, total }, turn) {
  const from = total ? (page - 1) * size + 1 : 0;
  const pages = Math.ceil(total / size);
  const focused = pager.contains(document.activeElement) ? document.activeElement.dataset.way : "";
  const number = h("input", { type: "number", class: "page-number", min: 1, max: pages, value: page, "aria-label": t("page_number"), title: t("page_number"), "data-way": "number" });
  number.addEventListener("change", () => turn(Math.min(pages, Math.max(1, Math.floor(number.valueAsNumber) || 1))));
  // It stays in its place, so that screen readers say it only if it changes.
  const said = pager.firstChild ?? h("span", { class: "muted number nowrap", role: "status" });
  setText(said, t("page_of", { from, to: Math.min(total, page * size), total }));
  while (pager.children.length > 1) pager.lastChild.remove();
  pager.append(
    ...(said.parentElement ? [] : [said]),
    iconButton("left", t("newer"), () => turn(page - 1), { disabled: page <= 1, "data-way": "newer" }),
    pages > 2 ? number : "",
    iconButton("right", t("older"), () => turn(page + 1), { disabled: page >= pages, "data-way": "older" }),
  );
  if (focused) (pager.querySelector(`[data-way=${focused}]:enabled`) ?? pager.querySelector("button:enabled"))?.focus();
}

/**
 * Of some runs how many have ended, and how many of these have failed; the median of the durations of the successes and
 * their 95th percentile (nearest rank), in seconds, null if there are none.
 */
export function statsOf(runs) {
  const ended = runs.filter((run) => run.end_time);
  const good = ended.filter((run) => run.status === "success" && run.duration !== null).map((run) => run.duration).sort((a, b) => a - b);
  const failed = ended.filter((run) => FAILURES.has(run.status)).length;
  const median = good.length ? (good[(good.length - 1) >> 1] + good[good.length >> 1]) / 2 : null;
  return { ended: ended.length, failed, median, p95: good[Math.ceil(good.length * 0.95) - 1] ?? null };
}

/** Make up for the due times of some days, one run after another. */
import { ApiError, call } from "../core/api.js";
import { confirm, openDialog } from "../core/dialog.js";
import { button, h, statusMark, visible } from "../core/dom.js";
import { errorText } from "../core/error_text.js";
import { fmtTime, isoIn, now } from "../core/format.js";
import { UNFINISHED } from "../core/status_text.js";
import { store } from "../core/store.js";
import { localized, t } from "../i18n/i18n.js";
import { actions } from "../tasks/actions.js";

// Between two looks at the run that is under way.
const LOOK_MS = 500;

/** Ask for the days, say how many due times they have, and run the task for each, oldest first. */
export function openBackfill(taskId) {
  const card = store.tasks.get(taskId);
  const name = visible(card.task_name);
  const path = `/tasks/${encodeURIComponent(taskId)}`;
  const yesterday = isoIn(card.task_timezone, now() / 1000 - 86400).slice(0, 10);
  const day = (label) => h("input", { type: "date", value: yesterday, max: isoIn(card.task_timezone, now() / 1000).slice(0, 10), "aria-label": t(label), on: { change: () => ask() } });
  const [since, until] = [day("runs_since"), day("runs_until")];
  const box = (label) => h("input", { type: "checkbox", "aria-label": t(label), on: { change: () => ask() } });
  const [all, keepGoing] = [box("bf_all"), box("bf_keep_going")];
  const labelled = (label, input, kind) => h("label", { class: kind }, kind === "check" ? [input, h("span", { text: t(label) })] : [h("span", { text: t(label) }), input]);
  const said = h("p", { role: "status" });
  const error = h("p", { class: "field-error", role: "alert", hidden: true });
  const runs = h("ul", { class: "bf-runs" });
  const form = h("fieldset", { class: "bf-form" }, h("div", { class: "bf-days" }, labelled("runs_since", since, "runs-date"), labelled("runs_until", until, "runs-date")), labelled("bf_all", all, "check"), labelled("bf_keep_going", keepGoing, "check"));
  const go = button(t("bf_start"), () => start(), { kind: "primary", icon: "play", disabled: true });
  const stop = button(t("bf_stop"), () => (stopped = true), { icon: "stop", hidden: true });
  // The due times that are to be made up, as the API gives them.
  let due = [];
  let asked = 0;
  let [running, stopped, closed] = [false, false, false];

  const fail = (failure) => {
    error.textContent = failure.code === "bad_request" ? visible(localized(failure)) : errorText(failure);
    error.hidden = false;
  };
  const ask = async () => {
    asked += 1;
    const mine = asked;
    [error.hidden, go.disabled, due] = [true, true, []];
    if (!since.value) return;
    const query = new URLSearchParams({ from: since.value, all: all.checked ? 1 : 0 });
    if (until.value) query.set("to", until.value);
    try {
      const { data } = await call("GET", `${path}/backfill?${query}`);
      if (mine !== asked) return;
      due = data.due;
      const [first, last] = [due[0], due[due.length - 1]].map((one) => one && fmtTime(one, { seconds: false, date: true }));
      const others = [data.done && t("bf_done_already", { n: data.done }), data.unfinished && t("bf_unfinished", { n: data.unfinished })];
      said.textContent = [due.length ? t("bf_plan", { n: due.length, first, last }) : t("bf_nothing"), ...others].filter(Boolean).join(" ");
      go.disabled = !due.length;
    } catch (failure) {
      if (!(failure instanceof ApiError)) throw failure;
      if (mine !== asked) return;
      said.textContent = "";
      fail(failure);
    }
  };

  const pause = () => new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  /** Another run of the task would be in the way. */
  const free = async () => {
    while (!stopped && store.tasks.get(taskId)?.running.some((run) => run.status !== "waiting")) await pause();
  };
  const ended = async (id) => {
    for (;;) {
      const { data } = await call("GET", `/executions/${id}`);
      if (!UNFINISHED.has(data.status)) return data.status;
      await pause();
    }
  };
  const start = async () => {
    if (!(await confirm(t("bf_question", { n: due.length, task: name }), t("bf_start"), { danger: false }))) return;
    [running, stopped] = [true, false];
    [form.disabled, go.hidden, stop.hidden] = [true, true, false];
    runs.replaceChildren();
    let made = 0;
    try {
      for (const time of due) {
        await free();
        if (stopped) break;
        const { data } = await call("POST", `${path}/run`, { for: time });
        const state = h("span", {}, statusMark("running"));
        runs.prepend(h("li", {}, h("button", { type: "button", class: "link number", text: fmtTime(time, { seconds: false, date: true }), on: { click: () => actions.openRun(card, data.run_id) } }), " ", state));
        const status = await ended(data.run_id);
        state.replaceChildren(statusMark(status));
        made += status === "success" ? 1 : 0;
        said.textContent = t("bf_made", { made, n: due.length });
        if (status !== "success" && !keepGoing.checked) break;
      }
    } catch (failure) {
      if (!(failure instanceof ApiError)) throw failure;
      fail(failure);
    }
    running = false;
    [form.disabled, go.hidden, stop.hidden, go.disabled] = [false, false, true, true];
    if (!closed && made === due.length) said.textContent = t("bf_all_made", { n: made });
  };

  const dialog = openDialog({
    title: t("bf_title", { task: name }),
    kind: "run-with",
    body: [form, said, error, runs],
    actions: [{ label: t("close") }],
    guard: () => !running || stopped || confirm(t("bf_leave"), t("bf_stop"), { danger: false }),
    onClose: () => ([stopped, closed] = [true, true]),
  });
  dialog.footer.append(stop, go);
  since.focus();
  ask();
}

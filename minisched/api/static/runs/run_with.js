/** Run a task with variables of its own, for one due time of the past or all of some days, or as a run before. */
import { ApiError, call } from "../core/api.js";
import { confirm, notice, openDialog } from "../core/dialog.js";
import { button, h, iconButton, statusMark, visible } from "../core/dom.js";
import { errorLine, errorText } from "../core/error_text.js";
import { fmtTime, isoIn, now } from "../core/format.js";
import { UNFINISHED, runTime } from "../core/status_text.js";
import { store } from "../core/store.js";
import { localized, t } from "../i18n/i18n.js";
import { actions } from "../tasks/actions.js";

// Between two looks at a run that makes up for a due time.
const LOOK_MS = 500;

// The variables of the runs that this page started, by run id, until it is closed. The engine forgets those of a run
// that has ended, since they may be secrets; so nothing of them is stored in the browser either.
const given = new Map();

/** Ask how to run a task, and start it. `run`: the run that is repeated, for its due time; null for a new one. */
export async function openRunWith(taskId, run = null) {
  const card = store.tasks.get(taskId);
  const name = visible(card?.task_name ?? taskId);
  const names = h("datalist", { id: "rw-names" });
  const rows = h("ul", { class: "rw-rows" });
  const when = h("input", { type: "datetime-local", step: "1", max: "9999-12-31T23:59" });
  const whenError = errorLine();
  const error = errorLine();

  const add = (key = "", value = "") => {
    const fault = errorLine();
    const keyInput = h("input", { class: "mono", list: "rw-names", value: key, placeholder: t("ed_f_name"), "aria-label": t("ed_f_name"), autocomplete: "off", spellcheck: "false" });
    const valueInput = h("input", { class: "mono", value, placeholder: t("ed_value"), "aria-label": t("ed_value"), autocomplete: "off", spellcheck: "false" });
    const drop = iconButton("close", t("rw_drop"), () => {
      el.remove();
      more.focus();
    });
    const el = h("li", {}, h("div", { class: "rw-row" }, keyInput, h("span", { "aria-hidden": "true" }, "="), valueInput, drop), fault);
    rows.append(el);
    return { el, keyInput };
  };
  const more = button(t("rw_add"), () => add().keyInput.focus(), { icon: "plus", class: "small-button" });

  const show = (where, text, input) => {
    where.textContent = text;
    where.hidden = false;
    input?.setAttribute("aria-invalid", "true");
    input?.focus();
  };
  const clearErrors = () => {
    for (const one of dialog.el.querySelectorAll(".field-error")) one.hidden = true;
    for (const one of dialog.el.querySelectorAll("[aria-invalid]")) one.removeAttribute("aria-invalid");
  };
  /** The variables by name, or null after an error was shown. */
  const variables = () => {
    const env = {};
    for (const el of rows.children) {
      const [keyInput, valueInput] = el.querySelectorAll("input");
      if (!keyInput.value && !valueInput.value) continue;
      if (Object.hasOwn(env, keyInput.value)) return show(el.querySelector(".field-error"), t("rw_twice"), keyInput), null;
      env[keyInput.value] = valueInput.value;
    }
    return env;
  };
  /** Show why the engine refused it, at the field that the error points to. */
  const refused = (failure) => {
    const [, part, key = ""] = (failure.pointer ?? "").split("/").map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
    // Without the place in the body, which the field shows.
    const text = visible(localized(failure)).replace(/^.*?"\/.*?"[^:：]*[:：] ?/, "");
    const row = part === "env" && [...rows.children].find((el) => el.querySelector("input").value.slice(0, 100) === key);
    if (part === "for") show(whenError, text, when);
    else if (row) show(row.querySelector(".field-error"), text, row.querySelector("input"));
    else show(error, errorText(failure));
  };
  const start = async () => {
    clearErrors();
    if (when.validity.badInput) return show(whenError, t("rw_bad_time"), when);
    const env = variables();
    if (!env || go.disabled) return null;
    go.disabled = true;
    try {
      const body = when.value ? { env, for: when.value } : { env };
      const { data } = await call("POST", run ? `/executions/${run.run_id}/rerun` : `/tasks/${encodeURIComponent(taskId)}/run`, body);
      given.set(data.run_id, env);
      notice(t("started", { task: name, id: data.run_id }) + (when.value && data.in_schedule === false ? ` ${t("rw_off_schedule")}` : ""));
      dialog.close();
    } catch (failure) {
      refused(failure);
    }
    go.disabled = false;
    return null;
  };

  const earlier = given.get(run?.run_id) ?? {};
  const go = button(t("run_now"), start, { kind: "primary", icon: "play" });
  const time = run
    ? h("p", {}, t("rw_for_run", { id: run.run_id, time: fmtTime(run.scheduled_time ?? runTime(run), { date: true }) }))
    : h("div", {}, h("label", {}, h("span", { class: "rw-label", text: t("rw_for") }), when), whenError, h("p", { class: "muted small", text: t("rw_for_help", { zone: visible(card?.task_timezone ?? "") }) }));
  const dialog = openDialog({
    title: t("rw_title", { task: name }),
    kind: "run-with",
    body: [
      error,
      h("h3", { class: "rw-label", text: t("task_variables") }),
      h("p", { class: "muted small", text: t(run && !given.has(run.run_id) ? "rw_forgotten" : "rw_help") }),
      names,
      rows,
      more,
      time,
    ],
    actions: [{ label: t("cancel") }],
  });
  dialog.footer.append(go);
  dialog.el.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || event.target.tagName !== "INPUT") return;
    event.preventDefault();
    start();
  });
  for (const [key, value] of Object.entries(earlier)) add(key, value);
  if (!rows.children.length) add().keyInput.focus();
  // Only the names: a value may be a secret.
  const found = await call("GET", `/tasks/${encodeURIComponent(taskId)}`).catch(() => null);
  names.append(...Object.keys(found?.data.effective.task_env ?? {}).map((value) => h("option", { value })));
}

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
  const error = errorLine();
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

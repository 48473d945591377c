/** Run a task with variables of its own, for a due time of the past, or as a run before. */
import { call } from "../core/api.js";
import { notice, openDialog } from "../core/dialog.js";
import { button, h, iconButton, visible } from "../core/dom.js";
import { errorText } from "../core/error_text.js";
import { fmtTime } from "../core/format.js";
import { runTime } from "../core/status_text.js";
import { store } from "../core/store.js";
import { localized, t } from "../i18n/i18n.js";

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
  const whenError = h("p", { class: "field-error", role: "alert", hidden: true });
  const error = h("p", { class: "field-error", role: "alert", hidden: true });

  const add = (key = "", value = "") => {
    const fault = h("p", { class: "field-error", role: "alert", hidden: true });
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

/** The editor of a task: a form that is made from the field table, and the same object as JSON. */
import { ApiError, call } from "../core/api.js";
import { confirm, notice, openDialog } from "../core/dialog.js";
import { button, clear, h, visible } from "../core/dom.js";
import { errorText } from "../core/error_text.js";
import { store } from "../core/store.js";
import { listed, localized, t } from "../i18n/i18n.js";
import { createForm, withEffective } from "./form.js";
import { STARS, isObject } from "./form_controls.js";
import { notifyTest } from "./notify_test.js";
import { proposedId, rebased, same, spanOf } from "./values.js";

// The field table of the API. It does not change while the engine runs.
let table = null;

/**
 * Edit a task, or create one if `taskId` is null; `from`: the id of the task that is copied then. `warning`: one of the
 * config, at whose field the editor opens.
 */
export async function openEditor(taskId = null, { from = null, warning = null } = {}) {
  const body = h("div", { class: "ed" }, h("p", { class: "muted", role: "status" }, t("loading")));
  let editor = null;
  const keepPage = (event) => editor?.changed() && event.preventDefault();
  window.addEventListener("beforeunload", keepPage);
  const dialog = openDialog({
    title: taskId ? t("ed_title_edit", { id: taskId }) : t("new_task"),
    body,
    wide: true,
    kind: "ed-dialog",
    actions: [{ label: t("cancel") }],
    guard: async () => !editor?.changed() || confirm(t("ed_leave"), t("ed_leave_yes"), { cancel: t("ed_stay") }),
    unsaved: { now: () => Boolean(editor?.changed()), denied: () => editor.denied() },
    onClose: () => window.removeEventListener("beforeunload", keepPage),
  });
  try {
    table ??= (await call("GET", "/schema")).data.fields;
    const newest = taskId ? await load(taskId) : from ? copyOf(await load(from), from) : await emptyTask();
    if (newest.config) editor = edit(taskId, newest, body, dialog, warning);
    else clear(body).append(h("p", { class: "ed-trouble", role: "alert" }, t("ed_no_config")));
  } catch (error) {
    clear(body).append(h("p", { class: "ed-trouble", role: "alert" }, textOf(error)));
  }
}

/** The task's object in the config file, or null if the file has problems or the task is gone, and its ETag. */
async function load(taskId) {
  const { data, headers } = await call("GET", `/tasks/${taskId}`);
  return { config: data.config, etag: headers.get("ETag"), fields: data.config && withEffective(table, data.config, data.effective) };
}

/** The same for a copy of a task, under another id and without its secrets. */
function copyOf({ config, fields }, from) {
  if (!config) return { config };
  const taken = new Set([...store.tasks.keys()].map((id) => id.toLowerCase()));
  const id = proposedId(`${from} copy`, taken);
  let secrets = 0;
  const plain = (value) => {
    if (Array.isArray(value)) return value.map(plain);
    if (!isObject(value)) return value;
    const kept = Object.entries(value).filter(([, one]) => one !== STARS || !(secrets += 1));
    return Object.fromEntries(kept.map(([key, one]) => [key, plain(one)]));
  };
  const copy = plain({ ...config, task_id: id, ...(config.task_name ? { task_name: t("ed_copy_name", { name: config.task_name }) } : {}) });
  return { config: copy, etag: null, fields, id, note: secrets ? t("ed_copy_secrets") : "" };
}

/** The same for a new task. The defaults of the file are taken from another task, if it does not set the field. */
async function emptyTask() {
  const other = store.tasks.keys().next().value;
  const data = other ? (await call("GET", `/tasks/${other}`).catch(() => ({}))).data : null;
  return { config: {}, etag: null, fields: data?.config ? withEffective(table, data.config, data.effective, true) : table };
}

/** A failed request as text. Rethrows any other error, since that is a bug of the page. */
function textOf(error) {
  if (!(error instanceof ApiError)) throw error;
  return errorText(error);
}

// Values that a field is likely to have.
const KNOWN = {
  task_tags: store.tags,
  task_locks: () => (store.status?.locks ?? []).map(({ name }) => name),
  task_calendar: () => store.status?.calendars ?? [],
};

/**
 * Fill the dialog with the editor of a task. `newest`: {config, etag, fields}. `warning`: see `openEditor`.
 * Returns {changed(), denied()}: whether there are unsaved changes; show that the engine rejects the token.
 */
function edit(taskId, newest, body, dialog, warning) {
  let { config: base, etag } = newest;
  const summary = h("div", { class: "ed-summary", role: "alert", tabindex: "-1" });
  // The test buttons of the rules in the form.
  const tests = new Set();
  const form = createForm(
    newest.fields,
    {
      changed: () => tests.forEach((one) => one.refresh()),
      extraFor(field, slot) {
        if (field.name !== "task_notify") return null;
        const one = notifyTest(taskId, () => slot.get(), () => base.task_notify ?? []);
        tests.add(one);
        return one.el;
      },
      tasks: () => store.tasks,
      engineZone: () => store.status?.timezone,
      known: (name) => KNOWN[name]?.() ?? [],
    },
    taskId,
  );
  const raw = h("textarea", { class: "ed-raw", spellcheck: "false", autocomplete: "off", "aria-label": t("ed_tab_json"), rows: 24 });
  const panels = tabs([["form", t("ed_tab_form"), form.el], ["json", t("ed_tab_json"), h("div", {}, h("p", { class: "ed-help" }, t("ed_json_help")), raw)]], (from) => from === "form" ? toJson() : toForm());

  const toJson = () => {
    raw.value = JSON.stringify(form.get(), null, 2);
    return true;
  };
  /** Put the JSON into the form. Returns false and shows a message if it is not an object. */
  const toForm = () => {
    const value = parsed();
    if (!value) return false;
    form.set(value);
    clear(summary);
    return true;
  };
  const parsed = () => {
    try {
      const value = JSON.parse(raw.value);
      if (isObject(value)) return value;
      showSummary([h("p", {}, t("ed_json_object"))]);
    } catch (error) {
      showSummary([h("p", {}, t("ed_json_bad", { message: error.message }))]);
      // Some browsers name the place.
      const at = Number(/position (\d+)/.exec(error.message)?.[1] ?? NaN);
      selectIn(raw, Number.isNaN(at) ? spanOf(raw.value, "") : [at, at + 1]);
    }
    return null;
  };
  const value = () => (panels.at() === "json" ? parsed() : form.get());
  const showSummary = (nodes) => {
    clear(summary).append(...nodes);
    summary.focus();
    summary.scrollIntoView({ block: "nearest" });
  };

  /** Show problems at their fields and, below `message`, in the summary. */
  const showProblems = (problems, message = t("ed_problems", { n: problems.length })) => {
    const inJson = panels.at() === "json";
    if (inJson) form.set(parsed());
    const found = form.show(problems);
    const focus = ({ problem, slot }) => (inJson && panels.at() === "json" ? selectIn(raw, spanOf(raw.value, problem.path ?? "")) : (panels.turn("form"), slot.focus()));
    const items = found.map((one) => {
      const { problem, slot, name } = one;
      if (!slot && !inJson) return h("li", {}, [(problem.place || name).replace(/:$/, ""), localized(problem)].filter(Boolean).join(": "));
      const link = h("a", { href: `#${slot?.id ?? ""}` }, h("strong", {}, inJson ? problem.path : name), ` ${localized(problem)}`);
      link.addEventListener("click", (event) => {
        event.preventDefault();
        focus(one);
      });
      return h("li", {}, link);
    });
    clear(summary).append(h("p", {}, message), h("ul", {}, ...items));
    const first = found.find(({ slot }) => slot);
    if (first && !inJson) first.slot.focus();
    else summary.focus();
  };

  /** The config has been changed since: offer to apply the changes to the newest state, or to discard them. */
  const conflict = (error) => {
    const loadNewest = (keep) => async () => {
      const mine = value();
      if (!mine) return;
      try {
        // A file that the engine has not loaded must not be overwritten.
        await call("POST", "/reload");
        const now = await load(taskId);
        if (!now.config) return showSummary([h("p", {}, t("ed_no_config"))]);
        const { value: merged, both } = rebased(base, mine, now.config);
        [base, etag] = [now.config, now.etag];
        form.set(keep ? merged : base);
        if (panels.at() === "json") toJson();
        form.show([]);
        showSummary([h("p", {}, !keep ? t("ed_newest") : both.length ? t("ed_merged_both", { names: listed(both) }) : t("ed_merged"))]);
      } catch (again) {
        if (again.status === 404) deleted();
        else if (again.problems?.length) showProblems(again.problems);
        else showSummary([h("p", {}, textOf(again))]);
      }
    };
    showSummary([
      h("p", {}, error.code === "config_changed" ? t("ed_file_changed") : t("ed_stale")),
      h("div", { class: "ed-tools" }, button(t("ed_keep_mine"), loadNewest(true), { kind: "primary" }), button(t("ed_take_newest"), loadNewest(false))),
    ]);
  };

  /** The task has been deleted: offer to save it as a new one. */
  const deleted = () =>
    showSummary([
      h("p", {}, t("ed_deleted")),
      h("div", { class: "ed-tools" }, button(t("ed_save_new"), () => save({ asNew: true }), { kind: "primary" })),
    ]);

  const save = async ({ asNew = false } = {}) => {
    const task = value();
    if (!task) return;
    const problems = panels.at() === "form" ? form.problems() : [];
    if (problems.length) return showProblems(problems);
    saving(true);
    try {
      const { data } = taskId && !asNew
        ? await call("PUT", `/tasks/${taskId}`, task, { headers: etag ? { "If-Match": etag } : {} })
        : await call("POST", "/tasks", task);
      store.put(data);
      dialog.close();
      notice(t("ed_saved", { id: visible(data.task_id) }), "good");
    } catch (error) {
      saving(false);
      if (error.status === 404) deleted();
      else if (error.status === 412 || (error.status === 409 && error.code === "config_changed" && taskId)) conflict(error);
      else if (error.status === 422) showProblems(error.problems, error.problems.length ? undefined : textOf(error));
      else if (error.code === "exists") showProblems([{ path: "task_id", message: t("ed_id_taken", { id: task.task_id }) }]);
      else {
        form.show([]);
        showSummary([h("p", {}, textOf(error))]);
      }
    }
  };
  const saveButton = button(t("ed_save"), () => save(), { kind: "primary" });
  const saving = (on) => {
    saveButton.disabled = on;
    saveButton.lastChild.textContent = on ? t("ed_saving") : t("ed_save");
  };
  dialog.footer.append(saveButton);
  form.el.addEventListener("submit", () => save());
  dialog.el.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    if (!saveButton.disabled) save();
  });

  form.set(base, newest.id);
  if (newest.note) summary.append(h("p", {}, newest.note));
  clear(body).append(panels.list, summary, ...panels.panels);
  if (warning) showProblems([warning], t("en_config_warnings"));
  else form.focus();
  return {
    denied: () => showSummary([h("p", {}, t("ed_denied"))]),
    changed() {
      if (panels.at() === "form") return !same(base, form.get());
      try {
        return !same(base, JSON.parse(raw.value));
      } catch {
        return true;
      }
    },
  };
}

/** Select a part of a text area, and scroll to it. */
function selectIn(area, [from, to]) {
  area.focus();
  area.setSelectionRange(from, to);
  const line = area.value.slice(0, from).split("\n").length - 1;
  area.scrollTop = (line - 3) * (area.scrollHeight / area.value.split("\n").length);
}

/** Tabs by the ARIA pattern. all: [[key, label, el]]. mayLeave(key): whether the tab may be left. */
function tabs(all, mayLeave) {
  let current = all[0][0];
  const heads = all.map(([key, label]) => h("button", { type: "button", role: "tab", id: `ed-tab-${key}`, "aria-controls": `ed-panel-${key}`, on: { click: () => turn(key) } }, label));
  const panels = all.map(([key, , el]) => h("div", { role: "tabpanel", id: `ed-panel-${key}`, "aria-labelledby": `ed-tab-${key}` }, el));
  const draw = () =>
    all.forEach(([key], i) => {
      heads[i].setAttribute("aria-selected", String(key === current));
      heads[i].tabIndex = key === current ? 0 : -1;
      panels[i].hidden = key !== current;
    });
  const turn = (key) => {
    if (key === current || !mayLeave(current)) return;
    current = key;
    draw();
  };
  const list = h("div", { class: "ed-tabs", role: "tablist" }, ...heads);
  list.addEventListener("keydown", (event) => {
    if (!["ArrowLeft", "ArrowRight"].includes(event.key)) return;
    const next = (all.findIndex(([key]) => key === current) + (event.key === "ArrowRight" ? 1 : all.length - 1)) % all.length;
    turn(all[next][0]);
    heads[all.findIndex(([key]) => key === current)].focus();
  });
  draw();
  return { list, panels, turn, at: () => current };
}

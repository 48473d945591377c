/** The editor of a task: a form made from the field table, and the same object as JSON. */
import { ApiError, call } from "./api.js";
import { confirm, notice, openDialog } from "./dialog.js";
import { button, clear, h, loadStyle, visible } from "./dom.js";
import { failure } from "./failure.js";
import { createForm, withEffective } from "./form.js";
import { said, t } from "./i18n.js";
import { rebased, same } from "./paths.js";
import { store } from "./store.js";
import { trial } from "./trial.js";
import { isObject } from "./widgets.js";

let table = null; // the field table; it does not change while the page is open

/** Edit the task, or with null create one. */
export async function openEditor(taskId = null) {
  await loadStyle("more.css");
  const body = h("div", { class: "ed" }, h("p", { class: "muted", role: "status" }, t("ed_loading")));
  let editor = null;
  const leave = (event) => editor?.changed() && event.preventDefault();
  window.addEventListener("beforeunload", leave);
  const dialog = openDialog({
    title: taskId ? t("ed_title_edit", { id: taskId }) : t("ed_title_new"),
    body,
    wide: true,
    kind: "ed-dialog",
    actions: [{ label: t("cancel") }],
    guard: async () => !editor?.changed() || confirm(t("ed_leave"), t("ed_leave_yes"), { cancel: t("ed_stay") }),
    unsaved: { now: () => Boolean(editor?.changed()), denied: () => editor.denied() },
    onClose: () => window.removeEventListener("beforeunload", leave),
  });
  try {
    table ??= (await call("GET", "/schema")).data.fields;
    const newest = taskId ? await load(taskId) : await blank();
    if (newest.config) editor = edit(taskId, newest, body, dialog);
    else clear(body).append(h("p", { class: "ed-trouble", role: "alert" }, t("ed_no_config")));
  } catch (error) {
    clear(body).append(h("p", { class: "ed-trouble", role: "alert" }, say(error)));
  }
}

/** The task's object in the file (null where the file is not right, or has it no more), and the tag of that state. */
async function load(taskId) {
  const { data, headers } = await call("GET", `/tasks/${taskId}`);
  return { config: data.config, etag: headers.get("ETag"), fields: data.config && withEffective(table, data.config, data.effective) };
}

/** Of a new task. The file's defaults show in any task, where it does not set a field itself. */
async function blank() {
  const other = store.tasks.keys().next().value;
  const data = other ? (await call("GET", `/tasks/${other}`).catch(() => ({}))).data : null;
  return { config: {}, etag: null, fields: data?.config ? withEffective(table, data.config, data.effective, true) : table };
}

/** What went wrong, for people; bugs of this page are not swallowed. */
function say(error) {
  if (!(error instanceof ApiError)) throw error;
  return failure(error);
}

/** The editor of one task in the dialog; {changed()} says whether there is something to lose. */
function edit(taskId, newest, body, dialog) {
  let { config: base, etag } = newest;
  const summary = h("div", { class: "ed-summary", role: "alert", tabindex: "-1" });
  const trials = new Set(); // of the rules in the form
  const form = createForm(
    newest.fields,
    {
      changed: () => trials.forEach((one) => one.refresh()),
      beside(field, slot) {
        if (field.name !== "task_notify") return null;
        const one = trial(taskId, () => slot.get(), () => base.task_notify ?? []);
        trials.add(one);
        return one.el;
      },
      tasks: () => store.tasks,
      engineZone: () => store.status?.timezone,
      known: (name) => (name === "task_tags" ? [...new Set([...store.tasks.values()].flatMap((card) => card.task_tags ?? []))].sort() : []),
    },
    taskId,
  );
  const raw = h("textarea", { class: "ed-raw", spellcheck: "false", autocomplete: "off", "aria-label": t("ed_tab_json"), rows: 24 });
  const panels = tabs([["form", t("ed_tab_form"), form.el], ["json", t("ed_tab_json"), h("div", {}, h("p", { class: "ed-help" }, t("ed_json_help")), raw)]], (from) => from === "form" ? toJson() : toForm());

  const toJson = () => {
    raw.value = JSON.stringify(form.get(), null, 2);
    return true;
  };
  /** Takes the text into the form; false, and a word, where it is no object. */
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
      tell([h("p", {}, t("ed_json_object"))]);
    } catch (error) {
      tell([h("p", {}, t("ed_json_bad", { message: error.message }))]);
    }
    return null;
  };
  const value = () => (panels.at() === "json" ? parsed() : form.get());
  const tell = (nodes) => {
    clear(summary).append(...nodes);
    summary.focus();
    summary.scrollIntoView({ block: "nearest" });
  };

  const fail = (problems, message) => {
    if (panels.at() === "json") panels.turn("form");
    const found = form.show(problems);
    const items = found.map(({ problem, slot, name }) => {
      if (!slot) return h("li", {}, [(problem.place || name).replace(/:$/, ""), said(problem)].filter(Boolean).join(": "));
      const link = h("a", { href: `#${slot.id}` }, h("strong", {}, name), ` ${said(problem)}`);
      link.addEventListener("click", (event) => {
        event.preventDefault();
        panels.turn("form");
        slot.focus();
      });
      return h("li", {}, link);
    });
    clear(summary).append(h("p", {}, problems.length ? t("ed_problems", { n: problems.length }) : message), h("ul", {}, ...items));
    const first = found.find(({ slot }) => slot);
    if (first) first.slot.focus();
    else summary.focus();
  };

  /** The file has changed since: what was made here can be put on the newest state, or given up. */
  const conflict = (error) => {
    const take = (keep) => async () => {
      const mine = value();
      if (!mine) return;
      try {
        await call("POST", "/reload"); // a file that is not in force is not saved over
        const now = await load(taskId);
        if (!now.config) return tell([h("p", {}, t("ed_no_config"))]);
        const { value: merged, both } = rebased(base, mine, now.config);
        [base, etag] = [now.config, now.etag];
        form.set(keep ? merged : base);
        if (panels.at() === "json") toJson();
        form.show([]);
        tell([h("p", {}, !keep ? t("ed_newest") : both.length ? t("ed_merged_both", { names: both.join(", ") }) : t("ed_merged"))]);
      } catch (again) {
        if (again.status === 404) deleted();
        else if (again.problems?.length) fail(again.problems, "");
        else tell([h("p", {}, say(again))]);
      }
    };
    tell([
      h("p", {}, error.code === "config_changed" ? t("ed_file_changed") : t("ed_stale")),
      h("div", { class: "ed-tools" }, button(t("ed_keep_mine"), take(true), { kind: "primary" }), button(t("ed_take_newest"), take(false))),
    ]);
  };

  /** The task is there no more: what was made here can be a new one. */
  const deleted = () =>
    tell([
      h("p", {}, t("ed_deleted")),
      h("div", { class: "ed-tools" }, button(t("ed_save_new"), () => save({ anew: true }), { kind: "primary" })),
    ]);

  const save = async ({ anew = false } = {}) => {
    const task = value();
    if (!task) return;
    const troubles = panels.at() === "form" ? form.troubles() : [];
    if (troubles.length) return fail(troubles, "");
    saving(true);
    try {
      const { data } = taskId && !anew
        ? await call("PUT", `/tasks/${taskId}`, task, { headers: etag ? { "If-Match": etag } : {} })
        : await call("POST", "/tasks", task);
      store.put(data);
      dialog.close();
      notice(t("ed_saved", { id: visible(data.task_id) }), "good");
    } catch (error) {
      saving(false);
      if (error.status === 404) deleted();
      else if (error.status === 412 || (error.status === 409 && error.code === "config_changed" && taskId)) conflict(error);
      else if (error.status === 422) fail(error.problems, say(error));
      else if (error.code === "exists") fail([{ path: "task_id", message: t("ed_id_taken", { id: task.task_id }) }], "");
      else {
        form.show([]);
        tell([h("p", {}, say(error))]);
      }
    }
  };
  const yes = button(t("ed_save"), () => save(), { kind: "primary" });
  const saving = (on) => {
    yes.disabled = on;
    yes.lastChild.textContent = on ? t("ed_saving") : t("ed_save");
  };
  dialog.footer.append(yes);
  form.el.addEventListener("submit", () => save());
  dialog.el.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    if (!yes.disabled) save();
  });

  form.set(base);
  clear(body).append(panels.list, summary, ...panels.panels);
  form.focus();
  return {
    denied: () => tell([h("p", {}, t("ed_denied"))]),
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

/** Tabs as the ARIA practices have them. all: [[key, label, el]]; leave(key) says whether the tab may be left. */
function tabs(all, leave) {
  let current = all[0][0];
  const heads = all.map(([key, word]) => h("button", { type: "button", role: "tab", id: `ed-tab-${key}`, "aria-controls": `ed-panel-${key}`, on: { click: () => turn(key) } }, word));
  const panels = all.map(([key, , el]) => h("div", { role: "tabpanel", id: `ed-panel-${key}`, "aria-labelledby": `ed-tab-${key}` }, el));
  const draw = () =>
    all.forEach(([key], i) => {
      heads[i].setAttribute("aria-selected", String(key === current));
      heads[i].tabIndex = key === current ? 0 : -1;
      panels[i].hidden = key !== current;
    });
  const turn = (key) => {
    if (key === current || !leave(current)) return;
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

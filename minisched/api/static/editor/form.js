/** The form of a task, made from the field table: sections of fields, with the problems at the fields. */
import { h } from "../core/dom.js";
import { localized, t } from "../i18n/i18n.js";
import { label, members, slotsIn } from "./fields.js";
import { proposedId, segments, slotAt } from "./values.js";

/**
 * [key, whether it is open at first, fields]. The open ones are those that most tasks need. A field that is not listed
 * goes to the last section.
 */
const SECTIONS = [
  ["what", true, ["task_name", "task_id", "task_exec", "task_description", "task_tags", "enabled"]],
  ["when", true, ["task_schedule", "task_timezone", "task_calendar"]],
  ["after", true, ["task_dependencies", "task_dependency_timeout", "task_condition", "task_condition_wait"]],
  ["often", false, ["task_overlap", "task_max_instances", "task_locks", "task_misfire", "task_misfire_grace", "task_jitter"]],
  ["limits", false, ["task_timeout", "task_expect", "task_kill_grace", "task_limits", "task_nice"]],
  ["retry", false, ["task_retry", "task_exit_codes"]],
  ["where", false, ["task_env", "task_env_file", "task_cwd", "task_user", "task_log", "task_output_encoding"]],
  ["notify", false, ["task_notify", "task_notify_defaults"]],
  ["other", false, []],
];
// When the first field changes, the second one is refreshed, because it depends on it.
const REFRESHES = { task_timezone: "task_schedule", task_calendar: "task_schedule", task_id: "task_dependencies" };

/**
 * Create the form.
 *
 * fields: the field table. ctx: {changed(), tasks(): Map of cards, known(name): values to suggest, engineZone(),
 * extraFor(field, slot): a node below an item of a list, or null}. fixed: the id of the task that is edited, or null.
 * Returns {el, get(), set(value), show(problems), problems(), focus()}; values are task objects as in the config.
 */
export function createForm(fields, ctx, fixed) {
  const value = (name) => inside.slots.get(name)?.get();
  const seen = {};
  let given = {};
  // The id of a new task follows its name until the user changes the id.
  let proposed = "";
  const propose = () => {
    if (fixed || (value("task_id") ?? "") !== proposed) return;
    const taken = new Set([...ctx.tasks().keys()].map((id) => id.toLowerCase()));
    const next = proposedId(value("task_name") ?? "", taken);
    if (next === proposed) return;
    proposed = next;
    inside.slots.get("task_id").set(proposed || undefined);
  };
  const changed = () => {
    propose();
    for (const [name, other] of Object.entries(REFRESHES)) {
      if (seen[name] === value(name)) continue;
      seen[name] = value(name);
      inside.slots.get(other)?.refresh?.();
    }
    count();
    ctx.changed();
  };
  const calendars = () => ({
    names: ctx.known("task_calendar"),
    days: fields.find(({ name }) => name === "task_calendar").fields.find(({ name }) => name === "days"),
    get: () => value("task_calendar"),
    set: (rule) => inside.slots.get("task_calendar").choose(rule),
  });
  const inside = members(fields, { ...ctx, changed, taskId: () => fixed ?? value("task_id"), zone: () => value("task_timezone"), calendar: () => value("task_calendar"), calendars });
  const placed = new Set(SECTIONS.flatMap(([, , names]) => names));
  const rest = fields.map((field) => field.name).filter((name) => !placed.has(name));
  const sections = SECTIONS.map(([key, open, names]) => section(key, open, [...names, ...(key === "other" ? rest : [])].map((name) => inside.slots.get(name)).filter(Boolean)));
  const count = () => sections.forEach((one) => one.count());
  const id = inside.slots.get("task_id");
  if (fixed && id) {
    id.control.readOnly = true;
    id.control.title = t("ed_id_fixed");
  }

  return {
    el: h("form", { class: "ed-form", novalidate: true, autocomplete: "off", on: { submit: (event) => event.preventDefault() } }, ...sections.map((one) => one.el)),
    get: () => inside.get(given),
    /** `id`: the proposed id in it, which follows the name. */
    set(task, id = "") {
      given = task;
      proposed = id;
      inside.set(task);
      for (const name of Object.keys(REFRESHES)) seen[name] = value(name);
      sections.forEach((one) => one.reset());
      count();
    },
    focus: () => inside.slots.get("task_name")?.focus(),
    /**
     * Show problems at their fields. Returns [{problem, slot or null, name}] in the order of the form; those that belong
     * to no field come first.
     */
    show(problems) {
      const found = problems.map((problem) => ({ problem, slot: slotAt({ child: inside.child }, problem.path ?? ""), name: nameOf(problem.path ?? "") }));
      const order = [];
      for (const one of inside.slots.values()) order.push(...slotsIn(one));
      for (const one of order) one.show(found.filter(({ slot }) => slot === one).map(({ problem }) => localized(problem)));
      for (const { slot } of found) if (slot && !order.includes(slot)) slot.show([]);
      sections.forEach((one) => one.mark());
      return found.sort((a, b) => order.indexOf(a.slot) - order.indexOf(b.slot));
    },
    /** The problems that can be found without the engine: [{path, message}]. */
    problems() {
      const found = [];
      for (const [name, top] of inside.slots) {
        for (const one of slotsIn(top)) {
          const message = one.problem?.();
          if (message) found.push({ path: pathOf(inside, name, one), message });
        }
      }
      return found;
    },
  };
}

/**
 * The field table with the effective default of each field, including `defaults` of the config file.
 *
 * own: a task's object in the config; effective: all its effective values. another: it is not the task of the form, so
 * values that are derived from the task itself are left out.
 */
export function withEffective(fields, own, effective, another = false) {
  return fields.map((field) => {
    const value = effective?.[field.name];
    if (field.kind === "object") return { ...field, fields: withEffective(field.fields, own?.[field.name] ?? {}, value, another) };
    const known = value !== undefined && !(field.name in own) && !(another && field.default_words.en) && !["list", "map", "task_ids"].includes(field.kind);
    return known ? { ...field, effective: value } : field;
  });
}

function section(key, open, slots) {
  const note = h("span", { class: "ed-count" });
  const el = h("details", { class: "ed-section", open }, h("summary", {}, h("span", {}, t(`ed_s_${key}`)), note), h("div", { class: "ed-fields" }, ...slots.map((one) => one.el)));
  el.hidden = !slots.length;
  return {
    el,
    reset: () => (el.open = open || slots.some((one) => one.get() !== undefined)),
    count() {
      const n = slots.filter((one) => one.get() !== undefined).length;
      note.textContent = n && !open ? t("ed_set", { n }) : "";
    },
    mark() {
      if (el.querySelector(".ed-wrong")) el.open = true;
    },
  };
}

/** The labels of a path: "Notification rules 1 · Channels 2 · URL". */
function nameOf(path) {
  const parts = [];
  for (const part of segments(path)) {
    if (typeof part === "number") parts.push(`${parts.pop() ?? ""} ${part + 1}`);
    else parts.push(label({ name: part }));
  }
  return parts.join(" · ");
}

/** The path of the slot `target` below the top-level field `name`. */
function pathOf(root, name, target) {
  const walk = (one, path) => {
    if (one === target) return path;
    const below = [...(one.children?.() ?? [])];
    for (let i = 0; i < below.length; i += 1) {
      const found = walk(below[i], below[i].field && one.child?.(below[i].field.name) === below[i] ? `${path}.${below[i].field.name}` : `${path}[${i}]`);
      if (found) return found;
    }
    return "";
  };
  return walk(root.slots.get(name), name) || name;
}

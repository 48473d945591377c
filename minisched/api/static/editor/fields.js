/**
 * Controls for values that contain other values, and the slot around each control: label, help and problems.
 *
 * A slot is a control (see form_controls.js) with its own {id, el, field, show(messages), focus()}. The path of a
 * problem, such as "task_notify[0].channels[1].url", leads from slot to slot with `child`.
 */
import { h, iconButton } from "../core/dom.js";
import { has, t } from "../i18n/i18n.js";
import { SINGLE, choiceLabel, isObject, newId, placeholder, plainText, withOriginal } from "./form_controls.js";
import { chips, dependencies, numbers } from "./multi_select.js";
import { schedules } from "./schedules.js";

export const label = (field) => (has(`ed_f_${field.name}`) ? t(`ed_f_${field.name}`) : field.name);

/** The control of a field, without a value. */
function control(field, ctx) {
  const make = field.kind === "list" ? listKind(field) : (COMPOUND[field.kind] ?? SINGLE[field.kind] ?? SINGLE.raw);
  return make(field, ctx);
}

function listKind(field) {
  if (field.item.kind === "choice") return boxes;
  if (field.item.kind === "schedule") return schedules;
  if (field.item.kind === "integer") return numbers;
  if (field.item.kind === "text" && !field.required) return chips;
  return list;
}

/** The control of a field in its slot. `bare`: without label and help, for an item of a list. */
export function slot(field, ctx, { bare = false } = {}) {
  const inner = control(field, ctx);
  const id = newId();
  const errors = h("ul", { class: "ed-errors", id: `${id}e`, hidden: true });
  const whole = inner.control ?? inner.el;
  whole.id = id;
  let el;
  if (bare) {
    el = h("div", { class: "ed-item" }, inner.el, errors);
    inner.control?.setAttribute("aria-label", ctx.named ?? label(field));
  } else {
    const name = [h("span", { class: "ed-name" }, label(field)), " ", h("code", {}, field.name), " ", field.required ? h("span", { class: "ed-must" }, t("ed_required")) : null];
    const help = h("p", { class: "ed-help", id: `${id}h` }, plainText(field.help));
    const head = inner.control ? h("label", { class: "ed-label", for: id }, name) : h("div", { class: "ed-label", id: `${id}l` }, name);
    // The help of an object comes before its fields.
    const parts = field.kind === "object" ? [head, help, errors, inner.el] : [head, inner.el, help, errors];
    el = h("div", { class: `ed-row ed-k-${field.kind}${field.multiline ? " ed-k-lines" : ""}` }, ...parts);
    if (!inner.control) {
      inner.el.setAttribute("role", "group");
      inner.el.setAttribute("aria-labelledby", `${id}l`);
    }
    whole.setAttribute("aria-describedby", `${id}h ${id}e`);
    if (field.required) inner.control?.setAttribute("aria-required", "true");
  }
  if (bare) whole.setAttribute("aria-describedby", `${id}e`);
  return {
    ...inner,
    id,
    el,
    field,
    show(messages) {
      errors.replaceChildren(...messages.map((text) => h("li", {}, text)));
      errors.hidden = !messages.length;
      el.classList.toggle("ed-wrong", messages.length > 0);
      if (messages.length) inner.control?.setAttribute("aria-invalid", "true");
      else inner.control?.removeAttribute("aria-invalid");
    },
    focus() {
      for (let fold = el.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
      if (inner.focus) inner.focus();
      else (inner.control ?? inner.el.querySelector("input, select, textarea, button") ?? el).focus();
    },
  };
}

/** This slot and all slots below it. */
export function* slotsIn(one) {
  yield one;
  for (const below of one.children?.() ?? []) yield* slotsIn(below);
}

/** The fields of an object, each in its slot. The order of the keys and unknown keys are kept. */
export function members(fields, ctx) {
  const slots = new Map(fields.map((field) => [field.name, slot(field, ctx)]));
  return {
    slots,
    get(given) {
      const value = {};
      for (const key of Object.keys(given ?? {})) value[key] = slots.has(key) ? slots.get(key).get() : given[key];
      for (const [name, one] of slots) if (!(name in value)) value[name] = one.get();
      for (const key of Object.keys(value)) if (value[key] === undefined) delete value[key];
      return value;
    },
    set: (value) => slots.forEach((one, name) => one.set(value?.[name])),
    child: (name) => slots.get(name),
    children: () => slots.values(),
  };
}

function object(field, outer) {
  return withOriginal(outer, (ctx) => {
    const inside = members(field.fields, ctx);
    return {
      ...inside,
      el: h("div", { class: "ed-object" }, ...[...inside.slots.values()].map((one) => one.el)),
      fits: isObject,
      get(given) {
        const value = inside.get(given);
        return Object.keys(value).length ? value : undefined;
      },
    };
  });
}

/** An object whose `type` decides which fields it has. */
function variants(field, outer) {
  return withOriginal(outer, (ctx) => {
    const types = Object.keys(field.variants);
    const type = h("select", { class: "ed-input" }, ...types.map((name) => h("option", { value: name }, choiceLabel({ name: "type" }, name))));
    type.id = newId();
    const place = h("div", { class: "ed-object" });
    let inside;
    const turn = (name, value) => {
      type.value = name;
      inside = members(field.variants[name], ctx);
      inside.set(value);
      place.replaceChildren(...[...inside.slots.values()].map((one) => one.el));
    };
    type.addEventListener("change", () => {
      turn(type.value, inside.get());
      ctx.changed();
    });
    turn(types[0]);
    const typeSlot = { id: type.id, el: type, show() {}, focus: () => type.focus() };
    return {
      el: h("div", { class: "ed-variant" }, h("div", { class: "ed-row" }, h("label", { class: "ed-label", for: type.id }, h("span", { class: "ed-name" }, t("ed_type")), " ", h("code", {}, "type")), type), place),
      fits: (value) => isObject(value) && types.includes(value.type),
      get: (given) => ({ type: type.value, ...inside.get(given && given.type === type.value ? { ...given, type: undefined } : undefined), type: type.value }),
      set: (value) => turn(value?.type ?? types[0], value),
      child: (name) => (name === "type" ? typeSlot : inside.child(name)),
      children: () => inside.children(),
    };
  });
}

/** A list of items, with buttons to remove and to add one. */
function list(field, outer) {
  return withOriginal(outer, (ctx) => {
    const item = { name: field.name, ...field.item };
    const big = ["object", "variants"].includes(item.kind);
    const rows = [];
    const place = h("ol", { class: big ? "ed-list ed-big" : "ed-list" });
    const add = h("button", { type: "button", class: "small-button ed-add" }, t(`ed_add_${field.name}`, {}) === `ed_add_${field.name}` ? t("ed_add") : t(`ed_add_${field.name}`));
    const put = (value) => {
      const one = slot(item, { ...ctx, keepsEmpty: true, named: `${label(field)} ${rows.length + 1}` }, { bare: true });
      one.set(value);
      const extra = ctx.extraFor?.(field, one);
      if (extra) one.el.append(extra);
      const row = h("li", {}, one.el, iconButton("trash", t("ed_remove"), () => {
        rows.splice(rows.indexOf(one), 1);
        row.remove();
        add.focus();
        ctx.changed();
      }, { class: "ed-remove" }));
      rows.push(one);
      place.append(row);
      return one;
    };
    add.addEventListener("click", () => {
      const one = put(undefined);
      ctx.changed();
      one.focus();
    });
    return {
      el: h("div", {}, place, add),
      fits: Array.isArray,
      get: () => {
        const values = rows.map((one) => one.get() ?? (big ? {} : ""));
        return values.length || field.required ? values : undefined;
      },
      set(value) {
        rows.length = 0;
        place.replaceChildren();
        (value ?? []).forEach(put);
        if (field.required && !rows.length) put(undefined);
      },
      child: (index) => rows[index],
      children: () => rows,
    };
  });
}

/** An object with free names, each with a value. */
function map(field, outer) {
  return withOriginal(outer, (ctx) => {
    const rows = [];
    const place = h("ul", { class: "ed-list ed-map" });
    const add = h("button", { type: "button", class: "small-button ed-add" }, t("ed_add"));
    const put = (name, value) => {
      const key = h("input", { type: "text", class: "ed-input ed-key", autocomplete: "off", spellcheck: "false", "aria-label": t("ed_f_name"), placeholder: t("ed_f_name"), value: name });
      key.addEventListener("input", () => ctx.changed());
      const one = slot({ name: "value", ...field.item }, { ...ctx, keepsEmpty: true, named: t("ed_value") }, { bare: true });
      one.set(value);
      const entry = { key, one };
      const row = h("li", {}, key, one.el, iconButton("trash", t("ed_remove"), () => {
        rows.splice(rows.indexOf(entry), 1);
        row.remove();
        add.focus();
        ctx.changed();
      }, { class: "ed-remove" }));
      rows.push(entry);
      place.append(row);
      return entry;
    };
    add.addEventListener("click", () => {
      put("", "").key.focus();
      ctx.changed();
    });
    const doubles = () => rows.map(({ key }) => key.value).filter((name, i, all) => all.indexOf(name) !== i);
    return {
      el: h("div", {}, place, add),
      fits: isObject,
      get: () => (rows.length ? Object.fromEntries(rows.map(({ key, one }) => [key.value, one.get() ?? ""])) : undefined),
      problem: () => (doubles().length ? t("ed_twice", { name: doubles()[0] }) : ""),
      set(value) {
        rows.length = 0;
        place.replaceChildren();
        Object.entries(value ?? {}).forEach(([name, one]) => put(name, one));
      },
      child: (name) => rows.find(({ key }) => key.value === name)?.one,
      children: () => rows.map(({ one }) => one),
    };
  });
}

/** A list of choices, as check boxes. */
function boxes(field, outer) {
  return withOriginal(outer, (ctx) => {
    const all = field.item.choices.map((choice) => [choice, h("input", { type: "checkbox", on: { change: () => ctx.changed() } })]);
    return {
      el: h("div", { class: "ed-boxes" }, ...all.map(([choice, box]) => h("label", { class: "ed-box" }, box, h("span", {}, choiceLabel(field, choice))))),
      fits: (value) => Array.isArray(value) && value.every((one) => field.item.choices.includes(one)),
      get() {
        const ticked = all.filter(([, box]) => box.checked).map(([choice]) => choice);
        return ticked.length || field.required ? ticked : undefined;
      },
      problem: () => (field.required && !all.some(([, box]) => box.checked) ? t("ed_tick_one") : ""),
      set: (value) => all.forEach(([choice, box]) => (box.checked = (value ?? []).includes(choice))),
    };
  });
}

/** A calendar by its name, and which of its days. */
function calendar(field, outer) {
  return withOriginal(outer, (ctx) => {
    const days = field.fields.find((one) => one.name === "days");
    const change = () => {
      rule.hidden = !name.value;
      ctx.changed();
    };
    const name = h("select", { class: "ed-input", on: { change } });
    const rule = h("select", { class: "ed-input", "aria-label": t("sb_rule"), on: { change } }, days.choices.map((one) => h("option", { value: one, text: choiceLabel(days, one) })));
    return {
      el: h("div", { class: "ed-tools" }, name, rule),
      control: name,
      fits: (value) => typeof value === "string" || (isObject(value) && typeof value.name === "string" && Object.keys(value).every((key) => ["name", "days"].includes(key))),
      get() {
        if (!name.value) return undefined;
        return rule.value === "working" ? name.value : { name: name.value, days: rule.value };
      },
      set(value) {
        const given = value?.name ?? value ?? "";
        const known = new Set([...ctx.known(field.name), given].filter(Boolean));
        name.replaceChildren(h("option", { value: "", text: t("ed_nothing") }), ...[...known].map((one) => h("option", { value: one, text: one })));
        name.value = given;
        rule.value = value?.days ?? "working";
        rule.hidden = !given;
      },
      /** As if the user had chosen it. */
      choose(value) {
        name.value = value?.name ?? value ?? "";
        rule.value = value?.days ?? "working";
        change();
      },
    };
  });
}

/** A shell command, or a program and its arguments. */
function command(field, outer) {
  return withOriginal(outer, (ctx) => {
    const shell = h("textarea", { class: "ed-input ed-mono", rows: 2, autocomplete: "off", spellcheck: "false", placeholder: placeholder(field), "aria-label": label(field), on: { input: () => ctx.changed() } });
    const words = list({ name: "arguments", kind: "list", required: true, item: { kind: "text", multiline: true, rows: 1, name: "arguments" } }, ctx);
    const modes = ["shell", "list"].map((mode) => [mode, h("input", { type: "radio", value: mode })]);
    const group = newId();
    const turn = (mode) => {
      for (const [name, radio] of modes) radio.checked = name === mode;
      shell.hidden = mode === "list";
      words.el.hidden = mode !== "list";
    };
    for (const [mode, radio] of modes) {
      radio.name = group;
      radio.addEventListener("change", () => {
        turn(mode);
        ctx.changed();
      });
    }
    const isList = () => modes[1][1].checked;
    return {
      el: h("div", { class: "ed-command" }, h("div", { class: "ed-tools" }, ...modes.map(([mode, radio]) => h("label", { class: "ed-box" }, radio, h("span", {}, t(`ed_cmd_${mode}`))))), shell, words.el),
      focus: () => (isList() ? words.el.querySelector("textarea, button") : shell).focus(),
      fits: (value) => typeof value === "string" || (Array.isArray(value) && value.every((one) => typeof one === "string")),
      get: () => (isList() ? words.get() : shell.value === "" ? undefined : shell.value),
      set(value) {
        const many = Array.isArray(value);
        shell.value = many ? "" : (value ?? "");
        words.set(many ? value : undefined);
        turn(many ? "list" : "shell");
      },
      child: (index) => words.child(index),
      children: () => words.children(),
    };
  });
}

const COMPOUND = { object, variants, map, command, task_ids: dependencies, name_or_object: calendar };

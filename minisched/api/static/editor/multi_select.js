/** Controls for several values: free texts such as tags, and tasks to depend on. */
import { h, visible } from "../core/dom.js";
import { upstreamId, upstreamIds } from "../core/status_text.js";
import { t } from "../i18n/i18n.js";
import { choiceLabel, isObject, newId, placeholder, withOriginal } from "./form_controls.js";
import { cycleBy } from "./values.js";

// Of the tasks that match. More are found by typing.
const OFFERS_MAX = 40;

function chip(text, remove, { warn = "" } = {}, ...more) {
  const drop = h("button", { type: "button", class: "ed-drop", "aria-label": t("ed_drop", { name: text }) }, "×");
  drop.addEventListener("click", remove);
  return h("li", { class: warn ? "ed-chip ed-warn" : "ed-chip", title: warn }, h("span", {}, visible(text)), ...more, drop);
}

const DEPENDENCY = ["task_id", "on", "within"];
const isDependency = (value) => typeof value === "string" || (isObject(value) && typeof value.task_id === "string" && Object.keys(value).every((key) => DEPENDENCY.includes(key)));

/** A dependency as it is written: as its id alone where that says all. */
function written(id, on, within) {
  if (on === "success" && !within) return id;
  const seconds = /^[0-9]+$/.test(within) ? Number(within) : within;
  return { task_id: id, ...(on === "success" ? {} : { on }), ...(within ? { within: seconds } : {}) };
}

/** Free texts. Each is ended by Enter, by a comma, or by leaving the field. */
export function chips(field, outer) {
  return withOriginal(outer, (ctx) => {
    let values = [];
    const shown = h("ul", { class: "ed-chips", "aria-label": t("ed_chosen") });
    const known = h("datalist", { id: newId() }, ...(ctx.known?.(field.name) ?? []).map((value) => h("option", { value })));
    const input = h("input", { type: "text", class: "ed-input", autocomplete: "off", spellcheck: "false", list: known.id, placeholder: placeholder(field) || t("ed_chips") });
    const draw = () => {
      shown.replaceChildren(...values.map((value, i) => chip(value, () => {
        values.splice(i, 1);
        draw();
        input.focus();
        ctx.changed();
      })));
      shown.hidden = !values.length;
    };
    const take = () => {
      const words = input.value.split(/[,，]/).map((one) => one.trim()).filter((one) => one && !values.includes(one));
      input.value = "";
      if (!words.length) return;
      values.push(...new Set(words));
      draw();
      ctx.changed();
    };
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.isComposing) {
        event.preventDefault();
        take();
      } else if (event.key === "Backspace" && !input.value && values.length) {
        values.pop();
        draw();
        ctx.changed();
      }
    });
    input.addEventListener("input", (event) => (/[,，]/.test(input.value) && !event.isComposing ? take() : ctx.changed()));
    input.addEventListener("blur", take);
    draw();
    return {
      el: h("div", {}, shown, input, known),
      control: input,
      fits: (value) => Array.isArray(value) && value.every((one) => typeof one === "string"),
      get() {
        const last = input.value.trim();
        const all = last && !values.includes(last) ? [...values, last] : [...values];
        return all.length ? all : undefined;
      },
      set(value) {
        values = [...(value ?? [])];
        input.value = "";
        draw();
      },
    };
  });
}

/** Whole numbers in one line. A list that may be empty has a box for that, since no list means the default. */
export function numbers(field, outer) {
  return withOriginal(outer, (ctx) => {
    const input = h("input", { type: "text", class: "ed-input", autocomplete: "off", spellcheck: "false", placeholder: placeholder(field), on: { input: () => ctx.changed() } });
    const none = h("input", { type: "checkbox" });
    none.addEventListener("change", () => {
      input.disabled = none.checked;
      ctx.changed();
    });
    return {
      el: h("div", {}, input, field.least ? null : h("label", { class: "ed-box" }, none, h("span", {}, t("ed_nothing")))),
      control: input,
      fits: (value) => Array.isArray(value) && value.every(Number.isInteger),
      get() {
        const words = input.value.split(/[\s,，]+/).filter(Boolean);
        if (none.checked) return [];
        return words.length ? words.map((word) => (/^[0-9]+$/.test(word) ? Number(word) : word)) : undefined;
      },
      set(value) {
        none.checked = input.disabled = value?.length === 0;
        input.value = (value ?? []).join(", ");
      },
    };
  });
}

/** Tasks to depend on. A task that would close a cycle is listed but cannot be chosen; the cycle is shown. */
export function dependencies(field, outer) {
  return withOriginal(outer, (ctx) => {
    let values = [];
    const shown = h("ul", { class: "ed-chips", "aria-label": t("ed_chosen") });
    const input = h("input", { type: "search", class: "ed-input", autocomplete: "off", spellcheck: "false", placeholder: t("ed_find_task") });
    const offers = h("ul", { class: "ed-offers", "aria-label": t("ed_f_task_dependencies"), tabindex: "-1" });
    const why = h("p", { class: "ed-why", role: "status" });
    const graph = () => new Map([...ctx.tasks().values()].map((card) => [card.task_id, upstreamIds(card)]));

    const change = (id, on) => {
      values = on ? [...values, id] : values.filter((one) => upstreamId(one) !== id);
      draw();
      ctx.changed();
    };
    /** Which end of a chosen task is meant, and how old it may be. */
    const kind = (value, index) => {
      const id = upstreamId(value);
      const choices = field.fields.find((one) => one.name === "on").choices;
      const on = h("select", { class: "ed-input", "aria-label": t("ed_on", { name: id }) }, ...choices.map((one) => h("option", { value: one }, choiceLabel({ name: "on" }, one))));
      on.value = value.on ?? "success";
      const within = h("input", { type: "text", class: "ed-input", autocomplete: "off", spellcheck: "false", placeholder: t("ed_within_none"), title: t("ed_within_help"), "aria-label": t("ed_within", { name: id }), value: value.within ?? "" });
      const take = () => {
        values[index] = written(id, on.value, within.value.trim());
        ctx.changed();
      };
      on.addEventListener("change", take);
      within.addEventListener("input", take);
      return [on, within];
    };
    const drawChips = () => {
      shown.replaceChildren(...values.map((value, index) => {
        const id = upstreamId(value);
        const remove = () => {
          change(id, false);
          input.focus();
        };
        return chip(id, remove, { warn: ctx.tasks().has(id) ? "" : t("ed_no_task") }, ...kind(value, index));
      }));
      shown.hidden = !values.length;
    };
    /** Why the task cannot be chosen, or "". */
    const obstacle = (id, needs) => {
      if (!ctx.taskId()) return "";
      if (id === ctx.taskId()) return t("ed_itself");
      const cycle = cycleBy(ctx.taskId(), id, needs);
      return cycle ? t("ed_cycle", { path: cycle.join(" → ") }) : "";
    };
    const offer = (card, reason) => {
      const box = h("input", { type: "checkbox", checked: values.some((one) => upstreamId(one) === card.task_id) });
      const refused = reason && !box.checked;
      if (refused) box.setAttribute("aria-disabled", "true");
      const note = refused ? h("span", { class: "ed-reason", id: newId() }, reason) : null;
      if (note) box.setAttribute("aria-describedby", note.id);
      box.addEventListener("click", (event) => {
        why.textContent = refused ? reason : "";
        if (refused) event.preventDefault();
        else change(card.task_id, box.checked);
      });
      box.dataset.id = card.task_id;
      const name = card.task_name && card.task_name !== card.task_id ? h("span", { class: "ed-muted" }, visible(card.task_name)) : null;
      return h("li", { class: refused ? "ed-refused" : "" }, h("label", {}, box, h("code", {}, card.task_id), name, note));
    };
    const draw = () => {
      drawChips();
      const focused = offers.contains(document.activeElement) ? document.activeElement.dataset.id : null;
      const wanted = input.value.trim().toLowerCase();
      const found = [...ctx.tasks().values()].filter((card) => !wanted || `${card.task_id} ${card.task_name}`.toLowerCase().includes(wanted));
      const needs = graph();
      const rest = found.length - OFFERS_MAX;
      const all = found.slice(0, OFFERS_MAX).map((card) => [card, obstacle(card.task_id, needs)]);
      const last = ([, reason]) => (reason ? 1 : 0);
      offers.replaceChildren(...all.sort((a, b) => last(a) - last(b)).map(([card, reason]) => offer(card, reason)));
      // The Tab key stops once at the list; the arrow keys move inside it.
      offers.querySelectorAll("input").forEach((box, i) => (box.tabIndex = i ? -1 : 0));
      if (rest > 0) offers.append(h("li", { class: "ed-muted" }, t("ed_more_tasks", { n: rest })));
      if (!found.length) offers.append(h("li", { class: "ed-muted" }, t("none_found")));
      if (focused) offers.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus();
    };
    input.addEventListener("input", draw);
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") event.preventDefault();
      if (event.key === "ArrowDown") {
        event.preventDefault();
        offers.querySelector("input")?.focus();
      }
    });
    offers.addEventListener("keydown", (event) => {
      if (!["ArrowDown", "ArrowUp"].includes(event.key)) return;
      event.preventDefault();
      const all = [...offers.querySelectorAll("input")];
      const next = all.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
      (next < 0 ? input : all[Math.min(next, all.length - 1)]).focus();
    });
    return {
      el: h("div", { class: "ed-depends" }, shown, input, offers, why),
      control: input,
      fits: (value) => Array.isArray(value) && value.every(isDependency),
      get: () => (values.length ? values : undefined),
      set(value) {
        values = [...(value ?? [])];
        input.value = "";
        why.textContent = "";
        draw();
      },
      refresh: draw,
    };
  });
}

/** The menu that chooses rows, order and groups of the list of tasks, and the filters that this browser keeps. */
import { button, h, iconButton, visible } from "../core/dom.js";
import { t } from "../i18n/i18n.js";
import { closePopup, openPopup } from "./actions.js";
import { SORTS } from "./orders.js";

// A list of {name, text, kind, tag, sort, by}.
const SAVED_KEY = "minisched.filters";
const NAME_MAX = 60;
const SORT_LABELS = { "": "sort_config", name: "ed_f_name", next: "next_run", last: "last_run", duration: "col_duration", failures: "sort_failures" };
// Of orders.js.
const GROUP_LABELS = { state: "en_state", tag: "tag", none: "task_none" };

function savedFilters() {
  try {
    return JSON.parse(localStorage.getItem(SAVED_KEY)) ?? [];
  } catch {
    return [];
  }
}

/** `view`: what cards.js makes of itself; `controls`: those of controls.js. */
export function openViewMenu(anchor, view, controls) {
  const { filter, layout, setFilter } = view;
  const select = (label, names, labels, chosen, change) => {
    const el = h("select", { on: { change: () => change(el.value) } }, names.map((name) => h("option", { value: name, text: t(labels[name]) })));
    el.value = chosen;
    return h("label", {}, h("span", { text: t(label) }), el);
  };
  const line = h("input", { type: "checkbox", checked: layout.line, on: { change: () => controls.setLayout({ line: line.checked }) } });
  const saved = h("div", {});
  const name = h("input", { "aria-label": t("ed_f_name"), placeholder: t("ed_f_name"), maxlength: NAME_MAX, required: true });
  const keep = (filters) => {
    localStorage.setItem(SAVED_KEY, JSON.stringify(filters));
    showSaved();
  };
  const without = (named) => savedFilters().filter((one) => one.name !== named);
  const save = (event) => {
    event.preventDefault();
    keep([...without(name.value), { ...filter, name: name.value, by: layout.by }]);
    name.value = "";
  };
  function showSaved() {
    const rows = savedFilters().map(({ name: named, by, ...values }) => {
      const label = visible(named);
      const use = () => (closePopup(true), controls.setLayout({ by }), setFilter(values));
      const remove = iconButton("trash", t("action_for", { action: t("delete"), task: label }), () => (keep(without(named)), name.focus()));
      return h("div", { class: "saved" }, h("button", { type: "button", class: "menu-row", text: label, on: { click: use } }), remove);
    });
    saved.replaceChildren(...rows);
  }
  showSaved();
  const el = h(
    "div",
    { class: "menu view-menu", role: "dialog", "aria-label": t("view_menu") },
    h("label", { class: "check" }, line, t("one_line")),
    select("sort_by", Object.keys(SORTS), SORT_LABELS, filter.sort, (sort) => setFilter({ sort })),
    select("group_by", Object.keys(GROUP_LABELS), GROUP_LABELS, layout.by, (by) => controls.setLayout({ by })),
    h("form", { on: { submit: save } }, h("span", { class: "muted small", text: t("saved_filters") }), saved, h("div", { class: "saved" }, name, h("button", { class: "button", text: t("ed_save") }))),
    !view.readOnly && button(t("select_tasks"), () => (closePopup(), controls.select([]))),
  );
  // Its choices change the height of the list, so that the browser scrolls.
  if (openPopup(anchor, el, true)) line.focus();
}

/**
 * The view of all tasks. Its values flow one way: the tasks of the store become rows; `arrange` makes groups of these, which
 * are accepted as the `shown` ones; the list makes elements of them. What only a user of the page needs is in controls.js,
 * loaded with the first move of the pointer or key: other orders, selection, keys, and that rows in use do not move.
 */
import { addressOf, here, showAddress } from "../core/address.js";
import { token } from "../core/api.js";
import { button, h, setText, visible } from "../core/dom.js";
import { fmtBytes } from "../core/format.js";
import { lazy } from "../core/lazy.js";
import { FAILURES } from "../core/status_text.js";
import { store } from "../core/store.js";
import { t } from "../i18n/i18n.js";
import { arrange, rowOf, totals } from "./arrange.js";
import { Card } from "./card.js";
import { List, WHOLE_MAX } from "./list.js";
import { emptyPage, filter, summary, toolbar } from "./overview.js";

// How this browser shows the list, as `layout` below.
const LAYOUT_KEY = "minisched.list";
// The order is computed at most so often: a row that moves costs far more than one that only shows its new state.
const ARRANGE_MS = 1000;

/** What the buttons do; loaded with the first click. If that fails, the connection is lost, and the banner says so. */
const cardActions = Object.fromEntries(
  ["run", "stop", "log", "history", "menu", "openRun", "edit", "needOutcomes"].map((name) => [
    name,
    (...args) => lazy("tasks/actions.js").then(({ actions }) => actions[name](...args), () => {}),
  ]),
);

function keptLayout() {
  try {
    return JSON.parse(localStorage.getItem(LAYOUT_KEY)) ?? {};
  } catch {
    return {};
  }
}

const loadingText = ({ loadedBytes: n }) => (n ? t("loading_bytes", { size: fmtBytes(n) }) : t("loading"));

/** Build the view into `el`. `announce(text)` speaks to screen readers. Returns {route(), leave()}. */
export function mountTasks(el, _, announce = () => {}) {
  const readOnly = !token();
  const rows = new Map();
  // line: one line a task; by: a grouping of orders.js; folded: the keys of folded groups.
  const layout = { line: false, by: "state", folded: [], ...keptLayout() };
  let shown = [];
  let controls = null;
  let arrangedAt = 0;
  let timer = null;

  if (here().query.size) readFilter();
  const edit = readOnly ? null : () => cardActions.edit(null);
  const head = summary((kind) => setFilter({ kind: filter.kind === kind ? "" : kind }));
  const bar = toolbar(edit, refilter, (anchor) => load().then(() => controls.openView(anchor)));
  const nothing = h("div", { class: "empty" });
  const list = new List(buildRow, buildGroup);
  const view = { el, list, rows, layout, filter, readOnly, setFilter, keepLayout, rearrange, shown: () => shown, focusSearch: bar.focus };
  el.append(head.el, bar.el, nothing, list.el);

  function buildRow(id) {
    const card = new Card(rows.get(id).data, cardActions, { readOnly, tag: filter.tag, ...controls?.formOf(id) });
    controls?.dress(id, card.el);
    return card;
  }

  function buildGroup(key) {
    const title = controls?.titleOf(key) ?? t(`group_${key}`);
    const fold = h("button", { type: "button", class: "fold", dataset: { key } });
    const ul = h("ul", { class: "cards", "aria-label": title });
    return {
      el: h("section", { class: `group ${key.startsWith("tag:") ? "" : key}` }, h("h2", { class: "group-head" }, fold), ul),
      list: ul,
      show({ whole, n, folded }) {
        fold.setAttribute("aria-expanded", !folded);
        ul.hidden = folded;
        setText(fold, `${whole ? t("group_all") : title} ${n}`);
      },
    };
  }

  /** Take the data of a task of the store, also if only a text of it was loaded. Returns whether the task is new. */
  function takeRow(id) {
    const before = rows.get(id);
    const data = store.tasks.get(id);
    if (!data) return false;
    rows.set(id, rowOf(data, before?.group, before?.order));
    if (!before) return true;
    if (before.data.current_status !== data.current_status && FAILURES.has(data.current_status)) {
      announce(t("spoken_change", { task: visible(data.task_name), status: t(`status_${data.current_status}`) }));
    }
    list.rows.get(id)?.update(data);
    return false;
  }

  function fits(row, text) {
    const { data, kinds } = row;
    if (filter.kind && !kinds.has(filter.kind)) return false;
    if (filter.tag && !(data.task_tags ?? []).includes(filter.tag)) return false;
    if (!text) return true;
    row.haystack ??= [data.task_id, data.task_name, data.task_description ?? "", ...(data.task_tags ?? [])].join("\n").toLowerCase();
    return row.haystack.includes(text) || controls?.inCommand(data.task_id, text);
  }

  function rearrangeSoon(wait = 0) {
    timer ??= setTimeout(rearrange, Math.max(wait, arrangedAt + ARRANGE_MS - Date.now()));
  }

  /** Compute the order, and show it with `force` or if the list is not in use. The counts are always those of now. */
  function rearrange(force = false) {
    clearTimeout(timer);
    timer = null;
    arrangedAt = Date.now();
    const text = filter.text.trim().toLowerCase();
    const fitting = [...rows.values()].filter((row) => fits(row, text));
    const { groups, again } = controls ? controls.arrange(fitting) : arrange(fitting);
    if (!controls?.holds(groups, force)) {
      shown = groups;
      if (layout.by === "state") for (const { key, rows: some } of groups) for (const row of some) row.group = key;
    }
    const counts = new Map(groups.map(({ key, rows: some }) => [key, some.length]));
    list.show(
      shown.map(({ key, rows: some }) => {
        const folded = layout.folded.includes(key);
        const ids = folded ? [] : some.map(({ data }) => data.task_id);
        return { key, ids, folded, n: counts.get(key) ?? 0, whole: key === "rest" && some.length === rows.size };
      }),
    );
    head.show(totals(rows.values()), filter.kind, store);
    bar.show(store, text || filter.kind || filter.tag, fitting.length, rows.size);
    nothing.hidden = Boolean(shown.length);
    if (!store.loaded) nothing.replaceChildren(h("p", { class: "muted", text: loadingText(store) }));
    else if (!rows.size) nothing.replaceChildren(...emptyPage(edit));
    else if (!nothing.hidden) nothing.replaceChildren(h("p", { text: t("none_found") }), button(t("clear_filters"), clearFilter));
    if (again < Infinity) rearrangeSoon(again + 20);
  }

  function readFilter() {
    const { query } = here();
    for (const name of Object.keys(filter)) filter[name] = query.get(name) ?? "";
  }

  /** `push`: the button Back leads to the previous filter. */
  function refilter(push = false) {
    showAddress(addressOf("tasks", "", filter), push);
    for (const card of list.rows.values()) card.updateTags(filter.tag);
    if (filter.text || filter.sort) load();
    controls?.search();
    rearrange(true);
  }

  function setFilter(values) {
    Object.assign(filter, values);
    bar.reset();
    refilter(true);
  }

  function clearFilter() {
    setFilter({ text: "", kind: "", tag: "" });
    bar.focus();
  }

  function keepLayout(change) {
    Object.assign(layout, change);
    localStorage.setItem(LAYOUT_KEY, JSON.stringify(layout));
  }

  /** Load the controls. Never rejects: without them nothing is to be used, and the banner says that the engine is lost. */
  let loading = null;
  function load() {
    loading ??= lazy("tasks/controls.js").then(
      ({ Controls }) => {
        if (!el.contains(list.el)) return;
        controls = new Controls(view);
        controls.start();
      },
      () => (loading = null),
    );
    return loading;
  }

  function onChange(change) {
    let grown = false;
    for (const id of change.all ? store.tasks.keys() : []) if (rows.get(id)?.data !== store.tasks.get(id)) grown = takeRow(id) || grown;
    for (const id of change.ids) grown = takeRow(id) || grown;
    for (const id of change.all ? [...rows.keys()] : change.removed) if (!store.tasks.has(id)) grown = rows.delete(id) || grown;
    if (grown) {
      const all = [...store.tasks.keys()].map((id, order) => [id, { ...rows.get(id), order }]);
      rows.clear();
      for (const [id, row] of all) rows.set(id, row);
      if (rows.size > WHOLE_MAX) load();
      rearrange(true);
    } else if (!store.loaded || change.all || change.ids.size) rearrangeSoon();
    else if (change.status || change.link) head.tick(store);
  }

  const USES = ["pointermove", "pointerdown", "click"];
  const use = (event) => (controls ? controls.use(event) : load().then(() => controls?.use(event)));
  for (const type of USES) el.addEventListener(type, use, { passive: true });
  document.addEventListener("keydown", use);
  if (Object.values(filter).some(Boolean)) showAddress(addressOf("tasks", "", filter));
  if (filter.text || filter.sort || layout.line || layout.by !== "state") load();
  const unsubscribe = store.on(onChange);
  onChange({ all: true, ids: new Set(), removed: new Set() });
  rearrange(true);
  const clock = setInterval(() => {
    if (document.hidden) return;
    for (const card of list.rows.values()) card.tick();
    head.tick(store);
    controls?.tick();
  }, 1000);

  return {
    route() {
      readFilter();
      bar.reset();
      refilter();
    },
    leave() {
      unsubscribe();
      clearInterval(clock);
      clearTimeout(timer);
      document.removeEventListener("keydown", use);
      controls?.leave();
      el.replaceChildren();
    },
  };
}

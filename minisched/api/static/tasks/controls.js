/**
 * What a user does with the list of tasks: keys, folding, opening and selecting rows, the choice of order and rows. While
 * a row is in use none of them moves. `view`: what cards.js makes of itself.
 */
import { call } from "../core/api.js";
import { button, h, iconButton, setText, visible } from "../core/dom.js";
import { t } from "../i18n/i18n.js";
import { BulkBar } from "./bulk.js";
import { arrangeBy, countMoved } from "./orders.js";
import { Sight } from "./sight.js";
import { openViewMenu } from "./view_menu.js";

// Rows stay where they are within this time after the pointer moved or a key was pressed, also without a mouse, ...
const STILL_MS = 1500;
// ... and under a pointer that rests on them or while the focus is in the list no longer than this.
const HELD_MAX_MS = 5 * 60000;
// The engine looks for a text in the commands so long after the last key, from so many characters on.
const SEARCH_WAIT_MS = 200;
const SEARCH_MIN = 2;

const isInSight = ({ el }) => el.getBoundingClientRect().bottom > 0 && el.getBoundingClientRect().top < innerHeight;

export class Controls {
  constructor(view) {
    this.view = view;
    this.sight = new Sight(view.list);
    this.usedAt = 0;
    // The ids of the rows that are open in the compact list, and of the selected ones; null if none can be selected.
    this.open = new Set();
    this.picked = null;
    this.pickedLast = "";
    this.bulk = null;
    // The tasks whose command has the searched text.
    this.found = { text: "", ids: new Set() };
    // The row from which the keys move.
    this.current = "";
    this.chip = button("", () => view.rearrange(true), { class: "button moved-chip" });
    this.moved = h("div", { class: "moved", hidden: true }, this.chip);
    view.list.el.before(this.moved);
  }

  start() {
    const { filter, layout, list, rearrange } = this.view;
    this.search();
    this.view.el.classList.toggle("compact", layout.line);
    list.look(this.sight);
    if (layout.line) this.rebuild();
    else if (filter.sort || layout.by !== "state") rearrange(true);
  }

  leave() {
    clearTimeout(this.searching);
    this.sight.leave();
    this.bulk?.leave();
    this.view.el.classList.remove("compact", "selecting");
  }

  tick() {
    if (!this.moved.hidden) this.view.rearrange();
    else this.bulk?.show();
  }

  // ---- order ----

  arrange(rows) {
    return arrangeBy(rows, this.view.filter.sort, this.view.layout.by);
  }

  /** Whether the rows are to stay in their places, although they belong into `groups`: then a chip says how many moved. */
  holds(groups, force) {
    const held = force !== true && this.isHeld();
    const n = held ? countMoved(this.view.shown(), groups) : 0;
    this.moved.hidden = !n;
    if (n) setText(this.chip, t("moved_places", { n }));
    return held;
  }

  isHeld() {
    const { el, list } = this.view;
    const rests = Date.now() - this.usedAt;
    if (rests < STILL_MS || rests > HELD_MAX_MS) return rests < STILL_MS;
    const hovered = matchMedia("(hover: hover)").matches && list.el.matches(":hover");
    return Boolean(this.picked || hovered || el.querySelector(".list:focus-visible, .list :focus-visible, .menu"));
  }

  // ---- search ----

  /** Let the engine look for the text in the commands, which the list does not have. */
  search() {
    const { filter, readOnly, rearrange } = this.view;
    const text = filter.text.trim().toLowerCase();
    clearTimeout(this.searching);
    if (readOnly || text.length < SEARCH_MIN || text === this.found.text) return;
    this.searching = setTimeout(async () => {
      const answer = await call("GET", `/tasks?ids=1&q=${encodeURIComponent(text)}`).catch(() => null);
      if (!answer || filter.text.trim().toLowerCase() !== text) return;
      this.found = { text, ids: new Set(answer.data.items) };
      rearrange(true);
    }, SEARCH_WAIT_MS);
  }

  inCommand(id, text) {
    return this.found.text === text && this.found.ids.has(id);
  }

  // ---- layout ----

  /** The form of a row: options of Card. */
  formOf(id) {
    return { line: this.view.layout.line, open: this.open.has(id) };
  }

  /** Add to a new row what it is selected and opened by. */
  dress(id, el) {
    const name = visible(this.view.rows.get(id).data.task_name);
    if (this.picked) el.prepend(h("input", { type: "checkbox", class: "pick", checked: this.picked.has(id), "aria-label": name }));
    if (id === this.current) el.tabIndex = 0;
    if (!this.view.layout.line) return;
    const label = t("action_for", { action: t("details"), task: name });
    const actions = el.querySelector(".card-actions") ?? el.appendChild(h("div", { class: "card-actions" }));
    actions.append(iconButton("down", label, null, { title: t("details"), class: "expand", "aria-expanded": String(this.open.has(id)) }));
  }

  /** The title of a group of orders.js; undefined for one of arrange.js. */
  titleOf(key) {
    if (key.startsWith("tag:")) return visible(key.slice(4)) || t("untagged");
    return key === "all" ? t("group_all") : undefined;
  }

  rebuild() {
    this.sight.forget();
    this.view.list.rebuild();
    this.view.rearrange(true);
  }

  /** Show the list in another form: some of {line, by}. */
  setLayout(change) {
    const { el, layout, keepLayout } = this.view;
    keepLayout(change);
    el.classList.toggle("compact", layout.line);
    if ("line" in change) this.open.clear();
    this.rebuild();
  }

  toggleFold(key) {
    const { layout, keepLayout, rearrange } = this.view;
    const others = layout.folded.filter((one) => one !== key);
    keepLayout({ folded: others.length < layout.folded.length ? others : [...others, key] });
    rearrange(true);
  }

  toggleOpen(id) {
    if (!this.open.delete(id)) this.open.add(id);
    const { list } = this.view;
    const before = list.rows.get(id).el;
    const selector = before === document.activeElement ? "" : ".expand";
    const focused = before.contains(document.activeElement);
    list.rebuild(id);
    const { el } = list.rows.get(id);
    if (focused) (selector ? el.querySelector(selector) : el).focus({ preventScroll: true });
  }

  openView(anchor) {
    openViewMenu(anchor, this.view, this);
  }

  // ---- selection ----

  /** Let rows be selected, first these; or with null no longer. */
  select(ids) {
    const { el, readOnly } = this.view;
    if (readOnly) return;
    this.picked = ids && new Set(ids);
    el.classList.toggle("selecting", Boolean(ids));
    this.bulk?.leave();
    this.bulk = null;
    this.rebuild();
    if (ids) this.bulk = new BulkBar(this.view, this);
  }

  /** Select these rows, or no longer. */
  pick(ids, on) {
    for (const id of ids) {
      if (on) this.picked.add(id);
      else this.picked.delete(id);
      const box = this.view.list.rows.get(id)?.el.querySelector(".pick");
      if (box) box.checked = on;
    }
    this.bulk?.show();
  }

  /** Select a row, or with `range` all from the last one on. */
  pickRow(id, range) {
    const ids = this.ids();
    const [a, b] = [ids.indexOf(range ? this.pickedLast : id), ids.indexOf(id)].sort((x, y) => x - y);
    this.pick(a < 0 ? [id] : ids.slice(a, b + 1), !this.picked.has(id));
    this.pickedLast = id;
  }

  /** The ids of the rows that are not folded, in their order. */
  ids() {
    return this.view.list.groups.flatMap(({ ids }) => ids);
  }

  // ---- pointer and keys ----

  /** Take an event of the page. */
  use(event) {
    if (event.type !== "keydown" || this.view.el.contains(event.target)) this.usedAt = Date.now();
    if (event.type === "click") this.onClick(event);
    if (event.type === "keydown") this.onKey(event);
  }

  onClick({ target, shiftKey }) {
    const { filter, layout, list, setFilter } = this.view;
    const tag = target.closest("[data-tag]")?.dataset.tag;
    const group = target.closest(".fold")?.dataset.key;
    const id = target.closest(".card")?.dataset.taskId;
    if (!list.el.contains(target)) return;
    if (group) this.toggleFold(group);
    else if (tag) setFilter({ tag: filter.tag === tag ? "" : tag });
    else if (id) {
      this.setCurrent(id);
      if (target.closest(".expand")) this.toggleOpen(id);
      else if (target.matches(".pick") || (this.picked && !target.closest("a, button"))) this.pickRow(id, shiftKey);
      else if (layout.line && !target.closest("a, button") && getSelection().isCollapsed) this.toggleOpen(id);
    }
  }

  /** The Tab key stops at this row. */
  setCurrent(id) {
    const before = this.view.list.rows.get(this.current)?.el;
    const after = this.view.list.rows.get(id)?.el;
    if (before) before.tabIndex = -1;
    if (after) after.tabIndex = 0;
    this.current = id;
  }

  onKey(event) {
    const { target } = event;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (target.closest("input:not(.pick), textarea, select, dialog, .menu, .tabs")) return;
    if (this.keyDown(key, target, event.shiftKey)) event.preventDefault();
  }

  /** Returns whether the key means something here. */
  keyDown(key, target, shiftKey) {
    const { list, layout, focusSearch } = this.view;
    const row = target.closest(".card");
    const id = row?.dataset.taskId;
    if (key === "/") focusSearch();
    else if (key === "Escape" && this.picked) this.select(null);
    else if ((key === "x" && row) || (key === " " && row === target)) this.pickByKey(id, shiftKey);
    else if (key === "Enter" && row && row === target) {
      if (layout.line) this.toggleOpen(id);
      else row.querySelector("a").click();
    } else {
      // In a page the arrows scroll, until a row has the focus.
      if (!row && target !== list.el && key !== "j" && key !== "k") return false;
      const ids = this.ids();
      const at = this.targetOf(key, ids, ids.indexOf(id ?? this.current));
      if (at === undefined || !ids.length) return false;
      this.setCurrent(ids[at]);
      this.sight.focus(ids[at]);
    }
    return true;
  }

  /** Where a key leads from row `at` of `ids`; undefined if nowhere. */
  targetOf(key, ids, at) {
    const page = Math.max(1, [...this.view.list.rows.values()].filter(isInSight).length - 1);
    const to = { j: at + 1, ArrowDown: at + 1, k: at - 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: ids.length - 1 }[key];
    return to === undefined ? undefined : Math.max(0, Math.min(ids.length - 1, to));
  }

  pickByKey(id, range) {
    this.setCurrent(id);
    if (this.picked) this.pickRow(id, range);
    else {
      this.pickedLast = id;
      this.select([id]);
    }
    this.sight.focus(id);
  }
}

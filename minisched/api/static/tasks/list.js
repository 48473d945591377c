/** Groups of rows as elements. Of very many rows only those near the window have some: that is decided by sight.js. */
import { h } from "../core/dom.js";

// Up to so many rows all have elements, so that the browser's own search finds them.
export const WHOLE_MAX = 60;

/** Put elements into `parent` in this order, and no others. Those in the right place are not touched. */
function place(parent, wanted) {
  const keep = new Set(wanted);
  for (const el of [...parent.children]) if (!keep.has(el)) el.remove();
  let at = parent.firstChild;
  for (const el of wanted) {
    if (at === el) at = at.nextSibling;
    else parent.insertBefore(el, at);
  }
}

/** In place of rows without elements. The browser must not take it for what it keeps in its place. */
const space = (tag) => h(tag, { "aria-hidden": "true", style: { "overflow-anchor": "none" } });

function setHeight(el, px) {
  el.hidden = !px;
  if (px) el.style.height = `${px}px`;
}

export class List {
  /** `build(id)`: a new {el} of a row. `buildGroup(key)`: a new {el, list, show(group)}. */
  constructor(build, buildGroup) {
    this.build = build;
    this.buildGroup = buildGroup;
    this.el = h("div", { class: "list", tabindex: "-1" });
    this.above = space("div");
    this.below = space("div");
    this.groups = [];
    this.sight = null;
    // By id and by key: what has elements.
    this.rows = new Map();
    this.sections = new Map();
  }

  /** Let `sight` decide which rows exist: {parts(groups), seen(parts, rows)}, see sight.js. */
  look(sight) {
    this.sight = sight;
    this.render();
  }

  /** Show these groups: [{key, ids, ...}]; `ids` is empty for a folded one. */
  show(groups) {
    this.groups = groups;
    this.render();
  }

  render() {
    const firstOf = (group) => ({ group, from: 0, to: WHOLE_MAX });
    const { above, below, parts } = this.sight?.parts(this.groups) ?? { parts: this.groups.map(firstOf) };
    const focused = document.activeElement;
    const rows = new Map();
    const sections = new Map();
    setHeight(this.above, above);
    setHeight(this.below, below);
    for (const { group, from, to, above: before, below: after } of parts) {
      const { key, ids } = group;
      const section = this.sections.get(key) ?? { ...this.buildGroup(key), above: space("li"), below: space("li") };
      sections.set(key, section);
      section.show(group);
      const els = ids.slice(from, to).map((id) => {
        const row = this.rows.get(id) ?? this.build(id);
        rows.set(id, row);
        return row.el;
      });
      setHeight(section.above, before);
      setHeight(section.below, after);
      place(section.list, [section.above, ...els, section.below]);
    }
    place(this.el, [this.above, ...[...sections.values()].map(({ el }) => el), this.below]);
    this.rows = rows;
    this.sections = sections;
    // An element that is moved or removed loses the focus.
    if (focused !== document.activeElement && focused !== document.body) {
      (this.el.contains(focused) ? focused : this.el).focus({ preventScroll: true });
    }
    this.sight?.seen(parts, rows);
  }

  /** Build the elements of a row again, or of all rows. */
  rebuild(id) {
    if (id) this.rows.delete(id);
    else this.rows = new Map();
    this.render();
  }
}

/**
 * Which rows of a long list are near the window, so that only these have elements: the page stays fast with thousands of
 * tasks. The others are empty space of the height that they had, or probably have.
 */
import { WHOLE_MAX } from "./list.js";

// Rows exist so far above and below the window, in px: a turn of the wheel shows no gap.
const MARGIN_PX = 300;
// The height of the head of a group and, until some were measured, of a row, in px.
const HEAD_PX = 58;
const ROW_PX = 76;

/**
 * The rows between two heights in px from the top of the list: {above, below: px of the groups outside, parts: [{group,
 * from, to, above, below}]}; of a part the last two are px of its rows before `from` and after `to`.
 */
export function inSight(groups, heightOf, top, bottom) {
  const all = { above: 0, below: 0, parts: [] };
  let y = 0;
  for (const group of groups) {
    const part = { group, from: 0, to: 0, above: 0, below: 0 };
    const start = y;
    y += HEAD_PX;
    group.ids.forEach((id, at) => {
      const height = heightOf(id);
      if (y + height <= top) {
        part.from = part.to = at + 1;
        part.above += height;
      } else if (y < bottom) part.to = at + 1;
      else part.below += height;
      y += height;
    });
    if (y <= top) all.above += y - start;
    else if (start >= bottom) all.below += y - start;
    else all.parts.push(part);
  }
  return all;
}

/** `list`: the List whose rows are measured and shown again when the page scrolls. */
export class Sight {
  constructor(list) {
    this.list = list;
    this.measured = new Set();
    this.sizes = new ResizeObserver((entries) => this.measure(entries));
    this.moved = () => (this.frame ||= requestAnimationFrame(() => list.render()));
    window.addEventListener("scroll", this.moved, { passive: true });
    window.addEventListener("resize", this.moved);
    this.forget();
  }

  leave() {
    window.removeEventListener("scroll", this.moved);
    window.removeEventListener("resize", this.moved);
    cancelAnimationFrame(this.frame);
    this.sizes.disconnect();
  }

  /** The rows get another form: their heights are not known any more. */
  forget() {
    this.heights = new Map();
    this.estimate = 0;
  }

  parts(groups) {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    if (groups.reduce((sum, { ids }) => sum + ids.length, 0) <= WHOLE_MAX) return inSight(groups, () => 0, 0, Infinity);
    const { top } = this.list.el.getBoundingClientRect();
    return inSight(groups, (id) => this.heightOf(id), -top - MARGIN_PX, innerHeight - top + MARGIN_PX);
  }

  /** These parts and rows have elements now: measure them, and tell screen readers of the ones between. */
  seen(parts, rows) {
    for (const { group, from, to } of parts) {
      for (let at = from; at < to; at += 1) {
        const { el } = rows.get(group.ids[at]);
        el.setAttribute("aria-setsize", group.ids.length);
        el.setAttribute("aria-posinset", at + 1);
      }
    }
    const els = new Set([...rows.values()].map(({ el }) => el));
    for (const el of this.measured) if (!els.has(el)) this.sizes.unobserve(el);
    for (const el of els) if (!this.measured.has(el)) this.sizes.observe(el);
    this.measured = els;
  }

  measure(entries) {
    if (this.width !== this.list.el.clientWidth) this.forget();
    this.width = this.list.el.clientWidth;
    for (const { target, borderBoxSize } of entries) {
      if (target.isConnected) this.heights.set(target.dataset.taskId, borderBoxSize[0].blockSize);
    }
    if (this.estimate || !this.heights.size) return;
    this.estimate = [...this.heights.values()].reduce((sum, height) => sum + height, 0) / this.heights.size;
    this.moved();
  }

  heightOf(id) {
    return this.heights.get(id) ?? (this.estimate || ROW_PX);
  }

  /** Move the focus to a row, and scroll to it if it is not in sight. */
  focus(id) {
    const { list } = this;
    if (!list.rows.has(id)) {
      let y = list.el.getBoundingClientRect().top + scrollY;
      for (const { ids } of list.groups) {
        const at = ids.indexOf(id);
        y += HEAD_PX + (at < 0 ? ids : ids.slice(0, at)).reduce((sum, one) => sum + this.heightOf(one), 0);
        if (at >= 0) break;
      }
      scrollTo(0, y - innerHeight / 2);
      list.render();
    }
    const { el } = list.rows.get(id) ?? list;
    el.focus({ preventScroll: true });
    el.scrollIntoView({ block: "nearest" });
  }
}

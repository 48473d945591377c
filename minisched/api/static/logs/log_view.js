/**
 * Shows a part of a log. Pieces are added at either end and dropped at the other, so that memory is bounded for a log of
 * any size. Matches of a search are marked in the pieces that are in view.
 */
import { h } from "../core/dom.js";

const LINES_MAX = 5000;
// A single line may have 64 KiB.
const CHARS_MAX = 4e6;
const MARKS_PER_LINE_MAX = 20;
const PREFIX = /^(\d{4}-\d\d-\d\dT)(\d\d:\d\d:\d\d)(\S*) (?:\[(\d+\.\d+ (\w+))\] )?/;

/** The parts of a line as [class, end], and its stream: "out", "err", "start", "end", or "" if it has no prefix. */
function partsOf(text) {
  const found = PREFIX.exec(text);
  if (!found) return { parts: [["", text.length]], stream: "" };
  const [whole, date, time, zone, , stream = ""] = found;
  const ends = [date.length, date.length + time.length, date.length + time.length + zone.length + 1, whole.length, text.length];
  return { parts: ["lg-date", "lg-time", "lg-zone", "lg-tag", ""].map((name, i) => [name, ends[i]]), stream };
}

function hitsIn(text, pattern) {
  const hits = [];
  if (!pattern) return hits;
  pattern.lastIndex = 0;
  for (const { index, 0: found } of text.matchAll(pattern)) {
    hits.push([index, index + found.length]);
    if (hits.length === MARKS_PER_LINE_MAX) break;
  }
  return hits;
}

/** Fill the element of a line with its parts, with the hits as <mark> inside them. */
function fill(el, text, pattern) {
  const { parts, stream } = partsOf(text);
  const hits = hitsIn(text, pattern);
  const nodes = [];
  let at = 0;
  let next = 0;
  for (const [name, end] of parts) {
    const inside = [];
    while (at < end) {
      while (next < hits.length && hits[next][1] <= at) next += 1;
      const hit = hits[next];
      if (hit && hit[0] <= at) {
        const to = Math.min(end, hit[1]);
        inside.push(h("mark", {}, text.slice(at, to)));
        at = to;
      } else {
        const to = hit ? Math.min(end, hit[0]) : end;
        inside.push(text.slice(at, to));
        at = to;
      }
    }
    nodes.push(...(name ? [h("span", { class: name }, ...inside)] : inside));
  }
  el.className = `lg-line lg-${stream || "plain"}`;
  el.replaceChildren(...nodes);
}

export class LogView {
  constructor(label) {
    this.el = h("div", { class: "lg-lines", role: "region", tabindex: "0", "aria-label": label });
    // {from, to: cursors, texts, chars, el, lines, pattern: the one its marks belong to}
    this.pieces = [];
    this.pattern = null;
    // {piece, index} of the selected hit, or null.
    this.current = null;
    this.painting = false;
    this.el.addEventListener("scroll", () => this.paintSoon());
  }

  get empty() {
    return !this.pieces.length;
  }

  get from() {
    return this.pieces[0]?.from;
  }

  get to() {
    return this.pieces[this.pieces.length - 1]?.to;
  }

  get lines() {
    return this.pieces.reduce((sum, piece) => sum + piece.texts.length, 0);
  }

  get full() {
    return this.lines >= LINES_MAX || this.chars >= CHARS_MAX;
  }

  get chars() {
    return this.pieces.reduce((sum, piece) => sum + piece.chars, 0);
  }

  get scrolledToEnd() {
    return this.el.scrollHeight - this.el.scrollTop - this.el.clientHeight < 24;
  }

  toBottom() {
    this.el.scrollTop = this.el.scrollHeight;
  }

  clear() {
    this.pieces = [];
    this.current = null;
    this.el.replaceChildren();
  }

  make({ text, offset, next_offset: to }, note) {
    const texts = text.split("\n");
    if (texts[texts.length - 1] === "") texts.pop();
    const lines = texts.map((one) => {
      const el = document.createElement("div");
      fill(el, one, null);
      return el;
    });
    const el = h("div", { class: "lg-piece" }, note && h("p", { class: "lg-note" }, note), ...lines);
    return { from: offset, to, texts, chars: text.length, el, lines, pattern: null };
  }

  /** Add a piece at the end, with `note` above it. Returns whether pieces at the start were dropped. */
  append(page, note = "") {
    const piece = this.make(page, note);
    this.pieces.push(piece);
    this.el.append(piece.el);
    let dropped = false;
    while (this.pieces.length > 1 && this.full && this.lines - this.pieces[0].texts.length >= LINES_MAX / 2) {
      const old = this.pieces.shift();
      const height = old.el.offsetHeight;
      old.el.remove();
      this.el.scrollTop -= height;
      if (this.current?.piece === old) this.current = null;
      dropped = true;
    }
    this.paintSoon();
    return dropped;
  }

  /** Add a piece at the start. Returns whether pieces at the end were dropped. */
  prepend(page) {
    const piece = this.make(page, "");
    this.pieces.unshift(piece);
    this.el.prepend(piece.el);
    this.el.scrollTop += piece.el.offsetHeight;
    let dropped = false;
    while (this.pieces.length > 1 && this.full && this.lines - this.pieces[this.pieces.length - 1].texts.length >= LINES_MAX / 2) {
      const old = this.pieces.pop();
      old.el.remove();
      if (this.current?.piece === old) this.current = null;
      dropped = true;
    }
    this.paintSoon();
    return dropped;
  }

  // ---- search ----

  /** Mark the matches of `pattern`, a RegExp or null. */
  mark(pattern) {
    this.pattern = pattern;
    this.choose(null);
    this.paintSoon();
  }

  has(text) {
    this.pattern.lastIndex = 0;
    return this.pattern.test(text);
  }

  hits() {
    if (!this.pattern) return [];
    return this.pieces.flatMap((piece) => piece.texts.flatMap((text, index) => (this.has(text) ? [{ piece, index }] : [])));
  }

  /** The next hit among the loaded lines, up (-1) or down (1) from the selected hit, else from the visible lines. */
  step(direction) {
    const hits = this.hits();
    const place = ({ piece, index }) => this.pieces.indexOf(piece) * 1e6 + index;
    const start = this.current ? place(this.current) : this.edgeOfView(direction);
    return direction < 0 ? hits.filter((hit) => place(hit) < start).pop() : hits.find((hit) => place(hit) > start);
  }

  /** The position just below (-1) or above (1) the visible lines. */
  edgeOfView(direction) {
    const { top, bottom } = this.el.getBoundingClientRect();
    for (let i = 0; i < this.pieces.length; i += 1) {
      for (let n = 0; n < this.pieces[i].lines.length; n += 1) {
        const box = this.pieces[i].lines[n].getBoundingClientRect();
        if (direction > 0 ? box.bottom > top : box.top >= bottom) return i * 1e6 + n - (direction > 0 ? 1 : 0);
      }
    }
    return Infinity;
  }

  choose(hit) {
    if (this.current) this.current.piece.lines[this.current.index]?.classList.remove("lg-current");
    this.current = hit;
    if (!hit) return;
    this.paint(hit.piece);
    const line = hit.piece.lines[hit.index];
    line.classList.add("lg-current");
    line.scrollIntoView({ block: "center", inline: "nearest" });
  }

  paintSoon() {
    if (this.painting) return;
    this.painting = true;
    requestAnimationFrame(() => {
      this.painting = false;
      const { top, bottom } = this.el.getBoundingClientRect();
      for (const piece of this.pieces) {
        const box = piece.el.getBoundingClientRect();
        if (box.bottom > top - 400 && box.top < bottom + 400) this.paint(piece);
      }
    });
  }

  paint(piece) {
    if (piece.pattern === this.pattern) return;
    const before = piece.pattern;
    piece.pattern = this.pattern;
    piece.texts.forEach((text, index) => {
      if ((before && piece.lines[index].querySelector("mark")) || (this.pattern && this.has(text))) fill(piece.lines[index], text, this.pattern);
    });
    if (this.current?.piece === piece) piece.lines[this.current.index].classList.add("lg-current");
  }
}

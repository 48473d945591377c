/**
 * Shows a part of a log. Pieces are added at either end and dropped at the other, so that memory is bounded for a log of
 * any size. Matches of a search are marked in the pieces that are in view.
 */
import { h } from "../core/dom.js";
import { t } from "../i18n/i18n.js";
import { foldSteps, follows, stepOf, styledParts, withoutSequences } from "./ansi.js";

const LINES_MAX = 5000;
// A single line may have 64 KiB.
const CHARS_MAX = 4e6;
const MARKS_PER_LINE_MAX = 20;
const WRAP_KEY = "minisched.wrap";
const RAW_KEY = "minisched.raw_output";
const PREFIX = /^(\d{4}-\d\d-\d\dT)(\d\d:\d\d:\d\d)(\S*) (?:\[(\d+\.\d+ (\w+))\] )?/;

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

/** A line as it is shown: {text, shown, parts: [class, end], stream, tag, step}. `styles`: by tag, how its last line ended. */
function rowOf(text, styles) {
  const found = PREFIX.exec(text);
  const [whole, date, time, zone, tag = "", stream = ""] = found ?? ["", "", "", ""];
  const parts = [];
  let shown = "";
  const add = (part, name) => {
    shown += part;
    parts.push([name, shown.length]);
  };
  if (found) {
    add(date, "lg-date");
    add(time, "lg-time");
    add(`${zone} `, "lg-zone");
    add(text.slice(shown.length, whole.length), "lg-tag");
  }
  const line = text.slice(whole.length);
  if (!styles) {
    add(line, "");
    return { text, shown, parts, stream, tag, step: null };
  }
  const styled = styledParts(line, styles.get(tag));
  styles.set(tag, styled.style);
  for (const [part, name] of styled.parts) add(part, name);
  return { text, shown, parts, stream, tag, step: stepOf(shown.slice(whole.length)) };
}

/** Fill the element of a row with its parts, with the hits as <mark> inside them. */
function fill({ el, shown, parts, stream, count }, pattern) {
  const hits = hitsIn(shown, pattern);
  const nodes = [];
  let at = 0;
  let next = 0;
  for (const [name, end] of parts) {
    const inside = [];
    while (at < end) {
      while (next < hits.length && hits[next][1] <= at) next += 1;
      const hit = hits[next];
      const marked = hit && hit[0] <= at;
      const to = marked ? Math.min(end, hit[1]) : hit ? Math.min(end, hit[0]) : end;
      inside.push(marked ? h("mark", {}, shown.slice(at, to)) : shown.slice(at, to));
      at = to;
    }
    nodes.push(...(name ? [h("span", { class: name }, ...inside)] : inside));
  }
  if (count > 1) nodes.push(h("button", { type: "button", class: "lg-steps", text: t("lg_steps", { n: count - 1 }) }));
  el.className = `lg-line lg-${stream || "plain"}${count ? "" : " lg-step"}`;
  el.replaceChildren(...nodes);
}

/** Whether the user wants long lines to be wrapped, in this browser. */
export const wrapsLines = () => localStorage.getItem(WRAP_KEY) !== "no";

/** Keep that choice. */
export const keepWrap = (on) => localStorage.setItem(WRAP_KEY, on ? "yes" : "no");

/** A box that shows the lines of a view as they were printed. The choice is kept in this browser. */
export function rawChoice(view) {
  view.raw = localStorage.getItem(RAW_KEY) === "yes";
  const change = () => {
    localStorage.setItem(RAW_KEY, box.checked ? "yes" : "no");
    view.setRaw(box.checked);
  };
  const box = h("input", { type: "checkbox", checked: view.raw, on: { change } });
  return h("label", { class: "check lg-wrap", title: t("lg_raw_help"), hidden: true }, box, h("span", { text: t("lg_raw") }));
}

export class LogView {
  constructor(label) {
    this.el = h("div", { class: "lg-lines", role: "region", tabindex: "0", "aria-label": label });
    // {text, offset, next_offset, note: as they were added; rows: those of `rowOf`, each with its `el` and, as `count`, how
    // many lines it stands for; chars, el, styles: see `rowOf`; pattern: the one its marks belong to}
    this.pieces = [];
    this.pattern = null;
    // Lines as they were printed, with escape sequences and all steps of progress bars.
    this.raw = false;
    // {piece, index} of the selected hit, or null.
    this.current = null;
    this.painting = false;
    this.el.addEventListener("scroll", () => this.paintSoon());
    this.el.addEventListener("click", (event) => event.target.classList.contains("lg-steps") && this.showSteps(event.target));
  }

  /** Whether there is a line that is shown otherwise than it was printed. */
  get differs() {
    return this.raw || this.pieces.some(({ rows }) => rows.some(({ count, text, shown }) => count !== 1 || shown !== text));
  }

  setRaw(raw) {
    this.raw = raw;
    const before = { pieces: this.pieces, top: this.el.scrollTop, stays: this.scrolledToEnd };
    this.clear();
    for (const piece of before.pieces) this.add(piece, "append", piece.note);
    this.el.scrollTop = before.stays ? this.el.scrollHeight : before.top;
    this.paintSoon();
  }

  get empty() {
    return !this.pieces.length;
  }

  get from() {
    return this.pieces[0]?.offset;
  }

  get to() {
    return this.pieces[this.pieces.length - 1]?.next_offset;
  }

  get lines() {
    return this.pieces.reduce((sum, piece) => sum + piece.rows.length, 0);
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

  /** Put a page of the log at an end: `way` is "append" or "prepend". */
  add({ text, offset, next_offset: to }, way, note = "") {
    const texts = text.split("\n");
    if (texts[texts.length - 1] === "") texts.pop();
    const before = way === "append" ? this.pieces[this.pieces.length - 1] : null;
    const styles = this.raw ? null : new Map(before?.styles);
    const rows = texts.map((one) => ({ ...rowOf(one, styles), el: document.createElement("div"), count: 1 }));
    const el = h("div", { class: "lg-piece" }, note && h("p", { class: "lg-note" }, note), rows.map((row) => row.el));
    const piece = { text, offset, next_offset: to, note, rows, chars: text.length, el, styles, pattern: null };
    if (way === "append") this.pieces.push(piece);
    else this.pieces.unshift(piece);
    this.el[way](el);
    this.fold(piece);
    for (const row of rows) fill(row, null);
    return piece;
  }

  /** Hide the steps of progress bars but the last, also where they began in earlier pieces. */
  fold(piece) {
    let at = this.pieces.indexOf(piece);
    let rows = piece.rows;
    while (at > 0 && rows.length && follows({ tag: "", ...this.pieces[at - 1].rows.at(-1) }, rows[0])) {
      at -= 1;
      rows = [...this.pieces[at].rows, ...rows];
    }
    foldSteps(rows).forEach((count, i) => {
      if (rows[i].count === count) return;
      rows[i].count = count;
      if (rows[i].el.className) fill(rows[i], this.pattern);
    });
  }

  /** Show the steps that a button stands for, or hide them again. */
  showSteps(anchor) {
    const shown = anchor.classList.toggle("lg-open");
    const rows = this.pieces.flatMap((piece) => piece.rows);
    const at = rows.findIndex(({ el }) => el.contains(anchor));
    for (let i = at - 1; i >= 0 && rows[i].count === 0; i -= 1) rows[i].el.classList.toggle("lg-open", shown);
  }

  /** Add a piece at the end, with `note` above it. Returns whether pieces at the start were dropped. */
  append(page, note = "") {
    this.add(page, "append", note);
    let dropped = false;
    while (this.pieces.length > 1 && this.full && this.lines - this.pieces[0].rows.length >= LINES_MAX / 2) {
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
    const piece = this.add(page, "prepend");
    this.el.scrollTop += piece.el.offsetHeight;
    let dropped = false;
    while (this.pieces.length > 1 && this.full && this.lines - this.pieces[this.pieces.length - 1].rows.length >= LINES_MAX / 2) {
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

  /** Whether there is a match in a text of the log. */
  has(text) {
    return this.matches(this.raw ? text : withoutSequences(text));
  }

  matches(shown) {
    this.pattern.lastIndex = 0;
    return this.pattern.test(shown);
  }

  hits() {
    if (!this.pattern) return [];
    return this.pieces.flatMap((piece) => piece.rows.flatMap(({ shown }, index) => (this.matches(shown) ? [{ piece, index }] : [])));
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
      for (let n = 0; n < this.pieces[i].rows.length; n += 1) {
        const box = this.pieces[i].rows[n].el.getBoundingClientRect();
        if (direction > 0 ? box.bottom > top : box.top >= bottom) return i * 1e6 + n - (direction > 0 ? 1 : 0);
      }
    }
    return Infinity;
  }

  choose(hit) {
    if (this.current) this.current.piece.rows[this.current.index]?.el.classList.remove("lg-current");
    this.current = hit;
    if (!hit) return;
    this.paint(hit.piece);
    const { el } = hit.piece.rows[hit.index];
    el.classList.add("lg-current", "lg-open");
    el.scrollIntoView({ block: "center", inline: "nearest" });
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
    for (const row of piece.rows) {
      if ((before && row.el.querySelector("mark")) || (this.pattern && this.matches(row.shown))) fill(row, this.pattern);
    }
    if (this.current?.piece === piece) piece.rows[this.current.index].el.classList.add("lg-current", "lg-open");
  }
}

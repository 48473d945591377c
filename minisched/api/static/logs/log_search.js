/**
 * Search in a log: in the loaded lines first, then by itself in the rest of the log, piece by piece. The lines with a
 * match are counted over the whole log.
 */
import { ApiError } from "../core/api.js";
import { h, iconButton } from "../core/dom.js";
import { errorText } from "../core/error_text.js";
import { fmtBytes } from "../core/format.js";
import { t } from "../i18n/i18n.js";

// Of a piece that is shown if it has a match, and of one in which matches are counted only.
const SEARCH_PIECE_BYTES = 256 * 1024;
const COUNT_PIECE_BYTES = 1024 * 1024;
// More lines are not counted.
const COUNTED_MAX = 10000;
// The search starts this long after the last key.
const TYPED_MS = 250;

export class LogSearch {
  /**
   * view: a LogView. forwardOnly: the part before a place cannot be requested. read(query) resolves to a piece of the
   * log. moved({atStart, atEnd}) is called when another line is shown; with the two values if other lines were loaded.
   */
  constructor(view, forwardOnly, read, moved) {
    Object.assign(this, { view, forwardOnly, read, moved });
    // The text that is marked in the view.
    this.shown = "";
    // {stopped} of the search outside the loaded lines, or null.
    this.walk = null;
    // Lines with a match {before, after} the loaded ones, as far as they are counted; `done`, or `stopped`; null without a search.
    this.counted = null;
    // The pieces of the view that `counted` is about.
    this.known = [];
    this.closed = false;
    this.input = h("input", { type: "search", class: "lg-search", placeholder: t("lg_search"), "aria-label": t("lg_search"), autocomplete: "off", spellcheck: "false" });
    this.input.addEventListener("input", () => {
      clearTimeout(this.typed);
      this.typed = setTimeout(() => this.update(), TYPED_MS);
    });
    this.input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      clearTimeout(this.typed);
      if (this.shown !== this.input.value) this.update();
      else this.go(event.shiftKey ? 1 : -1);
    });
    this.count = h("span", { class: "lg-count", role: "status" });
    this.cancel = h("button", { type: "button", class: "small-button", hidden: true, on: { click: () => this.stop() } }, t("cancel"));
    const parts = [this.input, iconButton("down", t("lg_prev"), () => this.go(-1), { class: "lg-up" }), iconButton("down", t("lg_next"), () => this.go(1))];
    this.el = h("span", { class: "lg-seek" }, parts);
  }

  close() {
    this.closed = true;
    this.stop();
    clearTimeout(this.typed);
  }

  stop() {
    for (const work of [this.walk, this.counted]) if (work) work.stopped = true;
    this.cancel.hidden = true;
  }

  /** Search for what is in the field: from the end of the visible lines up, then below them. */
  async update() {
    this.stop();
    this.counted = null;
    this.shown = this.input.value;
    const text = this.shown.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
    this.view.mark(text ? new RegExp(text, "giu") : null);
    const hit = text && (this.view.step(-1) ?? this.view.step(1));
    if (hit) this.show(hit);
    this.showCount();
    if (!text || this.view.empty) return;
    let found = Boolean(hit);
    for (const direction of [-1, 1]) {
      if (!found) found = await this.searchFurther(direction, "lg_none");
      if (found === null) return;
    }
    if (found) await this.countAll();
  }

  show(hit) {
    this.view.choose(hit);
    this.moved({});
  }

  async go(direction) {
    if (this.shown !== this.input.value) return this.update();
    if (!this.shown || this.view.empty) return;
    if (this.walk) this.walk.stopped = true;
    const hit = this.view.step(direction);
    if (hit) this.show(hit);
    this.showCount();
    if (!hit) await this.searchFurther(direction, direction < 0 ? "lg_not_found_before" : "lg_not_found_after");
  }

  // ---- the count ----

  /** Show which match is selected, and of how many. `note`: a text in place of that. */
  showCount(note = "") {
    this.adjust();
    if (this.walk && !note) return;
    const hits = this.view.hits();
    const at = hits.findIndex(({ piece, index }) => this.view.current?.piece === piece && this.view.current.index === index);
    const { before = 0, after = 0, done = true, stopped = false } = this.counted ?? {};
    const n = before + hits.length + after;
    const more = n > COUNTED_MAX;
    const place = done && at >= 0 ? before + at + 1 : "–";
    const count = more ? `${COUNTED_MAX}+` : done ? n : stopped ? `${n}+` : `${n}…`;
    this.count.textContent = note || (!this.shown ? "" : n ? t("lg_hits", { at: place, n: count }) : t("lg_none"));
  }

  /** Other pieces may have been loaded since the last call: keep the count of what is before and after them. */
  adjust() {
    const [{ pieces }, { known, counted }] = [this.view, this];
    this.known = [...pieces];
    if (!counted || !pieces.length) return;
    const kept = pieces.filter((piece) => known.includes(piece));
    if (!kept.length) {
      this.countAll();
      return;
    }
    const [first, last] = [kept[0], kept[kept.length - 1]];
    counted.before += this.hitsIn(known.slice(0, known.indexOf(first))) - this.hitsIn(pieces.slice(0, pieces.indexOf(first)));
    counted.after += this.hitsIn(known.slice(known.indexOf(last) + 1)) - this.hitsIn(pieces.slice(pieces.indexOf(last) + 1));
    // Lines that were written after they were counted.
    if (counted.done) counted.after = Math.max(0, counted.after);
  }

  hitsIn(pieces) {
    return pieces.reduce((sum, { rows }) => sum + rows.filter(({ shown }) => this.view.matches(shown)).length, 0);
  }

  /** Count the lines with a match before and after the loaded ones. */
  async countAll() {
    if (this.counted) this.counted.stopped = true;
    const counted = { before: 0, after: 0, done: false, stopped: false };
    Object.assign(this, { counted, known: [...this.view.pieces] });
    this.cancel.hidden = false;
    const { from, to } = this.view;
    const over = () => counted.stopped || this.closed || this.counted !== counted;
    const count = async (side, pages) => {
      for await (const { text } of pages) {
        if (over()) return;
        if (this.view.has(text)) counted[side] += text.split("\n").filter((line) => this.view.has(line)).length;
        this.showCount();
        if (counted.before + counted.after > COUNTED_MAX) return;
      }
    };
    try {
      await count("before", this.backwards(from, COUNT_PIECE_BYTES));
      await count("after", this.forwards(to, COUNT_PIECE_BYTES));
      if (!over()) counted.done = true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      counted.stopped = true;
    }
    if (this.closed || this.counted !== counted) return;
    this.cancel.hidden = !this.walk;
    if (!this.walk) this.showCount();
  }

  // ---- outside the loaded lines ----

  /**
   * Read the log before (-1) or after (1) the loaded lines until there is a match; then the lines around it are loaded.
   * `none`: the message if there is none. Resolves to whether there is one; null if the search was stopped.
   */
  async searchFurther(direction, none) {
    const walk = { stopped: false };
    this.walk = walk;
    this.cancel.hidden = false;
    let [note, found, read] = [t(none), false, 0];
    this.count.textContent = t("lg_seeking", { size: fmtBytes(0) });
    try {
      for await (const page of direction < 0 ? this.lastOf(this.backwards(this.view.from, SEARCH_PIECE_BYTES)) : this.forwards(this.view.to, SEARCH_PIECE_BYTES)) {
        if (walk.stopped || this.closed) break;
        read += page.text.length;
        this.count.textContent = t("lg_seeking", { size: fmtBytes(read) });
        if (page.passed || !this.view.has(page.text)) continue;
        found = this.jump(page, direction);
        // Else the match went over the end of a line.
        if (found) break;
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      note = errorText(error);
    }
    if (found || walk.stopped) note = "";
    if (this.walk === walk) {
      this.walk = null;
      this.cancel.hidden = !this.counted || this.counted.done || this.counted.stopped;
    }
    if (!this.closed && !walk.stopped) this.showCount(note);
    return walk.stopped ? null : found;
  }

  /** Show a page in place of the loaded lines, and select its last (-1) or first match. Resolves to whether it has one. */
  jump(page, direction) {
    const { counted } = this;
    this.adjust();
    const total = counted && counted.before + this.hitsIn(this.known) + counted.after;
    this.view.clear();
    this.view.append(page.whole ?? page);
    this.moved({ atStart: page.first === true, atEnd: page.at_end && direction > 0 });
    const hits = this.view.hits();
    const [piece] = this.view.pieces;
    const beyond = hits.filter(({ index }) => index < (page.end ?? Infinity));
    if (counted) {
      const side = direction < 0 ? "before" : "after";
      counted[side] -= beyond.length;
      counted[direction < 0 ? "after" : "before"] = total - counted[side] - hits.length;
    }
    this.known = [piece];
    if (beyond.length) this.view.choose(direction < 0 ? beyond[beyond.length - 1] : beyond[0]);
    return beyond.length > 0;
  }

  /** The pages before a place, the nearest first; if they can be read from the start only, that one first. */
  async *backwards(from, limit) {
    if (this.forwardOnly) {
      yield* this.upTo(this.view.pieces[0].rows[0].text, limit);
      return;
    }
    for (let before = from; ; ) {
      const page = await this.read({ before, limit });
      if (!page.text) return;
      yield page;
      before = page.offset;
    }
  }

  /** Pages from the start, which come as `passed`, and then the last one with a match; others as they are. */
  async *lastOf(pages) {
    let last = null;
    for await (const page of pages) {
      if (!this.forwardOnly) {
        yield page;
        continue;
      }
      if (this.view.has(page.text)) last = page;
      yield { ...page, passed: true };
    }
    if (last) yield last;
  }

  /** Read from the start up to `line`. Of the last page, `whole`, the first `end` lines are before it. */
  async *upTo(line, limit) {
    for (let query = { limit }; ; ) {
      const page = await this.read(query);
      const lines = page.text.split("\n");
      const end = lines.indexOf(line);
      const first = !query.offset;
      if (end < 0) yield { ...page, first };
      else yield { ...page, first, whole: page, end, text: lines.slice(0, end).join("\n") };
      if (end >= 0 || page.at_end || !page.text) return;
      query = { limit, offset: page.next_offset };
    }
  }

  async *forwards(to, limit) {
    for (let offset = to; ; ) {
      const page = await this.read({ offset, limit });
      if (page.text) yield page;
      if (page.at_end || !page.text) return;
      offset = page.next_offset;
    }
  }
}

/** Search in a log: in the loaded lines first, then in the rest of the log, piece by piece. */
import { ApiError } from "../core/api.js";
import { h, iconButton } from "../core/dom.js";
import { errorText } from "../core/error_text.js";
import { fmtBytes } from "../core/format.js";
import { t } from "../i18n/i18n.js";

const SEARCH_PIECE_BYTES = 256 * 1024;
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
    this.cancel = h("button", { type: "button", class: "small-button", hidden: true, on: { click: () => this.stop() } }, t("lg_cancel"));
    const parts = [this.input, iconButton("down", t("lg_prev"), () => this.go(-1), { class: "lg-up" }), iconButton("down", t("lg_next"), () => this.go(1))];
    this.el = h("span", { class: "lg-seek" }, parts);
  }

  close() {
    this.closed = true;
    this.stop();
    clearTimeout(this.typed);
  }

  stop() {
    if (this.walk) this.walk.stopped = true;
  }

  update() {
    this.stop();
    this.shown = this.input.value;
    const text = this.shown.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
    this.view.mark(text ? new RegExp(text, "giu") : null);
    const hit = text && this.view.step(-1);
    if (hit) this.show(hit);
    this.showCount();
  }

  show(hit) {
    this.view.choose(hit);
    this.moved({});
  }

  showCount(note = "") {
    const hits = this.view.hits();
    const at = hits.findIndex(({ piece, index }) => this.view.current?.piece === piece && this.view.current.index === index);
    const text = !this.shown ? "" : hits.length ? t("lg_hits", { at: at < 0 ? "–" : at + 1, n: hits.length }) : t("lg_no_hits");
    this.count.textContent = note || text;
  }

  async go(direction) {
    if (this.shown !== this.input.value) this.update();
    if (!this.shown || this.view.empty) return;
    this.stop();
    const hit = this.view.step(direction);
    if (hit) this.show(hit);
    this.showCount();
    if (!hit) await this.searchFurther(direction);
  }

  /** Read the log outside the loaded lines until there is a hit; then the lines around it are loaded. */
  async searchFurther(direction) {
    const walk = { stopped: false };
    this.walk = walk;
    this.cancel.hidden = false;
    let note = t(direction < 0 ? "lg_not_found_before" : "lg_not_found_after");
    let read = 0;
    try {
      for await (const page of direction < 0 ? this.backwards() : this.forwards()) {
        if (walk.stopped || this.closed) break;
        read += page.size ?? page.text.length;
        this.count.textContent = t("lg_seeking", { size: fmtBytes(read) });
        if (!this.view.has(page.text)) continue;
        this.view.clear();
        this.view.append(page);
        this.moved({ atStart: page.first === true, atEnd: page.at_end && direction > 0 });
        const hits = this.view.hits().filter(({ index }) => index < (page.end ?? Infinity));
        // The match went over the end of a line.
        if (!hits.length) continue;
        this.view.choose(direction < 0 ? hits[hits.length - 1] : hits[0]);
        note = "";
        break;
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      note = errorText(error);
    } finally {
      if (walk.stopped) note = "";
      if (this.walk === walk) this.walk = null;
      if (!this.walk) this.cancel.hidden = true;
      if (!this.closed) this.showCount(note);
    }
  }

  async *backwards() {
    if (this.forwardOnly) {
      yield* this.upTo(this.view.pieces[0].rows[0].text);
      return;
    }
    for (let before = this.view.from; ; ) {
      const page = await this.read({ before, limit: SEARCH_PIECE_BYTES });
      if (!page.text) return;
      yield page;
      before = page.offset;
    }
  }

  /**
   * Read from the start up to `line`, and yield the last piece with a hit at the end. `end`: how many of its lines are
   * before `line`.
   */
  async *upTo(line) {
    let found = null;
    for (let query = { limit: SEARCH_PIECE_BYTES }; ; ) {
      const page = await this.read(query);
      const lines = page.text.split("\n");
      const end = lines.indexOf(line);
      const text = end < 0 ? page.text : lines.slice(0, end).join("\n");
      if (this.view.has(text)) found = { ...page, size: 0, first: !query.offset, end: end < 0 ? undefined : end };
      yield { text: "", size: page.text.length };
      if (end >= 0 || page.at_end || !page.text) break;
      query = { limit: SEARCH_PIECE_BYTES, offset: page.next_offset };
    }
    if (found) yield found;
  }

  async *forwards() {
    for (let offset = this.view.to; ; ) {
      const page = await this.read({ offset, limit: SEARCH_PIECE_BYTES });
      if (page.text) yield page;
      if (page.at_end || !page.text) return;
      offset = page.next_offset;
    }
  }
}

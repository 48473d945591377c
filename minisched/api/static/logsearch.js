/** Search in a log: in the lines that are here, and beyond them piece by piece until it is found. */
import { ApiError } from "./api.js";
import { fmtBytes, h, iconButton } from "./dom.js";
import { failure } from "./failure.js";
import { t } from "./i18n.js";

const SOUGHT = 256 * 1024; // bytes that are read at once
const TYPED_MS = 250;

export class LogSearch {
  /**
   * view: a LogView. forwardOnly: what stands before a place cannot be asked for. read(query) gives a piece of the log.
   * moved({atStart, atEnd}) is told when another line is shown; with the two, when the window is another one.
   */
  constructor(view, forwardOnly, read, moved) {
    Object.assign(this, { view, forwardOnly, read, moved });
    this.shown = ""; // what is sought in the window
    this.walk = null; // {stopped} of a search beyond it
    this.closed = false;
    this.input = h("input", { type: "search", class: "lg-search", placeholder: t("lg_search"), "aria-label": t("lg_search"), autocomplete: "off", spellcheck: "false" });
    this.input.addEventListener("input", () => {
      clearTimeout(this.typed);
      this.typed = setTimeout(() => this.sought(), TYPED_MS);
    });
    this.input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      clearTimeout(this.typed);
      if (this.shown !== this.input.value) this.sought();
      else this.go(event.shiftKey ? 1 : -1);
    });
    this.count = h("span", { class: "lg-count", role: "status" });
    this.halt = h("button", { type: "button", class: "ed-small", hidden: true, on: { click: () => this.stop() } }, t("lg_cancel"));
    const seek = [this.input, iconButton("down", t("lg_prev"), () => this.go(-1), { class: "lg-up" }), iconButton("down", t("lg_next"), () => this.go(1))];
    this.el = h("span", { class: "lg-seek" }, seek);
  }

  close() {
    this.closed = true;
    this.stop();
    clearTimeout(this.typed);
  }

  stop() {
    if (this.walk) this.walk.stopped = true;
  }

  sought() {
    this.stop();
    this.shown = this.input.value;
    const text = this.shown.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
    this.view.seek(text ? new RegExp(text, "giu") : null);
    const hit = text && this.view.step(-1);
    if (hit) this.show(hit);
    this.tell();
  }

  show(hit) {
    this.view.choose(hit);
    this.moved({});
  }

  tell(note = "") {
    const hits = this.view.hits();
    const at = hits.findIndex(({ piece, index }) => this.view.current?.piece === piece && this.view.current.index === index);
    const here = !this.shown ? "" : hits.length ? t("lg_hits", { at: at < 0 ? "–" : at + 1, n: hits.length }) : t("lg_no_hits");
    this.count.textContent = note || here;
  }

  async go(direction) {
    if (this.shown !== this.input.value) this.sought();
    if (!this.shown || this.view.empty) return;
    this.stop();
    const hit = this.view.step(direction);
    if (hit) this.show(hit);
    this.tell();
    if (!hit) await this.wander(direction);
  }

  /** Reads what is not here, piece by piece, until it is found; then the window is there. */
  async wander(direction) {
    const walk = { stopped: false };
    this.walk = walk;
    this.halt.hidden = false;
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
        if (!hits.length) continue; // it was over the end of a line
        this.view.choose(direction < 0 ? hits[hits.length - 1] : hits[0]);
        note = "";
        break;
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      note = failure(error);
    } finally {
      if (walk.stopped) note = "";
      if (this.walk === walk) this.walk = null;
      if (!this.walk) this.halt.hidden = true;
      if (!this.closed) this.tell(note);
    }
  }

  async *backwards() {
    if (this.forwardOnly) {
      yield* this.upTo(this.view.pieces[0].texts[0]);
      return;
    }
    for (let before = this.view.from; ; ) {
      const page = await this.read({ before, limit: SOUGHT });
      if (!page.text) return;
      yield page;
      before = page.offset;
    }
  }

  /** From the start up to the line: the last piece with a hit is the one, and is given at last. `end`: how many of its
   * lines stand before the line. */
  async *upTo(line) {
    let found = null;
    for (let query = { limit: SOUGHT }; ; ) {
      const page = await this.read(query);
      const lines = page.text.split("\n");
      const end = lines.indexOf(line);
      const text = end < 0 ? page.text : lines.slice(0, end).join("\n");
      if (this.view.has(text)) found = { ...page, size: 0, first: !query.offset, end: end < 0 ? undefined : end };
      yield { text: "", size: page.text.length };
      if (end >= 0 || page.at_end || !page.text) break;
      query = { limit: SOUGHT, offset: page.next_offset };
    }
    if (found) yield found;
  }

  async *forwards() {
    for (let offset = this.view.to; ; ) {
      const page = await this.read({ offset, limit: SOUGHT });
      if (page.text) yield page;
      if (page.at_end || !page.text) return;
      offset = page.next_offset;
    }
  }
}

/** The log of a task, or the output of a run: followed live, searched, downloaded. */
import { ApiError, call } from "./api.js";
import { openDialog } from "./dialog.js";
import { button, fmtBytes, h, icon, loadStyle, statusMark, visible } from "./dom.js";
import { download } from "./download.js";
import { failure } from "./failure.js";
import { t } from "./i18n.js";
import { LogSearch } from "./logsearch.js";
import { LogView } from "./logview.js";
import { store } from "./store.js";
import { UNFINISHED } from "./words.js";

const TAIL_LINES = 1000;
const PIECE = 128 * 1024; // bytes of a further piece; about a thousand lines
const POLL_MS = 1000;
const WRAP_KEY = "minisched.wrap";

/** Open the log of `{taskId}` or the output of `{runId}`. */
export async function openLog({ taskId = null, runId = null }) {
  await loadStyle("more.css");
  new LogDialog(taskId, runId);
}

class LogDialog {
  constructor(taskId, runId) {
    this.taskId = taskId;
    this.runId = runId;
    this.path = runId ? `/executions/${runId}/log` : `/tasks/${taskId}/log`;
    this.following = true; // asks for more
    this.stuck = true; // and shows the end
    this.atStart = this.atEnd = false;
    this.ended = false; // a run that is over gets no more output
    this.settled = false; // and all of it was read after that was known
    this.fresh = false; // lines came that are not in sight
    this.busy = false;
    this.build();
    this.leave = store.on((change) => this.taskId && change.ids.has(this.taskId) && this.hurry());
    this.seen = () => this.hurry();
    document.addEventListener("visibilitychange", this.seen);
    this.open();
  }

  build() {
    this.view = new LogView(t("lg_lines"));
    this.view.el.addEventListener("scroll", () => this.scrolled());
    this.state = h("span", { class: "lg-state", role: "status" });
    this.pause = button(t("lg_pause"), () => this.setFollowing(!this.following), { icon: "pause" });
    const wrap = h("input", { type: "checkbox", checked: localStorage.getItem(WRAP_KEY) !== "no", on: { change: () => this.wrap(wrap.checked) } });
    this.wrap(wrap.checked);
    this.search = new LogSearch(this.view, Boolean(this.runId), (query) => this.read(query), (place) => this.moved(place));
    this.get = button(t("lg_download"), () => this.download(), { icon: "download", class: "button lg-get", "aria-label": t("lg_download") });
    this.top = h("div", { class: "lg-edge" });
    this.more = button(t("lg_new"), () => this.toEnd(), { icon: "down", class: "button lg-more", hidden: true });
    const tools = h(
      "div",
      { class: "lg-tools" },
      this.pause,
      this.state,
      this.search.el,
      this.search.count,
      this.search.halt,
      h("label", { class: "check lg-wrap" }, wrap, h("span", {}, t("lg_wrap"))),
      this.get,
    );
    this.dialog = openDialog({
      title: this.runId ? t("lg_title_run", { id: this.runId }) : t("lg_title", { id: this.taskId }),
      body: h("div", { class: "lg" }, tools, this.top, h("div", { class: "lg-frame" }, this.view.el, this.more)),
      wide: true,
      kind: "lg-dialog",
      onClose: () => this.close(),
    });
  }

  close() {
    this.closed = true;
    this.search.close();
    this.getting?.abort();
    clearTimeout(this.timer);
    this.leave?.();
    document.removeEventListener("visibilitychange", this.seen);
  }

  wrap(on) {
    localStorage.setItem(WRAP_KEY, on ? "yes" : "no");
    this.view.el.classList.toggle("lg-wrapped", on);
  }

  async read(query) {
    const { data } = await call("GET", `${this.path}?${new URLSearchParams(query)}`);
    return data;
  }

  // ---- the end, and what comes after it ----

  async open() {
    await this.askRun();
    await this.toEnd();
    this.plan(POLL_MS);
  }

  /** Of a run: whose it is and whether it is over. */
  async askRun() {
    if (!this.runId) return;
    try {
      const { data } = await call("GET", `/executions/${this.runId}`);
      this.taskId = data.task_id;
      this.ended = !UNFINISHED.has(data.status);
      this.dialog.setTitle(h("span", { class: "lg-title" }, t("lg_title_run", { id: this.runId }), " ", statusMark(data.status)));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
  }

  async toEnd() {
    this.search.stop();
    while (this.busy) await new Promise((resolve) => setTimeout(resolve, 20));
    await this.guarded(async () => {
      const page = await this.read({ tail: TAIL_LINES });
      this.view.clear();
      this.atStart = this.isStart(page);
      this.view.append(page);
      this.atEnd = page.at_end !== false;
      [this.stuck, this.fresh] = [true, false];
      this.view.toBottom();
    });
    if (this.view.lines < TAIL_LINES) await this.earlier(); // so that a short log is here as a whole
    this.draw();
  }

  /** Whether nothing comes before: of a run's output the offset counts its bytes, of a log it is a place in a file. */
  isStart(page) {
    return !page.text || (Boolean(this.runId) && page.offset === "0");
  }

  /** One thing at a time; tells what the engine refuses. Gives whether it worked. */
  async guarded(work) {
    if (this.busy || this.closed) return false;
    this.busy = true;
    try {
      await work();
      this.trouble = "";
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.trouble = error.status === 410 ? t("lg_gone") : error.status ? failure(error) : t("lg_lost");
      if (error.status === 410) this.ended = this.gone = true;
      return false;
    } finally {
      this.busy = false;
      this.draw();
    }
  }

  plan(after) {
    clearTimeout(this.timer);
    if (!this.closed) this.timer = setTimeout(() => this.poll(), after);
  }

  hurry() {
    if (this.runId && !this.ended) this.askRun();
    this.plan(50);
  }

  async poll() {
    // Only the end of the log grows: a window elsewhere in it waits until it is scrolled there.
    const asks = this.following && !document.hidden && !this.search.walk && !this.settled;
    if (asks && this.view.empty) await this.toEnd();
    else if (asks && this.atEnd && (this.stuck || !this.view.full)) await this.guarded(() => this.follow());
    this.plan(POLL_MS);
  }

  async follow() {
    const over = this.ended;
    const page = await this.read({ offset: this.view.to, limit: PIECE });
    if (this.closed || !this.following || this.search.walk) return;
    if (page.text) this.view.append(page, page.rotated ? t("lg_rotated") : "");
    else if (this.view.pieces.length) this.view.pieces[this.view.pieces.length - 1].to = page.next_offset;
    this.atEnd = page.at_end;
    this.settled = over && page.at_end;
    this.fresh = !this.stuck && (this.fresh || Boolean(page.text));
    if (this.stuck && !page.at_end) {
      // It grows faster than it can be read: its end is what matters.
      const end = await this.read({ tail: TAIL_LINES });
      this.view.clear();
      this.view.append(end);
      this.atStart = this.isStart(end);
      this.atEnd = end.at_end !== false;
    }
    if (this.stuck) this.view.toBottom();
    if (page.text) this.search.tell();
  }

  setFollowing(on) {
    this.following = on;
    if (on) this.toEnd();
    this.draw();
  }

  scrolled() {
    this.stuck = this.view.atBottom && this.atEnd;
    if (this.stuck) this.fresh = false;
    if (this.view.el.scrollTop < 40) this.earlier();
    else if (this.view.atBottom && !this.atEnd) this.later();
    this.more.hidden = this.stuck || this.view.empty;
  }

  // ---- what comes before ----

  async earlier() {
    if (this.atStart || this.runId || this.view.empty || this.search.walk) return;
    await this.guarded(async () => {
      const page = await this.read({ before: this.view.from, limit: PIECE });
      this.atStart = !page.text;
      if (page.text && this.view.prepend(page)) this.atEnd = false;
    });
  }

  async later() {
    if (this.view.empty || this.search.walk) return;
    await this.guarded(async () => {
      const page = await this.read({ offset: this.view.to, limit: PIECE });
      if (page.text && this.view.append(page)) this.atStart = false;
      this.atEnd = page.at_end;
    });
  }

  /** A run's output can be read forward only: from its start. */
  async fromStart() {
    await this.guarded(async () => {
      const page = await this.read({ limit: PIECE });
      this.view.clear();
      this.view.append(page);
      [this.atStart, this.atEnd, this.stuck] = [true, page.at_end, false];
      this.view.el.scrollTop = 0;
    });
  }

  draw() {
    if (this.closed) return;
    const live = this.following && !this.trouble && !(this.ended && this.atEnd);
    this.state.className = `lg-state ${this.trouble ? "lg-bad" : live ? "lg-live" : ""}`;
    this.state.textContent = this.trouble || t(this.ended && this.atEnd ? "lg_ended" : this.following ? "lg_following" : "lg_paused");
    this.pause.replaceChildren(icon(this.following ? "pause" : "play"), t(this.following ? "lg_pause" : "lg_follow"));
    this.pause.hidden = this.gone || (this.ended && this.atEnd);
    this.get.hidden = Boolean(this.gone);
    this.more.hidden = this.stuck || this.view.empty;
    this.more.lastChild.textContent = t(this.fresh ? "lg_new" : "lg_to_end");
    const nothing = this.view.empty || !this.view.lines;
    const edge = nothing ? (this.trouble ? "" : t("lg_empty")) : this.atStart ? t("lg_start") : null;
    const load = () => (this.runId ? this.fromStart() : this.earlier());
    const key = edge ?? "button";
    if (this.top.dataset.key === key) return;
    this.top.dataset.key = key;
    this.top.replaceChildren(edge === null ? h("button", { type: "button", class: "ed-small", on: { click: load } }, t("lg_earlier")) : edge);
  }

  /** The search is at a line of this window, or (`atStart`, `atEnd` given) of another one that it has put here. */
  moved({ atStart = this.atStart, atEnd = this.atEnd }) {
    [this.atStart, this.atEnd] = [atStart, atEnd];
    this.stuck = this.view.atBottom && atEnd;
    this.draw();
  }

  // ---- download ----

  async download() {
    if (this.getting) return;
    this.getting = new AbortController();
    this.get.disabled = true;
    const name = this.runId ? `run-${this.runId}.log` : `${this.taskId}.log`;
    const tell = (size) => (this.get.lastChild.textContent = t("lg_downloading", { size: fmtBytes(size) }));
    try {
      const size = await download(`${this.path}?raw=1`, name, tell, this.getting.signal);
      this.search.count.textContent = t("lg_downloaded", { size: fmtBytes(size) });
    } catch (error) {
      if (error.name !== "AbortError") this.search.count.textContent = error instanceof ApiError ? failure(error) : t("err_other", { message: visible(error.message) });
    } finally {
      this.getting = null;
      this.get.disabled = false;
      this.get.lastChild.textContent = t("lg_download");
    }
  }
}

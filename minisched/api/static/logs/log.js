/** The log of a task, or the output of a run: followed live, searched, downloaded. */
import { addressOf } from "../core/address.js";
import { ApiError, call, errorOf, request } from "../core/api.js";
import { openDialog } from "../core/dialog.js";
import { button, h, icon, statusMark, visible } from "../core/dom.js";
import { errorText } from "../core/error_text.js";
import { fmtBytes } from "../core/format.js";
import { UNFINISHED } from "../core/status_text.js";
import { store } from "../core/store.js";
import { t } from "../i18n/i18n.js";
import { LogSearch } from "./log_search.js";
import { keepWrap, LogView, rawChoice, wrapsLines } from "./log_view.js";

const TAIL_LINES = 1000;
// Of each further piece; about a thousand lines.
const PIECE_BYTES = 128 * 1024;
const POLL_MS = 1000;
// A larger download is written to disk while it comes, if the browser can do that.
const LARGE_BYTES = 64 * 1024 * 1024;

/** Open the log of `{taskId}` or the output of `{runId}`. */
export function openLog({ taskId = null, runId = null }) {
  new LogDialog(taskId, runId);
}

class LogDialog {
  constructor(taskId, runId) {
    this.taskId = taskId;
    this.runId = runId;
    this.path = runId ? `/executions/${runId}/log` : `/tasks/${taskId}/log`;
    // New lines are requested.
    this.following = true;
    // The view is scrolled to the end and stays there.
    this.atBottom = true;
    // Whether the lines in the view reach the start and the end of the log.
    this.atStart = this.atEnd = false;
    // The run has ended, and (`settled`) its output was read to the end after that.
    this.ended = false;
    this.settled = false;
    // There are new lines below what is visible.
    this.unseenLines = false;
    this.busy = false;
    this.build();
    this.unsubscribe = store.on((change) => (change.back || change.ids.has(this.taskId)) && this.pollSoon());
    this.onVisible = () => this.pollSoon();
    document.addEventListener("visibilitychange", this.onVisible);
    this.open();
  }

  build() {
    this.view = new LogView(t("lg_lines"));
    this.view.el.addEventListener("scroll", () => this.scrolled());
    this.state = h("span", { class: "lg-state", role: "status" });
    this.pause = button(t("lg_pause"), () => this.setFollowing(!this.following), { icon: "pause" });
    const wrap = h("input", { type: "checkbox", checked: wrapsLines(), on: { change: () => this.wrap(wrap.checked) } });
    this.wrap(wrap.checked);
    this.raw = rawChoice(this.view);
    this.search = new LogSearch(this.view, Boolean(this.runId), (query) => this.read(query), (window) => this.moved(window));
    this.downloadButton = button(t("lg_download"), () => this.download(), { icon: "download", class: "button lg-get", "aria-label": t("lg_download") });
    this.edge = h("div", { class: "lg-edge" });
    this.more = button(t("lg_new"), () => this.toEnd(), { icon: "down", class: "button lg-more", hidden: true });
    const tools = h(
      "div",
      { class: "lg-tools" },
      this.pause,
      this.state,
      this.search.el,
      this.search.count,
      this.search.cancel,
      h("label", { class: "check lg-wrap" }, wrap, h("span", {}, t("lg_wrap"))),
      this.raw,
      this.downloadButton,
    );
    this.dialog = openDialog({
      title: this.runId ? t("run_id", { id: this.runId }) : "",
      body: h("div", { class: "lg" }, tools, this.edge, h("div", { class: "lg-frame" }, this.view.el, this.more)),
      wide: true,
      kind: "lg-dialog",
      address: this.runId ? addressOf("output", this.runId) : addressOf("log", this.taskId),
      onClose: () => this.close(),
    });
    this.showTitle();
  }

  showTitle() {
    if (!this.taskId) return;
    const values = { id: this.runId, task: visible(store.tasks.get(this.taskId)?.task_name ?? this.taskId) };
    const title = this.runId ? [t("lg_title_run", values), " ", this.status && statusMark(this.status)] : [t("lg_title", values)];
    this.dialog.setTitle(h("span", { class: "lg-title" }, title));
  }

  close() {
    this.closed = true;
    this.search.close();
    this.downloading?.abort();
    clearTimeout(this.timer);
    this.unsubscribe?.();
    document.removeEventListener("visibilitychange", this.onVisible);
  }

  wrap(on) {
    keepWrap(on);
    this.view.el.classList.toggle("lg-wrapped", on);
  }

  async read(query) {
    const { data } = await call("GET", `${this.path}?${new URLSearchParams(query)}`);
    return data;
  }

  // ---- the end of the log ----

  async open() {
    await this.loadRun();
    await this.toEnd();
    this.schedulePoll(POLL_MS);
  }

  /** Find out which task the run belongs to and whether it has ended. */
  async loadRun() {
    if (!this.runId) return;
    try {
      const { data } = await call("GET", `/executions/${this.runId}`);
      this.taskId = data.task_id;
      this.ended = !UNFINISHED.has(data.status);
      this.status = data.status;
      this.showTitle();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
  }

  async toEnd() {
    this.search.stop();
    while (this.busy) await new Promise((resolve) => setTimeout(resolve, 20));
    await this.exclusively(async () => {
      const page = await this.read({ tail: TAIL_LINES });
      this.view.clear();
      this.atStart = this.isStart(page);
      this.view.append(page);
      this.atEnd = page.at_end !== false;
      [this.atBottom, this.unseenLines] = [true, false];
      this.view.toBottom();
      this.search.showCount();
    });
    // A short log is loaded completely.
    if (this.view.lines < TAIL_LINES) await this.earlier();
    this.draw();
  }

  /** Whether the page is the start. For the output of a run the offset counts bytes, for a log it is opaque. */
  isStart(page) {
    return !page.text || (Boolean(this.runId) && page.offset === "0");
  }

  /** Do one request at a time, and show its failure. Resolves to whether it succeeded. */
  async exclusively(work) {
    if (this.busy || this.closed) return false;
    this.busy = true;
    try {
      await work();
      this.problem = "";
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.problem = error.status === 410 ? t("lg_gone") : error.status ? errorText(error) : t("lg_lost");
      if (error.status === 410 || error.status === 404) this.ended = this.settled = this.gone = true;
      if (error.status === 404) this.search.el.replaceWith(h("a", { href: this.runId ? "#runs" : "#tasks", text: t(this.runId ? "view_runs" : "view_tasks") }));
      return false;
    } finally {
      this.busy = false;
      this.draw();
    }
  }

  schedulePoll(after) {
    clearTimeout(this.timer);
    if (!this.closed) this.timer = setTimeout(() => this.poll(), after);
  }

  pollSoon() {
    if (this.runId && !this.ended) this.loadRun();
    this.schedulePoll(50);
  }

  async poll() {
    // Only the end of the log grows: if another part is shown, there is nothing to request.
    const wanted = this.following && !document.hidden && !this.search.walk && !this.settled;
    if (wanted && this.view.empty) await this.toEnd();
    else if (wanted && this.atEnd && (this.atBottom || !this.view.full)) await this.exclusively(() => this.follow());
    this.schedulePoll(POLL_MS);
  }

  async follow() {
    const over = this.ended;
    const page = await this.read({ offset: this.view.to, limit: PIECE_BYTES });
    if (this.closed || !this.following || this.search.walk) return;
    if (page.text) this.view.append(page, page.rotated ? t("lg_rotated") : "");
    else if (this.view.pieces.length) this.view.pieces[this.view.pieces.length - 1].next_offset = page.next_offset;
    this.atEnd = page.at_end;
    this.settled = over && page.at_end;
    this.unseenLines = !this.atBottom && (this.unseenLines || Boolean(page.text));
    if (this.atBottom && !page.at_end) {
      // The log grows faster than it is read: skip to its end.
      const end = await this.read({ tail: TAIL_LINES });
      this.view.clear();
      this.view.append(end);
      this.atStart = this.isStart(end);
      this.atEnd = end.at_end !== false;
    }
    if (this.atBottom) this.view.toBottom();
    if (page.text) this.search.showCount();
  }

  setFollowing(on) {
    this.following = on;
    if (on) this.toEnd();
    this.draw();
  }

  scrolled() {
    this.atBottom = this.view.scrolledToEnd && this.atEnd;
    if (this.atBottom) this.unseenLines = false;
    if (this.view.el.scrollTop < 40) this.earlier();
    else if (this.view.scrolledToEnd && !this.atEnd) this.later();
    this.more.hidden = this.atBottom || this.view.empty;
  }

  // ---- earlier and later parts ----

  async earlier() {
    if (this.atStart || this.runId || this.view.empty || this.search.walk) return;
    await this.exclusively(async () => {
      const page = await this.read({ before: this.view.from, limit: PIECE_BYTES });
      this.atStart = !page.text;
      if (page.text && this.view.prepend(page)) this.atEnd = false;
      this.search.showCount();
    });
  }

  async later() {
    if (this.view.empty || this.search.walk) return;
    await this.exclusively(async () => {
      const page = await this.read({ offset: this.view.to, limit: PIECE_BYTES });
      if (page.text && this.view.append(page)) this.atStart = false;
      this.atEnd = page.at_end;
      this.search.showCount();
    });
  }

  /** Show the start of a run's output: earlier parts of it cannot be requested from the end. */
  async fromStart() {
    await this.exclusively(async () => {
      const page = await this.read({ limit: PIECE_BYTES });
      this.view.clear();
      this.view.append(page);
      [this.atStart, this.atEnd, this.atBottom] = [true, page.at_end, false];
      this.view.el.scrollTop = 0;
      this.search.showCount();
    });
  }

  draw() {
    if (this.closed) return;
    const live = this.following && !this.problem && !(this.ended && this.atEnd);
    this.state.className = `lg-state ${this.problem ? "lg-bad" : live ? "lg-live" : ""}`;
    this.state.textContent = this.problem || t(this.ended && this.atEnd ? "lg_ended" : this.following ? "lg_following" : "lg_paused");
    this.pause.replaceChildren(icon(this.following ? "pause" : "play"), t(this.following ? "lg_pause" : "lg_follow"));
    this.pause.hidden = this.gone || (this.ended && this.atEnd);
    this.downloadButton.hidden = Boolean(this.gone);
    if (this.raw.hidden) this.raw.hidden = !this.view.differs;
    this.more.hidden = this.atBottom || this.view.empty;
    this.more.lastChild.textContent = t(this.unseenLines ? "lg_new" : "lg_to_end");
    const nothing = this.view.empty || !this.view.lines;
    const edge = nothing ? (this.problem ? "" : t("lg_empty")) : this.atStart ? t("lg_start") : null;
    const load = () => (this.runId ? this.fromStart() : this.earlier());
    const key = edge ?? "button";
    if (this.edge.dataset.key === key) return;
    this.edge.dataset.key = key;
    this.edge.replaceChildren(edge === null ? h("button", { type: "button", class: "small-button", on: { click: load } }, t("lg_earlier")) : edge);
  }

  /** The search has scrolled the view; with `atStart` and `atEnd`, it has loaded another part of the log into it. */
  moved({ atStart = this.atStart, atEnd = this.atEnd }) {
    [this.atStart, this.atEnd] = [atStart, atEnd];
    this.atBottom = this.view.scrolledToEnd && atEnd;
    this.draw();
  }

  // ---- download ----

  async download() {
    if (this.downloading) return;
    this.downloading = new AbortController();
    this.downloadButton.disabled = true;
    const name = this.runId ? `run-${this.runId}.log` : `${this.taskId}.log`;
    const progress = (size) => (this.downloadButton.lastChild.textContent = t("lg_downloading", { size: fmtBytes(size) }));
    try {
      const size = await download(`${this.path}?raw=1`, name, progress, this.downloading.signal);
      this.search.count.textContent = t("lg_downloaded", { size: fmtBytes(size) });
    } catch (error) {
      if (error.name !== "AbortError") this.search.count.textContent = error instanceof ApiError ? errorText(error) : t("err_other", { message: visible(error.message) });
    } finally {
      this.downloading = null;
      this.downloadButton.disabled = false;
      this.downloadButton.lastChild.textContent = t("lg_download");
    }
  }
}

/**
 * Download `path` of the API with fetch, since a link cannot send the token, and save it as `name`. Calls
 * `progress(bytes)` about each MB. Resolves to the number of bytes. Rejects with ApiError, AbortError and others.
 */
async function download(path, name, progress, signal) {
  const response = await request(path, { signal });
  if (!response.ok) throw await errorOf(response);
  const large = Number(response.headers.get("Content-Length")) > LARGE_BYTES && "showSaveFilePicker" in window;
  const sink = large ? await fileSink(name) : blobSink(name);
  const reader = response.body.getReader();
  let size = 0;
  let reported = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      await sink.write(value);
      size += value.length;
      if (size - reported > 1e6) progress((reported = size));
    }
  } catch (error) {
    await sink.discard();
    throw error;
  }
  await sink.close();
  return size;
}

async function fileSink(name) {
  const handle = await window.showSaveFilePicker({ suggestedName: name });
  const file = await handle.createWritable();
  return { write: (bytes) => file.write(bytes), close: () => file.close(), discard: () => file.abort() };
}

function blobSink(name) {
  let parts = [];
  return {
    write: (bytes) => void parts.push(bytes),
    discard: () => void (parts = []),
    close() {
      const url = URL.createObjectURL(new Blob(parts, { type: "application/octet-stream" }));
      const link = h("a", { href: url, download: name });
      link.click();
      setTimeout(() => URL.revokeObjectURL(url), 60000);
    },
  };
}

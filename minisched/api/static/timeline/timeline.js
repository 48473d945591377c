/** Runs and due times, with a lane for each task; or what is due next as a list. */
import { addressOf, here, showAddress } from "../core/address.js";
import { ApiError, call, token } from "../core/api.js";
import { button, h, iconButton, setText, visible } from "../core/dom.js";
import { errorText } from "../core/error_text.js";
import { fmtOffset, fmtTime, now } from "../core/format.js";
import { t } from "../i18n/i18n.js";
import { actions } from "../tasks/actions.js";
import { Agenda } from "./agenda.js";
import { HOUR_MS, TimeSpan } from "./time_span.js";
import { axis, axisOffset, describe, marksOf, positionOf, startOf, useZoneOf } from "./timeline_marks.js";

const HOURS = [1, 6, 24, 168];
const HOURS_KEY = "minisched.timeline";
// Due times are loaded again this often; runs come with the events.
const RELOAD_MS = 60000;
const TICK_MS = 5000;
// Changes of tasks are shown together, so that many of them cost little.
const CHANGED_MS = 200;
const LOAD_MS = 500;
// Below this width the names are above their lanes.
const NARROW_PX = 640;
// The name of the time zone stands before the labels of the axis there.
const ZONE_PX = 84;
// As in timeline.css.
const LANE_PX = { wide: 34, narrow: 56 };
// Lanes so far outside the window are there already when it is scrolled.
const AHEAD_PX = 400;
// What a button or a key changes: the span by this factor, or the time by this share of the span.
const ZOOM = 2;
const PAN = 0.25;
// The runs whose last line of output says why.
const SAYS = new Set(["business_failure", "technical_failure", "skipped"]);
const PROBLEMS = new Set(["business_failure", "technical_failure", "skipped", "missed"]);
const LEGEND = ["success", "business_failure", "technical_failure", "running", "retrying", "queued", "waiting", "skipped", "missed", "cancelled", "due"];

export function mount(el, store) {
  const view = new Timeline(el, store);
  view.start();
  return { leave: () => view.leave(), route: () => view.route() };
}

class Timeline {
  constructor(el, store) {
    this.el = el;
    this.store = store;
    // Whether lanes without any marks are shown.
    this.showEmpty = false;
    // task_id -> {id, name, runs: Map, due: [{at, iso}], more: whether there are further due times, el, label, track}
    this.lanes = new Map();
    // Those that pass the filters, in the order of the config.
    this.shown = [];
    this.loaded = { since: 0, until: 0, half: 0, complete: 0 };
    this.left = false;
    // The last line of output of failed runs, by run id.
    this.lastLines = new Map();
  }

  async start() {
    this.wanted = wantedOf();
    this.build();
    this.unsubscribe = this.store.on((change) => this.changed(change));
    this.clock = setInterval(() => this.tick(), TICK_MS);
    this.reloading = setInterval(() => !document.hidden && this.load(), RELOAD_MS);
    this.scrolled = () => this.showRows();
    window.addEventListener("scroll", this.scrolled, { passive: true });
    this.resized = new ResizeObserver(() => this.layout());
    this.resized.observe(this.grid.parentElement);
    await this.load();
    // So that Back leads to this span.
    if (!this.left) this.write(false);
  }

  route() {
    const wanted = wantedOf();
    this.wanted = { ...wanted, half: wanted.half ?? this.span.half };
    this.find.value = wanted.q;
    this.tag.value = wanted.tag;
    this.problems.checked = wanted.failed;
    this.span.set(this.wanted.half, wanted.at);
    this.showMode();
    this.arrange();
    this.loadMissing();
  }

  leave() {
    this.left = true;
    this.unsubscribe();
    this.span.stop();
    clearInterval(this.clock);
    clearInterval(this.reloading);
    clearTimeout(this.later);
    clearTimeout(this.soon);
    window.removeEventListener("scroll", this.scrolled);
    this.resized.disconnect();
  }

  /** `push`: the button Back leads to the previous one. */
  write(push) {
    const { q, tag, failed, list } = this.wanted;
    const { half, at } = this.span;
    const values = list ? { list: 1, q, tag } : { hours: Number((half / HOUR_MS).toFixed(3)), at: at === null ? "" : new Date(at).toISOString().slice(0, 19), q, tag, failed: failed ? 1 : "" };
    showAddress(addressOf("timeline", "", values), push);
  }

  // ---- controls ----

  build() {
    const choice = (name, label, options) => h("div", { class: "tl-choice", role: "radiogroup", "aria-label": label }, options.map(([value, text, choose]) => h("label", {}, h("input", { type: "radio", name, value, on: { change: choose } }), h("span", { text }))));
    const modes = choice("tl-mode", t("tl_mode"), [["", t("tl_chart"), () => this.filter({ list: false })], ["1", t("ag_title"), () => this.filter({ list: true })]]);
    const hours = HOURS.map((n) => [n, `± ${n < 100 ? t("unit_h", { n }) : t("unit_d", { n: n / 24 })}`, () => this.choose(n)]);
    const nudge = (label, text, click) => h("button", { type: "button", class: "icon-button tl-sign", "aria-label": label, title: label, on: { click } }, text);
    this.today = button(t("tl_now"), () => this.toNow());
    this.range = h("span", { class: "tl-range muted number" });
    this.moves = h(
      "div",
      { class: "tl-moves" },
      choice("tl-hours", t("tl_hours"), hours),
      h("div", {}, iconButton("left", t("tl_earlier"), () => this.span.pan(-PAN)), nudge(t("gr_out"), "−", () => this.span.zoom(1 / ZOOM)), nudge(t("gr_in"), "+", () => this.span.zoom(ZOOM)), iconButton("right", t("tl_later"), () => this.span.pan(PAN)), this.today),
      this.range,
    );
    this.find = h("input", { type: "search", class: "tl-find", placeholder: t("tl_find"), "aria-label": t("tl_find"), autocomplete: "off", spellcheck: "false", value: this.wanted.q, on: { input: () => this.filter({ q: this.find.value.trim() }, false) } });
    const tags = this.store.tags();
    this.tag = h("select", { class: "tag-filter", "aria-label": t("tag"), hidden: !tags.length && !this.wanted.tag, on: { change: () => this.filter({ tag: this.tag.value }) } }, h("option", { value: "", text: t("all_tags") }), tags.map((tag) => h("option", { value: tag, text: visible(tag) })));
    this.tag.value = this.wanted.tag;
    this.problems = h("input", { type: "checkbox", checked: this.wanted.failed, on: { change: () => this.filter({ failed: this.problems.checked }) } });
    this.only = h("label", { class: "check" }, this.problems, h("span", { text: t("tl_problems") }));
    this.axis = h("div", { class: "tl-axis", "aria-hidden": "true" });
    this.body = h("div", { class: "tl-body", role: "rowgroup" });
    this.line = h("div", { class: "tl-now", "aria-hidden": "true" });
    this.lines = h("div", { class: "tl-lines", "aria-hidden": "true" }, this.line);
    this.grid = h("div", { class: token() ? "tl-grid" : "tl-grid tl-inert", role: "grid", "aria-label": t("view_timeline"), "aria-describedby": "tl-keys" }, this.lines, this.body);
    this.note = h("div", { class: "tl-note" });
    this.tip = h("div", { class: "tl-tip", role: "tooltip", hidden: true });
    this.legend = h("ul", { class: "tl-legend" }, LEGEND.map((status) => h("li", {}, h("span", { class: `tl-mark tl-${status} s-${status}` }), status === "due" ? t("fact_due") : t(`status_${status}`))));
    this.agenda = new Agenda(this.store, (id) => this.matches(this.store.tasks.get(id)));
    this.frame = h("div", { class: "tl-frame" }, this.axis, this.grid);
    this.el.append(
      h("h1", { class: "hidden-label" }, t("view_timeline")),
      h("div", { class: "tl" }, h("div", { class: "tl-tools" }, modes, this.moves, h("div", { class: "tl-filters" }, this.find, this.tag, this.only), this.legend), h("p", { class: "hidden-label", id: "tl-keys" }, t("tl_keys")), this.frame, this.note, this.agenda.el, this.tip),
    );
    this.span = new TimeSpan({ half: this.wanted.half ?? 24 * HOUR_MS, at: this.wanted.at, el: this.grid, track: () => this.trackBox(), moved: () => this.moved(), settled: () => this.settled() });
    this.grid.addEventListener("keydown", (event) => this.key(event));
    this.grid.addEventListener("focusin", (event) => this.focused(event.target));
    this.grid.addEventListener("focusout", () => this.hideTip());
    this.grid.addEventListener("pointerover", (event) => (event.target.mark ? this.showTip(event.target) : this.hideTip()));
    this.grid.addEventListener("pointerleave", () => this.hideTip());
    this.grid.addEventListener("click", (event) => this.span.panned || this.open(event.target.closest("[role='gridcell'], .tl-name, .tl-track"), event.clientX));
    this.showMode();
  }

  showMode() {
    const { list } = this.wanted;
    for (const one of this.el.querySelectorAll("[name=tl-mode]")) one.checked = (one.value === "1") === list;
    for (const part of [this.moves, this.only, this.legend, this.frame, this.note]) part.hidden = list;
    this.agenda.el.hidden = !list;
  }

  filter(changes, push = true) {
    Object.assign(this.wanted, changes);
    this.write(push);
    this.showMode();
    if ("list" in changes) this.load();
    this.arrange();
    this.agenda.show();
  }

  /** Show so many hours before and after the middle; remembered for the next time. */
  choose(hours) {
    localStorage.setItem(HOURS_KEY, hours);
    this.span.set(hours * HOUR_MS, this.span.at);
    this.settled();
  }

  toNow() {
    this.span.set(this.span.half, null);
    this.settled();
  }

  /** Draw once a frame, however often the span moves. */
  moved() {
    this.hideTip();
    this.drawing ??= requestAnimationFrame(() => {
      this.drawing = null;
      this.tick();
    });
  }

  /** The span stays for now: it gets its address, and what it shows is loaded. */
  settled() {
    this.span.stop();
    this.write(true);
    this.arrange();
    this.loadMissing();
  }

  /** Load again unless all that is shown is there, as far as it can be. */
  loadMissing() {
    if (this.wanted.list) return this.load();
    const [since, until] = this.span.bounds();
    const { loaded } = this;
    const isCut = since < loaded.complete && loaded.half > this.span.half;
    if (since < loaded.since || until > loaded.until || loaded.half > 2 * this.span.half || isCut) return this.load();
    return null;
  }

  /** Where the lanes are on the screen, without the names before them. */
  trackBox() {
    const { left, width } = this.grid.getBoundingClientRect();
    const head = this.narrow ? 0 : (this.body.querySelector(".tl-head")?.offsetWidth ?? 0);
    return { left: left + head, width: Math.max(1, width - head) };
  }

  // ---- lanes ----

  async load() {
    if (this.wanted.list) return this.agenda.load();
    const request = (this.request = (this.request ?? 0) + 1);
    const { half } = this.span;
    const middle = this.span.at ?? now();
    // As much again on both sides, so that it can be moved at once.
    const [since, until] = [middle - 2 * half, middle + 2 * half];
    try {
      const iso = (ms) => new Date(ms).toISOString();
      const { data } = await call("GET", `/timeline?since=${iso(since)}&until=${iso(until)}`);
      if (this.left || request !== this.request) return;
      this.loaded = { since, until, half, complete: Date.parse(data.runs_since) };
      this.setLanes(data.lanes);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (!this.left && !this.lanes.size) this.note.replaceChildren(h("p", {}, errorText(error)), button(t("try_again"), () => this.load()));
    }
  }

  setLanes(lanes) {
    const before = this.lanes;
    this.lanes = new Map();
    for (const { task_id: id, task_name: name, runs, due, due_truncated: more } of lanes) {
      const lane = before.get(id) ?? { id };
      lane.name = name;
      lane.runs = new Map(runs.map((run) => [run.run_id, run]));
      lane.due = due.map((iso) => ({ at: Date.parse(iso), iso }));
      lane.more = more;
      this.lanes.set(id, lane);
    }
    if (this.wanted.half === null) this.chooseFirst();
    this.arrange();
    this.layout();
  }

  /** Without a choice of the user, on the first day: the shortest span that has all runs. */
  chooseFirst() {
    const starts = [...this.lanes.values()].flatMap(({ runs }) => [...runs.values()].map((run) => startOf(run, now())));
    const age = (now() - Math.min(...starts)) / HOUR_MS;
    this.wanted.half = (starts.length ? (HOURS.find((hours) => hours >= age && hours <= 24) ?? 24) : 24) * HOUR_MS;
    this.span.set(this.wanted.half, this.span.at);
  }

  matches(card) {
    const { q, tag } = this.wanted;
    if (!card) return !q && !tag;
    const tags = card.task_tags ?? [];
    return (!tag || tags.includes(tag)) && (!q || `${card.task_id} ${card.task_name} ${tags.join(" ")}`.toLowerCase().includes(q.toLowerCase()));
  }

  /** The runs of a lane that are shown. */
  runsOf(lane) {
    return this.wanted.failed ? [...lane.runs.values()].filter((run) => PROBLEMS.has(run.status)) : [...lane.runs.values()];
  }

  /** Decide which lanes are shown, in the order of the config. */
  arrange() {
    if (this.left || !this.lanes.size) return;
    useZoneOf(this.store.tasks.values());
    const matching = [...this.lanes.values()].filter((lane) => this.matches(this.store.tasks.get(lane.id) ?? { task_id: lane.id, task_name: lane.name }));
    const [since, until] = this.span.bounds();
    const isIn = (run) => startOf(run, now()) < until && (!run.end_time || Date.parse(run.end_time) > since);
    const busy = matching.filter((lane) => this.runsOf(lane).some(isIn) || (!this.wanted.failed && (lane.due.some(({ at }) => at > Math.max(since, now()) && at < until) || (lane.more && lane.due[lane.due.length - 1]?.at < until))));
    this.shown = this.showEmpty && !this.wanted.failed ? matching : busy;
    const hidden = matching.length - busy.length;
    const { failed, q, tag } = this.wanted;
    const notes = [];
    if (!this.shown.length) notes.push(h("p", { class: "empty" }, t(failed && matching.length ? "tl_no_problems" : (q || tag) && !matching.length ? "none_found" : "tl_empty")));
    if (hidden && !failed) notes.push(h("p", { class: "muted" }, t("tl_quiet", { n: hidden }), " ", h("button", { type: "button", class: "link", on: { click: () => ((this.showEmpty = !this.showEmpty), this.arrange()) } }, t(this.showEmpty ? "hide" : "tl_show_quiet"))));
    if (since < this.loaded.complete) notes.push(h("p", { class: "muted" }, t("tl_cut", { time: fmtTime(new Date(this.loaded.complete).toISOString(), { seconds: false }) })));
    if (token() && this.shown.length) notes.push(h("p", { class: "muted" }, t("tl_hint")));
    this.note.replaceChildren(...notes);
    this.frame.hidden = this.wanted.list || !this.shown.length;
    this.tick();
    if (!this.grid.querySelector("[tabindex='0']")) this.body.querySelector(".tl-name")?.setAttribute("tabindex", "0");
  }

  layout() {
    this.narrow = this.frame.clientWidth < NARROW_PX;
    this.frame.classList.toggle("tl-narrow", this.narrow);
    this.tick();
  }

  /** Move the axis, the line of the present, and all lanes in sight. */
  tick() {
    if (this.left || document.hidden) return;
    if (this.wanted.list) return this.agenda.show();
    const [since, until] = this.span.bounds();
    for (const one of this.el.querySelectorAll("[name=tl-hours]")) one.checked = Number(one.value) * HOUR_MS === this.span.half;
    this.today.disabled = this.span.at === null;
    const text = (ms) => fmtTime(isoShown(ms), { seconds: false });
    setText(this.range, `${text(since)} – ${text(until)}`);
    if (this.frame.hidden) return;
    this.showRows();
    const { width } = this.trackBox();
    this.scale = { since, until, width };
    const { labels, lines } = axis(this.scale, this.narrow ? ZONE_PX : undefined);
    this.lines.replaceChildren(...lines, this.line);
    this.axis.replaceChildren(h("span", { class: "tl-zone" }, fmtOffset(axisOffset(since))), h("div", { class: "tl-scale" }, ...labels));
    const present = positionOf(now(), this.scale);
    this.line.hidden = present < 0 || present > width;
    this.grid.style.setProperty("--tl-now", `${present}px`);
    for (const row of this.body.children) this.draw(row.lane);
  }

  /** Put the lanes that are in sight, and the one that has the focus, at their places. */
  showRows() {
    if (this.left || this.frame.hidden) return;
    const height = this.narrow ? LANE_PX.narrow : LANE_PX.wide;
    this.body.style.setProperty("height", `${this.shown.length * height}px`);
    const top = this.body.getBoundingClientRect().top;
    const [first, last] = [(-AHEAD_PX - top) / height, (window.innerHeight + AHEAD_PX - top) / height];
    const focused = document.activeElement?.closest?.(".tl-lane");
    const rows = [];
    this.shown.forEach((lane, i) => {
      lane.index = i;
      if ((i + 1 < first || i > last) && lane.el !== focused) return;
      rows.push(this.row(lane, i, height));
    });
    if (rows.length === this.body.children.length && rows.every((row, i) => this.body.children[i] === row)) return;
    const at = document.activeElement;
    this.body.replaceChildren(...rows);
    if (at !== document.activeElement && at.isConnected) at.focus({ preventScroll: true });
    this.grid.setAttribute("aria-rowcount", this.shown.length);
    if (this.scale) for (const row of rows) this.draw(row.lane);
  }

  /** The element of a lane. */
  row(lane, i, height) {
    if (!lane.el) {
      lane.label = h("button", { type: "button", class: "tl-name", tabindex: "-1" });
      lane.track = h("div", { class: "tl-track", role: "none" });
      lane.el = h("div", { class: "tl-lane", role: "row" }, h("div", { class: "tl-head", role: "rowheader" }, lane.label), lane.track);
      lane.el.lane = lane;
    }
    lane.el.style.top = `${i * height}px`;
    lane.el.setAttribute("aria-rowindex", i + 1);
    setText(lane.label, visible(lane.name));
    lane.label.title = lane.id;
    lane.label.setAttribute("aria-label", t("tl_lane", { task: visible(lane.name) }));
    return lane.el;
  }

  draw(lane) {
    if (!this.scale) return;
    const marks = marksOf({ runs: this.runsOf(lane), due: this.wanted.failed ? [] : lane.due, more: lane.more && !this.wanted.failed }, this.scale, now());
    const focused = lane.track.contains(document.activeElement) ? document.activeElement.mark.key : null;
    const old = new Map([...lane.track.children].map((cell) => [cell.mark.key, cell]));
    const cells = marks.map((mark) => {
      const cell = old.get(mark.key) ?? h("div", { role: "gridcell", tabindex: "-1" });
      cell.mark = mark;
      cell.lane = lane;
      cell.className = `tl-mark tl-${mark.status} s-${mark.status}${mark.share ? ` tl-many b-${mark.base}` : ""}`;
      if (mark.share) cell.style.setProperty("--share", `${Math.round(Math.max(0.2, mark.share) * 100)}%`);
      cell.style.left = `${mark.left}px`;
      cell.style.width = `${mark.width}px`;
      cell.setAttribute("aria-label", `${visible(lane.name)}: ${describe(mark)}`);
      return cell;
    });
    if (cells.length === lane.track.children.length && cells.every((cell, i) => cell === lane.track.children[i])) return;
    lane.track.replaceChildren(...cells);
    if (focused) (cells.find((cell) => cell.mark.key === focused) ?? lane.label).focus({ preventScroll: true });
  }

  /** Take over the runs of changed cards. Other changes come with the next load. */
  changed(change) {
    const { list } = this.wanted;
    if (change.all || change.back || change.removed.size || (!list && [...change.ids].some((id) => !this.lanes.has(id)))) this.soon ??= setTimeout(() => ((this.soon = null), this.load()), LOAD_MS);
    if (list) return;
    for (const id of change.ids) {
      const card = this.store.tasks.get(id);
      const lane = this.lanes.get(id);
      if (!card || !lane) continue;
      for (const run of [...(card.outcomes ?? []), ...(card.running ?? []), card.last_run]) {
        if (run) lane.runs.set(run.run_id, { ...lane.runs.get(run.run_id), ...run });
      }
      lane.due = lane.due.filter(({ at }) => at > now());
    }
    if (change.ids.size) this.later ??= setTimeout(() => ((this.later = null), this.arrange()), CHANGED_MS);
  }

  // ---- pointer and keyboard ----

  /** `x`: where the pointer is, in px from the left of the window. */
  open(target, x) {
    if (!target) return;
    const lane = target.lane ?? target.closest(".tl-lane").lane;
    const card = this.store.tasks.get(lane.id) ?? { task_id: lane.id, task_name: lane.name };
    // Only the history can be opened without the token.
    if (target.classList.contains("tl-name")) return actions.history(card);
    if (!token()) return;
    if (target.mark?.runId) actions.openRun(card, target.mark.runId);
    else this.why(target, x);
  }

  /** Why at the time of a mark, or of a place in a lane. */
  why(target, x) {
    const lane = target.lane ?? target.closest(".tl-lane").lane;
    const { runs, due } = target.mark ?? {};
    const at = runs ? Date.parse(runs[runs.length - 1].scheduled_time ?? "") || startOf(runs[runs.length - 1], now()) : due?.[0] ? Date.parse(due[0]) : this.span.timeAt(x ?? target.getBoundingClientRect().left);
    actions.why({ task_id: lane.id }, at);
  }

  focused(target) {
    for (const el of this.grid.querySelectorAll("[tabindex='0']")) if (el !== target) el.setAttribute("tabindex", "-1");
    target.setAttribute("tabindex", "0");
    if (target.mark) this.showTip(target);
  }

  key(event) {
    const at = event.target;
    const lane = at.closest(".tl-lane")?.lane;
    if (!lane || event.ctrlKey || event.metaKey || event.altKey) return;
    const row = [lane.label, ...lane.track.children];
    const i = row.indexOf(at);
    const beside = (step) => {
      const other = this.shown[lane.index + step];
      if (!other?.track) return null;
      const far = (cell) => Math.abs(cell.mark.left - at.mark.left);
      return (at.mark && [...other.track.children].sort((a, b) => far(a) - far(b))[0]) || other.label;
    };
    const moves = { "+": () => this.span.zoom(ZOOM), "=": () => this.span.zoom(ZOOM), "-": () => this.span.zoom(1 / ZOOM), Home: () => this.toNow(), w: () => token() && at.mark && this.why(at) };
    const to = { ArrowRight: () => row[i + 1], ArrowLeft: () => row[i - 1], End: () => row[row.length - 1], ArrowDown: () => beside(1), ArrowUp: () => beside(-1) }[event.key];
    if (event.key === "Escape" && !this.tip.hidden) return this.hideTip();
    if ((event.key === "Enter" || event.key === " ") && at.mark) {
      event.preventDefault();
      return this.open(at);
    }
    if (!to && !moves[event.key]) return;
    event.preventDefault();
    const across = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const next = !event.shiftKey && to?.();
    if (next) {
      next.focus({ preventScroll: true });
      next.scrollIntoView({ block: "nearest" });
    } else if (across) this.span.pan(across * PAN);
    else moves[event.key]?.();
  }

  showTip(cell) {
    this.tipOf = cell.mark.key;
    const said = h("code", { class: "said", text: this.lastLines.get(cell.mark.runId) ?? "" });
    this.tip.replaceChildren(h("strong", {}, visible(cell.lane.name)), h("span", {}, describe(cell.mark)), said);
    this.tip.hidden = false;
    this.placeTip(cell);
    if (token() && SAYS.has(cell.mark.status) && !this.lastLines.has(cell.mark.runId)) this.addLine(cell, said);
  }

  /** Show the last line of the output of a failed run, which the timeline does not have. */
  async addLine(cell, said) {
    const { key, runId } = cell.mark;
    try {
      const { data } = await call("GET", `/executions/${runId}`);
      this.lastLines.set(runId, visible(data.last_line ?? ""));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return;
    }
    if (this.tipOf !== key || this.tip.hidden) return;
    setText(said, this.lastLines.get(runId));
    this.placeTip(cell);
  }

  placeTip(cell) {
    const box = cell.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.tip;
    const x = Math.max(8, Math.min(box.left + box.width / 2 - width / 2, document.documentElement.clientWidth - width - 8));
    const y = box.top - height - 8 > 0 ? box.top - height - 8 : box.bottom + 8;
    this.tip.style.left = `${x}px`;
    this.tip.style.top = `${y}px`;
  }

  hideTip() {
    this.tip.hidden = true;
  }
}

/** The filters and the span of the address; `half` null: none is chosen, and none was the last time. */
function wantedOf() {
  const { query } = here();
  const hours = [query.get("hours"), localStorage.getItem(HOURS_KEY)].map(Number).find((n) => n > 0) ?? null;
  const at = Date.parse(`${query.get("at")}Z`);
  return { half: hours && hours * HOUR_MS, at: Number.isNaN(at) ? null : at, q: query.get("q") ?? "", tag: query.get("tag") ?? "", failed: query.get("failed") === "1", list: query.get("list") === "1" };
}

/** A time (ms) as ISO 8601 with the offset in which the page shows it. */
function isoShown(ms) {
  const offset = axisOffset(ms);
  const sign = offset < 0 ? "-" : "+";
  const digits = new Date(Math.abs(offset) * 60000).toISOString().slice(11, 16);
  return `${new Date(ms + offset * 60000).toISOString().slice(0, 19)}${sign}${digits}`;
}

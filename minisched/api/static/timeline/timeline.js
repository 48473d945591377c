/** Runs and due times around now, with a lane for each task. */
import { addressOf, here, showAddress } from "../core/address.js";
import { ApiError, call, token } from "../core/api.js";
import { button, h, setText, visible } from "../core/dom.js";
import { errorText } from "../core/error_text.js";
import { fmtOffset, now, shownOffset } from "../core/format.js";
import { t } from "../i18n/i18n.js";
import { actions } from "../tasks/actions.js";
import { axis, describe, marksOf, positionOf } from "./timeline_marks.js";

const HOURS = [6, 24, 72];
const HOURS_KEY = "minisched.timeline";
// Due times are loaded again this often; runs come with the events.
const RELOAD_MS = 60000;
const TICK_MS = 5000;
// Below this width the names are above their lanes.
const NARROW_PX = 640;
// The runs whose last line of output says why.
const SAYS = new Set(["business_failure", "technical_failure", "skipped"]);
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
    this.read();
    // Whether lanes without any marks are shown.
    this.showEmpty = false;
    // task_id -> {id, name, runs: Map, due: [ISO], more: whether there are further due times, el, track}
    this.lanes = new Map();
    this.left = false;
    // The last line of output of failed runs, by run id.
    this.lastLines = new Map();
  }

  async start() {
    this.build();
    this.unsubscribe = this.store.on((change) => this.changed(change));
    this.clock = setInterval(() => this.tick(), TICK_MS);
    this.reloading = setInterval(() => !document.hidden && this.load(), RELOAD_MS);
    this.watch = new IntersectionObserver((entries) => entries.forEach(({ target, isIntersecting }) => this.setInView(target, isIntersecting)), { rootMargin: "300px 0px" });
    this.resized = new ResizeObserver(() => this.layout());
    this.resized.observe(this.grid);
    await this.load();
  }

  /** The span and the search of the address; without them the span of the last time. */
  read() {
    const { query } = here();
    const wanted = [query.get("hours"), localStorage.getItem(HOURS_KEY), 24].map(Number);
    this.hours = wanted.find((hours) => HOURS.includes(hours));
    this.search = query.get("q") ?? "";
  }

  /** `push`: the button Back leads to the previous one. */
  write(push) {
    showAddress(addressOf("timeline", "", { hours: this.hours, q: this.search }), push);
  }

  route() {
    this.read();
    this.find.value = this.search;
    this.el.querySelector(`[name=tl-hours][value="${this.hours}"]`).checked = true;
    this.load();
  }

  leave() {
    this.left = true;
    this.unsubscribe();
    clearInterval(this.clock);
    clearInterval(this.reloading);
    this.watch.disconnect();
    this.resized.disconnect();
  }

  build() {
    const choice = h("div", { class: "tl-hours", role: "radiogroup", "aria-label": t("tl_hours") });
    for (const hours of HOURS) {
      const input = h("input", { type: "radio", name: "tl-hours", value: hours, checked: hours === this.hours });
      input.addEventListener("change", () => {
        this.hours = hours;
        localStorage.setItem(HOURS_KEY, hours);
        this.write(true);
        this.load();
      });
      choice.append(h("label", {}, input, h("span", {}, `± ${t("tl_hours_n", { n: hours })}`)));
    }
    const find = h("input", { type: "search", class: "tl-find", placeholder: t("tl_find"), "aria-label": t("tl_find"), autocomplete: "off", spellcheck: "false", value: this.search });
    this.find = find;
    find.addEventListener("input", () => {
      this.search = find.value.trim();
      this.write(false);
      this.arrange();
    });
    this.axis = h("div", { class: "tl-axis", "aria-hidden": "true" });
    this.body = h("div", { role: "rowgroup" });
    this.line = h("div", { class: "tl-now", "aria-hidden": "true" });
    this.lines = h("div", { class: "tl-lines", "aria-hidden": "true" }, this.line);
    this.grid = h("div", { class: token() ? "tl-grid" : "tl-grid tl-inert", role: "grid", "aria-label": t("tl_title"), "aria-describedby": "tl-keys" }, this.lines, this.body);
    this.note = h("div", { class: "tl-note" });
    this.tip = h("div", { class: "tl-tip", role: "tooltip", hidden: true });
    const legend = h("ul", { class: "tl-legend" }, LEGEND.map((status) => h("li", {}, h("span", { class: `tl-mark tl-${status} s-${status}` }), status === "due" ? t("tl_due") : t(`status_${status}`))));
    this.el.append(
      h("h1", { class: "hidden-label" }, t("tl_title")),
      h("div", { class: "tl" }, h("div", { class: "tl-tools" }, choice, find, legend), h("p", { class: "hidden-label", id: "tl-keys" }, t("tl_keys")), h("div", { class: "tl-frame" }, this.axis, this.grid), this.note, this.tip),
    );
    this.grid.addEventListener("keydown", (event) => this.key(event));
    this.grid.addEventListener("focusin", (event) => this.focused(event.target));
    this.grid.addEventListener("focusout", () => this.hideTip());
    this.grid.addEventListener("pointerover", (event) => (event.target.mark ? this.showTip(event.target) : this.hideTip()));
    this.grid.addEventListener("pointerleave", () => this.hideTip());
    this.grid.addEventListener("click", (event) => this.open(event.target.closest("[role='gridcell'], .tl-name")));
  }

  async load() {
    const request = (this.request = (this.request ?? 0) + 1);
    try {
      const { data } = await call("GET", `/timeline?hours=${this.hours}`);
      if (this.left || request !== this.request) return;
      this.zone = data.now;
      this.truncated = data.truncated;
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
      const lane = before.get(id) ?? this.lane(id);
      lane.name = name;
      lane.runs = new Map(runs.map((run) => [run.run_id, run]));
      lane.due = due;
      lane.more = more;
      setText(lane.label, visible(name));
      lane.label.title = id;
      lane.label.setAttribute("aria-label", t("tl_lane", { task: visible(name) }));
      this.lanes.set(id, lane);
    }
    for (const [id, lane] of before) if (!this.lanes.has(id)) this.watch.unobserve(lane.el);
    this.arrange();
    this.layout();
  }

  lane(id) {
    const label = h("button", { type: "button", class: "tl-name", tabindex: "-1" });
    const track = h("div", { class: "tl-track", role: "none" });
    const el = h("div", { class: "tl-lane", role: "row" }, h("div", { class: "tl-head", role: "rowheader" }, label), track);
    const lane = { id, label, track, el, runs: new Map(), due: [], inView: false };
    el.lane = lane;
    return lane;
  }

  /** Decide which lanes are shown, and in which order. */
  arrange() {
    const matching = [...this.lanes.values()].filter(({ id, name }) => !this.search || `${id} ${name}`.toLowerCase().includes(this.search.toLowerCase()));
    const [since, until] = this.span();
    const busy = matching.filter((lane) => lane.due.some((due) => Date.parse(due) < until) || [...lane.runs.values()].some((run) => !run.end_time || Date.parse(run.end_time) > since));
    const shown = this.showEmpty ? matching : busy;
    const rows = shown.map((lane) => lane.el);
    if (rows.length !== this.body.children.length || rows.some((row, i) => this.body.children[i] !== row)) {
      this.body.replaceChildren(...rows);
      for (const row of rows) this.watch.observe(row);
    }
    const hidden = matching.length - busy.length;
    const notes = [];
    if (!shown.length) notes.push(h("p", { class: "empty" }, t(this.search && !matching.length ? "tl_none_match" : "tl_empty")));
    if (hidden) notes.push(h("p", { class: "muted" }, t("tl_quiet", { n: hidden }), " ", h("button", { type: "button", class: "link", on: { click: () => ((this.showEmpty = !this.showEmpty), this.arrange()) } }, t(this.showEmpty ? "tl_hide_quiet" : "tl_show_quiet"))));
    if (this.truncated) notes.push(h("p", { class: "muted" }, t("tl_truncated")));
    this.note.replaceChildren(...notes);
    this.grid.hidden = this.axis.hidden = !shown.length;
    this.redraw();
    if (!this.grid.querySelector("[tabindex='0']")) this.body.querySelector(".tl-name")?.setAttribute("tabindex", "0");
  }

  span() {
    return [now() - this.hours * 3600000, now() + this.hours * 3600000];
  }

  layout() {
    this.narrow = this.grid.clientWidth < NARROW_PX;
    this.grid.parentElement.classList.toggle("tl-narrow", this.narrow);
    this.tick();
  }

  /** Move the axis, the line of the present, and all lanes in view. */
  tick() {
    if (this.left || document.hidden || this.grid.hidden) return;
    const width = this.axis.clientWidth - (this.narrow ? 0 : this.headWidth());
    const [since, until] = this.span();
    this.scale = { since, until, width };
    if (width <= 0) return;
    const { labels, lines } = axis(this.scale);
    this.lines.replaceChildren(...lines, this.line);
    const zone = h("span", { class: "tl-zone" }, fmtOffset(shownOffset(since)));
    this.axis.replaceChildren(zone, h("div", { class: "tl-scale" }, ...labels));
    this.axis.nextSibling.style.setProperty("--tl-now", `${positionOf(now(), this.scale)}px`);
    this.redraw();
  }

  headWidth() {
    return this.body.querySelector(".tl-head")?.offsetWidth ?? 0;
  }

  redraw() {
    for (const lane of this.lanes.values()) if (lane.inView && lane.el.isConnected) this.draw(lane);
  }

  setInView(el, inView) {
    el.lane.inView = inView;
    if (inView) this.draw(el.lane);
  }

  draw(lane) {
    if (!this.scale || this.scale.width <= 0) return;
    const marks = marksOf(lane, this.scale, now());
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
    if (cells.length !== lane.track.children.length || cells.some((cell, i) => cell !== lane.track.children[i])) {
      lane.track.replaceChildren(...cells);
      if (focused) cells.find((cell) => cell.mark.key === focused)?.focus({ preventScroll: true });
    }
  }

  /** Take over the runs of changed cards. Other changes come with the next load. */
  changed(change) {
    if (change.all || change.removed.size) return this.load();
    for (const id of change.ids) {
      const card = this.store.tasks.get(id);
      const lane = this.lanes.get(id);
      if (!lane) return this.load();
      if (!card) continue;
      for (const run of [...(card.outcomes ?? []), ...(card.running ?? []), card.last_run]) {
        if (run) lane.runs.set(run.run_id, { ...lane.runs.get(run.run_id), ...run });
      }
      lane.due = lane.due.filter((due) => Date.parse(due) > now());
    }
    if (change.ids.size) this.arrange();
  }

  // ---- pointer and keyboard ----

  open(target) {
    if (!target) return;
    const lane = target.lane ?? target.closest(".tl-lane").lane;
    const card = this.store.tasks.get(lane.id) ?? { task_id: lane.id, task_name: lane.name };
    // A run can be opened only with the token.
    if (target.mark && !token()) return;
    if (target.mark?.runId) actions.openRun(card, target.mark.runId);
    else actions.history(card);
  }

  focused(target) {
    for (const el of this.grid.querySelectorAll("[tabindex='0']")) if (el !== target) el.setAttribute("tabindex", "-1");
    target.setAttribute("tabindex", "0");
    if (target.mark) this.showTip(target);
  }

  key(event) {
    const at = event.target;
    const lane = at.closest(".tl-lane");
    if (!lane) return;
    const row = [lane.querySelector(".tl-name"), ...lane.querySelectorAll("[role='gridcell']")];
    const i = row.indexOf(at);
    const near = (other) => {
      if (!other) return null;
      if (!at.mark) return other.querySelector(".tl-name");
      const cells = [...other.querySelectorAll("[role='gridcell']")];
      const far = (cell) => Math.abs(cell.mark.left - at.mark.left);
      return cells.sort((a, b) => far(a) - far(b))[0] ?? other.querySelector(".tl-name");
    };
    const to = {
      ArrowRight: () => row[i + 1],
      ArrowLeft: () => row[i - 1],
      Home: () => row[0],
      End: () => row[row.length - 1],
      ArrowDown: () => near(lane.nextElementSibling),
      ArrowUp: () => near(lane.previousElementSibling),
    }[event.key];
    if (event.key === "Escape" && !this.tip.hidden) return this.hideTip();
    if ((event.key === "Enter" || event.key === " ") && at.mark) {
      event.preventDefault();
      return this.open(at);
    }
    if (!to) return;
    event.preventDefault();
    const next = to();
    next?.focus({ preventScroll: true });
    next?.scrollIntoView({ block: "nearest" });
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

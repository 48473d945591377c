/** Runs as a list with filters, newest first: those of all tasks as a view, those of one task in its history. */
import { addressOf, here, showAddress } from "../core/address.js";
import { ApiError, call, request, token } from "../core/api.js";
import { confirm, notice } from "../core/dialog.js";
import { button, h, icon, visible } from "../core/dom.js";
import { errorLine, errorText } from "../core/error_text.js";
import { fmtDuration, now } from "../core/format.js";
import { FAILURES, STATUSES, runTime } from "../core/status_text.js";
import { store } from "../core/store.js";
import { lang, listed, loadTexts, t } from "../i18n/i18n.js";
import { actions } from "../tasks/actions.js";
import { canRepeat, fillPager, LaterRefresh, runTable, statsOf } from "./table.js";

const PAGE_SIZE = 50;
const PAGE_SIZES = [10, 20, 50, 100, 200];
// The page size that was chosen in this browser.
const SIZE_KEY = "minisched.page_size";
// A change of a task is shown after this time.
const REFRESH_MS = 700;
// A list that could not be loaded is requested again after this time.
const RETRY_MS = 2000;
// Typing is over after this time.
const TYPED_MS = 300;
const DAYS = 14;
// Runs of a task that its statistics are about.
const STATS_RUNS = 100;
// Runs that are repeated at once.
const REPEATED_MAX = 200;
const FAILED = [...FAILURES];
// Choices that stand for several statuses.
const STATUS_SETS = { failed: FAILED, attention: [...FAILED, "missed", "skipped"] };
const SPANS_H = { "24h": 24, "7d": 168, "30d": 720 };
const TRIGGERS = ["schedule", "manual", "dependency", "catchup", "reboot", "backfill"];
const NAMES = ["status", "span", "since", "until", "day", "tag", "task", "trigger", "q", "page"];
const DAY_MS = 86400000;

/** The filters of a query: by each of NAMES a text, "" for none. */
export const filtersOf = (query) => Object.fromEntries(NAMES.map((name) => [name, query.get(name) ?? ""]));

/** The view of the runs of all tasks. Its filters are in the address. */
export function mount(el) {
  const keep = (wanted, push) => showAddress(addressOf("runs", "", wanted), push);
  const list = new RunList("", filtersOf(here().query), keep, (run) => actions.openRun(run, run.run_id));
  el.append(h("h1", { class: "view-title", text: t("view_runs") }), list.el);
  return { route: () => list.take(filtersOf(here().query)), leave: () => list.close() };
}

export class RunList {
  /**
   * taskId: the task whose runs are listed, "" for all. wanted: see `filtersOf`. keep(wanted, push): called when the
   * user has changed it; `push`: Back leads to the previous one. open(run): called for a click on a run. focusRun: the id of the run that gets
   * the focus at first.
   */
  constructor(taskId, wanted, keep, open, focusRun = null) {
    Object.assign(this, { taskId, keep, open });
    // Counts the requests: only the answer to the latest one is shown.
    this.asked = 0;
    // The end of the list, an ISO time: runs that are newer must not move those of the later pages.
    this.until = "";
    this.size = Number(localStorage.getItem(SIZE_KEY)) || PAGE_SIZE;
    this.later = new LaterRefresh(() => this.renew(), REFRESH_MS, () => this.page === 1);
    this.build();
    this.take(wanted, focusRun);
    this.unsubscribe = store.on((change) => (change.all || change.back || (taskId ? change.ids.has(taskId) : change.ids.size)) && this.later.changed());
  }

  close() {
    this.asked += 1;
    this.closed = true;
    this.unsubscribe();
    this.later.stop();
    clearTimeout(this.typing);
  }

  get page() {
    return Number(this.wanted.page) || 1;
  }

  build() {
    const select = (name, label, options) => {
      const one = h("select", { "aria-label": label, class: "status-filter" }, options.map(([value, text]) => h("option", { value, text })));
      one.addEventListener("change", () => this.filter({ [name]: one.value }));
      return one;
    };
    const date = (name) => h("input", { type: "date", on: { change: (event) => this.filter({ [name]: event.target.value }) } });
    const labelled = (name, input) => h("label", { class: "runs-date" }, h("span", { text: t(name) }), input);
    const tags = this.taskId ? [] : store.tags();
    const statuses = [["", t("all_statuses")], ["failed", t("runs_failed")], ["attention", t("runs_attention")], ...STATUSES.filter((one) => one !== "idle").map((one) => [one, t(`status_${one}`)])];
    const spans = [["", t("runs_any_time")], ...Object.keys(SPANS_H).map((one) => [one, t(`runs_last_${one}`)]), ["dates", t("runs_dates")]];
    this.controls = {
      status: select("status", t("col_status"), statuses),
      span: select("span", t("runs_span"), spans),
      since: date("since"),
      until: date("until"),
      trigger: select("trigger", t("col_trigger"), [["", t("runs_any_trigger")], ...TRIGGERS.map((one) => [one, t(`trigger_${one}`)])]),
      tag: select("tag", t("tag"), [["", t("all_tags")], ...tags.map((tag) => [tag, visible(tag)])]),
      q: h("input", { type: "search", placeholder: t("runs_find"), "aria-label": t("runs_find"), autocomplete: "off", spellcheck: "false" }),
    };
    this.controls.tag.hidden = !tags.length;
    this.controls.q.addEventListener("input", () => {
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.filter({ q: this.controls.q.value.trim() }, false), TYPED_MS);
    });
    this.only = h("p", { class: "runs-only" });
    this.days = h("div", { class: "days", role: "group", "aria-label": t("runs_days") });
    this.stats = h("p", { class: "muted number" });
    this.error = errorLine();
    this.table = h("div", { class: "scroll-x run-list", "aria-live": "off" }, h("p", { class: "muted", text: t("loading") }));
    this.later.watch(this.table);
    this.pager = h("div", { class: "pager" });
    this.goTo = labelled("runs_go_to", h("input", { type: "date", on: { change: (event) => this.toDate(event.target.value) } }));
    this.sizes = h("select", { "aria-label": t("runs_page_size"), title: t("runs_page_size"), on: { change: (event) => this.resize(event.target.value) } }, PAGE_SIZES.map((n) => h("option", { value: n, text: n })));
    this.sizes.value = this.size;
    this.repeat = !this.taskId && token() ? button(t("run_failed_again"), () => this.repeatAll(), { icon: "refresh" }) : null;
    const table = button(t("runs_csv"), () => this.download(), { icon: "download" });
    const { q, ...others } = this.controls;
    for (const name of ["since", "until"]) others[name] = labelled(`runs_${name}`, others[name]);
    const tools = h("div", { class: "toolbar runs-tools", role: "search" }, Object.values(others), h("div", { class: "search" }, icon("search"), q), h("div", { class: "runs-actions" }, this.repeat, table));
    const rows = [h("div", { class: "history-tools" }, this.error, h("div", { class: "runs-pages" }, this.goTo, this.pager, this.sizes)), this.table];
    this.el = h("div", {}, this.taskId ? this.stats : this.days, tools, this.only, this.taskId ? rows : h("section", { class: "panel" }, rows));
  }

  // ---- filters ----

  /** Use these filters, which are those of the address. */
  take(wanted, focusRun = null) {
    this.wanted = wanted;
    for (const [name, control] of Object.entries(this.controls)) control.value = wanted[name];
    this.showFilters();
    this.refresh(focusRun);
    this.loadSummary();
  }

  /** Change some filters; `push`: the button Back leads to the previous ones. */
  filter(changes, push = true) {
    const dates = "span" in changes && { day: "", ...(changes.span !== "dates" && { since: "", until: "" }) };
    this.wanted = { ...this.wanted, page: "", ...dates, ...(changes.day && { span: "", since: "", until: "" }), ...changes };
    for (const name of ["span", "since", "until"]) this.controls[name].value = this.wanted[name];
    this.keep(this.wanted, push);
    this.showFilters();
    this.refresh();
    this.markDay();
  }

  turn(page) {
    this.wanted.page = page > 1 ? String(page) : "";
    this.keep(this.wanted, true);
    return this.refresh();
  }

  /** Show what depends on the filters: the dates, and those filters that have no control of their own. */
  showFilters() {
    const { task, day, span } = this.wanted;
    for (const name of ["since", "until"]) this.controls[name].parentElement.hidden = span !== "dates";
    const chip = (name, text) => this.wanted[name] && h("button", { type: "button", class: "badge", title: t("clear_filters"), "aria-label": `${text}: ${t("clear_filters")}`, on: { click: () => this.filter({ [name]: "" }) } }, text, " ×");
    this.only.replaceChildren(...[chip("task", visible(store.tasks.get(task)?.task_name ?? task)), chip("day", day)].filter(Boolean));
    this.only.hidden = !this.only.children.length;
  }

  get filtered() {
    return NAMES.some((name) => name !== "page" && this.wanted[name]);
  }

  /** The query of the API for the filters. Dates are those of the engine's time zone. */
  query() {
    const { status, span, day, tag, task, trigger, q } = this.wanted;
    // The fields take nothing but dates.
    const [since, until] = [this.controls.since.value, this.controls.until.value];
    const query = new URLSearchParams();
    if (status) query.set("status", (STATUS_SETS[status] ?? [status]).join());
    const found = this.spans?.find((one) => one.day === day);
    if (found) {
      query.set("since", found.from);
      query.set("until", found.to);
    } else if (SPANS_H[span]) query.set("since", new Date(now() - SPANS_H[span] * 3600000).toISOString());
    else if (span === "dates") {
      if (since) query.set("since", since);
      if (until) query.set("until", dayAfter(until));
    }
    for (const [name, value] of Object.entries({ tag, task: this.taskId || task, trigger, q })) if (value) query.set(name, value);
    return query;
  }

  // ---- runs ----

  async refresh(focusRun = null) {
    this.asked += 1;
    const mine = this.asked;
    const query = this.query();
    query.set("page", this.page);
    query.set("page_size", this.size);
    if (this.page > 1 && this.until && !query.has("until")) query.set("until", this.until);
    try {
      const { data } = await call("GET", `/executions?${query}`);
      await loadTexts(data.items);
      if (mine !== this.asked) return;
      this.error.hidden = true;
      if (data.page === 1 || !this.until) this.until = afterNewest(data.page === 1 ? data.items : []);
      this.show(data, focusRun);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (mine !== this.asked) return;
      this.error.textContent = errorText(error);
      this.error.hidden = false;
      if (error.status === 0 || error.status >= 500) this.later.changed(RETRY_MS);
    }
  }

  show(data, focusRun) {
    const focused = this.table.contains(document.activeElement) ? document.activeElement.closest("tr")?.dataset.runId : focusRun;
    const known = !this.taskId || !store.loaded || store.tasks.has(this.taskId);
    const none = this.filtered ? t("no_runs_match") : known ? t("no_runs") : t("task_gone", { id: this.taskId });
    this.table.replaceChildren(runTable(data.items, { tasks: !this.taskId, none, open: this.open }));
    const row = focused && (this.table.querySelector(`tr[data-run-id="${Number(focused)}"]`) ?? this.table);
    if (row) row.querySelector("tbody button, td button")?.focus();
    fillPager(this.pager, data, (page) => this.turn(page));
    this.goTo.hidden = this.sizes.hidden = data.total <= PAGE_SIZES[0];
    if (this.repeat) this.repeat.hidden = !this.repeatable(data.items).length;
  }

  /** Show what has changed. */
  renew() {
    if (document.hidden) return this.later.changed(RETRY_MS);
    this.refresh();
    this.loadSummary();
  }

  resize(size) {
    this.size = Number(size);
    localStorage.setItem(SIZE_KEY, size);
    this.turn(1);
  }

  /** Turn to the page on which the runs of a day begin. */
  async toDate(day) {
    if (!day) return;
    const query = this.query();
    query.set("since", dayAfter(day));
    query.set("page_size", 1);
    try {
      const { data } = await call("GET", `/executions?${query}`);
      await this.turn(Math.floor(data.total / this.size) + 1);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      notice(errorText(error), "bad");
    }
  }

  // ---- above the list: the days of all tasks, the statistics of one ----

  async loadSummary() {
    const days = new URLSearchParams({ days: DAYS, ...(this.wanted.task && { task: this.wanted.task }) });
    try {
      const { data } = await call("GET", this.taskId ? `/executions?${new URLSearchParams({ task: this.taskId, page_size: STATS_RUNS })}` : `/executions/days?${days}`);
      if (this.closed) return;
      if (this.taskId) return this.showStats(data.items);
      const first = !this.spans;
      this.spans = data.days;
      this.showDays();
      if (first && this.wanted.day) this.refresh();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
  }

  showStats(runs) {
    const { ended, failed, median, p95 } = statsOf(runs);
    const times = median !== null && t("runs_times", { median: fmtDuration(median), p95: fmtDuration(p95) });
    this.stats.textContent = ended ? [t("runs_stats", { n: ended, failed }), times].filter(Boolean).join(" · ") : "";
  }

  showDays() {
    const sums = this.spans.map(({ counts }) => {
      const all = Object.values(counts).reduce((sum, n) => sum + n, 0);
      return { all, failed: FAILED.reduce((sum, name) => sum + (counts[name] ?? 0), 0) };
    });
    const most = Math.max(1, ...sums.map(({ all }) => all));
    const focused = this.days.contains(document.activeElement) ? document.activeElement.dataset.day : "";
    this.days.replaceChildren(
      ...this.spans.map(({ day }, i) => {
        const { all, failed } = sums[i];
        const date = new Date(`${day}T00:00:00Z`);
        const name = date.toLocaleDateString(lang() === "zh" ? "zh-CN" : "en-GB", { timeZone: "UTC", weekday: "short", day: "numeric", month: "short" });
        const height = (n) => ({ height: n ? `${Math.max(6, (n / most) * 100).toFixed(0)}%` : "0" });
        const label = t("runs_day", { day: name, n: all, failed });
        return h(
          "button",
          { type: "button", class: "day", dataset: { day }, title: label, "aria-label": label, on: { click: () => this.filter({ day: this.wanted.day === day ? "" : day }) } },
          h("span", { class: "day-bars" }, h("span", { class: "day-all", style: height(all - failed) }), h("span", { class: "day-failed", style: height(failed) })),
          h("span", { class: "day-failures number", text: failed || "" }),
          h("span", { class: "day-name muted", text: String(date.getUTCDate()) }),
        );
      }),
    );
    if (focused) this.days.querySelector(`[data-day="${focused}"]`)?.focus();
    this.markDay();
  }

  markDay() {
    for (const one of this.days.children) one.setAttribute("aria-pressed", String(one.dataset.day === this.wanted.day));
  }

  // ---- actions ----

  /** Of each task the newest of these runs, if it has failed. */
  repeatable(runs) {
    const newest = new Map();
    for (const run of runs) if (!newest.has(run.task_id)) newest.set(run.task_id, run);
    return [...newest.values()].filter((run) => FAILED.includes(run.status) && canRepeat(run) && store.tasks.get(run.task_id).last_run?.run_id === run.run_id && !store.tasks.get(run.task_id).running.length);
  }

  async repeatAll() {
    const query = this.query();
    query.set("page_size", REPEATED_MAX);
    const { data } = await call("GET", `/executions?${query}`).catch((error) => (notice(errorText(error), "bad"), { data: null }));
    if (!data) return;
    const runs = this.repeatable(data.items);
    const names = runs.map((run) => visible(store.tasks.get(run.task_id).task_name));
    if (!(await confirm(t("run_failed_question", { n: runs.length }), t("run_failed_again"), { detail: listed(names), danger: false }))) return;
    let started = 0;
    for (const run of runs) if (await actions.repeat(run, null, true)) started += 1;
    notice(t("many_started", { n: started }), started === runs.length ? "good" : "bad");
  }

  async download() {
    const query = this.query();
    query.set("format", "csv");
    try {
      const response = await request(`/executions?${query}`, {});
      if (!response.ok) throw new ApiError(response.status, "http", response.statusText);
      const url = URL.createObjectURL(await response.blob());
      h("a", { href: url, download: `${this.taskId || "runs"}.csv` }).click();
      setTimeout(() => URL.revokeObjectURL(url), 1000);
    } catch (error) {
      notice(errorText(error), "bad");
    }
  }
}

/** The day after a date such as "2026-11-30". */
const dayAfter = (day) => new Date(Date.parse(day) + DAY_MS).toISOString().slice(0, 10);

/** A time (ISO 8601) after all of these runs, which are the newest. The browser's clock may be a second off. */
function afterNewest(runs) {
  return new Date(Math.max(now(), ...runs.map((run) => Date.parse(runTime(run)) + 1))).toISOString();
}

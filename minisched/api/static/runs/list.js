/** The runs of all tasks, newest first, with filters that are in the address. */
import { addressOf, here, showAddress } from "../core/address.js";
import { ApiError, call, request, token } from "../core/api.js";
import { confirm, notice } from "../core/dialog.js";
import { button, h, icon, visible } from "../core/dom.js";
import { errorText } from "../core/error_text.js";
import { now } from "../core/format.js";
import { STATUSES } from "../core/status_text.js";
import { store } from "../core/store.js";
import { lang, loadTexts, t } from "../i18n/i18n.js";
import { actions } from "../tasks/actions.js";
import { canRepeat, fillPager, LaterRefresh, runTable } from "./table.js";

const PAGE_SIZE = 50;
// A change of a task is shown after this time.
const REFRESH_MS = 1500;
// Typing is over after this time.
const TYPED_MS = 300;
const DAYS = 14;
// Runs that are repeated at once.
const REPEATED_MAX = 200;
const FAILED = ["technical_failure", "business_failure"];
// Choices that stand for several statuses.
const STATUS_SETS = { failed: FAILED, attention: [...FAILED, "missed", "skipped"] };
const SPANS_H = { "24h": 24, "7d": 168, "30d": 720 };
const TRIGGERS = ["schedule", "manual", "dependency", "catchup", "reboot", "backfill"];
const NAMES = ["status", "span", "day", "tag", "task", "trigger", "q", "page"];

export function mount(el, _, announce) {
  const view = new RunList(el, announce);
  return { route: () => view.read(), leave: () => view.leave() };
}

class RunList {
  constructor(el, announce) {
    Object.assign(this, { el, announce });
    this.asked = 0;
    this.later = new LaterRefresh(() => this.renew(), REFRESH_MS);
    this.build();
    this.read();
    this.unsubscribe = store.on((change) => (change.all || change.ids.size) && this.later.changed());
  }

  leave() {
    this.asked += 1;
    this.left = true;
    this.unsubscribe();
    this.later.stop();
    clearTimeout(this.typing);
  }

  build() {
    const select = (name, label, options) => {
      const one = h("select", { "aria-label": label, class: "status-filter" }, options.map(([value, text]) => h("option", { value, text })));
      one.addEventListener("change", () => this.filter({ [name]: one.value }));
      return one;
    };
    const tags = [...new Set([...store.tasks.values()].flatMap((card) => card.task_tags ?? []))].sort();
    const statuses = [["", t("all_statuses")], ["failed", t("runs_failed")], ["attention", t("runs_attention")], ...STATUSES.filter((one) => one !== "idle").map((one) => [one, t(`status_${one}`)])];
    this.controls = {
      status: select("status", t("col_status"), statuses),
      span: select("span", t("runs_span"), [["", t("runs_any_time")], ...Object.keys(SPANS_H).map((one) => [one, t(`runs_last_${one}`)])]),
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
    this.error = h("p", { class: "field-error", role: "alert", hidden: true });
    this.table = h("div", { class: "scroll-x run-list" }, h("p", { class: "muted", text: t("loading") }));
    this.later.watch(this.table);
    this.pager = h("div", { class: "pager" });
    this.repeat = token() && button(t("run_failed_again"), () => this.repeatAll(), { icon: "refresh" });
    const table = button(t("runs_csv"), () => this.download(), { icon: "download" });
    const { q, ...selects } = this.controls;
    this.el.append(
      h("h1", { class: "view-title", text: t("view_runs") }),
      this.days,
      h("div", { class: "toolbar runs-tools", role: "search" }, Object.values(selects), h("div", { class: "search" }, icon("search"), q), h("div", { class: "runs-actions" }, this.repeat, table)),
      this.only,
      h("section", { class: "panel" }, h("div", { class: "history-tools" }, this.error, this.pager), this.table),
    );
  }

  /** Take the filters of the address. */
  read() {
    const { query } = here();
    this.wanted = Object.fromEntries(NAMES.map((name) => [name, query.get(name) ?? ""]));
    for (const [name, control] of Object.entries(this.controls)) control.value = this.wanted[name];
    this.showOnly();
    this.refresh();
    this.loadDays();
  }

  /** Change some filters; `push`: the button Back leads to the previous ones. */
  filter(changes, push = true) {
    this.wanted = { ...this.wanted, page: "", ...(changes.span && { day: "" }), ...(changes.day && { span: "" }), ...changes };
    this.controls.span.value = this.wanted.span;
    showAddress(addressOf("runs", "", this.wanted), push);
    this.showOnly();
    this.refresh();
    this.markDay();
  }

  /** Filters without a control of their own. */
  showOnly() {
    const chip = (name, text) => this.wanted[name] && h("button", { type: "button", class: "badge", title: t("clear_filters"), "aria-label": `${text}: ${t("clear_filters")}`, on: { click: () => this.filter({ [name]: "" }) } }, text, " ×");
    const task = store.tasks.get(this.wanted.task);
    this.only.replaceChildren(...[chip("task", visible(task?.task_name ?? this.wanted.task)), chip("day", this.wanted.day)].filter(Boolean));
    this.only.hidden = !this.only.children.length;
  }

  /** The query of the API for the filters. */
  query() {
    const { status, span, day, tag, task, trigger, q } = this.wanted;
    const query = new URLSearchParams();
    if (status) query.set("status", (STATUS_SETS[status] ?? [status]).join());
    const found = this.spans?.find((one) => one.day === day);
    if (found) {
      query.set("since", found.from);
      query.set("until", found.to);
    } else if (SPANS_H[span]) query.set("since", new Date(now() - SPANS_H[span] * 3600000).toISOString());
    for (const [name, value] of Object.entries({ tag, task, trigger, q })) if (value) query.set(name, value);
    return query;
  }

  async refresh() {
    this.asked += 1;
    const mine = this.asked;
    const query = this.query();
    query.set("page", Number(this.wanted.page) || 1);
    query.set("page_size", PAGE_SIZE);
    try {
      const { data } = await call("GET", `/executions?${query}`);
      await loadTexts(data.items);
      if (mine !== this.asked) return;
      this.error.hidden = true;
      this.runs = data.items;
      const options = { tasks: true, again: token() ? (run, anchor) => actions.repeat(run, anchor) : null, none: t("no_runs_match") };
      const focused = document.activeElement?.closest?.("tr")?.dataset.runId;
      this.table.replaceChildren(runTable(data.items, { ...options, open: (run) => actions.openRun(run, run.run_id) }));
      if (focused) this.table.querySelector(`tr[data-run-id="${Number(focused)}"] button`)?.focus();
      fillPager(this.pager, data, (page) => {
        this.wanted.page = String(page);
        showAddress(addressOf("runs", "", this.wanted), true);
        this.refresh();
      });
      if (this.repeat) this.repeat.hidden = !this.repeatable(data.items).length;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (mine !== this.asked) return;
      this.error.textContent = errorText(error);
      this.error.hidden = false;
    }
  }

  /** Show what has changed, on the first page. */
  renew() {
    if (document.hidden || (Number(this.wanted.page) || 1) > 1) return;
    this.refresh();
    this.loadDays();
  }

  // ---- days ----

  async loadDays() {
    const query = new URLSearchParams({ days: DAYS });
    if (this.wanted.task) query.set("task", this.wanted.task);
    try {
      const { data } = await call("GET", `/executions/days?${query}`);
      if (this.left) return;
      const first = !this.spans;
      this.spans = data.days;
      this.showDays();
      if (first && this.wanted.day) this.refresh();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
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
    if (!(await confirm(t("run_failed_question", { n: runs.length }), t("run_failed_again"), { detail: names.join(", "), danger: false }))) return;
    let started = 0;
    for (const run of runs) if (await actions.repeat(run, null, true)) started += 1;
    notice(t("run_failed_started", { n: started }), started === runs.length ? "good" : "bad");
  }

  async download() {
    const query = this.query();
    query.set("format", "csv");
    try {
      const response = await request(`/executions?${query}`, {});
      if (!response.ok) throw new ApiError(response.status, "http", response.statusText);
      const url = URL.createObjectURL(await response.blob());
      h("a", { href: url, download: "runs.csv" }).click();
      setTimeout(() => URL.revokeObjectURL(url), 1000);
    } catch (error) {
      notice(errorText(error), "bad");
    }
  }
}

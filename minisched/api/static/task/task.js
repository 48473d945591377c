/** One task: its state, what it is, what it depends on, and its runs. */
import { ApiError, call, token } from "../core/api.js";
import { button, h, icon, setText, statusMark, visible } from "../core/dom.js";
import { errorLine, errorText } from "../core/error_text.js";
import { fmtAgo, fmtAgoBeside, fmtDuration, fmtTime } from "../core/format.js";
import { UNFINISHED, dependencyText, leadRun, reasonText, retryText, runTime, troubleOf, troubledRun, upstreamId, upstreamIds } from "../core/status_text.js";
import { store } from "../core/store.js";
import { lang, listed, loadTexts, t } from "../i18n/i18n.js";
import { actions, dependentsOf } from "../tasks/actions.js";
import { runTable } from "../runs/table.js";
import { showHeatmap } from "../why/heatmap.js";
import { chart } from "./chart.js";

const RUNS = 100;
const LISTED = 20;
// A change of the task is shown after this time.
const REFRESH_MS = 800;
const TICK_MS = 1000;
const DAYS_MS = 10000;

export function mount(el, _, announce, id) {
  const view = new TaskView(el, id);
  return { leave: () => view.leave() };
}

class TaskView {
  constructor(el, id) {
    Object.assign(this, { el, id, asked: 0 });
    this.error = errorLine();
    this.head = h("div", { class: "tk-head" });
    this.status = h("div", { class: "tk-status" });
    this.days = h("div", { class: "hm-frame" });
    this.facts = h("div", { class: "tk-columns" });
    this.runs = h("section", { class: "panel" }, h("p", { class: "muted", text: t("loading") }));
    this.calendar = h("section", { class: "panel", hidden: !token() }, h("h2", { text: t("task_days") }), this.days);
    el.append(this.error, this.head, this.status, this.calendar, this.runs, this.facts);
    this.showCard();
    this.load();
    this.unsubscribe = store.on((change) => this.changed(change));
    this.clock = setInterval(() => document.hidden || this.tick(), TICK_MS);
  }

  leave() {
    this.left = true;
    this.unsubscribe();
    clearTimeout(this.later);
    clearTimeout(this.daysLater);
    clearInterval(this.clock);
  }

  changed(change) {
    if (change.all || change.removed.size || [...change.ids].some((id) => this.isBeside(id))) this.showNeighbours();
    if (!change.all && !change.back && !change.ids.has(this.id) && !change.removed.has(this.id)) return;
    this.showCard();
    this.later ??= setTimeout(() => {
      this.later = null;
      this.load();
    }, REFRESH_MS);
  }

  /** Whether this task depends on that one, or that one on this. */
  isBeside(id) {
    return [[this.id, id], [id, this.id]].some(([one, other]) => upstreamIds(store.tasks.get(one) ?? {}).includes(other));
  }

  async load() {
    this.asked += 1;
    const mine = this.asked;
    const path = `/tasks/${this.id}`;
    try {
      const [{ data }, found] = await Promise.all([call("GET", `${path}/history?page_size=${RUNS}`), token() && call("GET", path)]);
      const detail = found?.data;
      await loadTexts(data.items);
      const preview = detail && (await this.preview(detail.effective));
      if (mine !== this.asked || this.left) return;
      this.error.hidden = true;
      if (detail) this.showFacts(detail, preview);
      this.showRuns(data);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (mine !== this.asked || this.left) return;
      this.error.textContent = error.status === 404 ? t("task_gone", { id: this.id }) : errorText(error);
      this.error.hidden = false;
      if (error.status === 404) {
        for (const part of [this.status, this.facts, this.runs]) part.replaceChildren();
        // Runs of a task that was deleted are still listed.
        this.head.replaceChildren(h("p", {}, h("a", { href: "#tasks", text: t("view_tasks") }), " · ", h("a", { href: `#runs?task=${this.id}`, text: t("view_runs") })));
      }
      this.runs.hidden = this.calendar.hidden = error.status === 404;
    }
  }

  /** The next due times, or null if it has none. */
  async preview({ task_schedule: schedules, task_timezone: zone, task_calendar: calendar }) {
    if (!schedules.length) return null;
    const query = new URLSearchParams({ timezone: zone, count: 5, task_id: this.id });
    for (const one of schedules) query.append("schedule", one);
    if (calendar) for (const [name, value] of [["calendar", calendar.name ?? calendar], ["days", calendar.days]]) if (value) query.set(name, value);
    return call("GET", `/preview?${query}`).then(({ data }) => data, () => null);
  }

  // ---- what it is doing ----

  showCard() {
    const card = store.tasks.get(this.id);
    if (!card) return;
    const name = visible(card.task_name);
    const live = UNFINISHED.has(card.current_status);
    const act = (label, action, name, kind) => button(label, (event) => actions[action](store.tasks.get(this.id), event.currentTarget), { icon: name, kind });
    const key = JSON.stringify([name, card.enabled, live, card.task_tags, card.task_description, lang()]);
    if (key !== this.headKey) {
      this.headKey = key;
      this.head.replaceChildren(
        h("p", {}, h("a", { href: "#tasks", text: t("view_tasks") }), " / ", h("code", { text: this.id })),
        h("div", { class: "tk-title" }, h("h1", { class: "view-title", text: name }), (card.task_tags ?? []).map((tag) => h("a", { class: "badge", href: `#tasks?${new URLSearchParams({ tag })}`, text: visible(tag) }))),
        card.task_description ? h("p", { class: "tk-description", text: visible(card.task_description) }) : "",
        token()
          ? h(
              "div",
              { class: "tk-actions" },
              live ? act(t("stop_run"), "stop", "stop") : act(t("run_now"), "run", "play", "primary"),
              button(t("run_with"), () => actions.run_with(store.tasks.get(this.id)), { icon: "play" }),
              act(t("log"), "log", "log"),
              button(t("why"), () => actions.why(card), { icon: "info" }),
              act(t("edit"), "edit", "edit"),
              act(t("duplicate"), "duplicate", "copy"),
              card.enabled ? act(t("disable"), "disable", "pause") : act(t("enable"), "enable", "play"),
              act(t("delete"), "remove", "trash"),
            )
          : "",
      );
    }
    const run = leadRun(card);
    const troubled = troubleOf(card) ? troubledRun(card) : run;
    const shown = !card.enabled && !live ? "disabled" : card.current_status;
    const reasons = run ? [shown === "retrying" ? retryText(run) : "", reasonText(run)].filter(Boolean) : [];
    const earlier = troubled && troubled !== run ? t("with_detail", { text: t("last_run"), detail: [t(`status_${troubled.status}`), reasonText(troubled)].filter(Boolean).join(": ") }) : "";
    this.when = h("span", { class: "muted number" });
    const cause = troubled?.detail?.run;
    this.status.replaceChildren(
      h("p", {}, statusMark(shown), " ", this.when),
      ...[...reasons, earlier].filter(Boolean).map((text) => h("p", { text })),
      troubled?.last_line ? h("p", { class: "tk-said mono", text: visible(troubled.last_line) }) : "",
      cause && token() ? h("p", {}, h("button", { type: "button", class: "link", text: t("open_run", { id: cause }), on: { click: () => actions.openRun(card, cause) } })) : "",
    );
    this.tick();
  }

  tick() {
    const card = store.tasks.get(this.id);
    const run = card && leadRun(card);
    if (!card || !this.when) return;
    const parts = [run && fmtAgo(run.end_time ?? runTime(run)), card.next_run_time && t("with_detail", { text: t("next_run"), detail: fmtAgo(card.next_run_time) })];
    setText(this.when, parts.filter(Boolean).join(" · "));
  }

  // ---- what it is ----

  showFacts({ effective: task, config }, preview) {
    const fact = (name, value) => (!value ? null : h("div", {}, h("dt", { text: t(name) }), h("dd", {}, value)));
    const code = (text) => h("code", { class: "tk-code", text: visible(text) });
    const list = (texts) => texts?.length > 0 && listed(texts);
    const command = Array.isArray(task.task_exec) ? JSON.stringify(task.task_exec) : task.task_exec;
    const card = store.tasks.get(this.id);
    const { duration, finish_by: by } = task.task_expect ?? {};
    const retry = task.task_retry;
    const days = task.task_calendar && listed([task.task_calendar.name ?? task.task_calendar, task.task_calendar.days].filter(Boolean));
    const zone = task.task_timezone;
    const times = preview?.times.map((iso) => h("li", {}, h("time", { datetime: iso, text: fmtTime(iso, { weekday: true, seconds: iso.slice(17, 19) !== "00" }) }), " ", h("span", { class: "muted", text: fmtAgoBeside(iso) })));
    this.neighbours = h("div", { class: "tk-neighbours" });
    const panel = (title, ...content) => h("section", { class: "panel" }, h("h2", { text: t(title) }), ...content.filter(Boolean));
    const raw = config ?? {};
    this.facts.replaceChildren(
      panel(
        "ed_f_task_schedule",
        h("p", { text: card?.schedule_words[lang()] ?? "" }),
        task.task_schedule.length > 0 && h("p", {}, task.task_schedule.map((text) => [code(text), " "]), h("span", { class: "muted", text: zone })),
        days && h("p", {}, t("ed_f_task_calendar"), ": ", visible(days)),
        preview && !times.length && h("p", { class: "muted", text: t(task.task_schedule.every((text) => text.startsWith("@reboot")) ? "task_at_boot" : "ed_never_due") }),
        times?.length > 0 && h("ol", { class: "tk-times number", "aria-label": t("ed_next_due") }, times),
        task.task_schedule.length > 0 && token() && h("p", { class: "tk-more" }, button(t("backfill"), () => actions.backfill(card), { icon: "history" })),
      ),
      panel("task_neighbours", this.neighbours),
      panel(
        "ed_f_task_exec",
        h("dl", { class: "tk-facts" }, [
          fact("ed_f_task_exec", code(command)),
          fact("ed_f_task_cwd", task.task_cwd && code(task.task_cwd)),
          fact("task_variables", list(Object.keys(task.task_env ?? {}).map(visible))),
          fact("ed_f_task_env_file", list((task.task_env_file ?? []).map(visible))),
          fact("ed_f_task_user", task.task_user && visible(task.task_user)),
          fact("ed_f_task_timeout", task.task_timeout && fmtDuration(task.task_timeout)),
          fact("ed_f_task_expect", listed([duration && t("task_expect_duration", { span: fmtDuration(duration) }), by && t("task_expect_by", { time: by })].filter(Boolean))),
          fact("ed_f_task_retry", retry.max_attempts > 1 && t("task_attempts", { n: retry.max_attempts, delay: fmtDuration(retry.delay) })),
          fact("ed_f_task_locks", list((task.task_locks ?? []).map(visible))),
          fact("ed_f_task_overlap", task.task_overlap !== "skip" && task.task_overlap),
          fact("ed_f_task_condition", raw.task_condition && code([raw.task_condition].flat().join(" "))),
        ]),
      ),
      panel(
        "ed_s_notify",
        task.task_notify.length
          ? h("ul", { class: "tk-rules" }, task.task_notify.map((rule) => h("li", { class: rule.enabled ? "" : "muted" }, h("strong", { text: visible(rule.name) }), " ", listed(rule.triggers.map((one) => t(`ed_c_triggers_${one}`))), " → ", listed(rule.channels.map((one) => t(`ob_type_${one.type}`))))))
          : h("p", { class: "muted", text: t("task_no_rules") }),
      ),
    );
    this.showNeighbours();
  }

  /** What it depends on and what depends on it, with their states. */
  showNeighbours() {
    const card = store.tasks.get(this.id);
    if (!this.neighbours || !card) return;
    const one = (id, kind = "") => {
      const other = store.tasks.get(id);
      return h("li", {}, h("a", { href: `#task/${id}`, class: `mark s-${other?.current_status ?? "idle"}` }, icon(other?.current_status ?? "idle"), h("span", { text: visible(other?.task_name ?? id) })), kind && h("span", { class: "muted small", text: ` ${kind}` }));
    };
    const up = (card.task_dependencies ?? []).map((each) => one(upstreamId(each), each.on ? dependencyText(each) : ""));
    const down = dependentsOf([this.id]).map((id) => one(id));
    const group = (title, items) => [h("h3", { text: t(title) }), items.length ? h("ul", {}, items) : h("p", { class: "muted", text: t("task_none") })];
    this.neighbours.replaceChildren(...group("task_upstream", up), ...group("task_downstream", down));
  }

  // ---- its runs ----

  showRuns({ items, total }) {
    const focused = document.activeElement?.closest?.("tr")?.dataset.runId;
    const open = (run) => actions.openRun({ task_id: this.id }, run.run_id);
    const card = store.tasks.get(this.id);
    this.runs.replaceChildren(
      h("div", { class: "panel-head" }, h("h2", { text: t("history") }), h("a", { href: `#runs?task=${this.id}`, text: t("task_all_runs", { n: total }) })),
      chart(items, card?.task_expect?.duration, token() ? open : null) ?? "",
      h("div", { class: "scroll-x run-list" }, runTable(items.slice(0, LISTED), { open, none: t("no_runs") })),
    );
    if (token()) this.showDays();
    if (focused) this.runs.querySelector(`tr[data-run-id="${Number(focused)}"] button`)?.focus();
  }

  /** At once for the first time, later after some seconds: it changes little, and counts many runs. */
  showDays() {
    this.daysLater ??= setTimeout(() => {
      this.daysLater = null;
      this.daysShown = true;
      showHeatmap(this.days, this.id);
    }, this.daysShown ? DAYS_MS : 0);
  }
}

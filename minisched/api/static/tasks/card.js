/** One task in the list: a card, or in the compact list one line, which can be opened to a card. */
import { h, icon, iconButton, setText, visible } from "../core/dom.js";
import { fmtAgo, fmtBeside, fmtDuration, fmtSpan, fmtTime, now } from "../core/format.js";
import { FAILURES, UNFINISHED, kindOf, leadRun, reasonText, retryText, runTime, troubleOf, troubledRun } from "../core/status_text.js";
import { lang, t } from "../i18n/i18n.js";

// Clicks so soon after the run button became a stop button were meant for the run button, and vice versa.
const TURN_MS = 700;
// A task that usually takes less time, in s, has no bar: it would be full from the start.
const BAR_MIN_S = 1;
// A run is longer than usual from so many times the median on.
const OVER = 1.5;

export class Card {
  /**
   * `actions`: {run, stop, history, log, menu, openRun}, each called with the card's data, and needOutcomes(task id).
   * `readOnly`: no buttons. `line`: it is a row of the compact list; `open`: one that is shown as a card. `tag`: the tag
   * of the filter.
   */
  constructor(data, actions, { readOnly = false, line = false, open = false, tag = "" } = {}) {
    this.actions = actions;
    this.readOnly = readOnly;
    this.whole = !line || open;
    this.tag = tag;
    this.form = this.whole ? "card" : "card line";
    const p = (this.parts = {
      state: h("div", { class: "card-state" }),
      name: h("a", { href: `#task/${data.task_id}` }),
      id: h("code", { class: "card-id" }),
      plan: h("span"),
      tags: h("span", { class: "card-tags" }),
      word: h("span", { class: "card-word" }),
      note: h("span", { class: "muted number" }),
      also: h("span", { class: "card-also" }),
      whyText: h("span"),
      cause: h("button", { type: "button", class: "link", hidden: true, on: { click: () => this.actions.openRun(this.data, this.causeRun) } }),
      said: h("p", { class: "card-said mono", hidden: true }),
      next: h("span", { class: "number" }),
      nextAt: h("span", { class: "muted number" }),
    });
    p.why = h("p", { class: "card-why" }, p.whyText, " ", p.cause);
    p.nextBox = h("div", { class: "card-next" }, h("span", { class: "hidden-label", text: t("next_run") }), p.next, p.nextAt);
    const status = h("div", { class: "card-status" }, h("p", { class: "card-line" }, p.word, " ", p.note, p.also), p.why, p.said);
    this.el = h(
      "li",
      { class: this.form, tabindex: -1, dataset: { taskId: data.task_id } },
      p.state,
      h("div", { class: "card-title" }, h("h3", { class: "card-name" }, p.name), h("p", { class: "card-meta muted" }, p.id, " ", p.plan, p.tags)),
      status,
    );
    if (this.whole) {
      p.bar = h("div", { class: "progress-bar" });
      p.progress = h("div", { class: "progress", role: "progressbar", "aria-label": t("progress_label"), "aria-valuemin": 0, "aria-valuemax": 100 }, p.bar);
      status.append(p.progress);
      p.strip = h("div", { class: "strip", role: "group", on: { click: (e) => this.stripClick(e), keydown: (e) => stripKey(e) } });
      this.el.append(p.strip);
    }
    this.el.append(p.nextBox, readOnly ? "" : this.buttons(data));
    this.update(data);
  }

  buttons(data) {
    const on = (action) => (event) => this.actions[action](this.data, event.currentTarget);
    const one = (name, action, method = action, attrs = {}) =>
      iconButton(name, t("action_for", { action: t(action), task: visible(data.task_name) }), on(method), { title: t(action), ...attrs });
    const go = h("button", { type: "button", class: "icon-button go", on: { click: () => go.hasAttribute("aria-disabled") || this.actions[this.going](this.data, go) } });
    this.parts.go = go;
    const more = one("more", "more_actions", "menu", { "aria-haspopup": "menu" });
    return h("div", { class: "card-actions" }, go, this.whole && [one("log", "log"), one("history", "history")], more);
  }

  /** Show new data of the same task. */
  update(data) {
    this.data = data;
    this.run = leadRun(data);
    this.shown = shownStatus(data);
    const p = this.parts;
    const name = visible(data.task_name);
    this.el.className = `${this.form} s-${this.shown}${data.enabled ? "" : " off"}`;
    this.el.dataset.status = data.current_status;
    if (p.state.dataset.icon !== this.shown) {
      p.state.dataset.icon = this.shown;
      p.state.replaceChildren(icon(this.shown));
    }
    setText(p.name, name);
    p.name.title = data.task_description ? `${name}\n${visible(data.task_description)}` : name;
    setText(p.id, data.task_id);
    p.id.hidden = data.task_name === data.task_id;
    setText(p.plan, data.schedule_words[lang()] || t("by_hand_only"));
    this.updateTags(this.tag);
    setBadges(p.also, [...otherRuns(data, this.run), ...promises(data)], (text) => h("span", { class: "badge", text }));
    setText(p.word, t(`status_${this.shown}`));
    const reason = whyText(data, this.run, this.shown);
    setText(p.whyText, reason);
    p.why.hidden = !reason;
    const failed = troubleOf(data) ? troubledRun(data) : this.run;
    this.causeRun = failed?.detail?.run;
    p.cause.hidden = !this.causeRun || this.readOnly;
    if (this.causeRun) setText(p.cause, t("run_id", { id: this.causeRun }));
    const said = visible(failed?.last_line ?? "");
    setText(p.said, said);
    p.said.title = said;
    p.said.hidden = !said;
    p.nextBox.hidden = !data.next_run_time;
    if (this.nextAt !== data.next_run_time) setText(p.nextAt, fmtBeside(data.next_run_time, { seconds: false }));
    this.nextAt = data.next_run_time;
    if (this.whole) this.updateStrip();
    if (p.go) this.updateGo();
    this.tick();
  }

  /** Show the tags; a click on one filters by it (cards.js), and on `tag`, the one of the filter, no longer. */
  updateTags(tag) {
    this.tag = tag;
    // The select above the list does the same by keyboard.
    const badge = (one) => h("button", { type: "button", class: "badge", tabindex: "-1", dataset: { tag: one }, "aria-pressed": String(one === tag), text: visible(one) });
    setBadges(this.parts.tags, this.data.task_tags ?? [], badge, tag);
  }

  /** Run or stop. */
  updateGo() {
    const { data, parts: p } = this;
    const going = UNFINISHED.has(data.current_status) ? "stop" : "run";
    if (this.going === going) return;
    if (this.going) this.pauseButton();
    this.going = going;
    const label = t(going === "stop" ? "stop_run" : "run_now");
    p.go.replaceChildren(icon(going === "stop" ? "stop" : "play"));
    p.go.title = label;
    p.go.setAttribute("aria-label", t("action_for", { action: label, task: visible(data.task_name) }));
  }

  /** Ignore clicks for a moment: the button has just changed its meaning. */
  pauseButton() {
    const { go } = this.parts;
    go.setAttribute("aria-disabled", "true");
    clearTimeout(this.pausing);
    this.pausing = setTimeout(() => go.removeAttribute("aria-disabled"), TURN_MS);
  }

  updateStrip() {
    const runs = this.data.outcomes;
    if (!runs) return this.actions.needOutcomes(this.data.task_id);
    const key = runs.map((run) => `${run.run_id}${run.status}`).join();
    if (this.stripKey === key) return;
    this.stripKey = key;
    const { strip } = this.parts;
    const focused = strip.contains(document.activeElement) ? Number(document.activeElement.dataset.runId) : 0;
    // The one bar that the Tab key stops at.
    const stop = focused ? Math.max(0, runs.findIndex((run) => run.run_id === focused)) : runs.length - 1;
    const longest = Math.max(0.001, ...runs.map((run) => run.duration ?? 0));
    const bars = new Map([...strip.children].map((el) => [el.dataset.key, el]));
    strip.replaceChildren(
      ...runs.map((run, i) => {
        const height = run.duration === null ? 14 : 14 + 86 * Math.sqrt(run.duration / longest);
        const barKey = `${run.run_id} ${run.status} ${run.duration}`;
        const el = bars.get(barKey) ?? stripBar(run, this.readOnly, barKey);
        el.style.setProperty("--h", `${height.toFixed(0)}%`);
        if (!this.readOnly) el.tabIndex = i === stop ? 0 : -1;
        return el;
      }),
    );
    strip.setAttribute("aria-label", `${visible(this.data.task_name)}: ${t("last_runs", { n: runs.length })}`);
    if (focused) strip.children[stop]?.focus({ preventScroll: true });
  }

  stripClick(event) {
    const id = event.target.closest?.(".bar")?.dataset.runId;
    if (id && !this.readOnly) this.actions.openRun(this.data, Number(id));
  }

  /** Update what changes with time alone: elapsed times and countdowns. */
  tick() {
    const { data, run, parts: p } = this;
    setText(p.note, noteText(data, run, this.shown));
    setText(p.next, nextText(data));
    if (!this.whole) return;
    const running = data.current_status === "running" && run?.start_time && data.median_duration >= BAR_MIN_S;
    p.progress.hidden = !running;
    if (running) {
      const share = elapsedOf(run) / data.median_duration;
      p.bar.style.setProperty("width", `${Math.min(100, share * 100).toFixed(1)}%`);
      p.progress.classList.toggle("over", share > OVER && elapsedOf(run) - data.median_duration > 5);
      p.progress.setAttribute("aria-valuenow", Math.min(100, Math.round(share * 100)));
    }
  }
}

/** The status that decides on the icon and the colour of a card. */
function shownStatus(card) {
  return kindOf(card) === "disabled" ? "disabled" : card.current_status;
}

/** Show a badge for each text, unless the same are shown. `more`: what else they depend on. */
function setBadges(el, texts, badge, more = "") {
  const key = texts.concat(more).join("\n");
  if (el.dataset.key === key) return;
  el.dataset.key = key;
  el.replaceChildren(...texts.map(badge));
}

/** A run in the strip: a button, or an image if runs may not be opened. */
function stripBar(run, inert, key) {
  const time = fmtTime(runTime(run), { seconds: false });
  const label = t("bar_label", { id: run.run_id, status: t(`status_${run.status}`), time, duration: fmtDuration(run.duration) });
  const kind = inert ? { role: "img" } : { type: "button" };
  return h(inert ? "span" : "button", { ...kind, class: `bar s-${run.status}`, title: label, "aria-label": label, dataset: { runId: run.run_id, key } });
}

/** The Tab key stops once at the strip, not at each of its 30 bars; the arrow keys move inside it. */
function stripKey(event) {
  const bars = [...event.currentTarget.children];
  const at = bars.indexOf(document.activeElement);
  const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: bars.length - 1 }[event.key];
  if (at < 0 || to === undefined || !bars[to]) return;
  event.preventDefault();
  bars[at].tabIndex = -1;
  bars[to].tabIndex = 0;
  bars[to].focus();
}

function elapsedOf(run) {
  const last = run.attempts?.[run.attempts.length - 1];
  return Math.max(0, (now() - Date.parse(last?.start_time ?? run.start_time)) / 1000);
}

function noteText(card, run, shown) {
  if (!run) return "";
  const parts = [];
  if (shown === "running" && run.start_time) {
    const elapsed = fmtSpan(elapsedOf(run));
    const median = card.median_duration;
    const about = elapsedOf(run) > OVER * median || median < BAR_MIN_S ? "elapsed_usually" : "elapsed_of";
    parts.push(median ? t(about, { elapsed, median: fmtDuration(median) }) : elapsed);
    if (run.attempt > 1) parts.push(t("attempt_of", { a: run.attempt, m: run.max_attempts }));
  } else if (shown === "retrying") {
    parts.push(retryText(run));
  } else if (UNFINISHED.has(shown)) {
    const span = (now() - Date.parse(run.scheduled_time)) / 1000;
    if (span >= 1) parts.push(t("for_span", { span: fmtSpan(span) }));
  } else if (shown === "disabled") {
    parts.push(`${t(`status_${card.current_status}`)} ${fmtAgo(run.end_time ?? runTime(run))}`);
  } else {
    parts.push(fmtAgo(run.status === "missed" ? run.scheduled_time ?? run.end_time : run.end_time ?? runTime(run)));
    if (FAILURES.has(shown) && card.consecutive_failures > 1) parts.push(t("in_a_row", { n: card.consecutive_failures }));
    if (shown === "success") parts.push(t("took", { span: fmtDuration(run.duration) }));
  }
  return parts.join(" · ");
}

/** What `task_expect` promises and does not hold. */
function promises({ slow, late, task_expect: expected }) {
  const { duration, finish_by: time } = expected ?? {};
  return [slow?.length && t("slow_badge", { span: fmtDuration(duration) }), late && t("late_badge", { time })].filter(Boolean);
}

/** The unfinished runs besides `run`, counted by status: "1 queued". */
function otherRuns(card, run) {
  const numbers = {};
  for (const { run_id: id, status } of card.running) if (id !== run?.run_id) numbers[status] = (numbers[status] ?? 0) + 1;
  return Object.entries(numbers).map(([status, n]) => t(`also_${status}`, { n }));
}

function whyText(card, run, shown) {
  if (!run) return "";
  if (shown === "running") {
    if (run.attempt > 1) return t("after_failure", { why: reasonText(run.attempts[run.attempts.length - 2]) });
    if (!troubleOf(card)) return "";
    const status = card.last_run?.status;
    if (!status || status === "success") return "";
    const text = t("with_detail", { text: t("last_run"), detail: t(`status_${status}`) });
    const why = reasonText(card.last_run);
    return why ? t("with_detail", { text, detail: why }) : text;
  }
  const reason = reasonText(run);
  if (shown === "retrying") return reason && t("after_failure", { why: reason });
  return reason;
}

function nextText(card) {
  if (!card.enabled) return "";
  if (!card.next_run_time) return "";
  const when = Date.parse(card.next_run_time) - now() < 1000 ? t("due_now") : fmtAgo(card.next_run_time);
  return card.left_out.length ? [when, leftOutText(card)].filter(Boolean).join(" · ") : when;
}

/** That the task is not due today because of its calendar, with the words of the calendar for the day; "" if it is. */
function leftOutText({ left_out: spans, task_timezone: timeZone }) {
  // Swedish dates are those of ISO 8601.
  const today = new Intl.DateTimeFormat("sv", { timeZone }).format(now());
  const span = spans.find(({ from, to }) => from <= today && today <= to);
  if (!span) return "";
  return span.words ? t("not_due_today_words", { words: visible(span.words) }) : t("not_due_today");
}

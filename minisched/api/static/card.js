/** One task as a card. It is built in two steps, as there may be very many: the second when it is seen. */
import { fmtAgo, fmtDuration, fmtSpan, fmtTime, h, icon, iconButton, now, setText, visible } from "./dom.js";
import { lang, t } from "./i18n.js";
import { FAILURES, UNFINISHED, kindOf, leadRun, retryWords, timeOf, why } from "./words.js";

const STRIP = 30;
const TURN_MS = 700; // a click that comes so soon after the button turned was meant for what it was before

export class Card {
  /** `acts`: {run, stop, history, log, menu, openRun}, each called with the card's data; `readOnly`: without actions. */
  constructor(data, acts, readOnly) {
    this.acts = acts;
    this.readOnly = readOnly;
    this.complete = false; // its second half is built
    this.seen = false; // it is on the screen, or close to it
    this.parts = {
      state: h("div", { class: "card-state" }),
      name: h("h3", { class: "card-name" }),
      id: h("code", { class: "card-id" }),
      plan: h("span"),
      tags: h("span", { class: "card-tags" }),
      word: h("span", { class: "card-word" }),
      note: h("span", { class: "muted number" }),
      also: h("span", { class: "card-also" }),
      why: h("p", { class: "card-why" }),
    };
    const p = this.parts;
    this.el = h(
      "li",
      { class: "card", dataset: { taskId: data.task_id } },
      p.state,
      h("div", { class: "card-title" }, p.name, h("p", { class: "card-meta muted" }, p.id, " ", p.plan, p.tags)),
      h("div", { class: "card-status" }, h("p", { class: "card-line" }, p.word, " ", p.note, p.also), p.why),
    );
    this.take(data);
  }

  /** Show other data of the same task. */
  take(data) {
    this.data = data;
    this.run = leadRun(data);
    this.shown = shownStatus(data);
    const p = this.parts;
    const name = visible(data.task_name);
    this.el.className = `card s-${this.shown}${data.enabled ? "" : " off"}`;
    this.el.dataset.status = data.current_status;
    if (p.state.dataset.icon !== this.shown) {
      p.state.dataset.icon = this.shown;
      p.state.replaceChildren(icon(this.shown));
    }
    setText(p.name, name);
    p.name.title = data.task_description ? visible(data.task_description) : "";
    setText(p.id, data.task_id);
    p.id.hidden = data.task_name === data.task_id;
    setText(p.plan, data.schedule_words[lang()] || t("by_hand_only"));
    setBadges(p.tags, (data.task_tags ?? []).map(visible));
    setBadges(p.also, alsoWords(data, this.run));
    setText(p.word, t(`status_${this.shown}`));
    const reason = whyWords(data, this.run, this.shown);
    setText(p.why, reason);
    p.why.hidden = !reason;
    if (this.complete) this.takeRest();
    this.tick();
  }

  /** Build the second half: progress, strip, next run, actions. */
  finish() {
    if (this.complete) return;
    this.complete = true;
    const p = this.parts;
    p.bar = h("div", { class: "progress-bar" });
    p.progress = h("div", { class: "progress", role: "progressbar", "aria-label": t("progress_label"), "aria-valuemin": 0, "aria-valuemax": 100 }, p.bar);
    this.el.querySelector(".card-status").append(p.progress);
    p.strip = h("div", { class: "strip", role: "group", on: { click: (e) => this.stripClick(e), keydown: (e) => stripKey(e) } });
    p.next = h("span", { class: "number" });
    p.nextAt = h("span", { class: "muted number" });
    p.nextBox = h("div", { class: "card-next" }, h("span", { class: "hidden-label", text: t("next_run") }), p.next, p.nextAt);
    this.el.append(p.strip, p.nextBox);
    if (!this.readOnly) {
      const label = (action) => t("action_for", { action: t(action), task: visible(this.data.task_name) });
      const on = (act) => (event) => this.acts[act](this.data, event.currentTarget);
      p.go = h("button", { type: "button", class: "icon-button go", on: { click: () => p.go.hasAttribute("aria-disabled") || this.acts[this.going](this.data, p.go) } });
      p.actions = h(
        "div",
        { class: "card-actions" },
        p.go,
        iconButton("log", label("log"), on("log"), { title: t("log") }),
        iconButton("history", label("history"), on("history"), { title: t("history") }),
        iconButton("more", label("more_actions"), on("menu"), { title: t("more_actions"), "aria-haspopup": "menu" }),
      );
      this.el.append(p.actions);
    }
    this.takeRest();
    this.tick();
  }

  takeRest() {
    const { data, parts: p } = this;
    this.takeStrip();
    if (p.go) {
      const going = UNFINISHED.has(data.current_status) ? "stop" : "run";
      if (this.going !== going) {
        if (this.going) this.rest();
        this.going = going;
        const word = t(going === "stop" ? "stop_run" : "run_now");
        p.go.replaceChildren(icon(going === "stop" ? "stop" : "play"));
        p.go.title = word;
        p.go.setAttribute("aria-label", t("action_for", { action: word, task: visible(data.task_name) }));
      }
    }
    p.nextBox.hidden = !data.next_run_time;
    setText(p.nextAt, data.next_run_time ? fmtTime(data.next_run_time, { seconds: false }) : "");
  }

  /** The button turned: for a moment it does nothing. */
  rest() {
    const { go } = this.parts;
    go.setAttribute("aria-disabled", "true");
    clearTimeout(this.resting);
    this.resting = setTimeout(() => go.removeAttribute("aria-disabled"), TURN_MS);
  }

  takeStrip() {
    const runs = this.data.outcomes.slice(-STRIP);
    const key = runs.map((run) => `${run.run_id}${run.status}`).join();
    if (this.stripKey === key) return;
    this.stripKey = key;
    const { strip } = this.parts;
    const focused = strip.contains(document.activeElement) ? Number(document.activeElement.dataset.runId) : 0;
    const stop = focused ? Math.max(0, runs.findIndex((run) => run.run_id === focused)) : runs.length - 1; // of the Tab key
    const longest = Math.max(0.001, ...runs.map((run) => run.duration ?? 0));
    strip.replaceChildren(
      ...runs.map((run, i) => {
        const tall = run.duration === null ? 14 : 14 + 86 * Math.sqrt(run.duration / longest);
        const el = bar(run, this.readOnly);
        el.style.setProperty("--h", `${tall.toFixed(0)}%`);
        if (!this.readOnly) el.tabIndex = i === stop ? 0 : -1;
        return el;
      }),
    );
    strip.setAttribute("aria-label", `${visible(this.data.task_name)}: ${t("last_runs", { n: runs.length })}`);
    if (focused) strip.children[stop]?.focus({ preventScroll: true });
  }

  stripClick(event) {
    const id = event.target.closest?.(".bar")?.dataset.runId;
    if (id && !this.readOnly) this.acts.openRun(this.data, Number(id));
  }

  /** What changes with time alone: elapsed, ago, countdown. */
  tick() {
    const { data, run, parts: p } = this;
    setText(p.note, noteWords(data, run, this.shown));
    if (!this.complete) return;
    setText(p.next, nextWords(data));
    const running = data.current_status === "running" && run?.start_time && data.median_duration;
    p.progress.hidden = !running;
    if (running) {
      const share = elapsedOf(run) / Math.max(data.median_duration, 0.1);
      p.bar.style.setProperty("width", `${Math.min(100, share * 100).toFixed(1)}%`);
      p.progress.classList.toggle("over", share > 1.5 && elapsedOf(run) - data.median_duration > 5);
      p.progress.setAttribute("aria-valuenow", Math.min(100, Math.round(share * 100)));
    }
  }
}

/** The status that a card's icon and colour show. */
function shownStatus(card) {
  return kindOf(card) === "disabled" ? "disabled" : card.current_status;
}

function setBadges(el, texts) {
  const key = texts.join("\n");
  if (el.dataset.key === key) return;
  el.dataset.key = key;
  el.replaceChildren(...texts.map((text) => h("span", { class: "badge", text })));
}

/** A run in the strip: a button, but where runs may not be looked into. */
function bar(run, inert) {
  const time = fmtTime(timeOf(run), { seconds: false });
  const label = t("bar_label", { id: run.run_id, status: t(`status_${run.status}`), time, duration: fmtDuration(run.duration) });
  const kind = inert ? { role: "img" } : { type: "button" };
  return h(inert ? "span" : "button", { ...kind, class: `bar s-${run.status}`, title: label, "aria-label": label, dataset: { runId: run.run_id } });
}

/** One stop for the Tab key, arrows within: 30 stops a card would bar the way. */
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

function noteWords(card, run, shown) {
  if (!run) return "";
  const told = [];
  if (shown === "running" && run.start_time) {
    const elapsed = fmtSpan(elapsedOf(run));
    told.push(card.median_duration ? t("elapsed_of", { elapsed, median: fmtDuration(card.median_duration) }) : elapsed);
    if (run.attempt > 1) told.push(t("attempt_of", { a: run.attempt, m: run.max_attempts }));
  } else if (shown === "retrying") {
    told.push(retryWords(run));
  } else if (UNFINISHED.has(shown)) {
    const span = (now() - Date.parse(run.scheduled_time)) / 1000;
    if (span >= 1) told.push(t("for_span", { span: fmtSpan(span) }));
  } else if (shown === "disabled") {
    told.push(`${t(`status_${card.current_status}`)} ${fmtAgo(run.end_time ?? timeOf(run))}`);
  } else {
    told.push(fmtAgo(run.status === "missed" ? run.scheduled_time ?? run.end_time : run.end_time ?? timeOf(run)));
    if (FAILURES.has(shown) && card.consecutive_failures > 1) told.push(t("in_a_row", { n: card.consecutive_failures }));
    if (shown === "success") told.push(t("took", { span: fmtDuration(run.duration) }));
  }
  return told.join(" · ");
}

/** What is under way beside the run that the card tells of: "1 queued". */
function alsoWords(card, run) {
  const numbers = {};
  for (const { run_id: id, status } of card.running) if (id !== run?.run_id) numbers[status] = (numbers[status] ?? 0) + 1;
  return Object.entries(numbers).map(([status, n]) => t(`also_${status}`, { n }));
}

function whyWords(card, run, shown) {
  if (!run) return "";
  if (shown === "running") {
    const last = card.last_run;
    return last && FAILURES.has(last.status) ? t("told_by", { text: t("last_run"), detail: t(`status_${last.status}`) }) : "";
  }
  const reason = why(run);
  if (shown === "retrying") return reason && t("after_failure", { why: reason });
  return reason;
}

function nextWords(card) {
  if (!card.enabled) return "";
  if (!card.next_run_time) return "";
  return Date.parse(card.next_run_time) - now() < 1000 ? t("due_now") : fmtAgo(card.next_run_time);
}

/** The buttons of a card's menu: [icon, label, act]. */
export function menuRows(card) {
  const live = UNFINISHED.has(card.current_status);
  return [
    live ? ["play", t("run_now"), "run"] : null,
    ["edit", t("edit"), "edit"],
    card.enabled ? ["pause", t("disable"), "disable"] : ["play", t("enable"), "enable"],
    ["trash", t("delete"), "remove"],
  ].filter(Boolean);
}

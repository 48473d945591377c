/** Why a task ran, or did not, on a day or at a time: the sentences of the engine, with links to what they name. */
import { addressOf } from "../core/address.js";
import { ApiError, call } from "../core/api.js";
import { openDialog } from "../core/dialog.js";
import { button, h, iconButton, visible } from "../core/dom.js";
import { errorText } from "../core/error_text.js";
import { fmtTime, isoIn, now } from "../core/format.js";
import { store } from "../core/store.js";
import { lang, localized, t } from "../i18n/i18n.js";

// So many findings in a row that say the same are one line, until it is opened.
const FOLDED_FROM = 4;
const DAY_MS = 86400000;
const ISO = "\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(?:\\.\\d+)?(?:Z|[+-]\\d\\d:\\d\\d)";
const CAUSES = new Set(["why.cause", "why.cause_why"]);

/**
 * Open the dialog. `at`: a day "2026-11-28" or a time "2026-11-28T02:30" in the zone of the task, or a time in ms since
 * 1970; without it today.
 */
export function openWhy(taskId, at = "") {
  new WhyDialog(taskId, typeof at === "number" ? momentOf(taskId, at) : at);
}

/** A time (ms) on the clock of a task, to the minute. */
export function momentOf(taskId, time) {
  return isoIn(zoneOf(taskId), time / 1000).slice(0, 16);
}

const zoneOf = (taskId) => store.tasks.get(taskId)?.task_timezone ?? store.status?.timezone ?? "UTC";

class WhyDialog {
  constructor(taskId, at) {
    this.taskId = taskId;
    this.asked = 0;
    const today = momentOf(taskId, now()).slice(0, 10);
    const [day, time = ""] = /^\d{4}-\d\d-\d\d(T\d\d:\d\d)?$/.test(at) ? at.split("T") : [today];
    const input = (type, value, label) => h("input", { type, value, "aria-label": label, on: { change: () => this.load() } });
    this.day = input("date", day, t("sb_day"));
    this.time = input("time", time, t("why_time"));
    this.whole = button(t("why_whole_day"), () => {
      this.time.value = "";
      this.load();
    });
    this.answer = h("div", { class: "why-answer", role: "status" });
    this.dialog = openDialog({
      title: t("why_title", { task: visible(store.tasks.get(taskId)?.task_name ?? taskId) }),
      body: [
        h(
          "div",
          { class: "why-when" },
          iconButton("left", t("why_day_before"), () => this.step(-1)),
          this.day,
          iconButton("right", t("why_day_after"), () => this.step(1)),
          this.time,
          this.whole,
          h("span", { class: "muted small", text: zoneOf(taskId) }),
        ),
        this.answer,
      ],
      actions: [{ label: t("close") }],
      onClose: () => {
        this.asked += 1;
        unsubscribe();
      },
      address: this.address(),
    });
    const unsubscribe = store.on((change) => change.back && this.load());
    this.load();
  }

  step(days) {
    const at = Date.parse(`${this.day.value}T00:00:00Z`) + days * DAY_MS;
    if (Number.isNaN(at)) return;
    this.day.value = new Date(at).toISOString().slice(0, 10);
    this.load();
  }

  /** The day, or the time, that is asked about. */
  get at() {
    return this.time.value ? `${this.day.value}T${this.time.value}` : this.day.value;
  }

  address() {
    return addressOf("why", `${this.taskId}/${this.at}`);
  }

  async load() {
    if (!this.day.value) return;
    this.whole.hidden = !this.time.value;
    this.dialog.setAddress(this.address());
    this.asked += 1;
    const mine = this.asked;
    try {
      const { data } = await call("GET", `/tasks/${this.taskId}/why?at=${this.at}`);
      if (mine === this.asked) this.answer.replaceChildren(answerOf(data.findings));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (mine === this.asked) this.answer.replaceChildren(h("p", { class: "field-error", text: errorText(error) }));
    }
  }
}

/** The list of findings: what holds for the whole span, each due time, and below it the runs that are its cause. */
function answerOf(findings) {
  const list = h("ul", { class: "why-list" });
  const tied = [];
  for (const one of findings) {
    if (CAUSES.has(one.detail.code) && tied.length) tied[tied.length - 1].causes.push(one);
    else tied.push({ one, causes: [] });
  }
  for (let i = 0; i < tied.length; ) {
    let end = i + 1;
    while (end < tied.length && isSame(tied[i], tied[end])) end += 1;
    const items = tied.slice(i, end).map(whyItem);
    if (end - i >= FOLDED_FROM) list.append(h("li", {}, h("details", {}, h("summary", { class: "number" }, foldedText(tied[i].one, tied[end - 1].one, end - i)), h("ul", { class: "why-list" }, items))));
    else list.append(...items);
    i = end;
  }
  return list;
}

/** Whether two findings say the same of their due times: a success, or that it is still to come. */
function isSame({ one: a, causes: ofA }, { one: b, causes: ofB }) {
  if (ofA.length || ofB.length || a.detail.code !== b.detail.code) return false;
  return a.detail.code === "why.coming" || (a.detail.code === "why.run" && a.detail.status === "success" && b.detail.status === "success");
}

function foldedText(first, last, n) {
  const what = first.detail.code === "why.coming" ? t("hm_coming") : t("status_success");
  return t("why_folded", { n, what, from: shortTime(first.time), to: shortTime(last.time) });
}

function whyItem({ one, causes }) {
  return h("li", { class: one.detail.status ? `why-item s-${one.detail.status}` : "why-item" }, sentence(one), causes.length > 0 && h("ul", { class: "why-causes" }, causes.map((cause) => h("li", { class: `s-${cause.detail.status}` }, sentence(cause)))));
}

const shortTime = (iso) => fmtTime(iso, { seconds: !/:00(?:\.0+)?(?:Z|[+-]\d\d:\d\d)$/.test(iso) });

/**
 * The sentence of a finding as nodes. The engine writes times as ISO 8601, and statuses and triggers as codes; these are
 * shown as everywhere on the page. Its run and the tasks that it names become links.
 */
function sentence({ run_id: runId, detail, words }) {
  const text = visible(localized({ words }));
  const tasks = [detail.task, detail.tasks, detail.why?.task].flat().filter((id) => typeof id === "string" && store.tasks.has(id));
  const codes = [detail.status, detail.why?.status].filter(Boolean);
  // Ids of tasks and codes have no signs that mean something in a pattern.
  const parts = { time: ISO, run: runId && `(?:run|row|运行|记录) ?#?${runId}(?!\\d)`, trigger: detail.trigger && `[(（]${detail.trigger}[)）]`, task: tasks.length && `\\b(?:${tasks.join("|")})(?![\\w-])`, code: codes.length && `\\b(?:${codes.join("|")})\\b` };
  const pattern = new RegExp(Object.entries(parts).filter(([, part]) => part).map(([name, part]) => `(?<${name}>${part})`).join("|"), "g");
  const nodes = [];
  let from = 0;
  for (const found of text.matchAll(pattern)) {
    const { time, run, trigger, task } = found.groups;
    nodes.push(text.slice(from, found.index));
    // Checkers of accessibility take what begins with "#" for a place in this page.
    if (time) nodes.push(h("time", { datetime: time, class: found.index ? "number" : "why-time number", text: shortTime(time) }));
    else if (run) nodes.push(h("a", { href: `./#run/${runId}`, text: run }));
    else if (trigger) nodes.push(trigger[0] + t(`trigger_${detail.trigger}`) + trigger[trigger.length - 1]);
    else if (task) nodes.push(h("a", { href: `./#task/${task}`, text: task }));
    else nodes.push(h("span", { class: "why-status", text: t(`status_${found[0]}`) }));
    from = found.index + found[0].length;
  }
  nodes.push(text.slice(from));
  if (lang() === "en" && nodes[0]) nodes[0] = nodes[0][0].toUpperCase() + nodes[0].slice(1);
  return h("span", {}, nodes.filter((node) => node !== ""));
}

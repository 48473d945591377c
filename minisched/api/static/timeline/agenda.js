/** What is due in the next 24 hours, over all tasks, in the order of time. */
import { ApiError, call } from "../core/api.js";
import { button, h, visible } from "../core/dom.js";
import { errorText } from "../core/error_text.js";
import { fmtDay, fmtOffset, fmtSpan, now } from "../core/format.js";
import { upstreamIds } from "../core/status_text.js";
import { lang, t } from "../i18n/i18n.js";
import { axisOffset, clockText, useZoneOf } from "./timeline_marks.js";

const MINUTE_MS = 60000;
const AHEAD_HOURS = 24;

export class Agenda {
  /** matches(id): whether a task is shown, by the filters of the view. */
  constructor(store, matches) {
    Object.assign(this, { store, matches, asked: 0 });
    this.el = h("div", { class: "ag" });
  }

  async load() {
    this.asked += 1;
    const mine = this.asked;
    try {
      const { data } = await call("GET", `/agenda?hours=${AHEAD_HOURS}`);
      if (mine !== this.asked) return;
      this.data = data;
      this.show();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (mine === this.asked && !this.data) this.el.replaceChildren(h("p", { class: "field-error", text: errorText(error) }), button(t("try_again"), () => this.load()));
    }
  }

  show() {
    if (!this.data) return;
    const { tasks, status } = this.store;
    useZoneOf(tasks.values());
    // By task, the names of those that start after it.
    const after = new Map();
    for (const card of tasks.values()) for (const id of upstreamIds(card)) after.set(id, [...(after.get(id) ?? []), card]);
    const items = this.data.items.filter(({ task_id: id, last }) => tasks.has(id) && this.matches(id) && Date.parse(last) > now());
    const rows = items.map((item) => this.row(item, tasks.get(item.task_id), after.get(item.task_id) ?? []));
    const why = status?.paused ? t("engine_paused") : t(this.data.items.length ? "none_found" : "ag_none");
    this.el.replaceChildren(rows.length ? h("ol", { class: "ag-list", "aria-label": t("ag_title") }, rows) : h("p", { class: "empty", text: why }), this.data.truncated ? h("p", { class: "muted", text: t("ag_truncated", { n: this.data.items.length }) }) : "");
  }

  row({ time, last, count, more }, card, after) {
    const at = Date.parse(time);
    const words = count > 1 ? t(more ? "ag_more" : "ag_times", { n: count.toLocaleString(lang()), words: visible(card.schedule_words[lang()]), until: momentText(Date.parse(last)) }) : "";
    return h(
      "li",
      { class: "ag-row" },
      h("span", { class: "ag-time number" }, h("time", { datetime: time, text: momentText(at) }), ownTime(time)),
      h("span", { class: "ag-task" }, h("a", { href: `#task/${card.task_id}`, text: visible(card.task_name) }), words && h("span", { class: "muted small", text: words }), after.length > 0 && h("span", { class: "muted small" }, t("ag_after"), " ", after.map((one, i) => [i > 0 && ", ", h("a", { href: `#task/${one.task_id}`, text: visible(one.task_name) })]))),
      h("span", { class: "ag-in muted number", text: at > now() ? t("in_span", { span: fmtSpan(Math.ceil((at - now()) / MINUTE_MS) * 60) }) : "" }),
    );
  }
}

/** The time on the clock that the page shows, with the weekday if it is not today. */
function momentText(at) {
  const local = (ms) => new Date(ms + axisOffset(ms) * MINUTE_MS);
  const [time, today] = [local(at), local(now())];
  const clock = clockText(time);
  return time.getUTCDate() === today.getUTCDate() ? clock : `${fmtDay(time, { weekday: "short" })} ${clock}`;
}

/** The same time in the zone of its task, if that is another one. */
function ownTime(iso) {
  const offset = (Date.parse(`${iso.slice(0, 19)}Z`) - Math.floor(Date.parse(iso) / 1000) * 1000) / MINUTE_MS;
  return offset !== axisOffset(Date.parse(iso)) && h("span", { class: "muted small", text: `${iso.slice(11, 16)} ${fmtOffset(offset)}` });
}

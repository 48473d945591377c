/** The last weeks of a task as a calendar: a cell for each day, by the worst that happened on it. */
import { ApiError, call } from "../core/api.js";
import { h, setText } from "../core/dom.js";
import { fmtDay, now } from "../core/format.js";
import { STATUSES } from "../core/status_text.js";
import { lang, listed, localized, t } from "../i18n/i18n.js";
import { actions } from "../tasks/actions.js";
import { momentOf } from "./why.js";

const WEEKS_MAX = 26;
const WEEKS_MIN = 5;
// The column of a week, and that of the names of the weekdays.
const WEEK_PX = 27;
const NAMES_PX = 40;
// From the worst on; unfinished runs count only on a day without ended ones.
const WORST = [...STATUSES.slice(4, 10), ...STATUSES.slice(0, 4)];
// What tells a cell from others without its colour.
const SIGNS = {
  technical_failure: "✕", business_failure: "!", missed: "?", skipped: "»", cancelled: "–", success: "✓", running: "▸", retrying: "▸", queued: "▸", waiting: "▸",
  not_due: "·", calendar: "·", disabled: "‖", paused: "‖", no_engine: "↓", coming: "…", absent: "", unknown: "",
};
const DAY_KEYS = { ArrowLeft: -7, ArrowRight: 7, ArrowUp: -1, ArrowDown: 1 };

/** Fill `el` with the heatmap of a task. Resolves when it is shown; with false if there is nothing to show. */
export async function showHeatmap(el, taskId) {
  const weeks = Math.max(WEEKS_MIN, Math.min(WEEKS_MAX, Math.floor((el.clientWidth - NAMES_PX) / WEEK_PX)));
  const today = new Date(`${momentOf(taskId, now()).slice(0, 10)}T00:00:00Z`);
  const count = (weeks - 1) * 7 + ((today.getUTCDay() + 6) % 7) + 1;
  let days;
  try {
    ({ days } = (await call("GET", `/tasks/${taskId}/days?days=${count}`)).data);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return false;
  }
  const focused = el.querySelector("td:focus")?.dataset.day;
  const tip = h("p", { class: "muted small number hm-tip", "aria-hidden": "true" });
  const cells = days.map((day, i) => dayCell(day, i === days.length - 1));
  const stop = cells.find((one) => one.dataset.day === focused) ?? cells[cells.length - 1];
  stop.tabIndex = 0;
  const columns = Array.from({ length: weeks }, (_, week) => days[week * 7]);
  const rows = Array.from({ length: 7 }, (_, weekday) => {
    const name = fmtDay(days[weekday]?.day ?? days[0].day, { weekday: "short" });
    return h("tr", {}, h("th", { scope: "row", class: "muted", text: name }), cells.filter((_, i) => i % 7 === weekday));
  });
  const grid = h("table", { class: "hm", role: "grid", "aria-label": t("hm_title", { n: weeks }), "aria-describedby": "hm-keys" }, h("thead", { "aria-hidden": "true" }, h("tr", {}, h("td"), columns.map((day, i) => h("td", { class: "hm-month muted", text: monthOf(day, columns[i - 1]) })))), h("tbody", {}, rows));
  const say = (target) => {
    const day = target?.closest?.("td[data-day]") ?? el.querySelector("td:focus");
    setText(tip, day?.getAttribute("aria-label") ?? heatSummary(days));
  };
  const open = (target) => {
    const day = target.closest("td[data-day]");
    if (day) actions.why({ task_id: taskId }, day.dataset.day);
  };
  grid.addEventListener("pointerover", (event) => say(event.target));
  grid.addEventListener("pointerleave", () => say());
  grid.addEventListener("focusin", (event) => say(event.target));
  grid.addEventListener("click", (event) => open(event.target));
  grid.addEventListener("keydown", (event) => {
    const at = cells.indexOf(event.target);
    if (event.key === "Enter" || event.key === " ") open(event.target);
    else if (event.key in DAY_KEYS || event.key === "Home" || event.key === "End") {
      const next = cells[event.key === "Home" ? 0 : event.key === "End" ? cells.length - 1 : at + DAY_KEYS[event.key]];
      if (next) {
        cells[at].tabIndex = -1;
        next.tabIndex = 0;
        next.focus();
      }
    } else return;
    event.preventDefault();
  });
  el.replaceChildren(grid, tip, heatLegend(days), h("p", { class: "hidden-label", id: "hm-keys", text: t("hm_keys") }));
  say();
  if (focused) stop.focus({ preventScroll: true });
  return true;
}

/** What a day is: the worst status of its runs, or why it has none. */
const kindOfDay = ({ counts, none }) => none ?? WORST.find((status) => counts[status]);
const sumOf = (counts) => Object.values(counts).reduce((sum, n) => sum + n, 0);
const heatName = (kind) => (STATUSES.includes(kind) ? t(`status_${kind}`) : t(`hm_${kind}`));

function dayCell(day, isToday) {
  const kind = kindOfDay(day);
  const counts = WORST.filter((status) => day.counts[status]).map((status) => `${day.counts[status]} × ${t(`status_${status}`)}`);
  const what = day.none ? (day.words && localized(day)) || t(`hm_${kind}`) : t("hm_runs", { n: sumOf(day.counts), counts: listed(counts) });
  const label = listed([isToday && t("hm_today"), fmtDay(day.day, { weekday: "short", day: "numeric", month: "short" })].filter(Boolean));
  return h("td", { role: "gridcell", tabindex: -1, class: `hm-day hm-${kind} s-${kind}`, dataset: { day: day.day }, "aria-label": t("with_detail", { text: label, detail: what }), "aria-current": isToday && "date" }, SIGNS[kind]);
}

/** The name of a month above the first week that begins in it. */
function monthOf(day, before) {
  return !before || day.day.slice(0, 7) !== before.day.slice(0, 7) ? fmtDay(day.day, { month: "short" }) : "";
}

function heatSummary(days) {
  const all = days.reduce((sum, { counts }) => sum + sumOf(counts), 0);
  const failed = days.reduce((sum, { counts }) => sum + (counts.technical_failure ?? 0) + (counts.business_failure ?? 0), 0);
  return t("hm_summary", { n: all, failed });
}

/** Of the kinds of days only those that there are. */
function heatLegend(days) {
  const kinds = new Set(days.map(kindOfDay).map((kind) => (kind === "calendar" ? "not_due" : kind)));
  const shown = Object.keys(SIGNS).filter((kind) => kinds.has(kind));
  return h("ul", { class: "hm-legend muted small", lang: lang() }, shown.map((kind) => h("li", {}, h("span", { class: `hm-day hm-${kind} s-${kind}`, "aria-hidden": "true", text: SIGNS[kind] }), heatName(kind))));
}

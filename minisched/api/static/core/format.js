/** Times, durations and sizes as texts, and the clock of the engine. */
import { lang, t } from "../i18n/i18n.js";

// By how many ms the engine's clock is ahead of this browser's.
let skew = 0;

/** Take over the engine's time (ISO 8601). Differences below a second come from the network and are ignored. */
export function setServerTime(iso) {
  const difference = Date.parse(iso) - Date.now();
  if (Number.isFinite(difference) && Math.abs(difference - skew) > 1000) skew = difference;
}

/** The engine's current time, in ms since 1970. */
export function now() {
  return Date.now() + skew;
}

/** The UTC offset of an ISO 8601 text, in minutes. */
function offsetOf(iso) {
  const found = /([+-])(\d\d):(\d\d)(?::\d\d)?$/.exec(iso);
  return found ? (found[1] === "-" ? -1 : 1) * (Number(found[2]) * 60 + Number(found[3])) : 0;
}

// By zone. Making one takes long.
const zoneFormats = new Map();

/** The UTC offset of a time zone at `instant` (ms), in minutes; that of this browser if it does not know the zone. */
export function offsetIn(zone, instant) {
  try {
    if (!zoneFormats.has(zone)) zoneFormats.set(zone, new Intl.DateTimeFormat("en", { timeZone: zone, timeZoneName: "longOffset" }));
    const name = zoneFormats.get(zone).formatToParts(instant).find(({ type }) => type === "timeZoneName").value;
    return offsetOf(name === "GMT" ? "+00:00" : name);
  } catch {
    return -new Date(instant).getTimezoneOffset();
  }
}

/** An instant, in seconds since 1970, as ISO 8601 with the offset of a time zone. */
export function isoIn(zone, seconds) {
  const offset = offsetIn(zone, seconds * 1000);
  const local = new Date(seconds * 1000 + offset * 60000).toISOString().slice(0, -1);
  const minutes = Math.abs(offset);
  return `${local}${offset < 0 ? "-" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

const two = (n) => String(n).padStart(2, "0");

// ---- the choices of the user, kept in the browser ----

// The values of each, the default first. "task": the zone in the time itself, which is the task's. "mixed": absolute in
// lists, relative elsewhere.
export const CHOICES = { zone: ["task", "browser", "engine", "utc"], times: ["mixed", "relative", "absolute"] };
const keyOf = (name) => `minisched.${name}`;
let engineZone = "";

export function chosen(name) {
  const value = localStorage.getItem(keyOf(name));
  return CHOICES[name].includes(value) ? value : CHOICES[name][0];
}

export function choose(name, value) {
  localStorage.setItem(keyOf(name), value);
}

/** The name of the engine's time zone. */
export function setEngineZone(name) {
  engineZone = name;
}

const browserOffset = (instant) => -new Date(instant).getTimezoneOffset();

/**
 * The UTC offset, in minutes, in which an instant (ms) is shown by the choice of the user. `own`: that of the time itself,
 * by default the browser's, for what is of no task, such as an axis.
 */
export function shownOffset(instant, own = browserOffset(instant)) {
  const zone = chosen("zone");
  if (zone === "utc") return 0;
  if (zone === "engine" && engineZone) return offsetIn(engineZone, instant);
  return zone === "task" ? own : browserOffset(instant);
}

/**
 * A time in the zone that the user has chosen, by default that of `iso`: "02:30:00" today, "tomorrow 02:30",
 * "24 Nov, 02:30". If the UTC offset differs from this browser's, it is added. `seconds`: whether seconds are shown;
 * `date`: whether the date is always shown; `weekday`: the weekday too.
 */
export function fmtTime(iso, { seconds = true, date = false, weekday = false } = {}) {
  if (!iso) return "–";
  const instant = Date.parse(iso);
  const offset = shownOffset(instant, offsetOf(iso));
  const local = new Date(instant + offset * 60000);
  const today = new Date(now() + offset * 60000);
  const days = Math.floor(local / 86400000) - Math.floor(today / 86400000);
  const clock = `${two(local.getUTCHours())}:${two(local.getUTCMinutes())}`;
  let text = seconds ? `${clock}:${two(local.getUTCSeconds())}` : clock;
  if (date || weekday || Math.abs(days) > 1) text = t("at_date", { date: dayOf(local, today, weekday), time: text });
  else if (days) text = t(days > 0 ? "at_tomorrow" : "at_yesterday", { time: text });
  return browserOffset(instant) === offset ? text : `${text} ${fmtOffset(offset)}`;
}

/** An offset in minutes as "UTC+8". */
export function fmtOffset(offset) {
  const minutes = Math.abs(offset);
  return `UTC${offset < 0 ? "−" : "+"}${Math.floor(minutes / 60)}${minutes % 60 ? `:${two(minutes % 60)}` : ""}`;
}

function dayOf(local, today, weekday = false) {
  const year = local.getUTCFullYear() === today.getUTCFullYear() ? undefined : "numeric";
  return fmtDay(local, { year, month: "short", day: "numeric", weekday: weekday ? "short" : undefined });
}

/** A day ("2026-11-28", or a Date in UTC) in the page's language; `shape`: options of Intl.DateTimeFormat. */
export function fmtDay(day, shape) {
  return new Date(day).toLocaleDateString(lang() === "zh" ? "zh-CN" : "en-GB", { timeZone: "UTC", ...shape });
}

/** A number of seconds as "0.4 s", "12 s", "1 min 15 s", "2 h 5 min", "3 d 4 h". */
export function fmtDuration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  if (seconds < 10) return t("unit_s", { n: seconds < 0.05 ? "< 0.1" : seconds.toFixed(1) });
  return fmtSpan(seconds);
}

/** Like `fmtDuration`, in whole seconds: for a value that counts up or down. */
export function fmtSpan(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return t("unit_s", { n: s });
  if (s < 3600) return joined("unit_min", Math.floor(s / 60), "unit_s", s % 60);
  if (s < 86400) return joined("unit_h", Math.floor(s / 3600), "unit_min", Math.floor((s % 3600) / 60));
  return joined("unit_d", Math.floor(s / 86400), "unit_h", Math.floor((s % 86400) / 3600));
}

function joined(big, n, small, rest) {
  return rest ? `${t(big, { n })} ${t(small, { n: rest })}` : t(big, { n });
}

/** "3 min ago", "in 2 h 5 min"; the time itself if the user has chosen so. */
export function fmtAgo(iso) {
  return chosen("times") === "absolute" ? fmtTime(iso, { seconds: false }) : relative(iso);
}

/** A time in a list: relative only if the user has chosen so. */
export function fmtWhen(iso, options) {
  return chosen("times") === "relative" ? relative(iso) : fmtTime(iso, options);
}

/** The time beside a `fmtAgo`; "" if the user has chosen one of both. */
export function fmtBeside(iso, options) {
  return iso && chosen("times") === "mixed" ? fmtTime(iso, options) : "";
}

/** The relative time beside a `fmtTime`; "" if the user has chosen absolute ones. */
export function fmtAgoBeside(iso) {
  return chosen("times") === "absolute" ? "" : relative(iso);
}

function relative(iso) {
  if (!iso) return "–";
  const seconds = (Date.parse(iso) - now()) / 1000;
  if (Math.abs(seconds) < 1) return t("just_now");
  return seconds < 0 ? t("ago", { span: fmtCoarse(-seconds) }) : t("in_span", { span: fmtSpan(seconds) });
}

/** Like `fmtSpan`, in one unit: how many seconds more than an hour ago does not matter. */
function fmtCoarse(s) {
  if (s < 60) return t("unit_s", { n: Math.round(s) });
  if (s < 3600) return t("unit_min", { n: Math.round(s / 60) });
  if (s < 2 * 86400) return t("unit_h", { n: Math.round(s / 3600) });
  return t("unit_d", { n: Math.round(s / 86400) });
}

/** A number of bytes as "512 B", "1.4 MB". */
export function fmtBytes(n) {
  if (n === null || n === undefined) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let i = 0;
  for (; n >= 1000 && i < units.length - 1; i += 1) n /= 1000;
  return `${i && n < 100 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

/** Elements, icons, and how times, durations and hostile texts are shown. Text only ever becomes a text node. */
import { lang, t } from "./i18n.js";

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element. `attrs`: `class`, `text`, `on` ({click: f}), `dataset`, `style` ({width: "3px"}), properties `value`,
 * `checked`, `indeterminate`, and attributes; true is an attribute without a value, false, null and undefined are left
 * out. `children`: nodes, texts, lists of them; null and false are left out.
 */
export function h(tag, attrs, ...children) {
  return furnish(document.createElement(tag), attrs, children);
}

/** As `h`, for SVG. */
export function svg(tag, attrs, ...children) {
  return furnish(document.createElementNS(SVG, tag), attrs, children);
}

const PROPERTIES = new Set(["value", "checked", "indeterminate"]);

function furnish(el, attrs, children) {
  for (const [name, value] of Object.entries(attrs ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") el.setAttribute("class", value);
    else if (name === "text") el.textContent = value;
    else if (name === "on") for (const [type, f] of Object.entries(value)) el.addEventListener(type, f);
    else if (name === "dataset") Object.assign(el.dataset, value);
    else if (name === "style") for (const [key, text] of Object.entries(value)) el.style.setProperty(key, text);
    else if (PROPERTIES.has(name)) el[name] = value;
    else el.setAttribute(name, value === true ? "" : String(value));
  }
  append(el, children);
  return el;
}

function append(el, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(el, child);
    else el.append(child);
  }
}

export function clear(el) {
  el.replaceChildren();
  return el;
}

/** Set a text node's or an element's text, only if it differs: a write costs a layout. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Load a style sheet once; resolves when it is in force. */
export function loadStyle(href) {
  const there = document.querySelector(`link[href="${href}"]`);
  if (there) return Promise.resolve();
  return new Promise((resolve) => {
    const link = h("link", { rel: "stylesheet", href, on: { load: resolve, error: resolve } });
    document.head.append(link);
  });
}

// ---- icons: 24 x 24, drawn by stroke unless a path begins with "!", which is filled ----

const RING = "M12 3a9 9 0 1 1 0 18a9 9 0 1 1 0-18z";
const CLOCK = "M12 7v5l3.5 2";
const ICONS = {
  brand: ["M19.8 7.6A9 9 0 1 0 21 12", "M8 12l3.2 3.2L20 5.5"],
  idle: ["M12 3a9 9 0 0 1 4.5 1.2M19.8 7.5A9 9 0 0 1 21 12M19.8 16.5a9 9 0 0 1-3.3 3.3M12 21a9 9 0 0 1-4.5-1.2M4.2 16.5A9 9 0 0 1 3 12M4.2 7.5a9 9 0 0 1 3.3-3.3"],
  waiting: [RING, CLOCK],
  queued: ["M4 7h16M4 12h16M4 17h9"],
  running: ["M12 3a9 9 0 1 1-9 9"],
  retrying: ["M20 11a8 8 0 1 0-2.3 6.2M20 4.5V11h-6.5"],
  success: [RING, "M8 12.3l2.8 2.8L16.2 9.4"],
  business_failure: [RING, "M9 9l6 6M15 9l-6 6"],
  technical_failure: ["!M8.2 2.5h7.6l5.7 5.7v7.6l-5.7 5.7H8.2l-5.7-5.7V8.2z", "~M9 9l6 6M15 9l-6 6"],
  skipped: ["M5 6l7 6-7 6zM12 6l7 6-7 6z", "M20.5 6v12"],
  missed: ["M19.5 7A9 9 0 0 1 7 19.5M4.6 17A9 9 0 0 1 17 4.5M12 7.5V11M4 3.5l16.5 17"],
  cancelled: [RING, "M8 12h8"],
  disabled: [RING, "M10 9v6M14 9v6"],
  play: ["!M7 4.8v14.4a.8.8 0 0 0 1.2.7l11.5-7.2a.8.8 0 0 0 0-1.4L8.2 4.1a.8.8 0 0 0-1.2.7z"],
  stop: ["!M7.5 6h9A1.5 1.5 0 0 1 18 7.5v9a1.5 1.5 0 0 1-1.5 1.5h-9A1.5 1.5 0 0 1 6 16.5v-9A1.5 1.5 0 0 1 7.5 6z"],
  pause: ["M9 5.5v13M15 5.5v13"],
  edit: ["M4.5 19.5l.8-4L15.8 5a1.5 1.5 0 0 1 2.1 0L19 6.1a1.5 1.5 0 0 1 0 2.1L8.5 18.7zM13.5 7.3l3.2 3.2"],
  history: ["M3.5 12a8.5 8.5 0 1 0 2.6-6.1L3.5 8.3M3.5 3.8v4.5H8M12 7.5V12l3 2"],
  log: ["M6 3.5h8.5L19 8v12.5H6zM14 3.5V8.5h5M9 12.5h7M9 16h7"],
  trash: ["M4.5 6.5h15M9.5 6V4h5v2M6.5 6.5l.8 13.5h9.4l.8-13.5M10 10.5v6M14 10.5v6"],
  search: ["M10.5 4a6.5 6.5 0 1 1 0 13a6.5 6.5 0 1 1 0-13zM15.5 15.5L20.5 20.5"],
  close: ["M6 6l12 12M18 6L6 18"],
  plus: ["M12 5v14M5 12h14"],
  more: ["!M12 4.3a1.6 1.6 0 1 1 0 3.2a1.6 1.6 0 1 1 0-3.2zM12 10.4a1.6 1.6 0 1 1 0 3.2a1.6 1.6 0 1 1 0-3.2zM12 16.5a1.6 1.6 0 1 1 0 3.2a1.6 1.6 0 1 1 0-3.2z"],
  left: ["M14.5 6l-6 6 6 6"],
  right: ["M9.5 6l6 6-6 6"],
  down: ["M6 9.5l6 6 6-6"],
  light: ["M12 8a4 4 0 1 1 0 8a4 4 0 1 1 0-8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4"],
  dark: ["M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z"],
  auto: [RING, "!M12 3a9 9 0 0 1 0 18z"],
  language: [RING, "M3.2 12h17.6M12 3c2.6 2.6 3.8 5.6 3.8 9s-1.2 6.4-3.8 9c-2.6-2.6-3.8-5.6-3.8-9S9.4 5.6 12 3z"],
  signin: ["M14 4h5v16h-5M9.5 8l4 4-4 4M13.5 12h-9"],
  signout: ["M10 4H5v16h5M14.5 8l4 4-4 4M18.5 12H9.5"],
  warn: ["M12 4L21 19.5H3zM12 10v4M12 16.7v.3"],
  info: [RING, "M12 11v5M12 7.8v.3"],
  download: ["M12 4v11M7.5 11l4.5 4.5 4.5-4.5M5 20h14"],
  copy: ["M9 9h10.5v11.5H9zM5.5 15h-1V3.5H15v1"],
  link: ["M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.3l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3A4 4 0 0 0 11 18.7l1-1"],
};
ICONS.refresh = ICONS.retrying;

/** A picture without a label: the word stands beside it or in the `aria-label` of its button. */
export function icon(name, extra = "") {
  const paths = (ICONS[name] ?? ICONS.info).map((d) => {
    if (d[0] === "!") return svg("path", { d: d.slice(1), class: "fill" });
    if (d[0] === "~") return svg("path", { d: d.slice(1), class: "on-fill" });
    return svg("path", { d });
  });
  return svg("svg", { class: `icon icon-${name} ${extra}`, viewBox: "0 0 24 24", "aria-hidden": "true" }, paths);
}

/** A button with an icon alone; `label` is its name and tip. */
export function iconButton(name, label, click, attrs = {}) {
  const { class: extra = "", ...others } = attrs;
  const all = { type: "button", class: `icon-button ${extra}`, "aria-label": label, title: label, ...others };
  return h("button", { ...all, on: { click } }, icon(name));
}

/** A button with a word, and an icon before it. `kind`: "", "primary" or "danger". */
export function button(label, click, { kind = "", icon: name = null, ...attrs } = {}) {
  return h("button", { type: "button", class: `button ${kind}`, ...attrs, on: { click } }, name && icon(name), label);
}

/** A status with its icon and word, coloured. */
export function statusMark(status, word = t(`status_${status}`)) {
  return h("span", { class: `mark s-${status}` }, icon(status), h("span", { text: word }));
}

// ---- texts of others ----

// As the engine's own rule: no control, format or unassigned character, and no blank but the three common ones.
const SUSPECT = /[\p{C}\u2028\u2029]|(?![ \u00a0\u3000])\p{Zs}/gu;

/** A name or other short text as it may be shown: control, bidi and zero-width marks become `\x1b`, `\u202e`. */
export function visible(text) {
  return String(text).replace(SUSPECT, escape);
}

/** As `visible`, for a text of many lines: line ends and tabs stay. */
export function visibleText(text) {
  return String(text).replace(SUSPECT, (mark) => (mark === "\n" || mark === "\t" ? mark : escape(mark)));
}

function escape(mark) {
  if (mark === "\n") return "\\n";
  if (mark === "\t") return "\\t";
  const code = mark.codePointAt(0);
  const hex = (digits) => code.toString(16).padStart(digits, "0");
  return code < 0x100 ? `\\x${hex(2)}` : code < 0x10000 ? `\\u${hex(4)}` : `\\U${hex(8)}`;
}

// ---- time ----

let skew = 0; // ms that the engine's clock is before this browser's

/** Tell the engine's time, as ISO 8601; small differences are the network's. */
export function setServerTime(iso) {
  const difference = Date.parse(iso) - Date.now();
  if (Number.isFinite(difference) && Math.abs(difference - skew) > 1000) skew = difference;
}

/** The engine's present, ms since 1970. */
export function now() {
  return Date.now() + skew;
}

/** Minutes that the offset of an ISO 8601 text is ahead of UTC. */
export function offsetOf(iso) {
  const found = /([+-])(\d\d):(\d\d)(?::\d\d)?$/.exec(iso);
  return found ? (found[1] === "-" ? -1 : 1) * (Number(found[2]) * 60 + Number(found[3])) : 0;
}

const two = (n) => String(n).padStart(2, "0");

/**
 * A time as its own zone's clock shows it: "02:30:00" today, "tomorrow 02:30", "24 Nov, 02:30". The offset is added
 * where it differs from this browser's. `seconds`: shown if it is not false.
 */
export function fmtTime(iso, { seconds = true, date = false } = {}) {
  if (!iso) return "–";
  const instant = Date.parse(iso);
  const offset = offsetOf(iso);
  const there = new Date(instant + offset * 60000);
  const today = new Date(now() + offset * 60000);
  const days = Math.floor(there / 86400000) - Math.floor(today / 86400000);
  const clock = `${two(there.getUTCHours())}:${two(there.getUTCMinutes())}`;
  let text = seconds ? `${clock}:${two(there.getUTCSeconds())}` : clock;
  if (date || Math.abs(days) > 1) text = t("at_date", { date: dayOf(there, today), time: text });
  else if (days) text = t(days > 0 ? "at_tomorrow" : "at_yesterday", { time: text });
  return -new Date(instant).getTimezoneOffset() === offset ? text : `${text} ${zoneWord(offset)}`;
}

/** "UTC+8" of an offset in minutes. */
export function zoneWord(offset) {
  const minutes = Math.abs(offset);
  return `UTC${offset < 0 ? "−" : "+"}${Math.floor(minutes / 60)}${minutes % 60 ? `:${two(minutes % 60)}` : ""}`;
}

function dayOf(there, today) {
  const year = there.getUTCFullYear() === today.getUTCFullYear() ? undefined : "numeric";
  const shape = { timeZone: "UTC", year, month: "short", day: "numeric" };
  return there.toLocaleDateString(lang() === "zh" ? "zh-CN" : "en-GB", shape);
}

/** Seconds in words: "0.4 s", "12 s", "1 min 15 s", "2 h 5 min", "3 d 4 h". */
export function fmtDuration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  if (seconds < 10) return t("unit_s", { n: seconds < 0.05 ? "< 0.1" : seconds.toFixed(1) });
  return fmtSpan(seconds);
}

/** As `fmtDuration`, in whole seconds: for what counts up or down. */
export function fmtSpan(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return t("unit_s", { n: s });
  if (s < 3600) return join("unit_min", Math.floor(s / 60), "unit_s", s % 60);
  if (s < 86400) return join("unit_h", Math.floor(s / 3600), "unit_min", Math.floor((s % 3600) / 60));
  return join("unit_d", Math.floor(s / 86400), "unit_h", Math.floor((s % 86400) / 3600));
}

function join(big, n, small, rest) {
  return rest ? `${t(big, { n })} ${t(small, { n: rest })}` : t(big, { n });
}

/** "3 min ago", "in 2 h 5 min". */
export function fmtAgo(iso) {
  if (!iso) return "–";
  const seconds = (Date.parse(iso) - now()) / 1000;
  if (Math.abs(seconds) < 1) return t("just_now");
  return seconds < 0 ? t("ago", { span: fmtCoarse(-seconds) }) : t("in_span", { span: fmtSpan(seconds) });
}

/** Like `fmtSpan` in one unit from a minute on: nobody needs the seconds of an hour ago. */
function fmtCoarse(s) {
  if (s < 60) return t("unit_s", { n: Math.round(s) });
  if (s < 3600) return t("unit_min", { n: Math.round(s / 60) });
  if (s < 2 * 86400) return t("unit_h", { n: Math.round(s / 3600) });
  return t("unit_d", { n: Math.round(s / 86400) });
}

/** Bytes in words: "512 B", "1.4 MB". */
export function fmtBytes(n) {
  if (n === null || n === undefined) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let i = 0;
  for (; n >= 1000 && i < units.length - 1; i += 1) n /= 1000;
  return `${i && n < 100 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

/** Elements, icons, and texts of other programs. A text always becomes a text node, never markup. */
import { t } from "../i18n/i18n.js";

const SVG = "http://www.w3.org/2000/svg";

/**
 * Create an element.
 *
 * `attrs` may have `class`, `text`, `on` ({click: listener}), `dataset`, `style` ({width: "3px"}), the properties
 * `value`, `checked` and `indeterminate`, and any attribute. The value true sets an attribute without a value; false,
 * null and undefined set nothing. `children` are nodes, strings and lists of these; null, undefined and false are
 * ignored.
 */
export function h(tag, attrs, ...children) {
  return build(document.createElement(tag), attrs, children);
}

/** Like `h`, for an SVG element. */
export function svg(tag, attrs, ...children) {
  return build(document.createElementNS(SVG, tag), attrs, children);
}

const PROPERTIES = new Set(["value", "checked", "indeterminate"]);

function build(el, attrs, children) {
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

/** Set the text of a node if it differs: each write costs a layout. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// ---- icons ----

// Paths in a box of 24 x 24, stroked. "!" marks a filled path, "~" a stroke on top of a filled path.

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
  history: ["M3.5 12a8.5 8.5 0 1 0 2.6-6.1L3.5 8.3M3.5 3.8v4.5H8M12 7.5V12l3 2"],
  log: ["M6 3.5h8.5L19 8v12.5H6zM14 3.5V8.5h5M9 12.5h7M9 16h7"],
  search: ["M10.5 4a6.5 6.5 0 1 1 0 13a6.5 6.5 0 1 1 0-13zM15.5 15.5L20.5 20.5"],
  sliders: ["M4 7h9M17 7h3M15 4.5v5M4 16.5h3M11 16.5h9M9 14v5"],
  plus: ["M12 5v14M5 12h14"],
  more: ["!M12 4.3a1.6 1.6 0 1 1 0 3.2a1.6 1.6 0 1 1 0-3.2zM12 10.4a1.6 1.6 0 1 1 0 3.2a1.6 1.6 0 1 1 0-3.2zM12 16.5a1.6 1.6 0 1 1 0 3.2a1.6 1.6 0 1 1 0-3.2z"],
  settings: ["M4 7h9M17 7h3M4 17h3M11 17h9M15 4.8a2.2 2.2 0 1 1 0 4.4a2.2 2.2 0 1 1 0-4.4zM9 14.8a2.2 2.2 0 1 1 0 4.4a2.2 2.2 0 1 1 0-4.4z"],
  signin: ["M14 4h5v16h-5M9.5 8l4 4-4 4M13.5 12h-9"],
  signout: ["M10 4H5v16h5M14.5 8l4 4-4 4M18.5 12H9.5"],
  warn: ["M12 4L21 19.5H3zM12 10v4M12 16.7v.3"],
  info: [RING, "M12 11v5M12 7.8v.3"],
};
ICONS.refresh = ICONS.retrying;

/** Add icons that the first view does not need. */
export const addIcons = (more) => Object.assign(ICONS, more);

/** An icon. It is hidden from screen readers: the text beside it or the label of its button names it. */
export function icon(name, extra = "") {
  const paths = (ICONS[name] ?? ICONS.info).map((d) => {
    if (d[0] === "!") return svg("path", { d: d.slice(1), class: "fill" });
    if (d[0] === "~") return svg("path", { d: d.slice(1), class: "on-fill" });
    return svg("path", { d });
  });
  return svg("svg", { class: `icon icon-${name} ${extra}`, viewBox: "0 0 24 24", "aria-hidden": "true" }, paths);
}

/** A button that has only an icon; `label` is its accessible name and its tooltip. */
export function iconButton(name, label, click, attrs = {}) {
  const { class: extra = "", ...others } = attrs;
  const all = { type: "button", class: `icon-button ${extra}`, "aria-label": label, title: label, ...others };
  return h("button", { ...all, on: { click } }, icon(name));
}

/** A button with a text and, if given, an icon. `kind`: "", "primary" or "danger". */
export function button(label, click, { kind = "", icon: name = null, ...attrs } = {}) {
  return h("button", { type: "button", class: `button ${kind}`, ...attrs, on: { click } }, name && icon(name), label);
}

/** A status as icon and text, in its colour. */
export function statusMark(status, word = t(`status_${status}`)) {
  return h("span", { class: `mark s-${status}` }, icon(status), h("span", { text: word }));
}

// ---- texts of other programs ----

// Control, format and unassigned characters, unusual spaces, and letters and marks that no font shows. The engine escapes
// the same ones.
const SUSPECT = /[\p{C}\u2028\u2029\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\u{e0100}-\u{e01ef}]|(?![ \u00a0\u3000])\p{Zs}/gu;

/** Escape what could hide or reorder text in a name or another short text: it becomes `\x1b`, `\u202e`. */
export function visible(text) {
  return String(text).replace(SUSPECT, escape);
}

/** Like `visible`, for a text of several lines: line ends and tabs are kept. */
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

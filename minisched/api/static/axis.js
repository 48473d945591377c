/** The axis of the timeline: lines at round hours of this browser's clock, and their labels. */
import { h } from "./dom.js";
import { lang } from "./i18n.js";

const STEPS_MIN = [15, 30, 60, 120, 180, 360, 720, 1440];
const LABEL_PX = 64; // a label and some room
const EDGE_PX = [16, 22]; // where a label would be cut

/** px from the left of a time (ms). scale: {since, until: ms, width: px}. */
export function placeOf(at, { since, until, width }) {
  return Math.round(((at - since) / (until - since)) * width * 10) / 10;
}

/** {labels, lines}: elements, placed. A midnight has its date. */
export function axis(scale) {
  const { since, until, width } = scale;
  const least = ((until - since) / width) * LABEL_PX;
  const step = (STEPS_MIN.find((minutes) => minutes * 60000 >= least) ?? 1440) * 60000;
  const offset = new Date().getTimezoneOffset() * 60000;
  const labels = [];
  const lines = [];
  for (let at = Math.ceil((since - offset) / step) * step + offset; at < until; at += step) {
    const time = new Date(at);
    const x = placeOf(at, scale);
    const midnight = !time.getHours() && !time.getMinutes();
    lines.push(h("div", { class: "tl-tick", style: { left: `${x}px` } }));
    if (x < EDGE_PX[0] || x > width - EDGE_PX[1]) continue;
    labels.push(h("span", { class: midnight ? "tl-hour tl-midnight" : "tl-hour", style: { left: `${x}px` } }, midnight ? day(time) : clock(time)));
  }
  return { labels, lines };
}

const two = (n) => String(n).padStart(2, "0");
const clock = (time) => `${two(time.getHours())}:${two(time.getMinutes())}`;
const day = (time) => time.toLocaleDateString(lang() === "zh" ? "zh-CN" : "en-GB", { day: "numeric", month: "short" });

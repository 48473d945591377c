/** Makes the text of a schedule from choices: every N minutes, at a time on some days, on a working day of a calendar. */
import { h } from "../core/dom.js";
import { fmtDay } from "../core/format.js";
import { t } from "../i18n/i18n.js";
import { choiceLabel, newId } from "./form_controls.js";

const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
// A Monday.
const MONDAY = Date.UTC(2024, 0, 1);
const nameOfDay = (day) => fmtDay(MONDAY + DAYS.indexOf(day) * 86400000, { weekday: "long" });
const KINDS = ["minutes", "hours", "daily", "week", "month", "nth", "working"];

const FIRST = { kind: "daily", n: 15, time: "02:30", days: DAYS.slice(0, 5), day: "1", which: "1", weekday: "mon", name: "", rule: "working" };

/** The schedule text of the choices, see FIRST. */
export function scheduleText({ kind, n, time, days, day, which, weekday }) {
  const [hour, minute] = time.split(":").map(Number);
  // A step that does not divide the hour or the day would be uneven at its end.
  if (kind === "minutes") return 60 % n ? `@every ${n}m` : `*/${n} * * * *`;
  if (kind === "hours") return 24 % n ? `@every ${n}h` : `${minute} ${n === 1 ? "*" : `*/${n}`} * * *`;
  const on = { week: `* * ${daysText(days)}`, month: `${day} * *`, nth: `* * ${which === "L" ? `${weekday}L` : `${weekday}#${which}`}` }[kind];
  return `${minute} ${hour} ${on ?? "* * *"}`;
}

const daysText = (days) => {
  const all = DAYS.filter((day) => days.includes(day));
  if (!all.length || all.length === 7) return "*";
  const [first, last] = [DAYS.indexOf(all[0]), DAYS.indexOf(all[all.length - 1])];
  return all.length > 2 && last - first === all.length - 1 ? `${all[0]}-${all[all.length - 1]}` : all.join(",");
};

/** The choices that make a text; null if none do. `calendar`: the name and the days of the task's calendar, or null. */
export function choicesOf(text, calendar) {
  const two = (word) => word.padStart(2, "0");
  let found = /^\*\/(\d+) \* \* \* \*$/.exec(text) ?? /^@every (\d+)m$/.exec(text);
  if (found) return { ...FIRST, kind: "minutes", n: Number(found[1]) };
  found = /^@every (\d+)h$/.exec(text);
  if (found) return { ...FIRST, kind: "hours", n: Number(found[1]) };
  found = /^(\d+) (?:\*(?:\/(\d+))?|(\d+)) (\S+) \* (\S+)$/.exec(text);
  if (!found) return null;
  const [, minute, step, hour, day, weekday] = found;
  const choices = { ...FIRST, time: `${two(hour ?? "0")}:${two(minute)}` };
  const nth = /^([a-z]{3})(?:#([1-5])|L)$/.exec(weekday);
  if (!hour) Object.assign(choices, { kind: "hours", n: Number(step ?? 1) });
  else if (day === "*" && weekday === "*") Object.assign(choices, calendar ? { kind: "working", ...calendar } : { kind: "daily" });
  else if (day === "*" && nth) Object.assign(choices, { kind: "nth", weekday: nth[1], which: nth[2] ?? "L" });
  else if (day === "*") {
    const range = /^([a-z]{3})-([a-z]{3})$/.exec(weekday);
    const days = range ? DAYS.slice(DAYS.indexOf(range[1]), DAYS.indexOf(range[2]) + 1) : weekday.split(",");
    Object.assign(choices, { kind: "week", days });
  } else Object.assign(choices, { kind: "month", day });
  return scheduleText(choices) === text ? choices : null;
}

/**
 * The controls for one schedule. text: the present one. calendars: {names, days: the field of the rule, get(), set(value)}
 * of the task. `take(text)` is called after each choice. Returns an element.
 */
export function scheduleBuilder(text, calendars, take) {
  const given = calendars.get();
  const rule = given && { name: given.name ?? given, rule: given.days ?? "working" };
  const now = choicesOf(text, rule) ?? { ...FIRST };
  now.name ||= calendars.names[0] ?? "";
  const parts = h("div", { class: "ed-tools" });
  const set = (name, value) => {
    const before = now.kind;
    now[name] = value;
    if (now.kind === "working") calendars.set(now.rule === "working" ? now.name : { name: now.name, days: now.rule });
    // The days come from the text then.
    else if (before === "working") calendars.set(undefined);
    take(scheduleText(now));
  };
  const labelled = (name, control) => h("div", { class: "ed-part" }, h("label", { for: control.id, text: t(`sb_${name}`) }), control);
  const select = (name, options) => {
    const el = h("select", { id: newId(), class: "ed-input", on: { change: () => set(name, el.value) } }, options.map(([value, label]) => h("option", { value, text: label })));
    el.value = now[name];
    return labelled(name, el);
  };
  const input = (name, attrs, read = (value) => value) => {
    const el = h("input", { id: newId(), class: "ed-input", value: now[name], required: true, ...attrs });
    el.addEventListener("input", () => el.validity.valid && set(name, read(el.value)));
    return labelled(name, el);
  };
  const time = () => input("time", { type: "time" });
  const days = () =>
    h("fieldset", { class: "ed-boxes" }, h("legend", { class: "hidden-label", text: t("sb_days") }), DAYS.map((day) => {
      const box = h("input", { type: "checkbox", checked: now.days.includes(day) });
      box.addEventListener("change", () => set("days", DAYS.filter((one) => (one === day ? box.checked : now.days.includes(one)))));
      return h("label", { class: "ed-box" }, box, h("span", { text: nameOfDay(day) }));
    }));
  const BY_KIND = {
    minutes: () => [input("n", { type: "number", min: 1, max: 1440 }, Number)],
    hours: () => [input("n", { type: "number", min: 1, max: 720 }, Number)],
    daily: () => [time()],
    week: () => [days(), time()],
    month: () => [select("day", [...Array.from({ length: 31 }, (_, i) => [String(i + 1), String(i + 1)]), ["L", t("sb_last_day")]]), time()],
    nth: () => [select("which", [..."1234L"].map((which) => [which, t(`sb_which_${which}`)])), select("weekday", DAYS.map((day) => [day, nameOfDay(day)])), time()],
    working: () =>
      calendars.names.length
        ? [select("name", calendars.names.map((name) => [name, name])), select("rule", calendars.days.choices.map((one) => [one, choiceLabel(calendars.days, one)])), time()]
        : [h("p", { class: "ed-muted", text: t("sb_no_calendar") })],
  };
  const kind = h("select", { id: newId(), class: "ed-input" }, KINDS.map((one) => h("option", { value: one, text: t(`sb_kind_${one}`) })));
  kind.value = now.kind;
  const draw = () => parts.replaceChildren(labelled("kind", kind), ...BY_KIND[now.kind]());
  kind.addEventListener("change", () => {
    if (kind.value === "hours") now.n = Math.min(now.n, 24);
    if (kind.value !== "working" || calendars.names.length) set("kind", kind.value);
    else now.kind = kind.value;
    draw();
    kind.focus();
  });
  draw();
  return h("div", { class: "ed-builder", role: "group", "aria-label": t("sb_open") }, parts);
}

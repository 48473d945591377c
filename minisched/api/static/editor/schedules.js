/** The control for schedules: their texts, and a preview of the next due times while the user types. */
import { call } from "../core/api.js";
import { h, iconButton, setText } from "../core/dom.js";
import { errorText } from "../core/error_text.js";
import { fmtAgoBeside, fmtTime } from "../core/format.js";
import { localized, t } from "../i18n/i18n.js";
import { newId, placeholder, plainText, withOriginal } from "./form_controls.js";
import { scheduleBuilder } from "./schedule_builder.js";
import { segments } from "./values.js";

// The preview is requested this long after the last key.
const TYPED_MS = 300;
const COUNT = 5;
// Days that the calendar leaves out, below the due times.
const LEFT_OUT_SHOWN = 3;
const COMMON = ["*/5 * * * *", "0 * * * *", "30 2 * * *", "0 8 * * mon-fri", "0 6 * * mon", "0 0 1 * *", "@every 90s", "@at 2030-01-01T08:00", "@reboot"];

export function schedules(field, outer) {
  return withOriginal(outer, (ctx) => {
    const rows = [];
    const place = h("ol", { class: "ed-list" });
    const add = h("button", { type: "button", class: "small-button ed-add" }, t("ed_add_task_schedule"));
    const preview = h("div", { class: "ed-preview", "aria-live": "polite" });
    const common = h("datalist", { id: newId() }, ...COMMON.map((value) => h("option", { value })));
    // Whether the value was a list in the config.
    let many = false;
    let timer = 0;
    let asked = 0;
    let clock = 0;

    /** Show or hide the builder below a row. */
    const toggleBuilder = (one) => {
      if (one.builder) one.builder.remove();
      one.builder = one.builder ? null : scheduleBuilder(one.input.value.trim(), ctx.calendars(), (text) => {
        one.input.value = text;
        ctx.changed();
        previewSoon();
      });
      one.open.setAttribute("aria-expanded", String(Boolean(one.builder)));
      if (!one.builder) return;
      one.input.closest("li").append(one.builder);
      one.builder.querySelector("select").focus();
    };
    const put = (value = "") => {
      const id = newId();
      const errors = h("ul", { class: "ed-errors", id: `${id}e`, hidden: true });
      const input = h("input", { type: "text", class: "ed-input ed-mono", id, autocomplete: "off", spellcheck: "false", list: common.id, placeholder: placeholder(field), "aria-label": `${t("ed_f_task_schedule")} ${rows.length + 1}`, "aria-describedby": `${id}e`, value });
      const one = {
        id,
        input,
        el: input,
        show(messages) {
          errors.replaceChildren(...messages.map((text) => h("li", {}, text)));
          errors.hidden = !messages.length;
          row.classList.toggle("ed-wrong", messages.length > 0);
          input.toggleAttribute("aria-invalid", messages.length > 0);
          if (messages.length) input.setAttribute("aria-invalid", "true");
        },
        focus: () => input.focus(),
      };
      input.addEventListener("input", () => {
        ctx.changed();
        previewSoon();
      });
      const remove = iconButton("trash", t("ed_remove"), () => {
        rows.splice(rows.indexOf(one), 1);
        row.remove();
        if (!rows.length) put();
        rows[0].focus();
        ctx.changed();
        previewSoon();
      }, { class: "ed-remove" });
      one.open = h("button", { type: "button", class: "small-button ed-build", "aria-expanded": "false", text: t("sb_open"), on: { click: () => toggleBuilder(one) } });
      const row = h("li", {}, h("div", { class: "ed-item" }, input, errors), one.open, remove);
      rows.push(one);
      place.append(row);
      return one;
    };
    add.addEventListener("click", () => put().focus());

    const previewSoon = () => {
      clearTimeout(timer);
      timer = setTimeout(loadPreview, TYPED_MS);
    };
    const loadPreview = async () => {
      const filled = rows.filter(({ input }) => input.value.trim());
      const request = (asked += 1);
      if (!filled.length) {
        rows.forEach((one) => one.show([]));
        preview.replaceChildren(h("p", { class: "ed-muted" }, t("ed_by_hand")));
        return;
      }
      const query = new URLSearchParams(filled.map(({ input }) => ["schedule", input.value.trim()]));
      query.append("count", COUNT);
      if (ctx.zone()) query.append("timezone", ctx.zone());
      if (ctx.taskId()) query.append("task_id", ctx.taskId());
      const rule = ctx.calendar();
      if (rule) query.append("calendar", rule.name ?? rule);
      if (rule?.days) query.append("days", rule.days);
      try {
        const { data } = await call("GET", `/preview?${query}`);
        if (request !== asked) return;
        rows.forEach((one) => one.show([]));
        const leftOut = data.left_out.slice(0, LEFT_OUT_SHOWN).map(({ text }) => h("p", { class: "ed-muted" }, plainText(text)));
        preview.replaceChildren(h("p", { class: "ed-words" }, plainText(data.words)), times(data.times), ...leftOut);
        clearInterval(clock);
        clock = setInterval(() => (preview.isConnected ? countDown(preview) : clearInterval(clock)), 1000);
      } catch (error) {
        if (request !== asked) return;
        rows.forEach((one) => one.show([]));
        const rest = showProblems(error.problems ?? [], filled);
        if (!error.problems?.length) rest.push(error.status ? errorText(error) : t("ed_no_preview"));
        preview.replaceChildren(...rest.map((text) => h("p", { class: "ed-trouble" }, text)));
      }
    };
    /** Show problems at their rows. Returns the messages that belong to no row. */
    const showProblems = (problems, filled) => {
      const rest = [];
      const byRow = new Map();
      for (const problem of problems) {
        const { path = "" } = problem;
        const index = segments(path).find((part) => typeof part === "number");
        const one = filled[index ?? (filled.length === 1 && /schedule/.test(path || "schedule") ? 0 : -1)];
        if (one) byRow.set(one, [...(byRow.get(one) ?? []), localized(problem)]);
        else rest.push(localized(problem));
      }
      byRow.forEach((messages, one) => one.show(messages));
      return rest;
    };
    return {
      el: h("div", { class: "ed-schedules" }, place, add, common, preview),
      focus: () => rows[0].focus(),
      fits: (value) => value === null || typeof value === "string" || (Array.isArray(value) && value.every((one) => typeof one === "string")),
      get() {
        const texts = rows.map(({ input }) => input.value.trim()).filter(Boolean);
        return texts.length > 1 || (many && texts.length) ? texts : texts[0];
      },
      set(value) {
        many = Array.isArray(value);
        rows.length = 0;
        place.replaceChildren();
        (many && value.length ? value : [value ?? ""]).forEach((text) => put(text ?? ""));
        previewSoon();
      },
      child: (index) => rows[index],
      children: () => rows,
      refresh: previewSoon,
    };
  });
}

/** Update the countdowns. */
function countDown(preview) {
  for (const time of preview.querySelectorAll("time")) setText(time.nextSibling, fmtAgoBeside(time.dateTime));
}

function times(list) {
  if (!list.length) return h("p", { class: "ed-muted" }, t("ed_never_due"));
  const seconds = !list.every((iso) => /T..:..:00/.test(iso));
  return h("ol", { class: "ed-times", "aria-label": t("ed_next_due") }, ...list.map((iso) => h("li", {}, h("time", { datetime: iso }, fmtTime(iso, { weekday: true, seconds })), h("span", { class: "ed-muted" }, fmtAgoBeside(iso)))));
}

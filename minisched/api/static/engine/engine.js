/** The engine: its state, its problems, the config, the notifications, and the end of its log. */
import { call } from "../core/api.js";
import { notice } from "../core/dialog.js";
import { button, h, icon, setText, visible, visibleText } from "../core/dom.js";
import { errorText } from "../core/error_text.js";
import { fmtAgoBeside, fmtBytes, fmtTime } from "../core/format.js";
import { engineProblems } from "../core/status_text.js";
import { has, lang, localized, t } from "../i18n/i18n.js";
import { actions } from "../tasks/actions.js";
import { outbox } from "./outbox.js";

const TAIL_LINES = 300;
// Of the log that the page keeps; when it is full, the older half is dropped.
const LOG_CHARS_MAX = 200000;
const POLL_MS = 2000;
const REFRESH_MS = 5000;

export function mount(el, store) {
  const facts = h("dl", { class: "facts" });
  const config = h("div", { class: "panel-body" });
  const problems = h("section", { class: "panel", hidden: true });
  const notifications = outbox(store);
  const log = engineLog();
  const reload = button(t("en_reload"), () => reloadConfig(reload), { icon: "refresh" });
  el.append(
    h("h1", { class: "hidden-label", text: t("view_engine") }),
    problems,
    h("section", { class: "panel" }, h("h2", { text: t("view_engine") }), facts),
    h("section", { class: "panel" }, h("div", { class: "panel-head" }, h("h2", { text: t("en_config") }), reload), config),
    notifications.el,
    log.el,
  );
  let shown = "";
  const update = () => {
    const { status } = store;
    if (!status) return;
    const found = engineProblems(status);
    const key = JSON.stringify([status.config, found]);
    if (key !== shown) {
      shown = key;
      fillProblems(problems, found);
      fillConfig(config, status);
    }
    fillFacts(facts, status);
  };
  const unsubscribe = store.on((change) => change.status && update());
  const clock = setInterval(update, REFRESH_MS);
  update();
  return {
    leave() {
      unsubscribe();
      clearInterval(clock);
      notifications.close();
      log.close();
      el.replaceChildren();
    },
  };
}

async function reloadConfig(reload) {
  reload.disabled = true;
  try {
    await call("POST", "/reload");
    notice(t("en_reloaded"), "good");
  } catch (error) {
    // The problems are listed on the page.
    notice(error.status === 422 ? t("en_config_bad") : errorText(error), "bad");
  }
  reload.disabled = false;
}

function fillProblems(el, problems) {
  el.hidden = !problems.length;
  if (!problems.length) return;
  const rows = problems.map(({ key, message }) => {
    const title = `about_${key.replace(" ", "_")}`;
    return h("li", { class: "problem" }, icon("warn"), h("p", {}, h("strong", { text: has(title) ? t(title) : visible(key) }), ` ${visible(message)}`));
  });
  el.replaceChildren(h("h2", { text: t("en_problems") }), h("ul", {}, rows));
}

function fillConfig(el, { config }) {
  const { problems, warnings } = config;
  const good = !problems.length;
  const head = h("p", { class: `mark s-${good ? "success" : "technical_failure"}` }, icon(good ? "success" : "technical_failure"), t(good ? "en_config_good" : "en_config_bad"));
  const row = (problem) => {
    const where = [problem.file, problem.place_words[lang()]].filter(Boolean).map(visible).join(": ");
    // A problem of a task leads to it; what is in force can be edited.
    const id = /^tasks\[\d+\] \(([\w-]+)\)/.exec(problem.place)?.[1];
    const place = where && h("code", { text: where });
    return h("li", { class: "problem" }, h("p", {}, !id ? place : problems.length ? h("a", { href: `#task/${id}` }, place) : h("button", { type: "button", class: "link", title: t("edit"), on: { click: () => actions.editAt(id, problem) } }, place), " ", visible(localized(problem))));
  };
  const list = (found, name) => (found.length ? [h("ul", { class: name }, found.map(row))] : []);
  const title = warnings.length ? [h("p", { class: "mark s-missed" }, icon("warn"), t("en_config_warnings"))] : [];
  el.replaceChildren(head, ...list(problems, "problems"), ...title, ...list(warnings, "warnings"));
}

/** A time zone and where it comes from, unless its name says that. */
function zoneText(zone, source) {
  if (!source || zone.startsWith(source)) return visible(zone);
  return t("en_zone", { zone: visible(zone), source: source === "settings" ? t("about_config") : visible(source) });
}

function fillFacts(el, s) {
  const facts = [
    ["state", t(s.stopping ? "en_stopping" : "en_running")],
    ["version", `minisched ${s.version}, Python ${s.python}, pid ${s.pid}`],
    ["uptime", fmtAgoBeside(s.started_time) ? t("with_note", { text: fmtTime(s.started_time, { date: true }), note: fmtAgoBeside(s.started_time) }) : fmtTime(s.started_time, { date: true })],
    ["home", visible(s.home)],
    ["clock", `${fmtTime(s.server_time)}, ${zoneText(s.timezone, s.timezone_source)}`],
    ["processes", t("en_processes_of", { n: s.running, max: s.max_running })],
    ["tasks", t("en_tasks_of", { n: s.tasks, disabled: s.disabled })],
    s.disk?.total_bytes && ["disk", t("en_disk_free", { free: fmtBytes(s.disk.free_bytes), total: fmtBytes(s.disk.total_bytes) })],
    typeof s.history?.runs === "number" && ["history", t("en_history_of", { n: s.history.runs, size: fmtBytes(s.history.bytes) })],
    s.listeners !== undefined && ["listeners", String(s.listeners)],
  ].filter(Boolean);
  if (el.children.length !== facts.length) el.replaceChildren(...facts.map(() => h("div", {}, h("dt"), h("dd", { class: "number" }))));
  facts.forEach(([name, text], i) => {
    const [dt, dd] = el.children[i].children;
    setText(dt, t(`en_${name}`));
    setText(dd, text);
  });
}

/** The end of the engine's log. It is followed while the box is ticked. */
function engineLog() {
  const follow = h("input", { type: "checkbox", checked: true });
  const out = h("pre", { class: "output engine-log", tabindex: "0", "aria-label": t("en_log") });
  const note = h("p", { class: "muted", text: t("loading") });
  const el = h("section", { class: "panel" }, h("div", { class: "panel-head" }, h("h2", { text: t("en_log") }), h("label", { class: "check" }, follow, t("lg_follow"))), note, out);
  let next = null;
  let open = true;
  let timer = null;
  out.hidden = true;

  const poll = async () => {
    try {
      if (follow.checked && !document.hidden) {
        const { data } = await call("GET", next === null ? `/log?tail=${TAIL_LINES}` : `/log?offset=${encodeURIComponent(next)}`);
        if (!open) return;
        next = data.next_offset;
        if (data.text) append(visibleText(data.text));
        note.hidden = Boolean(out.textContent);
        setText(note, t("lg_empty"));
        out.hidden = !note.hidden;
      }
    } catch (error) {
      if (!open) return;
      // The place was rotated away: start again from the end.
      if (error.status === 410 || error.status === 400) next = null;
      // The banner reports a lost connection.
      note.hidden = error.status === 0;
      setText(note, errorText(error));
    }
    timer = setTimeout(poll, POLL_MS);
  };
  const append = (text) => {
    const atEnd = out.scrollHeight - out.scrollTop - out.clientHeight < 40 || !out.textContent;
    out.append(text);
    if (out.textContent.length > LOG_CHARS_MAX) out.textContent = out.textContent.slice(-LOG_CHARS_MAX / 2).replace(/^[^\n]*\n/, "");
    out.hidden = false;
    if (atEnd) out.scrollTop = out.scrollHeight;
  };
  poll();
  return {
    el,
    close() {
      open = false;
      clearTimeout(timer);
    },
  };
}

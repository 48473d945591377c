/** The engine: how it is, what troubles it, and the end of its log. */
import { call } from "./api.js";
import { notice } from "./dialog.js";
import { button, fmtAgo, fmtBytes, fmtTime, h, icon, setText, visible, visibleText } from "./dom.js";
import { failure } from "./failure.js";
import { has, lang, said, t } from "./i18n.js";
import { outbox } from "./outbox.js";
import { troubles } from "./words.js";

const LINES = 300;
const MOST_CHARS = 200000; // of the log on the page
const ASK_MS = 2000;

export function mount(el, store) {
  const facts = h("dl", { class: "facts" });
  const config = h("div", { class: "panel-body" });
  const trouble = h("section", { class: "panel", hidden: true });
  const messages = outbox(store);
  const log = engineLog();
  const reload = button(t("en_reload"), () => readAgain(reload), { icon: "refresh" });
  el.append(
    h("h1", { class: "hidden-label", text: t("view_engine") }),
    trouble,
    h("section", { class: "panel" }, h("h2", { text: t("view_engine") }), facts),
    h("section", { class: "panel" }, h("div", { class: "panel-head" }, h("h2", { text: t("en_config") }), reload), config),
    messages.el,
    log.el,
  );
  let shown = "";
  const take = () => {
    const { status } = store;
    if (!status) return;
    const found = troubles(status);
    const key = JSON.stringify([status.config, found]);
    if (key !== shown) {
      shown = key;
      fillTrouble(trouble, found);
      fillConfig(config, status);
    }
    fillFacts(facts, status);
  };
  const leave = store.on((change) => change.status && take());
  const clock = setInterval(take, 5000);
  take();
  return () => {
    leave();
    clearInterval(clock);
    messages.close();
    log.close();
    el.replaceChildren();
  };
}

async function readAgain(reload) {
  reload.disabled = true;
  try {
    await call("POST", "/reload");
    notice(t("en_reloaded"), "good");
  } catch (error) {
    notice(error.status === 422 ? t("en_config_bad") : failure(error), "bad"); // its problems stand on the page
  }
  reload.disabled = false;
}

function fillTrouble(el, problems) {
  el.hidden = !problems.length;
  if (!problems.length) return;
  const rows = problems.map(({ about, message }) => {
    const key = `about_${about.replace(" ", "_")}`;
    return h("li", { class: "problem" }, icon("warn"), h("p", {}, h("strong", { text: has(key) ? t(key) : visible(about) }), ` ${visible(message)}`));
  });
  el.replaceChildren(h("h2", { text: t("en_problems") }), h("ul", {}, rows));
}

function fillConfig(el, { config }) {
  const { problems } = config;
  const good = !problems.length;
  const head = h("p", { class: `mark s-${good ? "success" : "technical_failure"}` }, icon(good ? "success" : "technical_failure"), t(good ? "en_config_good" : "en_config_bad"));
  const rows = problems.map((problem) => {
    const place = [problem.file, problem.place_words[lang()]].filter(Boolean).map(visible).join(": ");
    return h("li", { class: "problem" }, h("p", {}, place && h("code", { text: place }), " ", visible(said(problem))));
  });
  el.replaceChildren(head, ...(good ? [] : [h("ul", { class: "problems" }, rows)]));
}

function fillFacts(el, s) {
  const facts = [
    ["state", t(s.stopping ? "en_stopping" : "en_running")],
    ["version", `minisched ${s.version}, Python ${s.python}, pid ${s.pid}`],
    ["uptime", `${fmtTime(s.started_time, { date: true })} (${fmtAgo(s.started_time)})`],
    ["home", visible(s.home)],
    ["clock", `${fmtTime(s.server_time)}, ${visible(s.timezone)}`],
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

/** The end of the engine's log, which goes on as long as its box is ticked. */
function engineLog() {
  const follow = h("input", { type: "checkbox", checked: true });
  const out = h("pre", { class: "output engine-log", tabindex: "0", "aria-label": t("en_log") });
  const told = h("p", { class: "muted", text: t("loading") });
  const el = h("section", { class: "panel" }, h("div", { class: "panel-head" }, h("h2", { text: t("en_log") }), h("label", { class: "check" }, follow, t("en_log_follow"))), told, out);
  let next = null;
  let open = true;
  let timer = null;
  out.hidden = true;

  const ask = async () => {
    try {
      if (follow.checked && !document.hidden) {
        const { data } = await call("GET", next === null ? `/log?tail=${LINES}` : `/log?offset=${encodeURIComponent(next)}`);
        if (!open) return;
        next = data.next_offset;
        if (data.text) put(visibleText(data.text));
        told.hidden = Boolean(out.textContent);
        setText(told, t("en_log_empty"));
        out.hidden = !told.hidden;
      }
    } catch (error) {
      if (!open) return;
      if (error.status === 410 || error.status === 400) next = null; // rotated away: from its end again
      told.hidden = error.status === 0; // the banner says it
      setText(told, failure(error));
    }
    timer = setTimeout(ask, ASK_MS);
  };
  const put = (text) => {
    const atEnd = out.scrollHeight - out.scrollTop - out.clientHeight < 40 || !out.textContent;
    out.append(text);
    if (out.textContent.length > MOST_CHARS) out.textContent = out.textContent.slice(-MOST_CHARS / 2).replace(/^[^\n]*\n/, "");
    out.hidden = false;
    if (atEnd) out.scrollTop = out.scrollHeight;
  };
  ask();
  return {
    el,
    close() {
      open = false;
      clearTimeout(timer);
    },
  };
}

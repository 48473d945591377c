/** The outbox: the state of each notification, and the button to send one again. */
import { call } from "../core/api.js";
import { confirm, notice } from "../core/dialog.js";
import { button, h, setText, statusMark, visible } from "../core/dom.js";
import { errorText } from "../core/error_text.js";
import { fmtAgo, fmtTime, fmtWhen } from "../core/format.js";
import { engineText, loadTexts, t } from "../i18n/i18n.js";
import { fillPager } from "../runs/table.js";
import { actions } from "../tasks/actions.js";

const PAGE_SIZE = 10;
// While notifications are pending.
const OUTBOX_POLL_MS = 5000;
const STATES = ["failed", "pending", "sent"];
// The task status whose icon and colour a state has.
const STATUS_OF_STATE = { failed: "technical_failure", pending: "waiting", sent: "success" };

/** The panel of the outbox. Returns {el, close()}. */
export function outbox(store) {
  const choice = h("select", { class: "status-filter", "aria-label": t("en_state") }, h("option", { value: "", text: t("ob_all") }));
  for (const state of STATES) choice.append(h("option", { value: state, text: t(`ob_state_${state}`) }));
  const pager = h("div", { class: "pager" });
  const note = h("p", { class: "muted", text: t("loading") });
  const table = h("div", { class: "scroll-x" });
  const tools = h("div", { class: "history-tools" }, choice, pager);
  const all = button(t("ob_again_all"), () => resendAll(), { icon: "refresh", hidden: true });
  const el = h("section", { class: "panel outbox" }, h("div", { class: "panel-head" }, h("h2", { text: t("ob_title") }), all), tools, note, table);
  let page = 1;
  // Counts the requests: only the answer to the latest one is shown.
  let asked = 0;
  let shown = "";
  let counts = "";
  let pending = 0;

  const load = async () => {
    asked += 1;
    const mine = asked;
    const filter = choice.value ? `&state=${choice.value}` : "";
    try {
      const { data } = await call("GET", `/notifications?page=${page}&page_size=${PAGE_SIZE}${filter}`);
      await loadTexts(data.items);
      if (mine !== asked) return;
      if (!data.items.length && page > 1) {
        page = 1;
        return load();
      }
      fill(data);
      if (!document.hidden) store.failedSeen();
    } catch (error) {
      if (mine !== asked) return;
      // The banner reports a lost connection.
      note.hidden = error.status === 0;
      setText(note, errorText(error));
    }
  };

  const turn = (to) => {
    page = to;
    load();
  };

  const fill = (data) => {
    const empty = !data.total;
    tools.hidden = empty && !choice.value;
    note.hidden = !empty;
    setText(note, t(choice.value ? "ob_none_match" : "ob_none"));
    table.hidden = empty;
    const key = JSON.stringify(data);
    if (key !== shown) {
      shown = key;
      const focused = table.contains(document.activeElement) && document.activeElement.closest("tr")?.dataset.id;
      const again = document.activeElement?.classList.contains("again");
      table.replaceChildren(rows(data.items));
      const row = focused && table.querySelector(`tr[data-id="${Number(focused)}"]`);
      if (row) (row.querySelector(again ? ".again" : ".link") ?? row.querySelector(".link")).focus({ preventScroll: true });
      fillPager(pager, data, turn);
    }
    for (const one of table.querySelectorAll("[data-next]")) setText(one, fmtAgo(one.dataset.next));
  };

  const rows = (items) => {
    const columns = ["time", "task", "channel", "state", "tries", "next"];
    const head = columns.map((name) => h("th", { scope: "col", class: `ob-${name}`, text: t(`ob_${name}`) }));
    return h("table", { class: "table messages", "aria-label": t("ob_title") }, h("thead", {}, h("tr", {}, head, h("th", { scope: "col" }, h("span", { class: "hidden-label", text: t("ob_again") })))), h("tbody", {}, items.map(row)));
  };

  const row = (one) => {
    const name = one.task_id ? visible(store.tasks.get(one.task_id)?.task_name ?? one.task_id) : "minisched";
    const run = !one.run_id ? name : h("button", { type: "button", class: "link", title: t("open_run", { id: one.run_id }), text: name, on: { click: () => actions.openRun(one, one.run_id) } });
    const again = one.state === "pending" ? null : button(t("ob_again"), () => resend(one, again, name), { icon: "refresh", class: "button again", "aria-label": t("ob_again_of", { task: name, rule: visible(one.rule), channel: t(`ob_type_${one.channel_type}`), time: fmtTime(one.created_time) }) });
    return h(
      "tr",
      { dataset: { id: one.delivery_id } },
      h("td", { class: "ob-time nowrap number", title: fmtTime(one.created_time), text: fmtWhen(one.created_time) }),
      h("td", { class: "ob-task" }, run, h("p", { class: "muted small" }, visible(one.rule), one.event === "recovery" && ` · ${t("ob_recovery")}`)),
      h("td", { class: "ob-channel", text: t(`ob_type_${one.channel_type}`) }),
      h("td", { class: "ob-state" }, statusMark(STATUS_OF_STATE[one.state], t(`ob_state_${one.state}`)), one.error && h("p", { class: "small", text: visible(engineText(one.error)) }), one.answer && h("p", { class: "muted small" }, t("ob_said"), " ", h("q", { text: visible(one.answer) }))),
      h("td", { class: "ob-tries number", "data-label": t("with_detail", { text: t("ob_tries"), detail: "" }), text: String(one.attempts) }),
      nextCell(one),
      h("td", { class: "ob-act" }, again),
    );
  };

  const resend = async (one, again, name) => {
    if (one.state === "sent" && !(await confirm(t("ob_again_question", { task: name }), t("ob_again"), { detail: t("ob_again_detail"), danger: false }))) return;
    again.disabled = true;
    try {
      await call("POST", `/notifications/${one.delivery_id}/resend`);
      notice(t("ob_resent"), "good");
    } catch (error) {
      notice(errorText(error), "bad");
      again.disabled = false;
    }
    await load();
  };

  /** Send the failed messages again, after a question with their number and the age of the oldest. */
  const resendAll = async () => {
    all.disabled = true;
    try {
      const { failed } = store.status.outbox;
      const { data } = await call("GET", `/notifications?state=failed&page_size=1&page=${Math.max(1, failed)}`);
      const oldest = data.items[0] && t("ob_again_oldest", { time: fmtTime(data.items[0].created_time, { date: true }) });
      if (await confirm(t("ob_again_all_question", { n: data.total }), t("ob_again_all"), { detail: oldest ?? "", danger: false })) {
        const sent = await call("POST", "/notifications/resend");
        notice(t("ob_resent_all", { n: sent.data.resent }), "good");
      }
    } catch (error) {
      notice(errorText(error), "bad");
    }
    all.disabled = false;
    await load();
  };

  const update = () => {
    const found = store.status?.outbox;
    if (!found) return;
    all.hidden = !found.failed;
    pending = found.pending;
    const key = JSON.stringify(found);
    if (key === counts) return;
    counts = key;
    load();
  };
  choice.addEventListener("change", () => turn(1));
  const unsubscribe = store.on((change) => change.status && update());
  const clock = setInterval(() => pending && !document.hidden && load(), OUTBOX_POLL_MS);
  update();
  if (!counts) load();
  return {
    el,
    close() {
      asked += 1;
      unsubscribe();
      clearInterval(clock);
    },
  };
}

function nextCell(one) {
  const attrs = { class: "ob-next number", "data-label": t("with_detail", { text: t("ob_next"), detail: "" }) };
  if (one.state !== "pending") return h("td", { class: "ob-next ob-over", text: "–" });
  if (one.next_time) return h("td", { ...attrs, dataset: { next: one.next_time } }, fmtAgo(one.next_time));
  return h("td", { ...attrs, class: "ob-next" }, t("ob_after"));
}

/** A test message by a saved rule, and what each channel's other end said. */
import { call } from "./api.js";
import { button, h, icon, visible } from "./dom.js";
import { failure } from "./failure.js";
import { t, translated } from "./i18n.js";
import { same } from "./paths.js";

const PATIENCE_MS = 45000; // the engine waits 35 s for the channels

/**
 * The button below a rule in the editor. taskId: null for a task that is not there yet; rule(): as it stands in the form;
 * saved(): the rules of the task as they are saved. Gives {el, refresh()}.
 */
export function trial(taskId, rule, saved) {
  const { name } = rule() ?? {}; // the one it is saved under, also when it is renamed in the form
  const send = button(t("tr_send"), () => test(), { class: "button tr-send" });
  const hint = h("p", { class: "ed-help" });
  const results = h("div", { class: "tr-results", role: "status" });
  const el = h("div", { class: "tr" }, send, hint, results);
  const kept = () => (taskId && name ? saved().find((one) => one.name === name) : undefined);
  let under = false; // a test is under way

  const refresh = () => {
    const mine = kept();
    send.disabled = under || !mine;
    hint.textContent = t(!taskId ? "tr_new" : !mine ? "tr_unsaved" : same(mine, rule()) ? "tr_help" : "tr_changed");
    hint.classList.toggle("tr-notice", Boolean(mine) && !same(mine, rule()));
  };
  const test = async () => {
    under = true;
    refresh();
    results.replaceChildren(h("p", { class: "muted", text: t("tr_sending") }));
    try {
      const { data } = await call("POST", `/tasks/${taskId}/notify-test`, { rule: name }, { timeout: PATIENCE_MS });
      results.replaceChildren(h("ul", {}, data.results.map(told)));
    } catch (error) {
      results.replaceChildren(h("p", { class: "ed-trouble", text: failure(error) }));
    }
    under = false;
    refresh();
    if (document.activeElement === document.body) send.focus({ preventScroll: true });
  };
  refresh();
  return { el, refresh };
}

function told({ channel, channel_type: type, state, error, answer }) {
  const good = state === "sent";
  return h(
    "li",
    { class: `tr-${good ? "good" : "bad"}` },
    icon(good ? "success" : "technical_failure"),
    h(
      "div",
      {},
      h("p", {}, h("strong", { text: t("told_by", { text: `${channel + 1}. ${t(`ob_type_${type}`)}`, detail: t(good ? "tr_sent" : "tr_not_sent") }) })),
      error && h("p", { class: "small", text: visible(translated(error)) }),
      answer && h("p", { class: "muted small" }, t("ob_said"), " ", h("q", { text: visible(answer) })),
    ),
  );
}

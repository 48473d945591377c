/** The button below a notification rule that sends a test through each channel and shows the results. */
import { call } from "../core/api.js";
import { button, h, icon, visible } from "../core/dom.js";
import { errorText } from "../core/error_text.js";
import { engineText, loadTexts, t } from "../i18n/i18n.js";
import { same } from "./values.js";

// The engine waits up to 35 s for the channels.
const TIMEOUT_MS = 45000;

/**
 * The button for a rule in the editor. taskId: null for a new task. rule(): the rule in the form. saved(): the saved
 * rules of the task. Returns {el, refresh()}.
 */
export function notifyTest(taskId, rule, saved) {
  // The saved name, even if the form changes it later.
  const { name } = rule() ?? {};
  const send = button(t("tr_send"), () => test(), { class: "button tr-send" });
  const hint = h("p", { class: "ed-help" });
  const results = h("div", { class: "tr-results", role: "status" });
  const el = h("div", { class: "tr" }, send, hint, results);
  const savedRule = () => (taskId && name ? saved().find((one) => one.name === name) : undefined);
  let testing = false;

  const refresh = () => {
    const found = savedRule();
    send.disabled = testing || !found;
    hint.textContent = t(!taskId ? "tr_new" : !found ? "tr_unsaved" : same(found, rule()) ? "tr_help" : "tr_changed");
    hint.classList.toggle("tr-notice", Boolean(found) && !same(found, rule()));
  };
  const test = async () => {
    testing = true;
    refresh();
    results.replaceChildren(h("p", { class: "muted", text: t("tr_sending") }));
    try {
      const { data } = await call("POST", `/tasks/${taskId}/notify-test`, { rule: name }, { timeout: TIMEOUT_MS });
      await loadTexts(data.results);
      results.replaceChildren(h("ul", {}, data.results.map(resultRow)));
    } catch (error) {
      results.replaceChildren(h("p", { class: "ed-trouble", text: errorText(error) }));
    }
    testing = false;
    refresh();
    if (document.activeElement === document.body) send.focus({ preventScroll: true });
  };
  refresh();
  return { el, refresh };
}

function resultRow({ channel, channel_type: type, state, error, answer }) {
  const good = state === "sent";
  return h(
    "li",
    { class: `tr-${good ? "good" : "bad"}` },
    icon(good ? "success" : "technical_failure"),
    h(
      "div",
      {},
      h("p", {}, h("strong", { text: t("with_detail", { text: `${channel + 1}. ${t(`ob_type_${type}`)}`, detail: t(good ? "tr_sent" : "tr_not_sent") }) })),
      error && h("p", { class: "small", text: visible(engineText(error)) }),
      answer && h("p", { class: "muted small" }, t("ob_said"), " ", h("q", { text: visible(answer) })),
    ),
  );
}

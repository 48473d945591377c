/**
 * Notifications of the browser while the tab is hidden: of a task that newly needs attention, and of an engine that does
 * not respond. What was there when the page was loaded is not notified.
 */
import { engineText, t } from "../i18n/i18n.js";
import { visible } from "./dom.js";
import { reasonText, troubleOf, troubledRun } from "./status_text.js";
import { machine, store } from "./store.js";

const ALERTS_KEY = "minisched.alerts";
// An engine that is restarted is lost for a moment.
const LOST_MS = 5000;

/** Whether the user wants them and the browser allows them. It offers them only over https and on this machine. */
export const alertsAllowed = () => globalThis.Notification?.permission === "granted" && localStorage.getItem(ALERTS_KEY) === "on";

/** Ask the browser, and remember the choice. Resolves to whether there will be notifications. */
export async function setAlerts(on) {
  const granted = on && (await globalThis.Notification?.requestPermission()) === "granted";
  localStorage.setItem(ALERTS_KEY, granted ? "on" : "");
  return granted;
}

// The ids of the tasks that need attention; null until the list is loaded.
let troubled = null;
let lostTimer = 0;

function tell(title, body, tag, address) {
  if (!document.hidden || !alertsAllowed()) return;
  try {
    // Several tabs show one notification: it has the tag of the others.
    const shown = new Notification(title, { body, tag: `minisched ${location.host} ${tag}`, icon: document.querySelector("link[rel=icon]").href });
    shown.addEventListener("click", () => {
      window.focus();
      location.hash = address;
      shown.close();
    });
  } catch {
    // A browser on a phone.
  }
}

function tellOf(card) {
  const run = troubledRun(card);
  const status = troubleOf(card) === "late" ? t("late_badge", { time: card.task_expect?.finish_by }) : t(`status_${run.status}`);
  const why = run && (reasonText(run) || engineText(run.detail));
  tell(t("spoken_change", { task: visible(card.task_name), status }), [why, machine()].filter(Boolean).join(" · "), `${card.task_id} ${run?.run_id}`, `#task/${card.task_id}`);
}

function compare() {
  const before = troubled;
  troubled = store.loaded ? new Set(store.troubled) : null;
  if (before && troubled) for (const id of troubled) if (!before.has(id)) tellOf(store.tasks.get(id));
}

compare();
store.on((change) => {
  if (change.link) {
    clearTimeout(lostTimer);
    if (store.link === "lost") lostTimer = setTimeout(() => tell(t("err_network"), machine(), "lost", location.hash), LOST_MS);
  }
  compare();
});

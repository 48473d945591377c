/** What a card's buttons do. Dialogs of other rooms are loaded when they are first asked for. */
import { call } from "./api.js";
import { visible } from "./dom.js";
import { confirm, notice } from "./dialog.js";
import { failure } from "./failure.js";
import { t } from "./i18n.js";
import { closeMenu, openMenu } from "./menu.js";
import { menuRows } from "./card.js";
import { room } from "./rooms.js";
import { store } from "./store.js";
import { UNFINISHED, leadRun } from "./words.js";

const path = (card, rest = "") => `/tasks/${encodeURIComponent(card.task_id)}${rest}`;
const nameOf = (card) => visible(card.task_name);

/** Do something that may be refused; the button is off meanwhile. */
async function attempt(anchor, work) {
  if (anchor?.disabled) return;
  if (anchor) anchor.disabled = true;
  try {
    await work();
  } catch (error) {
    notice(failure(error), "bad");
  } finally {
    if (anchor) {
      const mine = document.activeElement === document.body;
      anchor.disabled = false;
      if (mine) anchor.focus({ preventScroll: true }); // a disabled button lost it
    }
  }
}

export const acts = {
  run: (card, anchor) =>
    attempt(anchor, async () => {
      const { data } = await call("POST", path(card, "/run"));
      notice(t("started", { task: nameOf(card), id: data.run_id }));
    }),

  async stop(card, anchor) {
    const run = leadRun(card);
    if (run && UNFINISHED.has(run.status)) await acts.stopRun(card, run.run_id, anchor);
  },

  async stopRun(card, id, anchor) {
    const question = t("stop_question", { task: nameOf(card), id });
    if (!(await confirm(question, t("stop_run"), { detail: t("stop_detail") }))) return false;
    await attempt(anchor, async () => {
      await call("POST", `/executions/${id}/stop`);
      notice(t("stop_asked", { id }));
    });
    return true;
  },

  enable: (card) => toggle(card, "enable", "enabled_now"),
  disable: (card) => toggle(card, "disable", "disabled_now"),

  async remove(card) {
    const options = { detail: t("delete_detail"), check: t("delete_check", { id: card.task_id }) };
    if (!(await confirm(t("delete_question", { task: nameOf(card) }), t("delete"), options))) return;
    await attempt(null, async () => {
      const gone = await call("DELETE", path(card)).then(() => false, (error) => {
        if (error.status !== 404) throw error;
        return true; // by somebody else
      });
      store.remove(card.task_id);
      notice(t(gone ? "deleted_before" : "deleted_now", { task: nameOf(card) }), "good");
    });
  },

  edit: (card) => open("./editor.js", (room) => room.openEditor(card?.task_id ?? null)),
  log: (card) => open("./log.js", (room) => room.openLog({ taskId: card.task_id })),
  history: (card) => open("./history.js", (room) => room.openHistory(card.task_id)),
  openRun: (card, runId) => open("./history.js", (room) => room.openRun(runId, card.task_id)),

  menu(card, anchor) {
    const fresh = () => store.tasks.get(card.task_id) ?? card;
    openMenu(anchor, menuRows(fresh()), (act) => acts[act](fresh(), null));
  },
};

const toggle = (card, action, told) =>
  attempt(null, async () => {
    const { data } = await call("POST", path(card, `/${action}`));
    store.put(data);
    notice(t(told, { task: nameOf(card) }));
  });

async function open(path, use) {
  closeMenu();
  try {
    await use(await room(path));
  } catch (error) {
    notice(`${t("view_failed")} ${visible(error?.message ?? error)}`, "bad");
  }
}

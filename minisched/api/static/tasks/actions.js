/** What the buttons and the menu of a card do, and the outcomes that it shows. */
import { call } from "../core/api.js";
import { confirm, notice } from "../core/dialog.js";
import { h, icon, visible } from "../core/dom.js";
import { errorText } from "../core/error_text.js";
import { lazy } from "../core/lazy.js";
import { UNFINISHED, leadRun, upstreamIds } from "../core/status_text.js";
import { store } from "../core/store.js";
import { listed, t } from "../i18n/i18n.js";

const path = (card, rest = "") => `/tasks/${encodeURIComponent(card.task_id)}${rest}`;
const nameOf = (card) => visible(card.task_name);

/** The ids of the tasks that depend on one of these and are none of them. */
export function dependentsOf(ids) {
  const chosen = new Set(ids);
  return [...store.tasks.values()].filter((one) => !chosen.has(one.task_id) && upstreamIds(one).some((id) => chosen.has(id))).map((one) => one.task_id);
}

/** Say which other tasks depend on these, so that they cannot be deleted. Returns whether there are some. */
export function refuseDependents(ids) {
  const found = dependentsOf(ids);
  if (found.length) notice(t("err_409_has_dependents", { names: listed(found) }), "bad");
  return found.length > 0;
}

/** Do `work`, which the engine may refuse. The button `anchor` is disabled meanwhile. */
async function attempt(anchor, work) {
  if (anchor?.disabled) return;
  if (anchor) anchor.disabled = true;
  try {
    await work();
  } catch (error) {
    notice(errorText(error), "bad");
  } finally {
    if (anchor) {
      const focusLost = document.activeElement === document.body;
      anchor.disabled = false;
      if (focusLost) anchor.focus({ preventScroll: true });
    }
  }
}

export const actions = {
  run: (card, anchor) =>
    attempt(anchor, async () => {
      const { data } = await call("POST", path(card, "/run"));
      notice(t("started", { task: nameOf(card), id: data.run_id }));
    }),

  async stop(card, anchor) {
    const run = leadRun(card);
    if (run && UNFINISHED.has(run.status)) await actions.stopRun(card, run.run_id, anchor);
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

  /** Run the task of an ended run again, for the same due time. `quiet`: without a notice of success. */
  async repeat(run, anchor, quiet = false) {
    let started = false;
    await attempt(anchor, async () => {
      const { data } = await call("POST", `/executions/${run.run_id}/rerun`).catch((error) => {
        if (error.status !== 404 && error.status !== 405) throw error;
        return call("POST", path(run, "/run"));
      });
      started = true;
      if (!quiet) notice(t("started", { task: visible(store.tasks.get(run.task_id)?.task_name ?? run.task_id), id: data.run_id }));
    });
    return started;
  },

  /** Ask for variables or a due time first. `run`: the run that is repeated. */
  run_with: (card, run = null) => open("runs/run_with.js", ({ openRunWith }) => openRunWith(card.task_id, run)),

  backfill: (card) => open("runs/run_with.js", ({ openBackfill }) => openBackfill(card.task_id)),

  enable: (card) => toggle(card, "enable", "enabled_now"),
  disable: (card) => toggle(card, "disable", "disabled_now"),

  async remove(card) {
    const options = { detail: t("delete_detail"), check: t("delete_check", { id: card.task_id }) };
    if (refuseDependents([card.task_id])) return;
    if (!(await confirm(t("delete_question", { task: nameOf(card) }), t("delete"), options))) return;
    await attempt(null, async () => {
      const goneBefore = await call("DELETE", path(card)).then(() => false, (error) => {
        if (error.status !== 404) throw error;
        return true;
      });
      store.remove(card.task_id);
      notice(t(goneBefore ? "deleted_before" : "deleted_now", { task: nameOf(card) }), "good");
    });
  },

  edit: (card) => open("editor/editor.js", ({ openEditor }) => openEditor(card?.task_id ?? null)),
  duplicate: (card) => open("editor/editor.js", ({ openEditor }) => openEditor(null, { from: card.task_id })),
  editAt: (id, warning) => open("editor/editor.js", ({ openEditor }) => openEditor(id, { warning })),
  log: (card) => open("logs/log.js", ({ openLog }) => openLog({ taskId: card.task_id })),
  history: (card) => open("runs/history.js", ({ openHistory }) => openHistory(card.task_id)),
  /** `at`: a day or a time, see `openWhy`. */
  why: (card, at) => open("why/why.js", ({ openWhy }) => openWhy(card.task_id, at ?? "")),
  openRun: (card, runId) => open("runs/history.js", ({ openRun }) => openRun(runId, card.task_id)),

  /** Load the outcomes that the strip of a task shows; those of a moment together. */
  needOutcomes(id) {
    if (!wanting.size) setTimeout(loadOutcomes, OUTCOMES_WAIT_MS);
    wanting.add(id);
  },

  menu(card, anchor) {
    const newest = () => store.tasks.get(card.task_id) ?? card;
    openMenu(anchor, menuRows(newest()), (name) => actions[name](newest(), null));
  },
};

const toggle = (card, action, message) =>
  attempt(null, async () => {
    const { data } = await call("POST", path(card, `/${action}`));
    store.put(data);
    notice(t(message, { task: nameOf(card) }));
  });

async function open(module, use) {
  closePopup();
  try {
    await use(await lazy(module));
  } catch (error) {
    notice(`${t("view_failed")} ${error.code === "network" ? t("err_network") : visible(error.message)}`, "bad");
  }
}

// ---- one menu or small form at a time; fixed to the window, because cards clip their content ----

// A list that changes moves the button a little; further than this, in px, the popup is no longer beside it.
const MOVED_MAX_PX = 8;
let popup = null;

/** Open `el` below `anchor`, or close it if it is open there. `stays`: also while the page scrolls. Returns whether it is open. */
export function openPopup(anchor, el, stays = false) {
  const wasOpen = popup?.anchor === anchor;
  closePopup();
  if (wasOpen) return false;
  (document.querySelector("main") ?? document.body).append(el);
  const box = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = el;
  const below = box.bottom + 4 + height <= window.innerHeight;
  el.style.left = `${Math.max(8, Math.min(box.right - width, window.innerWidth - width - 8))}px`;
  el.style.top = `${below ? box.bottom + 4 : Math.max(8, box.top - 4 - height)}px`;
  anchor.setAttribute("aria-expanded", "true");
  popup = { el, anchor, stays, top: box.top };
  return true;
}

export function closePopup(focusAnchor = false) {
  if (!popup) return;
  const { el, anchor } = popup;
  popup = null;
  el.remove();
  anchor.removeAttribute("aria-expanded");
  if (focusAnchor) anchor.focus();
}

const isOutside = ({ target }) => popup && !popup.el.contains(target) && !popup.anchor.contains(target);

for (const type of ["pointerdown", "wheel", "touchmove"]) document.addEventListener(type, (event) => isOutside(event) && closePopup(), { passive: true });
// A change of a card above scrolls too, by the browser itself: then the button stays where it is.
window.addEventListener("scroll", () => popup && !popup.stays && Math.abs(popup.anchor.getBoundingClientRect().top - popup.top) > MOVED_MAX_PX && closePopup(), { passive: true, capture: true });
window.addEventListener("resize", () => closePopup());
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !popup || event.defaultPrevented) return;
  event.preventDefault();
  closePopup(true);
});

// ---- the menu of a card ----

/** [icon, label, action] of each row. */
function menuRows(card) {
  const live = UNFINISHED.has(card.current_status);
  return [
    live ? ["play", t("run_now"), "run"] : null,
    ["play", t("run_with"), "run_with"],
    ["info", t("why"), "why"],
    ["edit", t("edit"), "edit"],
    ["copy", t("duplicate"), "duplicate"],
    card.enabled ? ["pause", t("disable"), "disable"] : ["play", t("enable"), "enable"],
    ["trash", t("delete"), "remove"],
  ].filter(Boolean);
}

/** Open a menu below `anchor`. `rows`: [[icon, label, name]]; `choose(name)`. */
function openMenu(anchor, rows, choose) {
  const items = rows.map(([name, label, id]) =>
    h(
      "button",
      { type: "button", role: "menuitem", tabindex: "-1", class: `menu-row ${id}`, on: { click: () => (closePopup(true), choose(id)) } },
      icon(name),
      label,
    ),
  );
  const el = h("div", { class: "menu", role: "menu", "aria-label": anchor.getAttribute("aria-label") ?? "", on: { keydown: (e) => menuKey(e, items) } }, items);
  if (openPopup(anchor, el)) items[0].focus();
}

function menuKey(event, items) {
  const at = items.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1 + items.length, Home: 0, End: items.length - 1 }[event.key];
  if (to !== undefined) items[to % items.length].focus();
  else if (event.key === "Tab") return closePopup();
  else return;
  event.preventDefault();
}

// ---- the outcomes of the strips ----

const OUTCOMES_WAIT_MS = 30;
// The engine gives the outcomes of up to so many tasks at once, and takes addresses of up to 2048 bytes.
const OUTCOMES_MAX_TASKS = 60;
const QUERY_MAX = 1900;
const wanting = new Set();

async function loadOutcomes() {
  const ids = [...wanting];
  wanting.clear();
  while (ids.length) {
    let query = "";
    for (let n = 0; ids.length && n < OUTCOMES_MAX_TASKS && query.length + ids[0].length < QUERY_MAX; n += 1) query += `&task=${ids.shift()}`;
    try {
      store.putOutcomes((await call("GET", `/outcomes?${query.slice(1)}`)).data.outcomes);
    } catch {
      // The strips stay empty until the cards change, or are loaded again.
    }
  }
}

/** The state of the engine as this page knows it, with change notifications. */
import { visible } from "./dom.js";
import { isoIn, setEngineZone } from "./format.js";
import { troubleOf } from "./status_text.js";

// The name of the machine and of the home, as they were last known: the sign-in shows them too.
const MACHINE_KEY = "minisched.machine";
const SEEN_KEY = "minisched.failed_seen";
const BATCH_MS = 16;
const storeListeners = new Set();
let pending = null;

/** The change that is being collected: changes within BATCH_MS are reported together. */
function collect() {
  if (!pending) {
    pending = { ids: new Set(), removed: new Set(), all: false, status: false, link: false, back: false };
    setTimeout(flush, BATCH_MS);
  }
  return pending;
}

function flush() {
  const change = pending;
  const { tasks, troubled } = store;
  pending = null;
  if (change.all) troubled.clear();
  for (const id of change.removed) troubled.delete(id);
  for (const id of change.all ? tasks.keys() : change.ids) {
    if (troubleOf(tasks.get(id))) troubled.add(id);
    else troubled.delete(id);
  }
  for (const f of [...storeListeners]) f(change);
}

// What a brief run leaves out.
const RUN = { reason: null, detail: null, attempts: [], attempt: 0, exit_code: null, duration: null, missed_count: 0, last_line: null };
const OUTCOMES_MAX = 30;

const run = (brief, taskId) => brief && { ...RUN, ...brief, task_id: taskId, attempts: (brief.attempts ?? []).map((one) => ({ ...RUN, ...one })) };

/** An outcome as the API gives it, an array or an object, as an object with times in the zone of its task. */
function outcome(one, zone) {
  if (!Array.isArray(one)) return one;
  const [id, status, start, duration] = one;
  const end = isoIn(zone, start + (duration ?? 0));
  return { run_id: id, status, start_time: duration === null ? null : isoIn(zone, start), end_time: end, duration };
}

/**
 * The outcomes of a task after those of a summary, the newest `recent`, were added to the `known` ones. Null if they are
 * not known, or if one may be missing: they have to be requested.
 */
function mergeOutcomes(held, card, recent) {
  const known = held?.outcomes;
  if (!known) return null;
  const ids = new Set(known.map((one) => one.run_id));
  const all = [...known, ...recent.filter((one) => !ids.has(one.run_id))].sort((a, b) => a.run_id - b.run_id);
  const now = new Set(all.map((one) => one.run_id));
  const live = new Set(card.running.map((one) => one.run_id));
  const gap = recent.length > 2 && !ids.has(recent[0].run_id);
  const lost = held.running.some((one) => !live.has(one.run_id) && !now.has(one.run_id));
  return gap || lost ? null : all.slice(-OUTCOMES_MAX);
}

/** A summary of the API, brief or not, as the views use it. */
function expand(card, held) {
  const outcomes = card.outcomes.map((one) => outcome(one, card.task_timezone));
  const whole = card.outcomes.length && !Array.isArray(card.outcomes[0]);
  return {
    ...card,
    last_run: run(card.last_run, card.task_id),
    running: card.running.map((one) => run(one, card.task_id)),
    outcomes: whole ? outcomes : mergeOutcomes(held, card, outcomes),
  };
}

/** "web1 · jobs": which engine this is; "" if it is not known yet. */
export const machine = () => localStorage.getItem(MACHINE_KEY) ?? "";

export const store = {
  /** task_id -> card, in the config's order. */
  tasks: new Map(),
  /** The ids of the tasks that need attention, as of the latest change. */
  troubled: new Set(),
  /** The answer of GET /status, or null. */
  status: null,
  /** "connecting", "live" (by events), "poll", "lost", or "denied" (no token or a wrong one). */
  link: "connecting",
  /** When the connection was lost, in ms since 1970 by this browser's clock; or null. */
  lostSince: null,
  /** "unproven" if another program may answer in place of the engine. */
  lostWhy: "",
  loaded: false,
  /** How many bytes of the list have come, while the first one is loading. */
  loadedBytes: 0,

  /** All tags of the tasks, sorted. */
  tags: () => [...new Set([...store.tasks.values()].flatMap((card) => card.task_tags ?? []))].sort(),

  /**
   * Call `f(change)` after changes. change: {ids: Set of changed or new tasks, removed: Set of ids, all: whether the
   * whole list was loaded, status: boolean, link: boolean, back: whether the engine responds again}. Returns a function
   * that unsubscribes.
   */
  on(f) {
    storeListeners.add(f);
    return () => storeListeners.delete(f);
  },

  /** Resolves when the list is loaded. */
  whenLoaded() {
    return new Promise((resolve) => {
      const look = () => store.loaded && resolve(stop());
      const stop = store.on(look);
      look();
    });
  },

  /** Take one card, unless a newer version of it is already here. */
  put(card) {
    const held = store.tasks.get(card.task_id);
    if (held && held.version > card.version) return;
    store.tasks.set(card.task_id, expand(card, held));
    const change = collect();
    change.ids.add(card.task_id);
    change.removed.delete(card.task_id);
  },

  remove(id) {
    if (!store.tasks.delete(id)) return;
    const change = collect();
    change.removed.add(id);
    change.ids.delete(id);
  },

  /** A card is the same, but is to be shown again: a text of it was loaded. */
  touch(id) {
    if (store.tasks.has(id)) collect().ids.add(id);
  },

  /** Take outcomes by task id, as GET /outcomes gives them. */
  putOutcomes(found) {
    for (const [id, outcomes] of Object.entries(found)) {
      const held = store.tasks.get(id);
      if (!held) continue;
      store.tasks.set(id, { ...held, outcomes: outcomes.map((one) => outcome(one, held.task_timezone)) });
      collect().ids.add(id);
    }
  },

  /**
   * Take the whole list, with the outcomes of tasks by id if they came with it. `fresh`: it comes from another engine
   * process, so versions cannot be compared.
   */
  replace(cards, fresh, outcomes = {}) {
    const before = store.tasks;
    store.tasks = new Map();
    for (const card of cards) {
      const held = before.get(card.task_id);
      store.tasks.set(card.task_id, !fresh && held && held.version >= card.version ? held : expand(card, fresh ? null : held));
    }
    store.putOutcomes(outcomes);
    const change = collect();
    for (const id of before.keys()) if (!store.tasks.has(id)) change.removed.add(id);
    change.all = true;
    store.loaded = true;
  },

  setLoadedBytes(n) {
    store.loadedBytes = n;
    collect().link = true;
  },

  setStatus(status) {
    store.status = status;
    setEngineZone(status.timezone);
    localStorage.setItem(MACHINE_KEY, visible(`${status.host} · ${status.home.split("/").filter(Boolean).pop() ?? "/"}`));
    collect().status = true;
  },

  /** The number of notifications that failed since this browser last showed them. */
  failedUnseen() {
    const failed = store.status?.outbox?.failed ?? 0;
    // Retention deletes old ones, so the number that was seen may be too high.
    const seen = Math.min(Number(localStorage.getItem(SEEN_KEY)) || 0, failed);
    localStorage.setItem(SEEN_KEY, seen);
    return failed - seen;
  },

  /** The notifications are being shown: none of the failed ones is new any more. */
  failedSeen() {
    if (!store.failedUnseen()) return;
    localStorage.setItem(SEEN_KEY, store.status.outbox.failed);
    collect().status = true;
  },

  /** `why`: the code of the error by which it was lost. */
  setLink(link, why = "") {
    if (store.link === link && store.lostWhy === why) return;
    const change = collect();
    change.link = true;
    change.back ||= store.link === "lost" && link !== "lost";
    if (store.link !== link) store.lostSince = link === "lost" ? Date.now() : null;
    store.link = link;
    store.lostWhy = why;
  },
};

/** The state of the engine as this page knows it, with change notifications. */

const SEEN_KEY = "minisched.failed_seen";
const BATCH_MS = 16;
const storeListeners = new Set();
let pending = null;

/** The change that is being collected: changes within BATCH_MS are reported together. */
function collect() {
  if (!pending) {
    pending = { ids: new Set(), removed: new Set(), all: false, status: false, link: false };
    setTimeout(flush, BATCH_MS);
  }
  return pending;
}

function flush() {
  const change = pending;
  pending = null;
  for (const f of [...storeListeners]) f(change);
}

export const store = {
  /** task_id -> card, in the config's order. */
  tasks: new Map(),
  /** The answer of GET /status, or null. */
  status: null,
  /** "connecting", "live" (by events), "poll", "lost", or "denied" (no token or a wrong one). */
  link: "connecting",
  /** When the connection was lost, in ms since 1970 by this browser's clock; or null. */
  lostSince: null,
  /** "unproven" if another program may answer in place of the engine. */
  lostWhy: "",
  loaded: false,

  /**
   * Call `f(change)` after changes. change: {ids: Set of changed or new tasks, removed: Set of ids, all: whether the
   * whole list was loaded, status: boolean, link: boolean}. Returns a function that unsubscribes.
   */
  on(f) {
    storeListeners.add(f);
    return () => storeListeners.delete(f);
  },

  /** Take one card, unless a newer version of it is already here. */
  put(card) {
    const held = store.tasks.get(card.task_id);
    if (held && held.version > card.version) return;
    store.tasks.set(card.task_id, card);
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

  /** Take the whole list. `fresh`: it comes from another engine process, so versions cannot be compared. */
  replace(cards, fresh) {
    const before = store.tasks;
    store.tasks = new Map();
    for (const card of cards) {
      const held = before.get(card.task_id);
      store.tasks.set(card.task_id, !fresh && held && held.version >= card.version ? held : card);
    }
    const change = collect();
    for (const id of before.keys()) if (!store.tasks.has(id)) change.removed.add(id);
    change.all = true;
    store.loaded = true;
  },

  setStatus(status) {
    store.status = status;
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
    if (store.link !== link) store.lostSince = link === "lost" ? Date.now() : null;
    store.link = link;
    store.lostWhy = why;
    collect().link = true;
  },
};

/** What the page knows of the engine, and who is told when it changes. */

const SEEN = "minisched.failed_seen";
const listeners = new Set();
let pending = null;

function note() {
  if (!pending) {
    pending = { ids: new Set(), removed: new Set(), all: false, status: false, link: false };
    setTimeout(flush, 16); // what comes together is told together
  }
  return pending;
}

function flush() {
  const change = pending;
  pending = null;
  for (const f of [...listeners]) f(change);
}

export const store = {
  /** task_id -> card, in the config's order. */
  tasks: new Map(),
  /** The answer of GET /status, or null. */
  status: null,
  /** "connecting", "live" (events), "poll", "lost" or "denied" (no token or a wrong one). */
  link: "connecting",
  /** ms since 1970 when the link was lost, by this browser's clock. */
  lostSince: null,
  loaded: false,

  /**
   * Call `f(change)` after changes: {ids: Set of changed or new tasks, removed: Set, all: everything was loaded anew,
   * status: boolean, link: boolean}. Gives back how to leave.
   */
  on(f) {
    listeners.add(f);
    return () => listeners.delete(f);
  },

  /** Take one card; an older one than the one held is left. */
  put(card) {
    const held = store.tasks.get(card.task_id);
    if (held && held.version > card.version) return;
    store.tasks.set(card.task_id, card);
    const change = note();
    change.ids.add(card.task_id);
    change.removed.delete(card.task_id);
  },

  remove(id) {
    if (!store.tasks.delete(id)) return;
    const change = note();
    change.removed.add(id);
    change.ids.delete(id);
  },

  /** Take the whole list. `fresh`: the engine is another one, so versions cannot be compared. */
  replace(cards, fresh) {
    const before = store.tasks;
    store.tasks = new Map();
    for (const card of cards) {
      const held = before.get(card.task_id);
      store.tasks.set(card.task_id, !fresh && held && held.version >= card.version ? held : card);
    }
    const change = note();
    for (const id of before.keys()) if (!store.tasks.has(id)) change.removed.add(id);
    change.all = true;
    store.loaded = true;
  },

  setStatus(status) {
    store.status = status;
    note().status = true;
  },

  /** How many messages have failed since the outbox was looked at in this browser. */
  failedUnseen() {
    const failed = store.status?.outbox?.failed ?? 0;
    const seen = Math.min(Number(localStorage.getItem(SEEN)) || 0, failed); // retention takes some of them
    localStorage.setItem(SEEN, seen);
    return failed - seen;
  },

  /** The outbox is looked at. */
  failedSeen() {
    if (!store.failedUnseen()) return;
    localStorage.setItem(SEEN, store.status.outbox.failed);
    note().status = true;
  },

  setLink(link) {
    if (store.link === link) return;
    store.lostSince = link === "lost" ? Date.now() : null;
    store.link = link;
    note().link = true;
  },
};

/**
 * Keeps the store up to date: by server-sent events; by polling where a proxy or the engine's limit of listeners
 * prevents these; and with a full reload after the connection was lost.
 */
import { loadTexts } from "../i18n/i18n.js";
import { ApiError, SILENCE_MS, anyToken, call, stream, token } from "./api.js";
import { setServerTime } from "./format.js";
import { shownDetails } from "./status_text.js";
import { store } from "./store.js";

const RETRY_MS = 1000;
const POLL_MS = 2000;
// A hidden tab keeps its event stream this long, and polls this often afterwards.
const HIDDEN_MS = 10000;
// A page that polls tries the events again after this time.
const EVENTS_AGAIN_MS = 30000;

// Counts calls of `connect`: answers that belong to an earlier one are dropped.
let generation = 0;
let epoch = null;
// The ETag of the task list in the store.
let tasksTag = null;
// The latest status, which is shown when the texts of its problems are loaded.
let latestStatus = null;

/** Start, or start again with another token. */
export function connect() {
  generation += 1;
  store.setLink("connecting");
  follow(generation);
}

export function disconnect() {
  generation += 1;
  epoch = null;
  tasksTag = null;
  store.replace([], true);
  store.loaded = false;
  store.status = latestStatus = null;
  store.setLink("connecting");
}

function wait(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function follow(mine) {
  while (mine === generation) {
    const error = await readEvents(mine);
    if (mine !== generation) return;
    if (error?.status === 401 && anyToken()) return store.setLink("denied");
    if (error?.code === "hidden") {
      if ((await pollWhileHidden(mine)) === 401) return store.setLink("denied");
      continue;
    }
    if (error?.code === "silence") store.setLink("lost");
    // Refused by the engine, or held back by a proxy.
    const noEvents = Boolean(error?.status) || (error?.code === "silence" && !error.heard);
    const failure = await poll(mine, noEvents);
    if (mine !== generation) return;
    if (failure?.status === 401) return store.setLink("denied");
    if (failure) {
      store.setLink("lost", failure.code);
      await wait(RETRY_MS);
    }
  }
}

/**
 * Poll while the tab is hidden, so that its title stays right. A browser opens at most six connections to an engine for
 * all its tabs together: event streams in six hidden tabs would block everything else.
 */
async function pollWhileHidden(mine) {
  while (mine === generation && document.hidden) {
    const failure = await poll(mine, false);
    if (mine !== generation) return null;
    if (failure?.status === 401) return 401;
    store.setLink(failure ? "lost" : "poll", failure?.code);
    await Promise.race([wait(HIDDEN_MS), new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }))]);
  }
  return null;
}

/** Read the events until the stream ends or falls silent, or the tab is hidden. Resolves to the ApiError, or null. */
function readEvents(mine) {
  return new Promise((resolve) => {
    let heardAt = Date.now();
    let heard = false;
    let visibleAt = Date.now();
    // The ids that were removed while the list of tasks was loading.
    let removedMeanwhile = null;
    const done = (error) => {
      clearInterval(watchdog);
      connection.close();
      resolve(error);
    };
    const handlers = {
      hello(data) {
        setServerTime(data.server_time);
        removedMeanwhile = new Set();
        loadTasks(mine, data.epoch).then(
          () => {
            if (mine !== generation) return;
            for (const id of removedMeanwhile) store.remove(id);
            removedMeanwhile = null;
            store.setLink("live");
          },
          (error) => done(error),
        );
      },
      task(card) {
        removedMeanwhile?.delete(card.task_id);
        store.put(card);
        completeTexts([card]);
      },
      removed({ task_id: id }) {
        removedMeanwhile?.add(id);
        store.remove(id);
      },
      // Sent right after `hello`, and after each change.
      status: takeStatus,
      ping: (data) => setServerTime(data.server_time),
    };
    const connection = stream(
      "/events",
      (event, data) => {
        heardAt = Date.now();
        heard = true;
        if (mine === generation) handlers[event]?.(data);
      },
      (state, error) => (state === "open" ? (heardAt = Date.now()) : done(error)),
    );
    const watchdog = setInterval(() => {
      if (mine !== generation) return done(null);
      if (!document.hidden) visibleAt = Date.now();
      else if (Date.now() - visibleAt > HIDDEN_MS) return done(new ApiError(0, "hidden", ""));
      if (Date.now() - heardAt > SILENCE_MS) done(Object.assign(new ApiError(0, "silence", ""), { heard }));
    }, 300);
  });
}

async function loadTasks(mine, newEpoch) {
  const fresh = newEpoch !== epoch;
  const headers = tasksTag && !fresh ? { "If-None-Match": tasksTag } : {};
  const tasks = await call("GET", "/tasks", null, { headers });
  if (mine !== generation) return;
  epoch = newEpoch;
  tasksTag = tasks.headers.get("ETag");
  if (tasks.data) replaceAll(tasks.data.items, fresh);
}

function replaceAll(cards, fresh) {
  store.replace(cards, fresh);
  completeTexts(cards);
}

/** Load the texts of the engine that these cards show, and show the cards again with them. */
async function completeTexts(cards) {
  const waiting = cards.filter((card) => shownDetails(card).length);
  if (!(await loadTexts(waiting.map(shownDetails)))) return;
  for (const card of waiting) if (store.tasks.get(card.task_id) === card) store.put(card);
}

function takeStatus(status) {
  if (status.server_time) setServerTime(status.server_time);
  latestStatus = status;
  loadTexts(status.problems).then(() => latestStatus === status && store.setStatus(status));
}

/**
 * Ask for tasks and status once; with `noEvents` every POLL_MS until the events are to be tried again. Resolves to the
 * ApiError, or null.
 */
async function poll(mine, noEvents) {
  const until = Date.now() + (noEvents ? EVENTS_AGAIN_MS : 0);
  do {
    try {
      const { data, headers } = await call("GET", "/tasks", null, { timeout: POLL_MS, headers: tasksTag ? { "If-None-Match": tasksTag } : {} });
      if (mine !== generation) return null;
      if (data) {
        tasksTag = headers.get("ETag");
        replaceAll(data.items, true);
      }
      // Without a token only the states of the tasks are public.
      if (token()) {
        const status = await call("GET", "/status", null, { timeout: POLL_MS });
        if (mine === generation) takeStatus(status.data);
      }
    } catch (error) {
      return error;
    }
    if (mine !== generation || !noEvents) return null;
    store.setLink("poll");
    await wait(POLL_MS);
  } while (mine === generation && Date.now() < until);
  return null;
}

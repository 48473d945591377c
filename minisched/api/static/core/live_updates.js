/**
 * Keeps the store up to date: by server-sent events; by polling where a proxy or the engine's limit of listeners
 * prevents these; and with a full reload after the connection was lost.
 */
import { loadTexts } from "../i18n/i18n.js";
import { ApiError, SILENCE_MS, anyToken, call, stream, token, wire } from "./api.js";
import { setServerTime } from "./format.js";
import { shownDetails } from "./status_text.js";
import { store } from "./store.js";

const RETRY_MS = 1000;
const POLL_MS = 2000;
// A poll is given up if no byte comes for so long.
const POLL_SILENCE_MS = 5000;
const WATCH_MS = 300;
// A hidden tab keeps its event stream this long, and polls this often afterwards.
const HIDDEN_MS = 10000;
// A page that polls tries the events again after this time.
const EVENTS_AGAIN_MS = 30000;

// Counts calls of `connect`: answers that belong to an earlier one are dropped.
let generation = 0;
let epoch = null;
// The ETag of the task list in the store, and the version in it.
let tasksTag = null;
let version = 0;

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
  store.status = null;
  store.setLink("connecting");
}

function wait(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function follow(mine) {
  while (mine === generation) {
    // The list first: it is what the user waits for. The events then begin with what has changed since.
    const error = (await loadTasks(mine).catch((failed) => failed)) ?? (await readEvents(mine));
    if (mine !== generation) return;
    if (error?.status === 401 && anyToken()) return store.setLink("denied");
    if (error?.code === "other_tasks") continue;
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
    let lookedAt = Date.now();
    const done = (error) => {
      clearInterval(watchdog);
      connection.close();
      resolve(error);
    };
    const handlers = {
      hello(data) {
        setServerTime(data.server_time);
        // Another engine, or tasks were added or removed since the list was loaded.
        if (data.epoch !== epoch || data.task_ids !== crc32([...store.tasks.keys()].join("\n"))) {
          tasksTag = null;
          return done(new ApiError(0, "other_tasks", ""));
        }
        store.setLink("live");
      },
      task(card) {
        store.put(card);
        completeTexts([card.task_id]);
      },
      removed: ({ task_id: id }) => store.remove(id),
      // Sent right after `hello`, and after each change.
      status: takeStatus,
      ping: (data) => setServerTime(data.server_time),
    };
    const connection = stream(
      `/events?brief=1&since=${version}&epoch=${epoch}`,
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
      // A browser that was busy for long has not read yet what has come.
      const stalled = Date.now() - lookedAt > WATCH_MS * 3;
      lookedAt = Date.now();
      if (!stalled && Date.now() - Math.max(heardAt, wire.heardAt) > SILENCE_MS) done(Object.assign(new ApiError(0, "silence", ""), { heard }));
    }, WATCH_MS);
  });
}

/** Load the list of tasks. Rejects with the ApiError. */
async function loadTasks(mine, timeout) {
  const onBytes = (n) => store.loaded || store.setLoadedBytes(n);
  const { data, headers } = await call("GET", "/tasks?brief=1", null, { headers: tasksTag ? { "If-None-Match": tasksTag } : {}, timeout, onBytes });
  if (mine !== generation) return;
  tasksTag = headers.get("ETag");
  const [, newEpoch, newVersion] = /"(.+?)-(\d+)/.exec(tasksTag);
  const fresh = newEpoch !== epoch;
  [epoch, version] = [newEpoch, newVersion];
  if (!data) return;
  store.replace(data.items, fresh, data.outcomes);
  completeTexts([...store.tasks.keys()]);
}

/** Load the texts of the engine that the cards of these tasks show, and show them again with them. */
async function completeTexts(ids) {
  const waiting = ids.filter((id) => store.tasks.has(id) && shownDetails(store.tasks.get(id)).length);
  if (!(await loadTexts(waiting.map((id) => shownDetails(store.tasks.get(id)))))) return;
  for (const id of waiting) store.touch(id);
}

/** The CRC-32 of an ASCII text, as zlib has it. */
function crc32(text) {
  let crc = -1;
  for (let i = 0; i < text.length; i += 1) {
    crc ^= text.charCodeAt(i);
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1));
  }
  return ~crc >>> 0;
}

function takeStatus(status) {
  if (status.server_time) setServerTime(status.server_time);
  store.setStatus(status);
}

/**
 * Ask for tasks and status once; with `noEvents` every POLL_MS until the events are to be tried again. Resolves to the
 * ApiError, or null.
 */
async function poll(mine, noEvents) {
  const until = Date.now() + (noEvents ? EVENTS_AGAIN_MS : 0);
  do {
    try {
      await loadTasks(mine, POLL_SILENCE_MS);
      if (mine !== generation) return null;
      // Without a token only the states of the tasks are public.
      if (token()) {
        const status = await call("GET", "/status", null, { timeout: POLL_SILENCE_MS });
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

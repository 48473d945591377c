/** Keeps the store like the engine: by events, by asking every 2 s where those do not come, and anew after a loss. */
import { ApiError, call, stream, token } from "./api.js";
import { setServerTime } from "./dom.js";
import { store } from "./store.js";

const SILENCE_MS = 2300; // the engine says something every second; so a loss shows within 3 s
const RETRY_MS = 1000;
const POLL_MS = 2000;
const HIDDEN_MS = 10000; // in a tab that is not seen: so long the events go on, and so often it asks after that
const EVENTS_AGAIN_MS = 30000; // after which a page that polls tries the events again

let generation = 0; // of the link; what an older one still hears is not taken
let epoch = null;
let tag = null; // of the list of tasks held

/** Begin, or begin anew with another token. */
export function connect() {
  generation += 1;
  store.setLink("connecting");
  follow(generation);
}

export function disconnect() {
  generation += 1;
  epoch = null;
  tag = null;
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
    const error = await events(mine);
    if (mine !== generation) return;
    if (error?.status === 401 && token()) return store.setLink("denied");
    if (error?.code === "hidden") {
      if ((await rest(mine)) === 401) return store.setLink("denied");
      continue;
    }
    if (error?.code === "silence") store.setLink("lost");
    const noEvents = Boolean(error?.status) || (error?.code === "silence" && !error.heard); // refused, or held back by a proxy
    const answers = await poll(mine, noEvents);
    if (mine !== generation) return;
    if (answers === 401) return store.setLink("denied");
    if (answers === false) {
      store.setLink("lost");
      await wait(RETRY_MS);
    }
  }
}

/**
 * While the tab is not seen: ask now and then, so that its title stays right. A browser has but six connections to an
 * engine for all its tabs; events in each of seven would leave none for anything else.
 */
async function rest(mine) {
  while (mine === generation && document.hidden) {
    const answers = await poll(mine, false);
    if (mine !== generation) return null;
    if (answers === 401) return 401;
    store.setLink(answers ? "poll" : "lost");
    await Promise.race([wait(HIDDEN_MS), new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }))]);
  }
  return null;
}

/** Follow the events until they end or fall silent, or the tab is hidden; gives the ApiError, or null. */
function events(mine) {
  return new Promise((resolve) => {
    let heard = Date.now();
    let heardAny = false;
    let seen = Date.now();
    let loading = null; // ids removed while the list was on its way
    const done = (error) => {
      clearInterval(watch);
      connection.close();
      resolve(error);
    };
    const on = {
      hello(data) {
        setServerTime(data.server_time);
        loading = new Set();
        loadAll(mine, data.epoch).then(
          () => {
            if (mine !== generation) return;
            for (const id of loading) store.remove(id);
            loading = null;
            store.setLink("live");
          },
          (error) => done(error),
        );
      },
      task(card) {
        loading?.delete(card.task_id);
        store.put(card);
      },
      removed({ task_id: id }) {
        loading?.add(id);
        store.remove(id);
      },
      status: takeStatus,
      ping: (data) => setServerTime(data.server_time),
    };
    const connection = stream(
      "/events",
      (event, data) => {
        heard = Date.now();
        heardAny = true;
        if (mine === generation) on[event]?.(data);
      },
      (state, error) => (state === "open" ? (heard = Date.now()) : done(error)),
    );
    const watch = setInterval(() => {
      if (mine !== generation) return done(null);
      if (!document.hidden) seen = Date.now();
      else if (Date.now() - seen > HIDDEN_MS) return done(new ApiError(0, "hidden", ""));
      if (Date.now() - heard > SILENCE_MS) done(Object.assign(new ApiError(0, "silence", ""), { heard: heardAny }));
    }, 300);
  });
}

async function loadAll(mine, newEpoch) {
  const fresh = newEpoch !== epoch;
  const headers = tag && !fresh ? { "If-None-Match": tag } : {};
  const [tasks] = await Promise.all([
    call("GET", "/tasks", null, { headers }),
    askStatus(mine),
  ]);
  if (mine !== generation) return;
  epoch = newEpoch;
  tag = tasks.headers.get("ETag");
  if (tasks.data) store.replace(tasks.data.items, fresh);
}

async function askStatus(mine) {
  if (!token()) return; // public are the task states alone
  const { data } = await call("GET", "/status", null, { timeout: POLL_MS });
  if (mine === generation) takeStatus(data);
}

function takeStatus(status) {
  if (status.server_time) setServerTime(status.server_time);
  store.setStatus(status);
}

/**
 * Ask every 2 s where there are no events, else once. Gives false when there is no answer, 401, or true when it is time
 * to try the events again.
 */
async function poll(mine, noEvents) {
  const until = Date.now() + (noEvents ? EVENTS_AGAIN_MS : 0);
  do {
    try {
      const { data, headers } = await call("GET", "/tasks", null, { timeout: POLL_MS, headers: tag ? { "If-None-Match": tag } : {} });
      if (mine !== generation) return true;
      if (data) {
        tag = headers.get("ETag");
        store.replace(data.items, true);
      }
      await askStatus(mine);
    } catch (error) {
      return error.status === 401 ? 401 : false;
    }
    if (mine !== generation) return true;
    if (!noEvents) return true;
    store.setLink("poll");
    await wait(POLL_MS);
  } while (mine === generation && Date.now() < until);
  return true;
}

/** Calls to the engine. The token stays in localStorage, which is bound to this origin, port included. */

const BASE = "/api/scheduler";
const KEY = "minisched.token";
const deniedListeners = new Set();

export function token() {
  return localStorage.getItem(KEY) ?? "";
}

export function setToken(text) {
  if (text) localStorage.setItem(KEY, text);
  else localStorage.removeItem(KEY);
}

/** Whether the engine takes this token; false also where it does not answer. Nothing else changes by asking. */
export async function accepts(text) {
  try {
    const headers = { Authorization: `Bearer ${text}` };
    return (await fetch(`${BASE}/status`, { headers, cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(5000) })).ok;
  } catch {
    return false; // what no header may hold is no token either
  }
}

/** Call `f` when the engine refuses the token, or the lack of one. */
export function onDenied(f) {
  deniedListeners.add(f);
}

/** `status` 0 with `code` "network" or "timeout": no answer came. `problems`: [{file, place, path, message, and
 * in both languages place_words, words}]; `dependents`: ids; `words`: of a wrong body the message in both languages. */
export class ApiError extends Error {
  constructor(status, code, message, { problems = [], dependents = [], words } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.problems = problems;
    this.dependents = dependents;
    this.words = words;
  }
}

function headersFor(method, more = {}) {
  const headers = { Accept: "application/json", ...more };
  if (token()) headers.Authorization = `Bearer ${token()}`;
  if (method !== "GET") headers["Content-Type"] = "application/json";
  return headers;
}

/**
 * One call. `path` begins after /api/scheduler. `body`: a value sent as JSON; POST, PUT and PATCH without one send {}.
 * Gives {status, data, headers}; data is null for 304. Anything from 400 on, and no answer at all, is an ApiError.
 */
export async function call(method, path, body, { headers, timeout = 15000, signal } = {}) {
  const bodyless = method === "GET" || method === "DELETE";
  const aborter = new AbortController();
  const timer = setTimeout(() => aborter.abort("timeout"), timeout);
  signal?.addEventListener("abort", () => aborter.abort("signal"));
  try {
    const response = await fetch(BASE + path, {
      method,
      headers: headersFor(method, headers),
      body: bodyless ? undefined : JSON.stringify(body ?? {}),
      cache: "no-store",
      credentials: "omit",
      signal: aborter.signal,
    });
    if (response.status === 304) return { status: 304, data: null, headers: response.headers };
    if (!response.ok) throw await errorOf(response);
    const isJson = (response.headers.get("Content-Type") ?? "").includes("json");
    const data = isJson ? await response.json() : await response.text();
    return { status: response.status, data, headers: response.headers };
  } catch (error) {
    if (error instanceof ApiError) throw error;
    if (aborter.signal.aborted && aborter.signal.reason === "signal") throw error;
    throw new ApiError(0, aborter.signal.aborted ? "timeout" : "network", String(error?.message ?? error));
  } finally {
    clearTimeout(timer);
  }
}

/** The ApiError of an answer that is none of success. */
export async function errorOf(response) {
  let error = {};
  try {
    error = (await response.json()).error ?? {};
  } catch {
    // Not ours (a proxy's): the status says enough.
  }
  if (response.status === 401) for (const f of deniedListeners) f();
  return new ApiError(response.status, error.code ?? "http", error.message ?? response.statusText, error);
}

/**
 * Server-sent events by fetch, which can send the Authorization header as EventSource cannot. One connection, no
 * retry. `onEvent(event, data)` with the parsed data; `onState("open")`, then once `onState("closed", ApiError|null)`.
 * Gives {close}.
 */
export function stream(path, onEvent, onState) {
  const aborter = new AbortController();
  let closed = false;
  const end = (error) => {
    if (closed) return;
    closed = true;
    onState("closed", error);
  };
  const run = async () => {
    const headers = { ...headersFor("GET"), Accept: "text/event-stream" };
    const response = await fetch(BASE + path, { headers, cache: "no-store", credentials: "omit", signal: aborter.signal });
    if (!response.ok) throw await errorOf(response);
    onState("open");
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + decoder.decode(value, { stream: true }).replace(/\r\n?/g, "\n")).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) deliver(block, onEvent);
    }
  };
  run().then(
    () => end(null),
    (error) => end(error instanceof ApiError ? error : new ApiError(0, "network", String(error?.message ?? error))),
  );
  return {
    close() {
      closed = true;
      aborter.abort();
    },
  };
}

function deliver(block, onEvent) {
  let event = "message";
  const data = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) event = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
  }
  if (data.length) onEvent(event, JSON.parse(data.join("\n")));
}

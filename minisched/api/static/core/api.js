/** Calls of the API. The token is kept in localStorage, which belongs to this origin, port included. */

export const API = "/api/scheduler";
const TOKEN_KEY = "minisched.token";
const deniedListeners = new Set();

export function token() {
  return localStorage.getItem(TOKEN_KEY) ?? "";
}

export function setToken(text) {
  if (text) localStorage.setItem(TOKEN_KEY, text);
  else localStorage.removeItem(TOKEN_KEY);
}

/** Whether the engine accepts this token; false also if it does not answer. Has no other effect. */
export async function accepts(text) {
  try {
    const headers = { Authorization: `Bearer ${text}` };
    return (await fetch(`${API}/status`, { headers, cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(5000) })).ok;
  } catch {
    // No answer, or a text that no header can hold.
    return false;
  }
}

/** Call `f` whenever the engine rejects the token, or requires one. */
export function onDenied(f) {
  deniedListeners.add(f);
}

/**
 * A request that failed. `status` is the HTTP status; 0 with the `code` "network" or "timeout" if there was no answer.
 * `problems`: [{file, place, path, message, and in both languages place_words, words}]. `dependents`: task ids. `words`:
 * the message about a wrong body in both languages.
 */
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
 * Make one request. `path` is relative to /api/scheduler. `body` is sent as JSON; POST, PUT and PATCH without one send
 * {}. `timeout` is in ms.
 * Returns {status, data, headers}; data is null for 304. Throws ApiError for a status of 400 or more, and if there is no
 * answer; the error of the browser if `signal` aborts.
 */
export async function call(method, path, body, { headers, timeout = 15000, signal } = {}) {
  const bodyless = method === "GET" || method === "DELETE";
  const aborter = new AbortController();
  const timer = setTimeout(() => aborter.abort("timeout"), timeout);
  signal?.addEventListener("abort", () => aborter.abort("signal"));
  try {
    const response = await fetch(API + path, {
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

/** The ApiError for a response that reports a failure. */
export async function errorOf(response) {
  let error = {};
  try {
    error = (await response.json()).error ?? {};
  } catch {
    // Not from minisched but from a proxy: only the status counts.
  }
  if (response.status === 401) for (const f of deniedListeners) f();
  return new ApiError(response.status, error.code ?? "http", error.message ?? response.statusText, error);
}

/**
 * Read server-sent events with fetch, because EventSource cannot send the Authorization header. One connection, without
 * retries. Calls `onEvent(event, data)` with the parsed data, `onState("open")`, and `onState("closed", ApiError|null)`
 * once at the end. Returns {close}.
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
    const response = await fetch(API + path, { headers, cache: "no-store", credentials: "omit", signal: aborter.signal });
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

/**
 * Calls of the API. The token is kept in localStorage, which belongs to this origin, port included.
 *
 * While the engine is down any user of its machine can take the port. So the token is sent, and scripts are loaded, only
 * after the server has proved that it knows the token.
 */
import { hex, hmac } from "./proof.js";

export const API = "/api/scheduler";
const TOKEN_KEY = "minisched.token";
const READ_KEY = "minisched.token.read";
const deniedListeners = new Set();

/** The token that opens everything; "" without one. */
export function token() {
  return localStorage.getItem(TOKEN_KEY) ?? "";
}

/** That token, or the one that reads the states of the tasks only. */
export function anyToken() {
  return token() || (localStorage.getItem(READ_KEY) ?? "");
}

/** Whether a key of localStorage is one of the tokens. */
export const isTokenKey = (key) => [TOKEN_KEY, READ_KEY].includes(key);

/** The token in the address; "" without one, or if it cannot be one. */
export function tokenInAddress() {
  const found = /^#token=(.+)$/.exec(location.hash);
  try {
    const text = found ? decodeURIComponent(found[1]).trim() : "";
    return /^[!-~]+$/.test(text) ? text : "";
  } catch {
    return "";
  }
}

/** Keep a token in place of the others; "" forgets them. `reads`: it is the one for reading. */
export function setToken(text, reads = false) {
  for (const key of [TOKEN_KEY, READ_KEY]) {
    if (text && (key === READ_KEY) === reads) localStorage.setItem(key, text);
    else localStorage.removeItem(key);
  }
}

// The engine sends an event each second, so that a loss is noticed within 3 s.
export const SILENCE_MS = 2300;
// How long a proof holds, in ms; as long as an event stream that followed it goes on, too.
const PROOF_MS = 500;
// The token that the server has proved to know, and until when this holds, in ms since 1970.
const proven = { text: "", reads: false, until: 0 };
// The first proof: {text, done: a promise that never rejects}. It begins before the other scripts are loaded.
let early = null;

/**
 * Have the server prove that it knows the token `text`. Resolves to whether it is the one for reading. Rejects with an
 * ApiError: "unproven" if the server does not know it, "network" if it does not answer.
 */
export async function prove(text = anyToken(), signal = AbortSignal.timeout(5000)) {
  if (early?.text === text) await early.done;
  if (!text || (text === proven.text && Date.now() < proven.until)) return proven.reads;
  const nonce = hex(crypto.getRandomValues(new Uint8Array(32)));
  let response;
  let proofs;
  try {
    response = await send(`/proof?nonce=${nonce}&host=${location.host}`, { signal });
    proofs = await response.json();
  } catch (error) {
    if (signal.aborted) throw error;
    if (!response) throw networkError(error);
  }
  // A proxy answers so when the engine is down.
  if (response.status >= 500) throw networkError();
  const wanted = hmac(text, nonce + location.host);
  const reads = proofs?.read_proof === wanted;
  if (!reads && proofs?.proof !== wanted) throw new ApiError(0, "unproven", "");
  Object.assign(proven, { text, reads, until: Date.now() + PROOF_MS });
  return reads;
}

// When a byte of any answer came last, in ms since 1970: while they come, the engine is slow, not lost.
export const wire = { heardAt: 0 };

/** The body of a response as text. `heard(bytes)` is called with each piece: how many there are so far. */
async function textOf(response, heard) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += value.length;
    heard(bytes);
    text += decoder.decode(value, { stream: true });
  }
}

const send = (path, options) => fetch(API + path, { cache: "no-store", credentials: "omit", ...options });
const networkError = (error) => new ApiError(0, "network", String(error?.message ?? error));

/** Fetch `path` of the API with the token, once the server has proved that it knows it. */
export async function request(path, { headers, ...options }) {
  const text = anyToken();
  await prove(text, options.signal);
  return send(path, { ...options, headers: text ? { ...headers, Authorization: `Bearer ${text}` } : headers });
}

/** Call `f` whenever the engine rejects the token, or requires one. */
export function onDenied(f) {
  deniedListeners.add(f);
}

/**
 * A request that failed. `status` is the HTTP status; 0 with the `code` "network" or "timeout" if there was no answer.
 * `problems`: [{file, place, path, message, and in both languages place_words, words}]. `dependents`: task ids. `words`:
 * the message about a wrong body in both languages, `pointer` (RFC 6901) the part of the body that is wrong.
 */
export class ApiError extends Error {
  constructor(status, code, message, { problems = [], dependents = [], words, pointer } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.problems = problems;
    this.dependents = dependents;
    this.words = words;
    this.pointer = pointer;
  }
}

function headersFor(method, more = {}) {
  const headers = { Accept: "application/json", ...more };
  if (method !== "GET") headers["Content-Type"] = "application/json";
  return headers;
}

/**
 * Make one request. `path` is relative to /api/scheduler. `body` is sent as JSON; POST, PUT and PATCH without one send
 * {}. `timeout` is in ms, for as long as no byte comes. `onBytes(n)` is called while the answer comes.
 * Returns {status, data, headers}; data is null for 304. Throws ApiError for a status of 400 or more, and if there is no
 * answer; the error of the browser if `signal` aborts.
 */
export async function call(method, path, body, { headers, timeout = 15000, signal, onBytes } = {}) {
  const bodyless = method === "GET" || method === "DELETE";
  const aborter = new AbortController();
  let timer = 0;
  const heard = (bytes) => {
    clearTimeout(timer);
    timer = setTimeout(() => aborter.abort("timeout"), timeout);
    if (!bytes) return;
    wire.heardAt = Date.now();
    // The server that has the token already may be asked again.
    if (proven.until) proven.until = Math.max(proven.until, Date.now() + PROOF_MS);
    if (bytes > 1) onBytes?.(bytes);
  };
  heard(0);
  signal?.addEventListener("abort", () => aborter.abort("signal"));
  try {
    const response = await request(path, {
      method,
      headers: headersFor(method, headers),
      body: bodyless ? undefined : JSON.stringify(body ?? {}),
      signal: aborter.signal,
    });
    heard(1);
    if (response.status === 304) return { status: 304, data: null, headers: response.headers };
    if (!response.ok) throw await errorOf(response);
    const isJson = (response.headers.get("Content-Type") ?? "").includes("json");
    const text = await textOf(response, heard);
    const data = isJson ? JSON.parse(text) : text;
    return { status: response.status, data, headers: response.headers };
  } catch (error) {
    const { aborted, reason } = aborter.signal;
    if (aborted ? reason === "signal" : error instanceof ApiError) throw error;
    throw aborted ? new ApiError(0, "timeout", "") : networkError(error);
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
  const text = anyToken();
  let closed = false;
  const end = (error) => {
    if (closed) return;
    closed = true;
    proven.until = 0;
    onState("closed", error);
  };
  const heard = () => {
    if (text === proven.text && !closed) proven.until = Date.now() + SILENCE_MS;
  };
  const run = async () => {
    const response = await request(path, { headers: { Accept: "text/event-stream" }, signal: aborter.signal });
    if (!response.ok) throw await errorOf(response);
    heard();
    onState("open");
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      heard();
      const blocks = (rest + decoder.decode(value, { stream: true }).replace(/\r\n?/g, "\n")).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) deliver(block, onEvent);
    }
  };
  run().then(
    () => end(null),
    (error) => end(error instanceof ApiError ? error : networkError(error)),
  );
  return {
    close() {
      closed = true;
      proven.until = 0;
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

const first = tokenInAddress() || anyToken();
if (first) early = { text: first, done: prove(first).catch(() => {}) };

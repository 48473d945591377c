/** The language of the page: by the browser's at first, then as switched. */
import { FIRST } from "./messages_first.js";

const KEY = "minisched.lang";
const listeners = new Set();
let table = FIRST;
let inChinese = null; // comes with the first that is told in Chinese
let current = localStorage.getItem(KEY) ?? (navigator.languages?.[0] ?? navigator.language ?? "").slice(0, 2).toLowerCase();
if (current !== "zh") current = "en";
document.documentElement.lang = current === "zh" ? "zh-CN" : "en";

/** Take the whole table, once it is loaded. */
export function learn(messages) {
  table = messages;
}

/** "en" or "zh". */
export function lang() {
  return current;
}

/** Once what the language needs beside the tables is here, or cannot be had. */
export async function ready() {
  if (current !== "zh" || inChinese) return;
  inChinese = (await import("./sentences.js").catch(() => ({}))).inChinese;
}

export async function setLang(language) {
  current = language === "zh" ? "zh" : "en";
  localStorage.setItem(KEY, current);
  document.documentElement.lang = current === "zh" ? "zh-CN" : "en";
  await ready();
  for (const f of [...listeners]) f(current);
}

/** Call `f` after each switch; gives back how to leave. */
export function onLang(f) {
  listeners.add(f);
  return () => listeners.delete(f);
}

/**
 * The text of `key`, its `{name}` replaced by `params.name`. "{n} run|{n} runs": the first part for n = 1. A key that
 * is not in the table is shown as it is.
 */
export function t(key, params = {}) {
  const pair = table[key];
  if (!pair) return key;
  let text = pair[current === "zh" ? 1 : 0];
  if ("n" in params && text.includes("|")) text = text.split("|")[Number(params.n) === 1 ? 0 : 1];
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in params ? String(params[name]) : whole));
}

/** What the engine says: `words` in the page's language, where it has them beside the English `message`. */
export function said({ words, message }) {
  return words?.[current] ?? message;
}

/** A sentence of the engine's, which comes in English alone, in the page's language as far as that is known. */
export function translated(text) {
  return current === "zh" && inChinese ? inChinese(text) : text;
}

export function has(key) {
  return key in table;
}

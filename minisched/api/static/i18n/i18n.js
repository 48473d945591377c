/** The language of the page: that of the browser, until the user switches it. */
import { prove } from "../core/api.js";
import { TEXTS } from "./catalogue/first_view.js";
import { CORE_MESSAGES } from "./messages_core.js";

const LANGUAGE_KEY = "minisched.lang";
let table = CORE_MESSAGES;
// The module that renders texts of the engine; loaded with the first one.
let engineTexts = null;
let current = localStorage.getItem(LANGUAGE_KEY) ?? (navigator.languages?.[0] ?? navigator.language ?? "").slice(0, 2).toLowerCase();
if (current !== "zh") current = "en";
document.documentElement.lang = current === "zh" ? "zh-CN" : "en";

/** Use this table, which contains CORE_MESSAGES, from now on. */
export function useMessages(messages) {
  table = messages;
}

/** "en" or "zh". */
export function lang() {
  return current;
}

/** What is shown already stays as it is: show it again. */
export function setLang(language) {
  current = language === "zh" ? "zh" : "en";
  localStorage.setItem(LANGUAGE_KEY, current);
  document.documentElement.lang = current === "zh" ? "zh-CN" : "en";
}

/**
 * The text of `key` in the page's language. `{name}` is replaced by `params.name`; of "{n} run|{n} runs" the first part
 * is used for n = 1. A key can also be a code of FIRST_VIEW in minisched/catalogue/runs.py. One that is
 * unknown is returned as it is.
 */
export function t(key, params = {}) {
  const pair = table[key] ?? TEXTS[key];
  if (!pair) return key;
  let text = pair[current === "zh" ? 1 : 0];
  if ("n" in params && text.includes("|")) text = text.split("|")[Number(params.n) === 1 ? 0 : 1];
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in params ? String(params[name]) : whole));
}

export function has(key) {
  return key in table || key in TEXTS;
}

/** The message of an API problem in the page's language: `words` has both languages, `message` is English. */
export function localized({ words, message }) {
  return words?.[current] ?? message;
}

/**
 * Load what is needed to render the texts of the engine in `found`, a list that may contain them anywhere. Resolves to
 * whether something new was loaded. Never rejects.
 */
export async function loadTexts(found) {
  if (!found.length) return false;
  try {
    await prove();
    engineTexts ??= await import("../i18n/engine_text.js");
    return await engineTexts.loadTemplates(found);
  } catch {
    return false;
  }
}

/** A text of the engine, a code with values or null, in the page's language; "" before `loadTexts` has loaded it. */
export function engineText(text) {
  return (text && engineTexts?.render(text)) || "";
}

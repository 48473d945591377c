/** The language of the page: that of the browser, until the user switches it. */
import { prove } from "../core/api.js";
import { TEXTS } from "./catalogue/first_view.js";
import { CORE_MESSAGES } from "./messages_core.js";

const LANGUAGE_KEY = "minisched.lang";
// The module with all other texts in the page's language, and the one that renders those of the engine; null until loaded.
let later = null;
let engineTexts = null;
let current = localStorage.getItem(LANGUAGE_KEY) ?? (navigator.languages?.[0] ?? navigator.language ?? "").slice(0, 2).toLowerCase();
if (current !== "zh") current = "en";
document.documentElement.lang = current === "zh" ? "zh-CN" : "en";

const textsOf = (language) => import(`../i18n/texts_${language}.js`);

/** Load the texts that the first view does not need. Rejects if the engine does not answer. */
export async function loadLaterTexts() {
  later ??= await textsOf(current);
}

/** "en" or "zh". */
export function lang() {
  return current;
}

/** What is shown already stays as it is: show it again. Rejects if the texts cannot be loaded. */
export async function setLang(language) {
  if (later) {
    await prove();
    later = await textsOf(language);
  }
  current = language;
  localStorage.setItem(LANGUAGE_KEY, current);
  document.documentElement.lang = current === "zh" ? "zh-CN" : "en";
}

const inLanguage = (pair) => pair?.[current === "zh" ? 1 : 0];

/**
 * The text of `key` in the page's language. `{name}` is replaced by `params.name`; of "{n} run|{n} runs" the first part
 * is used for n = 1. A key can also be a code of FIRST_VIEW in minisched/catalogue/runs.py. One that is
 * unknown is returned as it is.
 */
export function t(key, params = {}) {
  let text = inLanguage(CORE_MESSAGES[key] ?? TEXTS[key]) ?? later?.MESSAGES[key] ?? key;
  if ("n" in params && text.includes("|")) text = text.split("|")[Number(params.n) === 1 ? 0 : 1];
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in params ? String(params[name]) : whole));
}

/** Texts as a list in the page's language. */
export function listed(texts) {
  return texts.join(current === "zh" ? "、" : ", ");
}

export function has(key) {
  return key in CORE_MESSAGES || key in TEXTS || key in (later?.MESSAGES ?? {});
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
  if (!found.length || (later && engineTexts)) return false;
  try {
    await prove();
    [engineTexts] = await Promise.all([import("../i18n/engine_text.js"), loadLaterTexts()]);
    return true;
  } catch {
    return false;
  }
}

const templateOf = (code) => later.TEMPLATES[code] ?? inLanguage(TEXTS[code]);

/** A text of the engine, a code with values or null, in the page's language; "" before `loadTexts` has loaded it. */
export function engineText(text) {
  return (text && later && engineTexts?.render(text, templateOf, current)) || "";
}

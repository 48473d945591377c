/** Modules that the first view does not need. They are loaded on first use, with their style sheets and all texts. */
import { loadLaterTexts } from "../i18n/i18n.js";
import { prove } from "./api.js";
import { loadStyle } from "./dom.js";

// By path.
const loaded = {};

/** Import the module at `path`, such as "runs/history.js". Resolves when all that it needs is loaded. */
export async function lazy(path) {
  if (loaded[path]) return loaded[path];
  await prove();
  [loaded[path]] = await Promise.all([import(`../${path}`), import("./shared.js"), loadLaterTexts(), loadStyle("core/shared.css")]);
  return loaded[path];
}

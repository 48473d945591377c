/** Modules that the first view does not need. They are loaded on first use, with their style sheets and all texts. */
import { loadLaterTexts } from "../i18n/i18n.js";
import { prove } from "./api.js";
import { loadStyle } from "./dom.js";

// By path: promises of the modules. Calls at the same moment, such as those of all rows in sight, share one.
const loaded = {};

async function load(path) {
  await prove();
  const [module] = await Promise.all([import(`../${path}`), import("./shared.js"), loadLaterTexts(), loadStyle("core/shared.css")]);
  return module;
}

/** Import the module at `path`, such as "runs/history.js". Resolves when all that it needs is loaded. */
export function lazy(path) {
  loaded[path] ??= load(path).catch((error) => {
    delete loaded[path];
    throw error;
  });
  return loaded[path];
}

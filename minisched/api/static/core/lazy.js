/** Modules that the first view does not need. They are loaded on first use, with their style sheets and all texts. */
import { loadLaterTexts } from "../i18n/i18n.js";
import { ApiError, prove } from "./api.js";
import { h } from "./dom.js";

// By path: promises of the modules. Calls at the same moment, such as those of all rows in sight, share one.
const loaded = {};
// Resolves when the style sheet applies: what is placed or clicked before then is not where it belongs.
let styled = null;

const loadStyle = () =>
  new Promise((resolve, reject) => {
    const fail = () => {
      link.remove();
      styled = null;
      reject(new ApiError(0, "network", ""));
    };
    const link = h("link", { rel: "stylesheet", href: "core/shared.css", on: { load: resolve, error: fail } });
    document.head.append(link);
  });

async function load(path) {
  await prove();
  const [module] = await Promise.all([import(`../${path}`), import("./shared.js"), loadLaterTexts(), (styled ??= loadStyle())]);
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

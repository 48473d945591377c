/** Modules that the first view does not need. They are loaded on first use, with their style sheets and all texts. */
import { useMessages } from "../i18n/i18n.js";
import { loadStyle } from "./dom.js";

// Folders without a style sheet of their own.
const UNSTYLED = ["core", "tasks"];

/** Import the module at `path`, such as "runs/history.js". Resolves when all that it needs is loaded. */
export async function lazy(path) {
  const [folder] = path.split("/");
  const texts = import("../i18n/messages.js").then(({ MESSAGES }) => useMessages(MESSAGES));
  await Promise.all([texts, loadStyle("core/shared.css"), UNSTYLED.includes(folder) || loadStyle(`${folder}/${folder}.css`)]);
  return import(`../${path}`);
}

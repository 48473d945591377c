/** Modules that the first view does not need. They are loaded on first use, with their style sheets and all texts. */
import { useMessages } from "../i18n/i18n.js";
import { prove } from "./api.js";
import { addIcons, loadStyle } from "./dom.js";

// Folders without a style sheet of their own.
const UNSTYLED = ["core", "tasks"];

// By path.
const loaded = {};

/** Import the module at `path`, such as "runs/history.js". Resolves when all that it needs is loaded. */
export async function lazy(path) {
  if (loaded[path]) return loaded[path];
  await prove();
  const [folder] = path.split("/");
  const texts = import("../i18n/messages.js").then(({ MESSAGES }) => useMessages(MESSAGES));
  const icons = import("./icons.js").then(({ MORE_ICONS }) => addIcons(MORE_ICONS));
  await Promise.all([texts, icons, loadStyle("core/shared.css"), UNSTYLED.includes(folder) || loadStyle(`${folder}/${folder}.css`)]);
  loaded[path] = await import(`../${path}`);
  return loaded[path];
}

/** Rooms that the first view does not need are loaded when they are asked for, with their style and texts. */
import { loadStyle } from "./dom.js";
import { learn } from "./i18n.js";

/** The module `path`, such as "./history.js", once all it needs is there. */
export async function room(path) {
  const texts = import("./messages.js").then(({ MESSAGES }) => learn(MESSAGES));
  await Promise.all([texts, loadStyle("rooms.css")]);
  return import(path);
}

/**
 * The state of the page in its address: "#runs?status=failed&q=disk" is a view with its filters, "#task/backup" a view of
 * one thing, "#run/12" a dialog. So Back and Forward, a reload and a link in a message lead there.
 */

// The addresses of the open dialogs, the topmost last.
const openAddresses = [];
// The address of the view below them.
let viewAddress = "#tasks";

/** The parts of the current address: {name, id, at: what follows the id, query: URLSearchParams}. */
export function here() {
  const [path, query = ""] = location.hash.slice(1).split("?");
  const [name, id = "", at = ""] = path.split("/");
  return { name, id: /^[A-Za-z0-9_-]{1,64}$/.test(id) ? id : "", at, query: new URLSearchParams(query) };
}

/** An address with the values of a query that are not empty. */
export function addressOf(name, id = "", values = {}) {
  const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value));
  const text = query.toString();
  return `#${name}${id ? `/${id}` : ""}${text ? `?${text}` : ""}`;
}

/** The view now has this address. `push`: Back leads to the one before. */
export function showAddress(address, push = false) {
  viewAddress = address;
  if (location.hash === address || openAddresses.length) return;
  if (push) pushEntry(null, address);
  else replaceEntry(history.state, address);
}

/** The view of the current address is shown. */
export function enterView() {
  viewAddress = location.hash || "#tasks";
}

/** A dialog with an address was opened, or has another one: `before`. */
export function enterDialog(address, before = "") {
  const at = openAddresses.indexOf(before);
  if (at < 0) openAddresses.push(address);
  else openAddresses[at] = address;
  if (location.hash === address) return;
  if (at >= 0) return replaceEntry(history.state, address);
  const key = Math.random();
  history.replaceState({ ...history.state, key }, "");
  pushEntry({ over: key }, address);
}

export function leaveDialog(address) {
  const at = openAddresses.lastIndexOf(address);
  if (at < 0) return;
  openAddresses.splice(at, 1);
  const below = openAddresses[openAddresses.length - 1] ?? viewAddress;
  if (location.hash === address) replaceEntry({ ...history.state, closed: (history.state?.closed ?? 0) + 1 }, below);
}

/** Whether the dialog of the current address is open and on top. */
export function isOnTop() {
  return openAddresses[openAddresses.length - 1] === location.hash;
}

// ---- Back, where dialogs were closed ----

// The state of an entry of the browser's history: {over: the key of the entry below, if a dialog was opened with it;
// closed: how many dialogs were closed in it; key}. After the last one it shows the same view as an entry below: Back
// passes that one, and those of the dialogs between them.
let left = history.state;
let passing = false;

const pushEntry = (state, address) => history.pushState((left = state), "", address);
const replaceEntry = (state, address) => history.replaceState((left = state), "", address);

window.addEventListener("popstate", ({ state }) => {
  const closed = (left?.over && state?.key === left.over && left.closed) || 0;
  passing = closed > 1 || (closed > 0 && (location.hash || "#tasks") === viewAddress);
  left = passing ? { ...state, closed: Math.max(closed - 1, state.closed ?? 0) } : state;
  if (passing) history.back();
});
window.addEventListener("hashchange", (event) => passing && event.stopImmediatePropagation());

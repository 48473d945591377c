/** Modal dialogs, questions and short notices. <dialog> keeps the focus inside and restores it. */
import { button, h, icon, iconButton } from "./dom.js";
import { t } from "../i18n/i18n.js";
import { enterDialog, leaveDialog } from "./address.js";

let count = 0;
// The open dialogs, the topmost last.
const stack = [];
// Called when all dialogs are closed.
const waiting = [];

/**
 * Open a modal dialog. `title`: text or node. `body`: node or nodes. `actions`: [{label, kind, icon, click(dialog), id}],
 * from left to right; one without `click` closes the dialog. `guard()` returns, or resolves to, whether the user may
 * close the dialog. `unsaved`: {now(), denied()}, see `closeAll`. `wide`: for tables and logs.
 * `address`: see address.js. Returns {el, body, footer, setTitle(text), setAddress(address), close()}; `close` does not
 * ask `guard`.
 */
export function openDialog({ title, body, actions = [], onClose = () => {}, guard = () => true, unsaved = null, wide = false, kind = "", address = "" }) {
  count += 1;
  const heading = h("h2", { id: `dialog-title-${count}`, tabindex: "-1" }, title);
  const content = h("div", { class: "dialog-body" }, body);
  const footer = h("div", { class: "dialog-actions" });
  let asking = false;
  const ask = async () => {
    if (asking) return;
    asking = true;
    try {
      if (await guard()) close();
    } finally {
      asking = false;
    }
  };
  const cross = iconButton("close", t("close"), ask, { class: "dialog-close" });
  const el = h(
    "dialog",
    { class: `dialog ${wide ? "wide" : ""} ${kind}`, "aria-labelledby": heading.id },
    h("div", { class: "dialog-head" }, heading, cross),
    content,
    footer,
  );
  const close = () => {
    if (!stack.includes(dialog)) return;
    stack.splice(stack.indexOf(dialog), 1);
    el.close();
    // Notices stay when the dialog that showed them is closed.
    if (el.contains(notices)) topLayer().append(notices);
    el.remove();
    leaveDialog(dialog.address);
    onClose();
    if (stack.length) return;
    document.documentElement.classList.remove("modal");
    for (const resume of waiting.splice(0)) resume();
  };
  const dialog = { ask, unsaved, el, body: content, footer, close, address, setTitle: (text) => heading.replaceChildren(text) };
  dialog.setAddress = (other) => {
    enterDialog(other, dialog.address);
    dialog.address = other;
  };
  for (const { label, click, ...attrs } of actions) {
    footer.append(button(label, () => (click ? click(dialog) : ask()), attrs));
  }
  el.addEventListener("cancel", (event) => {
    // The back button of a phone.
    event.preventDefault();
    ask();
  });
  // Chromium closes a dialog at the second such request, even if `cancel` was prevented.
  el.addEventListener("close", () => {
    if (!stack.includes(dialog)) return;
    el.showModal();
    ask();
  });
  let pressedOutside = false;
  el.addEventListener("pointerdown", (event) => (pressedOutside = event.target === el));
  el.addEventListener("click", (event) => event.target === el && pressedOutside && ask());
  document.body.append(el);
  stack.push(dialog);
  if (address) enterDialog(address);
  document.documentElement.classList.add("modal");
  el.showModal();
  const first = el.querySelector("[autofocus]");
  (first ?? heading).focus();
  return dialog;
}

/** The element that is shown above all others: a modal dialog hides everything outside it. */
const topLayer = () => stack[stack.length - 1]?.el ?? document.body;

/** Escape is handled as a key, because Chromium lets a page prevent its own handling of it only once. */
document.addEventListener("keydown", (event) => {
  const top = stack[stack.length - 1];
  if (event.key !== "Escape" || !top || event.defaultPrevented || event.isComposing) return;
  if (event.target.type === "search" && event.target.value) return; // the browser clears the field
  event.preventDefault();
  // A key that is held down must not answer the question as well.
  if (!event.repeat) top.ask();
});

/**
 * Close all dialogs except those with unsaved changes. With `denied`, those show that the engine rejects the token.
 * Returns a function that waits until all are closed.
 */
export function closeAll({ denied = false } = {}) {
  for (const one of [...stack].reverse()) {
    if (!one.unsaved?.now()) one.close();
    else if (denied) one.unsaved.denied();
  }
  return () => (stack.length ? new Promise((resolve) => waiting.push(resolve)) : null);
}

/**
 * Ask a yes/no question. `yesLabel`: the label of the button for yes. `detail`: a further text, or several. `check`: the label
 * of a box that must be ticked first, for actions that cannot be undone. Resolves to true or false.
 */
export function confirm(question, yesLabel, { detail = "", check = "", danger = true, cancel = t("cancel") } = {}) {
  return new Promise((resolve) => {
    let answer = false;
    const yes = button(yesLabel, () => ((answer = true), dialog.close()), { kind: danger ? "danger" : "primary", disabled: Boolean(check) });
    const box = check && h("input", { type: "checkbox", autofocus: true, on: { change: () => (yes.disabled = !box.checked) } });
    const no = button(cancel, () => dialog.close(), { autofocus: !check });
    const dialog = openDialog({
      title: question,
      body: [[detail].flat().map((text) => text && h("p", { text })), check && h("label", { class: "check" }, box, h("span", { text: check }))],
      onClose: () => resolve(answer),
      kind: "question",
    });
    dialog.footer.append(no, yes);
    if (!check) no.focus();
  });
}

const notices = h("div", { class: "notices", role: "status", "aria-live": "polite" });

const NOTICE_MS = { good: 4000, bad: 15000, "": 4000 };

/** Show a short notice for some seconds, longer if it is "bad". `kind`: "good", "bad" or "". */
export function notice(text, kind = "") {
  topLayer().append(notices);
  const el = h(
    "div",
    { class: `notice ${kind}` },
    kind && icon(kind === "bad" ? "warn" : "success"),
    h("span", { text }),
    iconButton("close", t("close"), () => el.remove()),
  );
  notices.append(el);
  while (notices.children.length > 4) notices.firstChild.remove();
  setTimeout(() => el.remove(), NOTICE_MS[kind]);
}

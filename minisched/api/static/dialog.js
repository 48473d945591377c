/** Dialogs on <dialog>, which keeps the focus inside and gives it back; questions; and short notices. */
import { button, h, icon, iconButton } from "./dom.js";
import { t } from "./i18n.js";

let count = 0;
const stack = []; // the open dialogs, the topmost last
const waiting = []; // for all of them to be closed

/**
 * Open a modal dialog. `title`: text or node; `body`: node; `actions`: [{label, kind, icon, click(dialog), id}], from
 * left to right; `guard`: () -> boolean or promise, asked before the user closes it; `unsaved`: {now(), denied()}, see
 * `closeAll`; `onClose`; `wide`: for tables and logs.
 * Gives {el, body, footer, setTitle(text), close()}; `close` asks nobody.
 */
export function openDialog({ title, body, actions = [], onClose = () => {}, guard = () => true, unsaved = null, wide = false, kind = "" }) {
  count += 1;
  const heading = h("h2", { id: `dialog-title-${count}`, tabindex: "-1" }, title);
  const content = h("div", { class: "dialog-body" }, body);
  const footer = h("footer", { class: "dialog-actions" });
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
    h("header", { class: "dialog-head" }, heading, cross),
    content,
    footer,
  );
  const close = () => {
    if (!stack.includes(dialog)) return;
    stack.splice(stack.indexOf(dialog), 1);
    el.close();
    if (el.contains(notices)) ground().append(notices); // they outlive it
    el.remove();
    onClose();
    if (stack.length) return;
    document.documentElement.classList.remove("modal");
    for (const go of waiting.splice(0)) go();
  };
  const dialog = { ask, unsaved, el, body: content, footer, close, setTitle: (text) => heading.replaceChildren(text) };
  for (const { label, click, ...attrs } of actions) {
    footer.append(button(label, () => (click ? click(dialog) : ask()), attrs));
  }
  el.addEventListener("cancel", (event) => {
    event.preventDefault(); // a phone's way back: the guard is asked first
    ask();
  });
  // Chromium closes at a second such request even where `cancel` was prevented, whatever stands in it.
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
  document.documentElement.classList.add("modal");
  el.showModal();
  const first = el.querySelector("[autofocus]");
  (first ?? heading).focus();
  return dialog;
}

/** Where what stands above all else belongs: a dialog's top layer hides the rest. */
const ground = () => stack[stack.length - 1]?.el ?? document.body;

/** Escape is taken as a key: as a request of the browser's own to close, Chromium lets it be prevented but once. */
document.addEventListener("keydown", (event) => {
  const top = stack[stack.length - 1];
  if (event.key !== "Escape" || !top || event.defaultPrevented || event.isComposing) return;
  if (event.target.type === "search" && event.target.value) return; // it is emptied
  event.preventDefault();
  if (!event.repeat) top.ask(); // held down it would go through the questions too
});

/**
 * Close every dialog but those whose changes would be lost by it; `denied`: these tell that the engine refuses the
 * token. Gives a function whose promise resolves once all are closed.
 */
export function closeAll({ denied = false } = {}) {
  for (const one of [...stack].reverse()) {
    if (!one.unsaved?.now()) one.close();
    else if (denied) one.unsaved.denied();
  }
  return () => (stack.length ? new Promise((resolve) => waiting.push(resolve)) : null);
}

/**
 * Ask yes or no. `word`: the label of yes. `detail`: a further sentence. `check`: a text with a box that must be ticked
 * first, for what cannot be undone. Gives a promise of true or false.
 */
export function confirm(question, word, { detail = "", check = "", danger = true, cancel = t("cancel") } = {}) {
  return new Promise((resolve) => {
    let answer = false;
    const yes = button(word, () => ((answer = true), dialog.close()), { kind: danger ? "danger" : "primary", disabled: Boolean(check) });
    const box = check && h("input", { type: "checkbox", autofocus: true, on: { change: () => (yes.disabled = !box.checked) } });
    const no = button(cancel, () => dialog.close(), { autofocus: !check });
    const dialog = openDialog({
      title: question,
      body: [detail && h("p", { text: detail }), check && h("label", { class: "check" }, box, h("span", { text: check }))],
      onClose: () => resolve(answer),
      kind: "question",
    });
    dialog.footer.append(no, yes);
    if (!check) no.focus();
  });
}

const notices = h("div", { class: "notices", role: "status", "aria-live": "polite" });

/** A short notice that goes by itself; `kind`: "good", "bad" or "". A bad one stays until it is closed. */
export function notice(text, kind = "") {
  ground().append(notices);
  const el = h(
    "div",
    { class: `notice ${kind}` },
    kind && icon(kind === "bad" ? "warn" : "success"),
    h("span", { text }),
    iconButton("close", t("close"), () => el.remove()),
  );
  notices.append(el);
  while (notices.children.length > 4) notices.firstChild.remove();
  setTimeout(() => el.remove(), kind === "bad" ? 15000 : 4000);
}

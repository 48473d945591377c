/** Dialogs on <dialog>, which keeps the focus inside and gives it back; questions; and short notices. */
import { button, h, icon, iconButton } from "./dom.js";
import { t } from "./i18n.js";

let count = 0;

/**
 * Open a modal dialog. `title`: text or node; `body`: node; `actions`: [{label, kind, icon, click(dialog), id}], from
 * left to right; `guard`: () -> boolean or promise, asked before the user closes it; `onClose`; `wide`: for tables and logs.
 * Gives {el, body, footer, setTitle(text), close()}; `close` asks nobody.
 */
export function openDialog({ title, body, actions = [], onClose = () => {}, guard = () => true, wide = false, kind = "" }) {
  count += 1;
  const heading = h("h2", { id: `dialog-title-${count}`, tabindex: "-1" }, title);
  const content = h("div", { class: "dialog-body" }, body);
  const footer = h("footer", { class: "dialog-actions" });
  const ask = async () => {
    if (await guard()) close();
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
    if (!el.isConnected) return;
    el.close();
    el.remove();
    if (!document.querySelector("dialog[open]")) document.documentElement.classList.remove("modal");
    onClose();
  };
  const dialog = { el, body: content, footer, close, setTitle: (text) => heading.replaceChildren(text) };
  for (const { label, click, ...attrs } of actions) {
    footer.append(button(label, () => (click ? click(dialog) : ask()), attrs));
  }
  el.addEventListener("cancel", (event) => {
    event.preventDefault(); // Escape: the guard is asked first
    ask();
  });
  // Chromium closes on a second Escape even where `cancel` was prevented.
  el.addEventListener("close", () => el.isConnected && close());
  let pressedOutside = false;
  el.addEventListener("pointerdown", (event) => (pressedOutside = event.target === el));
  el.addEventListener("click", (event) => event.target === el && pressedOutside && ask());
  document.body.append(el);
  document.documentElement.classList.add("modal");
  el.showModal();
  const first = el.querySelector("[autofocus]");
  (first ?? heading).focus();
  return dialog;
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
  const top = [...document.querySelectorAll("dialog[open]")].pop();
  (top ?? document.body).append(notices); // a dialog's top layer hides all else
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

/** The notices stand in the dialog that goes: keep them. */
document.addEventListener("close", (event) => event.target.contains?.(notices) && document.body.append(notices), true);

/** A small menu under a button; fixed to the window, as cards clip what hangs over. */
import { h, icon } from "./dom.js";

let open = null;

/** `rows`: [[icon, label, name]]; `act(name)` is called with the one chosen. */
export function openMenu(anchor, rows, act) {
  const again = open?.anchor === anchor;
  closeMenu();
  if (again) return;
  const items = rows.map(([name, label, id]) =>
    h(
      "button",
      { type: "button", role: "menuitem", tabindex: "-1", class: `menu-row ${id}`, on: { click: () => (closeMenu(true), act(id)) } },
      icon(name),
      label,
    ),
  );
  const el = h("div", { class: "menu", role: "menu", "aria-label": anchor.getAttribute("aria-label") ?? "", on: { keydown: (e) => key(e, items) } }, items);
  (document.querySelector("main") ?? document.body).append(el);
  const box = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = el;
  const below = box.bottom + 4 + height <= window.innerHeight;
  el.style.left = `${Math.max(8, Math.min(box.right - width, window.innerWidth - width - 8))}px`;
  el.style.top = `${below ? box.bottom + 4 : Math.max(8, box.top - 4 - height)}px`;
  anchor.setAttribute("aria-expanded", "true");
  open = { el, anchor };
  items[0].focus();
}

export function closeMenu(giveBack = false) {
  if (!open) return;
  const { el, anchor } = open;
  open = null;
  el.remove();
  anchor.removeAttribute("aria-expanded");
  if (giveBack) anchor.focus();
}

function key(event, items) {
  const at = items.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1 + items.length, Home: 0, End: items.length - 1 }[event.key];
  if (to !== undefined) items[to % items.length].focus();
  else if (event.key === "Escape") closeMenu(true);
  else if (event.key === "Tab") return closeMenu();
  else return;
  event.preventDefault();
}

document.addEventListener("pointerdown", (event) => open && !open.el.contains(event.target) && !open.anchor.contains(event.target) && closeMenu());
window.addEventListener("scroll", () => closeMenu(), { passive: true, capture: true });
window.addEventListener("resize", () => closeMenu());

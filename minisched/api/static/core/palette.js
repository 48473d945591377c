/** Ctrl-K: a list of all that can be opened or done, found by typing. `?`: the keys of the page. */
import { t } from "../i18n/i18n.js";
import { actions } from "../tasks/actions.js";
import { token } from "./api.js";
import { openDialog } from "./dialog.js";
import { h, icon, visible } from "./dom.js";
import { troubleOf } from "./status_text.js";
import { store } from "./store.js";

const SHOWN_MAX = 50;
// What can be done with a task: [icon, text, action]; the first one leads to its page.
const VERBS = [
  ["info", "", (card) => (location.hash = `#task/${card.task_id}`)],
  ["play", "run_now", (card) => actions.run(card)],
  ["log", "log", (card) => actions.log(card)],
  ["history", "history", (card) => actions.history(card)],
  ["edit", "edit", (card) => actions.edit(card)],
];

/**
 * How well a text matches the words of a query, the higher the better; 0: not at all. Each word has to be in it, or its
 * letters in their order.
 */
export function matchScore(text, query) {
  const where = text.toLowerCase();
  let score = 1;
  for (const word of query.toLowerCase().split(/\s+/).filter(Boolean)) {
    const at = where.indexOf(word);
    if (at === 0) score += 8;
    else if (at > 0) score += /[\p{L}\p{N}]/u.test(where[at - 1]) ? 3 : 6;
    else {
      let from = 0;
      for (const letter of word) from = where.indexOf(letter, from) + 1 || Infinity;
      if (from === Infinity) return 0;
      score += 1;
    }
  }
  return score;
}

/** All entries: {icon, text, sought, run()}. Of the tasks, those that need attention come first. */
function entriesFor({ views, showSettings, signOut }) {
  const go = (view) => ({ icon: "right", text: t(`view_${view}`), run: () => (location.hash = `#${view}`) });
  const others = [
    token() && { icon: "plus", text: t("new_task"), run: () => actions.edit(null) },
    { icon: "settings", text: t("settings"), run: showSettings },
    { icon: "info", text: t("keys"), run: openKeys },
    token() && { icon: "signout", text: t("sign_out"), run: signOut },
  ];
  const cards = token() ? [...store.tasks.values()].sort((a, b) => Boolean(troubleOf(b)) - Boolean(troubleOf(a))) : [];
  const ofTasks = VERBS.flatMap(([name, key, run]) =>
    cards.map((card) => {
      const text = visible(card.task_name);
      return { icon: name, text: key ? t("action_for", { action: t(key), task: text }) : text, sought: `${text} ${card.task_id} ${key && t(key)}`, run: () => run(card) };
    }),
  );
  return [...views.map(go), ...others, ...ofTasks].filter(Boolean);
}

export function openPalette(page) {
  const entries = entriesFor(page);
  const list = h("ul", { class: "palette-list", role: "listbox", id: "palette-list", "aria-label": t("palette") });
  const number = h("p", { class: "hidden-label", role: "status" });
  const input = h("input", { type: "search", role: "combobox", autofocus: true, autocomplete: "off", spellcheck: "false", placeholder: t("palette_hint"), "aria-label": t("palette"), "aria-expanded": "true", "aria-controls": "palette-list", "aria-autocomplete": "list" });
  let found = [];
  let at = 0;
  const mark = (index) => {
    at = index;
    [...list.children].forEach((row, i) => row.setAttribute("aria-selected", String(i === at)));
    const row = list.children[at];
    if (row) input.setAttribute("aria-activedescendant", row.id);
    else input.removeAttribute("aria-activedescendant");
    row?.scrollIntoView({ block: "nearest" });
  };
  const take = (entry) => {
    if (!entry) return;
    dialog.close();
    entry.run();
  };
  const draw = () => {
    const scored = entries.map((entry) => [matchScore(entry.sought ?? entry.text, input.value), entry]).filter(([score]) => score);
    found = scored.sort(([a], [b]) => b - a).slice(0, SHOWN_MAX).map(([, entry]) => entry);
    list.replaceChildren(...found.map((entry, i) => h("li", { role: "option", id: `palette-${i}`, class: "menu-row", on: { click: () => take(entry) } }, icon(entry.icon), h("span", { text: entry.text }))));
    number.textContent = found.length ? t("palette_found", { n: scored.length }) : t("none_found");
    number.classList.toggle("hidden-label", found.length > 0);
    mark(0);
  };
  input.addEventListener("input", draw);
  input.addEventListener("keydown", (event) => {
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 + found.length }[event.key];
    if (to !== undefined && found.length) mark(to % found.length);
    else if (event.key === "Enter" && !event.isComposing) take(found[at]);
    else return;
    event.preventDefault();
  });
  const dialog = openDialog({ title: t("palette"), body: [input, list, number], kind: "palette" });
  draw();
}

// The keys, each with the name of its text.
const KEYS = [
  ["Ctrl K", "palette"], ["?", "keys"], ["/", "search"], ["J K", "rows"], ["X", "pick"], ["Tab", "tab"], ["← → Home End", "arrows"], ["+ −", "zoom"], ["W", "why"], ["R", "run"], ["Enter", "enter"],
  ["Esc", "escape"], ["Ctrl Enter", "save"], ["↑ ↓", "menu"],
];

export function openKeys() {
  const rows = KEYS.map(([keys, name]) => h("tr", {}, h("td", { class: "nowrap", role: "rowheader" }, keys.split(" ").flatMap((key) => [h("kbd", { text: key }), " "])), h("td", { text: t(`key_${name}`) })));
  openDialog({ title: t("keys"), body: h("table", { class: "table keys", "aria-label": t("keys") }, h("tbody", {}, rows)), kind: "question", actions: [{ label: t("close") }] });
}

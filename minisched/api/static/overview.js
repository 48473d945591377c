/** What stands above the cards: the state of all in one line, counts, search, and filters. */
import { button, fmtAgo, h, icon, now, setText, visible } from "./dom.js";
import { t } from "./i18n.js";

/** What the user filters by; it outlives the view. */
export const filter = { text: "", kind: "", tag: "" };

const KINDS = ["failed", "missed", "skipped", "running", "waiting", "success", "cancelled", "idle", "disabled"];
const KIND_STATUS = { failed: "technical_failure" }; // whose colour and icon a count has

/** The headline, and the counts that are filters too. */
export function summary(choose) {
  const mark = h("span", { class: "headline-mark" });
  const headline = h("h1", {});
  const next = h("p", { class: "muted number next-up" });
  const counts = h("div", { class: "counts", role: "group", "aria-label": t("filter_status") });
  const el = h("div", { class: "summary" }, h("div", { class: "headline" }, mark, h("div", {}, headline, next)), counts);
  const buttons = new Map(
    KINDS.map((kind) => {
      const word = h("span");
      const status = KIND_STATUS[kind] ?? kind;
      const one = h("button", { type: "button", class: `count s-${status}`, on: { click: () => choose(kind) } }, icon(status), word);
      counts.append(one);
      return [kind, { one, word }];
    }),
  );
  return {
    el,
    show(numbers, chosen, store) {
      for (const [kind, { one, word }] of buttons) {
        const n = numbers[kind] ?? 0;
        one.hidden = !n && chosen !== kind;
        one.setAttribute("aria-pressed", String(chosen === kind));
        setText(word, t(`count_${kind}`, { n }));
      }
      const bad = (numbers.failed ?? 0) + (numbers.missed ?? 0) + (numbers.skipped ?? 0);
      const total = store.tasks.size;
      const state = !store.loaded ? "idle" : numbers.failed ? "technical_failure" : bad ? "missed" : total ? "success" : "idle";
      if (mark.dataset.state !== state) {
        mark.dataset.state = state;
        mark.className = `headline-mark s-${state}`;
        mark.replaceChildren(icon(state));
      }
      let text = t("loading");
      if (store.loaded) text = bad ? t("attention_headline", { n: bad }) : t(total ? "all_well" : "no_tasks_yet");
      setText(headline, text);
      document.title = bad ? `(${bad}) minisched` : "minisched";
      this.tick(store);
    },
    tick(store) {
      let first = null;
      for (const card of store.tasks.values()) {
        if (card.enabled && card.next_run_time && (!first || Date.parse(card.next_run_time) < Date.parse(first.next_run_time))) first = card;
      }
      const when = first && (Date.parse(first.next_run_time) - now() < 1000 ? t("due_now") : fmtAgo(first.next_run_time));
      setText(next, first ? t("next_up", { task: visible(first.task_name), when }) : store.tasks.size ? t("nothing_due") : "");
    },
  };
}

/** `create()`: make a task; null where that is not allowed. */
export function toolbar(create, changed) {
  const search = h("input", { type: "search", placeholder: t("search_hint"), "aria-label": t("search"), value: filter.text, autocomplete: "off", spellcheck: "false" });
  search.addEventListener("input", () => {
    filter.text = search.value;
    changed();
  });
  const tags = h("select", { "aria-label": t("tag"), class: "tag-filter" });
  tags.addEventListener("change", () => {
    filter.tag = tags.value;
    changed();
  });
  const told = h("span", { class: "muted nowrap", role: "status" });
  const add = create && button(t("new_task"), create, { kind: "primary", icon: "plus" });
  const el = h("div", { class: "toolbar", role: "search" }, h("div", { class: "search" }, icon("search"), search), tags, told, add);
  let known = "";
  return {
    el,
    focus: () => search.focus(),
    reset() {
      search.value = "";
      tags.value = "";
    },
    show(store, filtered, shown, total) {
      el.hidden = !store.loaded || (!total && !create);
      el.classList.toggle("bare", !total);
      setText(told, filtered ? t("shown_of", { shown, total }) : "");
      const all = [...new Set([...store.tasks.values()].flatMap((card) => card.task_tags ?? []))].sort();
      const key = JSON.stringify(all);
      if (key === known) return;
      known = key;
      if (filter.tag && !all.includes(filter.tag)) filter.tag = "";
      tags.replaceChildren(h("option", { value: "", text: t("all_tags") }), ...all.map((tag) => h("option", { value: tag, text: visible(tag) })));
      tags.value = filter.tag;
      tags.hidden = !all.length;
    },
  };
}

export function emptyPage(create) {
  return [h("p", { class: "muted", text: t("empty_hint") }), create && button(t("new_task"), create, { kind: "primary", icon: "plus" })].filter(Boolean);
}

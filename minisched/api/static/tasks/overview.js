/** Above the cards: the overall state in one line, the counts, search and filters. */
import { button, h, icon, setText, visible } from "../core/dom.js";
import { fmtAgo, now } from "../core/format.js";
import { t } from "../i18n/i18n.js";

/** The current filter, and the order of arrange.js. They are kept while other views are open. */
export const filter = { text: "", kind: "", tag: "", sort: "" };

const COUNTED_KINDS = ["failed", "missed", "skipped", "late", "running", "waiting", "success", "cancelled", "idle", "disabled"];
// The status whose colour and icon a count has, if it is not the kind itself.
const STATUS_OF_KIND = { failed: "technical_failure", late: "missed" };

/** The headline, and the counts, which are filters too: `choose(kind)`. */
export function summary(choose) {
  const mark = h("span", { class: "headline-mark" });
  const headline = h("h1", {});
  const next = h("span");
  const retried = h("span", { class: "retried" });
  const failed = h("a", { class: "failed-day", href: "#runs?status=failed&span=24h", hidden: true });
  const counts = h("div", { class: "counts", role: "group", "aria-label": t("filter_status") });
  const el = h("div", { class: "summary" }, h("div", { class: "headline" }, mark, h("div", {}, headline, h("p", { class: "muted number next-up" }, retried, next), h("p", {}, failed))), counts);
  const buttons = new Map(
    COUNTED_KINDS.map((kind) => {
      const label = h("span");
      const status = STATUS_OF_KIND[kind] ?? kind;
      const one = h("button", { type: "button", class: `count s-${status}`, on: { click: () => choose(kind) } }, icon(status), label);
      counts.append(one);
      return [kind, { one, label }];
    }),
  );
  let first = null;
  return {
    el,
    /** `all`: see `totals` of arrange.js. */
    show(all, chosen, store) {
      const { kinds: numbers, bad, again } = all;
      first = all.first;
      for (const [kind, { one, label }] of buttons) {
        const n = numbers[kind] ?? 0;
        one.hidden = !n && chosen !== kind;
        one.setAttribute("aria-pressed", String(chosen === kind));
        setText(label, t(`count_${kind}`, { n }));
      }
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
      setText(retried, again ? `${t("running_again", { n: again })} · ` : "");
      this.tick(store);
    },
    tick(store) {
      const n = store.status?.failed_24h;
      failed.hidden = !n;
      if (n) setText(failed, t("failed_day", { n: n < 1000 ? n : "1000+" }));
      const when = first && (first.nextAt - now() < 1000 ? t("due_now") : fmtAgo(first.data.next_run_time));
      setText(next, first ? t("next_up", { task: visible(first.data.task_name), when }) : store.tasks.size ? t("nothing_due") : "");
    },
  };
}

/**
 * Search, tag filter, the button of the menu that chooses rows, order and groups, and the one for a new task. `create` is
 * null if the user may not create one. `changed(push)` is called after a change; `push`: it is a step for Back.
 * `openView(button)` opens the menu.
 */
export function toolbar(create, changed, openView) {
  const search = h("input", { type: "search", placeholder: t("search_hint"), "aria-label": t("search"), value: filter.text, autocomplete: "off", spellcheck: "false" });
  search.addEventListener("input", () => {
    filter.text = search.value;
    changed(false);
  });
  const tags = h("select", { "aria-label": t("tag"), class: "tag-filter" });
  tags.addEventListener("change", () => {
    filter.tag = tags.value;
    changed(true);
  });
  const view = button(t("view_menu"), () => openView(view), { icon: "sliders", class: "button view-button", "aria-haspopup": "dialog" });
  const numberShown = h("span", { class: "muted nowrap", role: "status" });
  const add = create && button(t("new_task"), create, { kind: "primary", icon: "plus", "aria-label": t("new_task") });
  const el = h("div", { class: "toolbar", role: "search" }, h("div", { class: "search" }, icon("search"), search), tags, view, numberShown, add);
  let tagsShown = "";
  return {
    el,
    focus: () => search.focus(),
    reset() {
      search.value = filter.text;
      tags.value = filter.tag;
    },
    show(store, filtered, shown, total) {
      el.hidden = !store.loaded || (!total && !create);
      el.classList.toggle("bare", !total);
      setText(numberShown, filtered ? t("shown_of", { shown, total }) : "");
      const all = store.tags();
      const key = JSON.stringify(all);
      if (key === tagsShown) return;
      tagsShown = key;
      if (filter.tag && !all.includes(filter.tag)) filter.tag = "";
      tags.replaceChildren(h("option", { value: "", text: t("all_tags") }), ...all.map((tag) => h("option", { value: tag, text: visible(tag) })));
      tags.value = filter.tag;
      tags.hidden = !all.length;
    },
  };
}

/** What is shown if there are no tasks. */
export function emptyPage(create) {
  return [h("p", { class: "muted", text: t("empty_hint") }), create && button(t("new_task"), create, { kind: "primary", icon: "plus" })].filter(Boolean);
}

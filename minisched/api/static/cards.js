/** The view of all tasks: one look tells what failed, what runs, and why. */
import { acts } from "./acts.js";
import { token } from "./api.js";
import { Card } from "./card.js";
import { button, fmtAgo, h, icon, now, setText, visible } from "./dom.js";
import { t } from "./i18n.js";
import { FAILURES, groupOf, kindOf, leadRun, timeOf } from "./words.js";

const GROUPS = ["attention", "active", "rest"];
const KINDS = ["failed", "missed", "skipped", "running", "waiting", "success", "cancelled", "idle", "disabled"];
const KIND_STATUS = { failed: "technical_failure" }; // whose colour and icon a count has
const AT_ONCE = 60; // so many cards are built whole; of more, those on the screen
const SHORT_MS = 1200; // a run shorter than that does not move its card
const STILL_MS = 1500; // cards do not move under a pointer that moved or pressed within
const MOST_HELD_MS = 6000; // but not longer than that
const RANK = { technical_failure: 0, business_failure: 1, missed: 2, skipped: 3, running: 0, retrying: 1, queued: 2, waiting: 3 };

/** What the user filters by; it outlives the view. */
const filter = { text: "", kind: "", tag: "" };

/** Build the view into `el`; `announce(text)` speaks to screen readers. Gives how to leave it. */
export function mount(el, store, announce = () => {}) {
  const readOnly = !token();
  const rows = new Map(); // task_id -> Card
  const groups = new Map(GROUPS.map((name) => [name, group(name)]));
  const head = summary((kind) => {
    filter.kind = filter.kind === kind ? "" : kind;
    refilter();
  });
  const bar = toolbar(readOnly, refilter);
  const nothing = h("div", { class: "empty" });
  el.append(head.el, bar.el, nothing, ...[...groups.values()].map((g) => g.el));

  const eyes = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        const row = rows.get(target.dataset.taskId);
        if (!row) continue;
        row.seen = isIntersecting;
        if (isIntersecting) {
          row.finish();
          row.tick();
        }
      }
    },
    { rootMargin: "300px" },
  );

  let pointerAt = 0;
  let heldSince = 0;
  let regrouping = null;
  const moved = () => (pointerAt = Date.now());
  for (const type of ["pointermove", "pointerdown", "keydown"]) el.addEventListener(type, moved, { passive: true });

  function takeOne(id) {
    const data = store.tasks.get(id);
    if (!data) return;
    const row = rows.get(id);
    if (row) {
      speak(row.data, data);
      row.take(data);
    } else {
      const made = new Card(data, acts, readOnly);
      rows.set(id, made);
      if (store.tasks.size <= AT_ONCE) made.finish();
      eyes.observe(made.el);
    }
  }

  function dropOne(id) {
    const row = rows.get(id);
    if (!row) return;
    eyes.unobserve(row.el);
    row.el.remove();
    rows.delete(id);
  }

  function speak(before, after) {
    if (before.current_status === after.current_status || !FAILURES.has(after.current_status)) return;
    announce(t("spoken_change", { task: visible(after.task_name), status: t(`status_${after.current_status}`) }));
  }

  /** Where a card belongs now, or when it will: a run that just began stays where it is for a moment. */
  function placeOf(row) {
    const wanted = groupOf(row.data);
    if (wanted !== "active" || !row.place || row.place === "active" || row.data.current_status !== "running") return [wanted, 0];
    const age = now() - Date.parse(row.run?.start_time ?? 0);
    return age < SHORT_MS ? [row.place, SHORT_MS - age] : [wanted, 0];
  }

  function regroup(force = false) {
    clearTimeout(regrouping);
    regrouping = null;
    const quiet = Date.now() - pointerAt;
    if (!force && quiet < STILL_MS) {
      heldSince ||= Date.now();
      if (Date.now() - heldSince < MOST_HELD_MS) {
        regrouping = setTimeout(regroup, STILL_MS - quiet + 20);
        return;
      }
    }
    heldSince = 0;
    const lists = { attention: [], active: [], rest: [] };
    let again = Infinity;
    let order = 0;
    for (const id of store.tasks.keys()) {
      const row = rows.get(id);
      if (!row) continue;
      const [place, later] = placeOf(row);
      row.place = place;
      row.order = order;
      order += 1;
      lists[place].push(row);
      if (later) again = Math.min(again, later);
    }
    lists.attention.sort(byNews);
    lists.active.sort((a, b) => RANK[a.data.current_status] - RANK[b.data.current_status] || a.order - b.order);
    const focused = document.activeElement;
    for (const name of GROUPS) arrange(groups.get(name).list, lists[name]);
    if (focused && focused !== document.activeElement && el.contains(focused)) focused.focus({ preventScroll: true });
    if (again < Infinity) regrouping = setTimeout(regroup, again + 20);
    refilter();
  }

  /** Filter and count; touches no card but by `hidden`. */
  function refilter() {
    const text = filter.text.trim().toLowerCase();
    const shown = { attention: 0, active: 0, rest: 0 };
    const counts = {};
    let total = 0;
    for (const row of rows.values()) {
      const kind = kindOf(row.data);
      counts[kind] = (counts[kind] ?? 0) + 1;
      const fits =
        (!text || row.haystack.includes(text)) &&
        (!filter.kind || kind === filter.kind) &&
        (!filter.tag || (row.data.task_tags ?? []).includes(filter.tag));
      row.el.hidden = !fits;
      if (!fits) continue;
      shown[row.place] += 1;
      total += 1;
    }
    const filtered = Boolean(text || filter.kind || filter.tag);
    for (const name of GROUPS) groups.get(name).show(shown[name], shown.rest === total && !filtered);
    head.show(counts, filter.kind, store);
    bar.show(store, filtered, total, rows.size);
    if (!store.loaded) nothing.replaceChildren(h("p", { class: "muted", text: t("loading") }));
    else if (!rows.size) nothing.replaceChildren(...emptyPage(readOnly));
    else if (!total) nothing.replaceChildren(h("p", { text: t("none_found") }), button(t("clear_filters"), clearFilter));
    else nothing.replaceChildren();
    nothing.hidden = Boolean(total);
  }

  function clearFilter() {
    Object.assign(filter, { text: "", kind: "", tag: "" });
    bar.reset();
    refilter();
    bar.focus();
  }

  function take(change) {
    if (change.all) {
      for (const id of [...rows.keys()]) if (!store.tasks.has(id)) dropOne(id);
      for (const id of store.tasks.keys()) if (rows.get(id)?.data !== store.tasks.get(id)) takeOne(id);
    }
    for (const id of change.removed) dropOne(id);
    for (const id of change.ids) takeOne(id);
    if (change.all || change.removed.size) regroup(true);
    else if (change.ids.size) {
      refilter();
      regroup();
    } else if (change.status || change.link) head.tick(store);
  }

  const leave = store.on(take);
  take({ all: true, ids: new Set(), removed: new Set() });
  const clock = setInterval(() => {
    if (document.hidden) return;
    for (const row of rows.values()) if (row.seen) row.tick();
    head.tick(store);
  }, 1000);
  const slash = (event) => {
    if (event.key !== "/" || event.target.closest?.("input, textarea, select, dialog")) return;
    event.preventDefault();
    bar.focus();
  };
  document.addEventListener("keydown", slash);

  return () => {
    leave();
    clearInterval(clock);
    clearTimeout(regrouping);
    document.removeEventListener("keydown", slash);
    eyes.disconnect();
    el.replaceChildren();
  };
}

/** What happened last comes first; a run that never was counts by when it was due. */
function byNews(a, b) {
  const rank = RANK[a.data.current_status] - RANK[b.data.current_status];
  return rank || String(newsOf(b)).localeCompare(String(newsOf(a))) || a.order - b.order;
}

function newsOf(row) {
  const run = leadRun(row.data);
  return run ? Date.parse(run.end_time ?? timeOf(run)) : 0;
}

/** Put the cards into their list in this order; those that stand right are not touched. */
function arrange(list, rows) {
  let at = list.firstChild;
  for (const { el } of rows) {
    if (at === el) at = at.nextSibling;
    else list.insertBefore(el, at);
  }
}

function group(name) {
  const heading = h("h2", { id: `group-${name}`, class: "group-head" });
  const list = h("ul", { class: "cards", "aria-labelledby": heading.id });
  const el = h("section", { class: `group ${name}`, hidden: true }, heading, list);
  return {
    el,
    list,
    show(n, alone) {
      el.hidden = !n;
      setText(heading, `${t(name === "rest" && alone ? "group_all" : `group_${name}`)} ${n}`);
    },
  };
}

/** The headline, and the counts that are filters too. */
function summary(choose) {
  const mark = h("span", { class: "headline-mark" });
  const headline = h("h1", {});
  const next = h("p", { class: "muted number" });
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
      const when = first && (Date.parse(first.next_run_time) - now() < 500 ? t("due_now") : fmtAgo(first.next_run_time));
      setText(next, first ? t("next_up", { task: visible(first.task_name), when }) : store.tasks.size ? t("nothing_due") : "");
    },
  };
}

function toolbar(readOnly, changed) {
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
  const add = readOnly ? null : button(t("new_task"), () => acts.edit(null), { kind: "primary", icon: "plus" });
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
      el.hidden = !store.loaded || (!total && readOnly);
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

function emptyPage(readOnly) {
  return [h("p", { class: "muted", text: t("empty_hint") }), readOnly ? null : button(t("new_task"), () => acts.edit(null), { kind: "primary", icon: "plus" })].filter(Boolean);
}

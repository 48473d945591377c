/** The view of all tasks: one look tells what failed, what runs, and why. */
import { token } from "./api.js";
import { Card } from "./card.js";
import { button, h, now, setText, visible } from "./dom.js";
import { t } from "./i18n.js";
import { emptyPage, filter, summary, toolbar } from "./overview.js";
import { room } from "./rooms.js";
import { FAILURES, groupOf, kindOf, leadRun, timeOf } from "./words.js";

const GROUPS = ["attention", "active", "rest"];
const AT_ONCE = 60; // so many cards are built whole; of more, those on the screen
const BATCH = 60; // cards shown; as many again each time the end of the list comes near
const SHORT_MS = 1200; // a run shorter than that does not move its card
const STILL_MS = 1500; // cards do not move under a pointer that moved or pressed within
const MOST_HELD_MS = 6000; // but not longer than that
const RANK = { technical_failure: 0, business_failure: 1, missed: 2, skipped: 3, running: 0, retrying: 1, queued: 2, waiting: 3 };

/** What the buttons do, in a room of its own; where that cannot be loaded, the banner tells why. */
const acts = Object.fromEntries(
  ["run", "stop", "log", "history", "menu", "openRun", "edit"].map((name) => [
    name,
    (...args) => room("./acts.js").then((found) => found.acts[name](...args), () => {}),
  ]),
);

/** Build the view into `el`; `announce(text)` speaks to screen readers. Gives how to leave it. */
export function mount(el, store, announce = () => {}) {
  const readOnly = !token();
  const rows = new Map(); // task_id -> {data, haystack, place, order, card: null until it is shown}
  const groups = new Map(GROUPS.map((name) => [name, group(name)]));
  let lists = { attention: [], active: [], rest: [] };
  let limit = BATCH;
  let matches = 0; // rows that the filters let through
  const head = summary((kind) => {
    filter.kind = filter.kind === kind ? "" : kind;
    refilter();
  });
  const bar = toolbar(readOnly ? null : () => acts.edit(null), refilter);
  const nothing = h("div", { class: "empty" });
  const end = h("div", { class: "list-end" });
  el.append(head.el, bar.el, nothing, ...[...groups.values()].map((g) => g.el), end);

  const eyes = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        const card = rows.get(target.dataset.taskId)?.card;
        if (!card) continue;
        card.seen = isIntersecting;
        if (isIntersecting) {
          card.finish();
          card.tick();
        }
      }
    },
    { rootMargin: "300px" },
  );
  const endEye = new IntersectionObserver(([entry]) => {
    if (!entry.isIntersecting || limit >= matches) return;
    limit += BATCH;
    apply();
    lookAtEnd();
  }, { rootMargin: "1200px" });
  const lookAtEnd = () => {
    endEye.unobserve(end);
    endEye.observe(end); // tells at once whether the end is near
  };

  let pointerAt = 0;
  let heldSince = 0;
  let regrouping = null;
  const moved = () => (pointerAt = Date.now());
  for (const type of ["pointermove", "pointerdown", "keydown"]) el.addEventListener(type, moved, { passive: true });

  function takeOne(id) {
    const data = store.tasks.get(id);
    if (!data) return;
    const row = rows.get(id);
    const haystack = [id, data.task_name, data.task_description ?? "", ...(data.task_tags ?? [])].join("\n").toLowerCase();
    if (!row) return void rows.set(id, { data, haystack, place: null, order: 0, card: null });
    speak(row.data, data);
    Object.assign(row, { data, haystack });
    if (row.card?.el.isConnected) row.card.take(data);
  }

  function dropOne(id) {
    rows.get(id)?.card?.el.remove();
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
    const age = now() - Date.parse(leadRun(row.data)?.start_time ?? 0);
    return age < SHORT_MS ? [row.place, SHORT_MS - age] : [wanted, 0];
  }

  /** Sort all rows into their groups, but not under a pointer that is about to press. */
  function regroup(force = false) {
    clearTimeout(regrouping);
    const quiet = Date.now() - pointerAt;
    if (!force && quiet < STILL_MS) {
      heldSince ||= Date.now();
      if (Date.now() - heldSince < MOST_HELD_MS) {
        regrouping = setTimeout(regroup, STILL_MS - quiet + 20);
        return;
      }
    }
    heldSince = 0;
    lists = { attention: [], active: [], rest: [] };
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
    if (again < Infinity) regrouping = setTimeout(regroup, again + 20);
    apply();
  }

  function refilter() {
    limit = BATCH;
    apply();
    lookAtEnd();
  }

  /** Show the first rows that the filters let through, and count. */
  function apply() {
    const text = filter.text.trim().toLowerCase();
    const filtered = Boolean(text || filter.kind || filter.tag);
    const many = rows.size > AT_ONCE;
    el.classList.toggle("many", many);
    const focused = document.activeElement;
    const counts = {};
    matches = 0;
    for (const name of GROUPS) {
      const shown = [];
      let n = 0;
      for (const row of lists[name]) {
        if (!rows.has(row.data.task_id)) continue;
        const kind = kindOf(row.data);
        counts[kind] = (counts[kind] ?? 0) + 1;
        const fits =
          (!text || row.haystack.includes(text)) &&
          (!filter.kind || kind === filter.kind) &&
          (!filter.tag || (row.data.task_tags ?? []).includes(filter.tag));
        if (!fits) continue;
        n += 1;
        matches += 1;
        if (matches <= limit) shown.push(cardOf(row, many));
      }
      arrange(groups.get(name).list, shown, eyes);
      groups.get(name).show(n, n === rows.size);
    }
    if (focused !== document.activeElement && el.contains(focused)) focused.focus({ preventScroll: true }); // a move lost it
    head.show(counts, filter.kind, store);
    bar.show(store, filtered, matches, rows.size);
    if (!store.loaded) nothing.replaceChildren(h("p", { class: "muted", text: t("loading") }));
    else if (!rows.size) nothing.replaceChildren(...emptyPage(readOnly ? null : () => acts.edit(null)));
    else if (!matches) nothing.replaceChildren(h("p", { text: t("none_found") }), button(t("clear_filters"), clearFilter));
    else nothing.replaceChildren();
    nothing.hidden = Boolean(matches);
  }

  function cardOf(row, many) {
    if (!row.card) {
      row.card = new Card(row.data, acts, readOnly);
      if (!many) row.card.finish();
    } else if (row.card.data !== row.data) row.card.take(row.data);
    return row.card;
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
    const grown = change.all || change.removed.size || [...change.ids].some((id) => rows.get(id)?.place === null);
    if (grown) {
      regroup(true);
      lookAtEnd();
    } else if (change.ids.size) {
      apply();
      regroup();
    } else if (change.status || change.link) head.tick(store);
  }

  const leave = store.on(take);
  take({ all: true, ids: new Set(), removed: new Set() });
  const clock = setInterval(() => {
    if (document.hidden) return;
    for (const { card } of rows.values()) if (card?.seen) card.tick();
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
    endEye.disconnect();
    el.classList.remove("many");
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
function arrange(list, cards, eyes) {
  const wanted = new Set(cards.map((card) => card.el));
  for (const el of [...list.children]) {
    if (wanted.has(el)) continue;
    eyes.unobserve(el);
    el.remove();
  }
  let at = list.firstChild;
  for (const card of cards) {
    if (at === card.el) {
      at = at.nextSibling;
      continue;
    }
    list.insertBefore(card.el, at);
    card.seen = false;
    eyes.observe(card.el);
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

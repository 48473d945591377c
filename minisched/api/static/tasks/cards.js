/** The view of all tasks, in three groups: what failed, what is running, and the rest. */
import { addressOf, here, showAddress } from "../core/address.js";
import { call, token } from "../core/api.js";
import { button, h, setText, visible } from "../core/dom.js";
import { fmtBytes, now } from "../core/format.js";
import { lazy } from "../core/lazy.js";
import { FAILURES, countTroubled, groupOf, kindsOf, leadRun, runTime, troubleOf, troubledRun } from "../core/status_text.js";
import { store } from "../core/store.js";
import { t } from "../i18n/i18n.js";
import { Card } from "./card.js";
import { emptyPage, filter, summary, toolbar } from "./overview.js";

const GROUPS = ["attention", "active", "rest"];
// Up to this number, all cards are built completely; of more, only those in view.
const COMPLETE_MAX = 60;
// Cards shown at first, and added whenever the end of the list comes near.
const BATCH = 60;
const OUTCOMES_WAIT_MS = 30;
// The engine takes addresses of up to 2048 bytes.
const QUERY_MAX = 1900;
// A shorter run does not move its card to another group.
const SHORT_MS = 1200;
// Cards do not change places within this time after the pointer moved or a key was pressed, ...
const STILL_MS = 1500;
// ... but no longer than this.
const HELD_MAX_MS = 6000;
const RANK = { technical_failure: 0, business_failure: 1, missed: 2, skipped: 3, running: 0, retrying: 1, queued: 2, waiting: 3 };

/** What the buttons do; loaded with the first click. If that fails, the connection is lost, and the banner says so. */
const cardActions = Object.fromEntries(
  ["run", "stop", "log", "history", "menu", "openRun", "edit"].map((name) => [
    name,
    (...args) => lazy("tasks/actions.js").then(({ actions }) => actions[name](...args), () => {}),
  ]),
);

/** Request the outcomes that the strips of these tasks show; the requests of a moment together. */
const wanting = new Set();
cardActions.needOutcomes = (id) => {
  if (!wanting.size) setTimeout(loadOutcomes, OUTCOMES_WAIT_MS);
  wanting.add(id);
};

async function loadOutcomes() {
  const ids = [...wanting];
  wanting.clear();
  while (ids.length) {
    let query = "";
    for (let n = 0; ids.length && n < BATCH && query.length + ids[0].length < QUERY_MAX; n += 1) query += `&task=${ids.shift()}`;
    try {
      store.putOutcomes((await call("GET", `/outcomes?${query.slice(1)}`)).data.outcomes);
    } catch {
      // The strips stay empty until the cards change, or are loaded again.
    }
  }
}

/** Build the view into `el`. `announce(text)` speaks to screen readers. Returns a function that removes the view. */
export function mountTasks(el, _, announce = () => {}) {
  const readOnly = !token();
  // task_id -> {data, haystack, group, order, card: null until it is shown}
  const rows = new Map();
  const groups = new Map(GROUPS.map((name) => [name, cardGroup(name)]));
  let lists = { attention: [], active: [], rest: [] };
  let limit = BATCH;
  let matches = 0;
  if (here().query.size) readFilter();
  const head = summary((kind) => {
    filter.kind = filter.kind === kind ? "" : kind;
    refilter(true);
  });
  const bar = toolbar(readOnly ? null : () => cardActions.edit(null), refilter);
  const nothing = h("div", { class: "empty" });
  const end = h("div", { class: "list-end" });
  el.append(head.el, bar.el, nothing, ...[...groups.values()].map((g) => g.el), end);

  const inView = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        const card = rows.get(target.dataset.taskId)?.card;
        if (!card) continue;
        card.inView = isIntersecting;
        if (isIntersecting) {
          card.finish();
          card.tick();
        }
      }
    },
    { rootMargin: "300px" },
  );
  const endInView = new IntersectionObserver(([entry]) => {
    if (!entry.isIntersecting || limit >= matches) return;
    limit += BATCH;
    apply();
    watchEnd();
  }, { rootMargin: "1200px" });
  // An observer reports at once whether the element is in view.
  const watchEnd = () => {
    endInView.unobserve(end);
    endInView.observe(end);
  };

  let usedAt = 0;
  let heldSince = 0;
  let regrouping = null;
  const used = () => (usedAt = Date.now());
  for (const type of ["pointermove", "pointerdown", "keydown"]) el.addEventListener(type, used, { passive: true });

  function updateRow(id) {
    const data = store.tasks.get(id);
    if (!data) return;
    const row = rows.get(id);
    const haystack = [id, data.task_name, data.task_description ?? "", ...(data.task_tags ?? [])].join("\n").toLowerCase();
    if (!row) return void rows.set(id, { data, haystack, group: null, order: 0, card: null });
    announceFailure(row.data, data);
    Object.assign(row, { data, haystack });
    if (row.card?.el.isConnected) row.card.update(data);
  }

  function removeRow(id) {
    rows.get(id)?.card?.el.remove();
    rows.delete(id);
  }

  function announceFailure(before, after) {
    if (before.current_status === after.current_status || !FAILURES.has(after.current_status)) return;
    announce(t("spoken_change", { task: visible(after.task_name), status: t(`status_${after.current_status}`) }));
  }

  /**
   * The group of a row, and in how many ms to ask again (0: no need): a card stays in its group for the first SHORT_MS
   * of a run.
   */
  function currentGroup(row) {
    const wanted = groupOf(row.data);
    if (wanted !== "active" || !row.group || row.group === "active" || row.data.current_status !== "running") return [wanted, 0];
    const age = now() - Date.parse(leadRun(row.data)?.start_time ?? 0);
    return age < SHORT_MS ? [row.group, SHORT_MS - age] : [wanted, 0];
  }

  /** Sort all rows into their groups; later, while the pointer is in use: a card must not move away from under it. */
  function regroup(force = false) {
    clearTimeout(regrouping);
    const quiet = Date.now() - usedAt;
    if (!force && quiet < STILL_MS) {
      heldSince ||= Date.now();
      if (Date.now() - heldSince < HELD_MAX_MS) {
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
      const [name, later] = currentGroup(row);
      row.group = name;
      row.order = order;
      order += 1;
      lists[name].push(row);
      if (later) again = Math.min(again, later);
    }
    lists.attention.sort(byRankAndTime);
    lists.active.sort((a, b) => RANK[a.data.current_status] - RANK[b.data.current_status] || a.order - b.order);
    if (again < Infinity) regrouping = setTimeout(regroup, again + 20);
    apply();
  }

  /** `push`: the button Back leads to the previous filter. */
  function refilter(push = false) {
    showAddress(addressOf("tasks", "", filter), push);
    limit = BATCH;
    apply();
    watchEnd();
  }

  /** Show the first `limit` rows that match the filter, and count all. */
  function apply() {
    const text = filter.text.trim().toLowerCase();
    const filtered = Boolean(text || filter.kind || filter.tag);
    const many = rows.size > COMPLETE_MAX;
    el.classList.toggle("many", many);
    const focused = document.activeElement;
    const counts = {};
    matches = 0;
    for (const name of GROUPS) {
      const shown = [];
      let n = 0;
      for (const row of lists[name]) {
        if (!rows.has(row.data.task_id)) continue;
        const kinds = kindsOf(row.data);
        for (const kind of kinds) counts[kind] = (counts[kind] ?? 0) + 1;
        const fits =
          (!text || row.haystack.includes(text)) &&
          (!filter.kind || kinds.has(filter.kind)) &&
          (!filter.tag || (row.data.task_tags ?? []).includes(filter.tag));
        if (!fits) continue;
        n += 1;
        matches += 1;
        if (matches <= limit) shown.push(cardOf(row, many));
      }
      arrangeCards(groups.get(name).list, shown, inView);
      groups.get(name).show(n, n === rows.size);
    }
    // An element that is moved loses the focus.
    if (focused !== document.activeElement && el.contains(focused)) focused.focus({ preventScroll: true });
    head.show(counts, filter.kind, store, countTroubled(store.tasks.values()));
    bar.show(store, filtered, matches, rows.size);
    if (!store.loaded) nothing.replaceChildren(h("p", { class: "muted", text: loadingText(store) }));
    else if (!rows.size) nothing.replaceChildren(...emptyPage(readOnly ? null : () => cardActions.edit(null)));
    else if (!matches) nothing.replaceChildren(h("p", { text: t("none_found") }), button(t("clear_filters"), clearFilter));
    else nothing.replaceChildren();
    nothing.hidden = Boolean(matches);
  }

  function cardOf(row, many) {
    if (!row.card) {
      row.card = new Card(row.data, cardActions, readOnly);
      if (!many) row.card.finish();
    } else if (row.card.data !== row.data) row.card.update(row.data);
    return row.card;
  }

  function clearFilter() {
    Object.assign(filter, { text: "", kind: "", tag: "" });
    bar.reset();
    refilter(true);
    bar.focus();
  }

  function onChange(change) {
    if (change.all) {
      for (const id of [...rows.keys()]) if (!store.tasks.has(id)) removeRow(id);
      for (const id of store.tasks.keys()) if (rows.get(id)?.data !== store.tasks.get(id)) updateRow(id);
    }
    for (const id of change.removed) removeRow(id);
    for (const id of change.ids) updateRow(id);
    const grown = change.all || change.removed.size || [...change.ids].some((id) => rows.get(id)?.group === null);
    if (grown) {
      regroup(true);
      watchEnd();
    } else if (change.ids.size) {
      apply();
      regroup();
    } else if (!store.loaded) apply();
    else if (change.status || change.link) head.tick(store);
  }

  if (Object.values(filter).some(Boolean)) showAddress(addressOf("tasks", "", filter));
  const unsubscribe = store.on(onChange);
  onChange({ all: true, ids: new Set(), removed: new Set() });
  const clock = setInterval(() => {
    if (document.hidden) return;
    for (const { card } of rows.values()) if (card?.inView) card.tick();
    head.tick(store);
  }, 1000);
  const slash = (event) => {
    if (event.key !== "/" || event.target.closest?.("input, textarea, select, dialog")) return;
    event.preventDefault();
    bar.focus();
  };
  document.addEventListener("keydown", slash);

  return {
    route() {
      readFilter();
      bar.reset();
      limit = BATCH;
      apply();
      watchEnd();
    },
    leave() {
      unsubscribe();
      clearInterval(clock);
      clearTimeout(regrouping);
      document.removeEventListener("keydown", slash);
      inView.disconnect();
      endInView.disconnect();
      el.classList.remove("many");
      el.replaceChildren();
    },
  };
}

function readFilter() {
  const { query } = here();
  for (const name of Object.keys(filter)) filter[name] = query.get(name) ?? "";
}

const loadingText = ({ loadedBytes: n }) => (n ? t("loading_bytes", { size: fmtBytes(n) }) : t("loading"));

/** The worst first, then the latest: by the run that failed, so that a new run does not move the card. */
function byRankAndTime(a, b) {
  const rank = troubleRank(a.data) - troubleRank(b.data);
  return rank || String(lastTime(b)).localeCompare(String(lastTime(a))) || a.order - b.order;
}

const troubleRank = (card) => RANK[troubledRun(card)?.status] ?? 0;

function lastTime(row) {
  const run = troubledRun(row.data);
  return run ? Date.parse(run.end_time ?? runTime(run)) : 0;
}

/** Put the cards into `list` in this order. Cards that are in the right place are not touched. */
function arrangeCards(list, cards, inView) {
  const wanted = new Set(cards.map((card) => card.el));
  for (const el of [...list.children]) {
    if (wanted.has(el)) continue;
    inView.unobserve(el);
    el.remove();
  }
  let at = list.firstChild;
  for (const card of cards) {
    if (at === card.el) {
      at = at.nextSibling;
      continue;
    }
    list.insertBefore(card.el, at);
    card.inView = false;
    inView.observe(card.el);
  }
}

function cardGroup(name) {
  const heading = h("h2", { id: `group-${name}`, class: "group-head" });
  const list = h("ul", { class: "cards", "aria-labelledby": heading.id });
  const el = h("section", { class: `group ${name}`, hidden: true }, heading, list);
  return {
    el,
    list,
    show(n, onlyGroup) {
      el.hidden = !n;
      setText(heading, `${t(name === "rest" && onlyGroup ? "group_all" : `group_${name}`)} ${n}`);
    },
  };
}

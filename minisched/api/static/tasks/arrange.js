/**
 * What the list shows, computed from the tasks alone: the tasks of the store become rows, the rows become groups in their
 * order. Other groups and orders than these are in orders.js.
 */
import { now } from "../core/format.js";
import { UNFINISHED, groupOf, kindsOf, leadRun, runTime, troubleOf, troubledRun } from "../core/status_text.js";

// A shorter run does not move its row to another group.
const SHORT_MS = 1200;
const RANK = { technical_failure: 0, business_failure: 1, missed: 2, skipped: 3, running: 0, retrying: 1, queued: 2, waiting: 3 };

/** The row of a card. `group` is the state group in which it is shown; `order` its place in the config. */
export function rowOf(data, group, order) {
  const troubled = troubledRun(data);
  return {
    data,
    group,
    order,
    kinds: kindsOf(data),
    trouble: troubleOf(data),
    rank: RANK[troubled?.status] ?? 0,
    troubledAt: troubled ? Date.parse(troubled.end_time ?? runTime(troubled)) : 0,
    nextAt: data.enabled && data.next_run_time ? Date.parse(data.next_run_time) : Infinity,
  };
}

/** The worst first, then the latest: by the run that failed, so that a new run does not move the row. */
export const byTrouble = (a, b) => a.rank - b.rank || b.troubledAt - a.troubledAt || a.order - b.order;
const byProgress = (a, b) => RANK[a.data.current_status] - RANK[b.data.current_status] || a.order - b.order;

/**
 * The groups of rows by their state, {groups: [{key, rows}], again: in how many ms the result changes by itself}: a run
 * moves its row only after SHORT_MS. `sorted`: the rows keep their order.
 */
export function arrange(rows, sorted = false) {
  const found = { attention: [], active: [], rest: [] };
  let again = Infinity;
  for (const row of rows) {
    let key = groupOf(row.data);
    if (key === "active" && row.group && row.group !== key && row.data.current_status === "running") {
      const age = now() - Date.parse(leadRun(row.data)?.start_time ?? 0);
      if (age < SHORT_MS) {
        key = row.group;
        again = Math.min(again, SHORT_MS - age);
      }
    }
    found[key].push(row);
  }
  if (!sorted) {
    found.attention.sort(byTrouble);
    found.active.sort(byProgress);
  }
  return { groups: Object.entries(found).map(([key, some]) => ({ key, rows: some })).filter((group) => group.rows.length), again };
}

/** What the summary says of all rows: {kinds: how many by kind, bad, again: of these, being tried again, first: next due}. */
export function totals(rows) {
  const all = { kinds: {}, bad: 0, again: 0, first: null };
  for (const row of rows) {
    for (const kind of row.kinds) all.kinds[kind] = (all.kinds[kind] ?? 0) + 1;
    if (row.trouble) all.bad += 1;
    if (row.trouble && UNFINISHED.has(row.data.current_status)) all.again += 1;
    if (row.nextAt < (all.first?.nextAt ?? Infinity)) all.first = row;
  }
  return all;
}

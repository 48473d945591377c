/** The groups and orders of the list that a user can choose, and how many rows another order moves. */
import { leadRun, runTime } from "../core/status_text.js";
import { arrange, byTrouble } from "./arrange.js";

const names = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
const byConfig = (a, b) => a.order - b.order;
const lastAt = ({ data }) => Date.parse(runTime(leadRun(data) ?? {}) ?? 0);
const duration = ({ data }) => data.median_duration ?? data.last_run?.duration ?? -1;

/** By name; the order of the config is "". */
export const SORTS = {
  "": byConfig,
  name: (a, b) => names.compare(a.data.task_name, b.data.task_name) || byConfig(a, b),
  next: (a, b) => (a.nextAt === b.nextAt ? 0 : a.nextAt - b.nextAt) || byConfig(a, b),
  last: (a, b) => lastAt(b) - lastAt(a) || byConfig(a, b),
  duration: (a, b) => duration(b) - duration(a) || byConfig(a, b),
  failures: (a, b) => Boolean(b.trouble) - Boolean(a.trouble) || (a.trouble ? byTrouble(a, b) : byConfig(a, b)),
};

/** As `arrange`, in one of SORTS, and by "state", "tag" (the first one of a task) or "none". */
export function arrangeBy(rows, sort, by) {
  const ordered = [...rows].sort(SORTS[sort] ?? byConfig);
  if (by === "none") return { groups: ordered.length ? [{ key: "all", rows: ordered }] : [], again: Infinity };
  if (by !== "tag") return arrange(ordered, Boolean(sort && SORTS[sort]));
  const found = new Map();
  for (const row of ordered) {
    const key = `tag:${row.data.task_tags?.[0] ?? ""}`;
    if (!found.has(key)) found.set(key, []);
    found.get(key).push(row);
  }
  const groups = [...found].map(([key, some]) => ({ key, rows: some }));
  return { groups: groups.sort((a, b) => (a.key === "tag:") - (b.key === "tag:") || names.compare(a.key, b.key)), again: Infinity };
}

/** How many rows are elsewhere in `wanted` than in `shown`: those outside the longest sequence that keeps its order. */
export function countMoved(shown, wanted) {
  const places = new Map();
  for (const { key, rows } of shown) for (const row of rows) places.set(row.data.task_id, [places.size, key]);
  // ends[n]: the smallest place at which a sequence of n + 1 rows in their order can end.
  const ends = [];
  let all = 0;
  for (const { key, rows } of wanted) {
    for (const row of rows) {
      const [place, group] = places.get(row.data.task_id) ?? [];
      all += 1;
      if (group !== key) continue;
      let [low, high] = [0, ends.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (ends[middle] < place) low = middle + 1;
        else high = middle;
      }
      ends[low] = place;
    }
  }
  return Math.max(all, places.size) - ends.length;
}

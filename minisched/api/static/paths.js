/** Ways through the dependencies, and the paths of problems. Pure. */

/** The shortest way from `start` to `end` along what each needs: a list of ids, or null. graph: id -> ids it needs. */
export function wayTo(start, end, graph) {
  const before = new Map([[start, null]]);
  const queue = [start];
  for (const id of queue) {
    if (id === end) {
      const way = [];
      for (let at = end; at !== null; at = before.get(at)) way.unshift(at);
      return way;
    }
    for (const other of graph.get(id) ?? []) {
      if (!before.has(other)) {
        before.set(other, id);
        queue.push(other);
      }
    }
  }
  return null;
}

/** The cycle that `task` would close by needing `other`: [task, other, ..., task], or null. */
export function cycleBy(task, other, graph) {
  const way = wayTo(other, task, graph);
  return way && [task, ...way];
}

/** "task_notify[0].channels[1].url" -> ["task_notify", 0, "channels", 1, "url"]. */
export function segments(path) {
  return [...path.matchAll(/\[(\d+)\]|([^.[\]]+)/g)].map(([, index, name]) => (index === undefined ? name : Number(index)));
}

/** The slot a path leads to, or the nearest above it; null where not even the first part is known. */
export function slotAt(root, path) {
  let found = null;
  let at = root;
  const parts = segments(path);
  for (let i = 0; i < parts.length && at?.child; i += 1) {
    // The name of a header may hold dots: the rest as a whole is tried before its first part.
    const rest = parts.slice(i).join(".");
    at = at.child(rest) ?? at.child(parts[i]);
    if (at) found = at;
  }
  return found;
}

/** Whether two JSON values are the same, whatever the order of keys. */
export function same(a, b) {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null || Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
}

/** What somebody made of `base` (`mine`), put on what others made of it (`theirs`); and the fields both changed. */
export function rebased(base, mine, theirs) {
  const value = { ...theirs };
  const both = [];
  for (const key of new Set([...Object.keys(base), ...Object.keys(mine)])) {
    if (same(base[key], mine[key])) continue;
    if (!same(base[key], theirs[key]) && !same(mine[key], theirs[key])) both.push(key);
    if (key in mine) value[key] = mine[key];
    else delete value[key];
  }
  return { value, both };
}

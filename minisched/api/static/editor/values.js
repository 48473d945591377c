/** Pure functions of the editor: ids, dependency cycles, paths of problems, and comparing and merging JSON values. */

const ID_MAX = 60;

/** An id for a task with this name that is not among `taken`, a set of ids in lower case; "" without a name. */
export function proposedId(name, taken) {
  const plain = name.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const base = name.trim() && (plain.replace(/[^a-z0-9]+/g, "_").replace(/^_+|_+$/g, "").slice(0, ID_MAX) || "task");
  let id = base;
  for (let n = 2; id && taken.has(id); n += 1) id = `${base}_${n}`;
  return id;
}

/** The shortest path from `start` to `end` along the dependencies as a list of ids, or null. graph: id -> dependencies. */
function pathBetween(start, end, graph) {
  const before = new Map([[start, null]]);
  const queue = [start];
  for (const id of queue) {
    if (id === end) {
      const path = [];
      for (let at = end; at !== null; at = before.get(at)) path.unshift(at);
      return path;
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

/** The cycle that would exist if `task` depended on `other`: [task, other, ..., task], or null. */
export function cycleBy(task, other, graph) {
  const path = pathBetween(other, task, graph);
  return path && [task, ...path];
}

/** "task_notify[0].channels[1].url" -> ["task_notify", 0, "channels", 1, "url"]. */
export function segments(path) {
  return [...path.matchAll(/\[(\d+)\]|([^.[\]]+)/g)].map(([, index, name]) => (index === undefined ? name : Number(index)));
}

/** The slot at a path, or the nearest one above it; null if there is none. */
export function slotAt(root, path) {
  let found = null;
  let at = root;
  const parts = segments(path);
  for (let i = 0; i < parts.length && at?.child; i += 1) {
    // The name of a header may contain dots: try the whole rest before its first part.
    const rest = parts.slice(i).join(".");
    at = at.child(rest) ?? at.child(parts[i]);
    if (at) found = at;
  }
  return found;
}

/** Whether two JSON values are equal; the order of keys does not matter. */
export function same(a, b) {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null || Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
}

/**
 * Merge the changes from `base` to `mine` into `theirs`. Returns {value, both}: the result, in which `mine` wins, and the
 * fields that both sides changed.
 */
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

/**
 * Where the value at a path, or the nearest one above it, begins and ends in a JSON text, with its key: [from, to]; in a
 * text that is not valid, the place of the error.
 */
export function spanOf(text, path) {
  const wanted = segments(path);
  let found = [0, text.length];
  let at = 0;
  const skip = (pattern) => {
    pattern.lastIndex = at;
    const [piece] = pattern.exec(text) ?? [];
    if (piece === undefined) throw new SyntaxError();
    at += piece.length;
    return piece;
  };
  const space = () => skip(/[\s,:]*/y);
  const value = (here, from) => {
    const open = text[at];
    if (open === "{" || open === "[") {
      at += 1;
      space();
      for (let index = 0; !"}]".includes(text[at] ?? "?"); index += 1) {
        const start = at;
        const key = open === "{" ? JSON.parse(skip(/"(?:[^"\\]|\\.)*"/y)) : index;
        space();
        value([...here, key], start);
        space();
      }
      at += 1;
    } else skip(/"(?:[^"\\]|\\.)*"|true|false|null|-?\d[\d.eE+-]*/y);
    if (here.length && here.every((part, i) => part === wanted[i]) && !(found.depth >= here.length)) found = Object.assign([from, at], { depth: here.length });
  };
  try {
    space();
    value([], at);
  } catch {
    return [at, at + 1];
  }
  return [found[0], found[1]];
}

/**
 * The layout of a dependency graph: the position of each node and edge. Pure functions without DOM.
 *
 * Longest-path layering and barycenter ordering for each connected component; the components are packed into rows.
 */

// Passes of the ordering, alternately down and up. More change nothing for graphs of this size.
const ORDER_PASSES = 12;
// Passes that move nodes towards their neighbours.
const ALIGN_PASSES = 8;

/**
 * Lay out a graph.
 *
 * graph: Map of id -> ids that it depends on; ids that are not keys are ignored. size: {width, height} of a node, and
 * {across, along}: the gaps within a layer and between layers. down: layers go down, not to the right. aspect: the
 * preferred width/height of the result.
 * Returns {width, height, nodes: Map of id -> {x, y, layer}, edges: [{from, to, points: [[x, y], ...]}]}. x and y are
 * the upper left corner of a node; an edge leads from the upstream to the downstream task.
 */
export function layered(graph, size, { down = false, aspect = 1.6 } = {}) {
  const needs = new Map([...graph].map(([id, ids]) => [id, [...new Set(ids)].filter((other) => graph.has(other) && other !== id)]));
  const layouts = components(needs).map((ids) => layoutOf(ids, needs, size, down));
  return pack(layouts, size.across * 2, aspect);
}

/** The connected components as lists of ids, the largest first. */
function components(needs) {
  const neighbours = new Map([...needs.keys()].map((id) => [id, new Set()]));
  for (const [id, ids] of needs) {
    for (const other of ids) {
      neighbours.get(id).add(other);
      neighbours.get(other).add(id);
    }
  }
  const seen = new Set();
  const found = [];
  for (const start of needs.keys()) {
    if (seen.has(start)) continue;
    const component = [start];
    seen.add(start);
    for (let i = 0; i < component.length; i += 1) {
      for (const other of neighbours.get(component[i])) {
        if (!seen.has(other)) {
          seen.add(other);
          component.push(other);
        }
      }
    }
    found.push(component);
  }
  return found.sort((a, b) => b.length - a.length);
}

/**
 * The layer of each id: 0 without dependencies, else one more than the highest layer of its dependencies. A cycle, which
 * a valid config cannot have, is cut.
 */
function longestPaths(ids, needs) {
  const layer = new Map();
  for (const start of ids) {
    const stack = [start];
    const open = new Set();
    while (stack.length) {
      const id = stack[stack.length - 1];
      const missing = layer.has(id) ? [] : needs.get(id).filter((other) => !layer.has(other) && !open.has(other));
      if (!layer.has(id) && missing.length && !open.has(id)) {
        open.add(id);
        stack.push(...missing);
        continue;
      }
      stack.pop();
      if (layer.has(id)) continue;
      layer.set(id, Math.max(-1, ...needs.get(id).map((other) => layer.get(other) ?? -1)) + 1);
    }
  }
  return layer;
}

/** Lay out a component as layers of cells. An edge over several layers has an empty cell in each layer it crosses. */
function layoutOf(ids, needs, size, down) {
  const layer = longestPaths(ids, needs);
  const layers = Array.from({ length: Math.max(...layer.values()) + 1 }, () => []);
  const cells = new Map();
  for (const id of ids) {
    const cell = { id, layer: layer.get(id), before: [], after: [], at: 0 };
    cells.set(id, cell);
    layers[cell.layer].push(cell);
  }
  const edges = [];
  for (const id of ids) {
    for (const other of needs.get(id)) {
      const [from, to] = [cells.get(other), cells.get(id)];
      // A cut cycle.
      if (from.layer >= to.layer) continue;
      const path = [from];
      for (let between = from.layer + 1; between < to.layer; between += 1) {
        const cell = { id: null, layer: between, before: [], after: [], at: 0 };
        layers[between].push(cell);
        path.push(cell);
      }
      path.push(to);
      path.slice(1).forEach((cell, i) => {
        cell.before.push(path[i]);
        path[i].after.push(cell);
      });
      edges.push(path);
    }
  }
  order(layers);
  return draw(layers, edges, size, down);
}

const mean = (cells, of) => (cells.length ? cells.reduce((sum, cell) => sum + of(cell), 0) / cells.length : null);

function order(layers) {
  const number = (cells) => cells.forEach((cell, i) => (cell.rank = i));
  layers.forEach(number);
  const sorted = (cells, side) => {
    const keys = new Map(cells.map((cell) => [cell, mean(cell[side], (other) => other.rank) ?? cell.rank]));
    cells.sort((a, b) => keys.get(a) - keys.get(b) || a.rank - b.rank);
    number(cells);
  };
  let best = crossings(layers);
  let kept = layers.map((cells) => [...cells]);
  for (let pass = 0; pass < ORDER_PASSES && best; pass += 1) {
    if (pass % 2) [...layers].reverse().forEach((cells) => sorted(cells, "after"));
    else layers.forEach((cells) => sorted(cells, "before"));
    const now = crossings(layers);
    if (now < best) [best, kept] = [now, layers.map((cells) => [...cells])];
  }
  kept.forEach((cells, i) => {
    layers[i] = cells;
    number(cells);
  });
}

function crossings(layers) {
  let count = 0;
  for (const cells of layers) {
    const ends = cells.flatMap((cell) => cell.after.map((other) => [cell.rank, other.rank]));
    for (let i = 0; i < ends.length; i += 1) {
      for (let j = i + 1; j < ends.length; j += 1) if ((ends[i][0] - ends[j][0]) * (ends[i][1] - ends[j][1]) < 0) count += 1;
    }
  }
  return count;
}

/** The positions within the layers: as close to the mean of the neighbours as order and gaps allow. */
function align(layers, step) {
  layers.forEach((cells) => cells.forEach((cell, i) => (cell.at = i * step)));
  for (let pass = 0; pass < ALIGN_PASSES; pass += 1) {
    const both = pass === ALIGN_PASSES - 1;
    const walk = pass % 2 ? [...layers].reverse() : layers;
    for (const cells of walk) {
      const wished = cells.map((cell) => mean(both ? [...cell.before, ...cell.after] : pass % 2 ? cell.after : cell.before, (other) => other.at) ?? cell.at);
      spread(cells, wished, step);
    }
  }
  const start = Math.min(...layers.flat().map((cell) => cell.at));
  layers.flat().forEach((cell) => (cell.at -= start));
}

/**
 * Positions in order with at least `step` between them, closest to the wished ones by least squares. Neighbours that are
 * too close become a block at the mean of its wished positions (pool adjacent violators).
 */
function spread(cells, wished, step) {
  const blocks = [];
  wished.forEach((position, i) => {
    let block = { sum: position - i * step, count: 1 };
    while (blocks.length && blocks[blocks.length - 1].sum / blocks[blocks.length - 1].count > block.sum / block.count) {
      const before = blocks.pop();
      block = { sum: before.sum + block.sum, count: before.count + block.count };
    }
    blocks.push(block);
  });
  let i = 0;
  for (const { sum, count } of blocks) for (let n = 0; n < count; n += 1, i += 1) cells[i].at = sum / count + i * step;
}

function draw(layers, paths, size, down) {
  // The size of a node, in the direction of the layers and across it.
  const [thick, wide] = down ? [size.height, size.width] : [size.width, size.height];
  align(layers, wide + size.across);
  const far = (cell) => cell.layer * (thick + size.along);
  const place = (along, across) => (down ? [across, along] : [along, across]);
  const nodes = new Map();
  for (const cell of layers.flat()) {
    if (cell.id === null) continue;
    const [x, y] = place(far(cell), cell.at);
    nodes.set(cell.id, { x, y, layer: cell.layer });
  }
  const edges = paths.map((path) => {
    const middle = (cell) => cell.at + wide / 2;
    const points = [place(far(path[0]) + thick, middle(path[0]))];
    for (const cell of path.slice(1, -1)) points.push(place(far(cell), middle(cell)), place(far(cell) + thick, middle(cell)));
    const last = path[path.length - 1];
    points.push(place(far(last), middle(last)));
    return { from: path[0].id, to: last.id, points };
  });
  const [width, height] = place(layers.length * (thick + size.along) - size.along, Math.max(...layers.flat().map((cell) => cell.at)) + wide);
  return { width, height, nodes, edges };
}

/** Put the layouts side by side in rows. The width of the rows is chosen for the preferred aspect. */
function pack(layouts, gap, aspect) {
  const area = layouts.reduce((sum, one) => sum + (one.width + gap) * (one.height + gap), 0);
  const limit = Math.max(Math.sqrt(area * aspect), ...layouts.map((one) => one.width));
  const whole = { width: 0, height: 0, nodes: new Map(), edges: [] };
  let [x, y, tall] = [0, 0, 0];
  for (const one of [...layouts].sort((a, b) => b.height - a.height)) {
    if (x && x + one.width > limit) [x, y, tall] = [0, y + tall + gap, 0];
    for (const [id, node] of one.nodes) whole.nodes.set(id, { ...node, x: node.x + x, y: node.y + y });
    for (const edge of one.edges) whole.edges.push({ ...edge, points: edge.points.map(([px, py]) => [px + x, py + y]) });
    whole.width = Math.max(whole.width, x + one.width);
    whole.height = Math.max(whole.height, y + one.height);
    tall = Math.max(tall, one.height);
    x += one.width + gap;
  }
  return whole;
}

/** The SVG path of an edge: straight across a layer, a curve between layers. */
export function curve(points, down) {
  const part = ([x0, y0], [x1, y1]) => {
    const half = down ? (y1 - y0) / 2 : (x1 - x0) / 2;
    return down ? `C${x0} ${y0 + half} ${x1} ${y1 - half} ${x1} ${y1}` : `C${x0 + half} ${y0} ${x1 - half} ${y1} ${x1} ${y1}`;
  };
  const text = [`M${points[0].join(" ")}`];
  for (let i = 1; i < points.length; i += 1) text.push(i % 2 ? part(points[i - 1], points[i]) : `L${points[i].join(" ")}`);
  return text.join("");
}

/**
 * A layered picture of dependencies: where each node and edge goes. Pure: no DOM, so that it can be tried by itself.
 * Longest-path layering, barycenter ordering, one picture per connected part, the parts packed into rows.
 */

const SWEEPS = 12; // of the ordering, to and fro; more change nothing on graphs of this size
const SETTLE = 8; // passes that pull nodes towards their neighbours

/**
 * graph: Map of id -> ids it needs; ids that are no keys are left out. size: {width, height, across, along} of a node
 * and the gaps beside it (within a layer, between layers). down: layers go down, not to the right. aspect: width/height
 * of the picture that is wished for.
 * Returns {width, height, nodes: Map of id -> {x, y, layer}, edges: [{from, to, points: [[x, y], ...]}]}, the x and y
 * of a node being its upper left corner; an edge leads from what is needed to what needs it.
 */
export function layered(graph, size, { down = false, aspect = 1.6 } = {}) {
  const needs = new Map([...graph].map(([id, ids]) => [id, [...new Set(ids)].filter((other) => graph.has(other) && other !== id)]));
  const pictures = parts(needs).map((ids) => picture(ids, needs, size, down));
  return pack(pictures, size.across * 2, aspect);
}

/** The connected parts, each a list of ids, the largest first. */
function parts(needs) {
  const beside = new Map([...needs.keys()].map((id) => [id, new Set()]));
  for (const [id, ids] of needs) {
    for (const other of ids) {
      beside.get(id).add(other);
      beside.get(other).add(id);
    }
  }
  const seen = new Set();
  const found = [];
  for (const start of needs.keys()) {
    if (seen.has(start)) continue;
    const part = [start];
    seen.add(start);
    for (let i = 0; i < part.length; i += 1) {
      for (const other of beside.get(part[i])) {
        if (!seen.has(other)) {
          seen.add(other);
          part.push(other);
        }
      }
    }
    found.push(part);
  }
  return found.sort((a, b) => b.length - a.length);
}

/** The layer of each id: 0 where it needs nothing, else one more than the highest of what it needs. A cycle (no valid
 * config has one) is cut where it is met. */
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

/** One part: layers of cells; an edge over several layers has a cell without a node in each layer between. */
function picture(ids, needs, size, down) {
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
      if (from.layer >= to.layer) continue; // of a cycle
      const way = [from];
      for (let between = from.layer + 1; between < to.layer; between += 1) {
        const cell = { id: null, layer: between, before: [], after: [], at: 0 };
        layers[between].push(cell);
        way.push(cell);
      }
      way.push(to);
      way.slice(1).forEach((cell, i) => {
        cell.before.push(way[i]);
        way[i].after.push(cell);
      });
      edges.push(way);
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
  for (let sweep = 0; sweep < SWEEPS && best; sweep += 1) {
    if (sweep % 2) [...layers].reverse().forEach((cells) => sorted(cells, "after"));
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

/** Places along the layer: as near to the neighbours' mean as the order and the gaps allow. */
function settle(layers, step) {
  layers.forEach((cells) => cells.forEach((cell, i) => (cell.at = i * step)));
  for (let pass = 0; pass < SETTLE; pass += 1) {
    const both = pass === SETTLE - 1;
    const walk = pass % 2 ? [...layers].reverse() : layers;
    for (const cells of walk) {
      const wish = cells.map((cell) => mean(both ? [...cell.before, ...cell.after] : pass % 2 ? cell.after : cell.before, (other) => other.at) ?? cell.at);
      spread(cells, wish, step);
    }
  }
  const least = Math.min(...layers.flat().map((cell) => cell.at));
  layers.flat().forEach((cell) => (cell.at -= least));
}

/** Places with at least `step` between them, in order, nearest to the wishes in the sense of least squares: neighbours
 * that would be too near become a block, which stands at the mean of its wishes (pool adjacent violators). */
function spread(cells, wish, step) {
  const blocks = [];
  wish.forEach((place, i) => {
    let block = { sum: place - i * step, count: 1 };
    while (blocks.length && blocks[blocks.length - 1].sum / blocks[blocks.length - 1].count > block.sum / block.count) {
      const before = blocks.pop();
      block = { sum: before.sum + block.sum, count: before.count + block.count };
    }
    blocks.push(block);
  });
  let i = 0;
  for (const { sum, count } of blocks) for (let n = 0; n < count; n += 1, i += 1) cells[i].at = sum / count + i * step;
}

function draw(layers, ways, size, down) {
  const [thick, wide] = down ? [size.height, size.width] : [size.width, size.height]; // of a node: along the layers, across them
  settle(layers, wide + size.across);
  const far = (cell) => cell.layer * (thick + size.along);
  const place = (along, across) => (down ? [across, along] : [along, across]);
  const nodes = new Map();
  for (const cell of layers.flat()) {
    if (cell.id === null) continue;
    const [x, y] = place(far(cell), cell.at);
    nodes.set(cell.id, { x, y, layer: cell.layer });
  }
  const edges = ways.map((way) => {
    const middle = (cell) => cell.at + wide / 2;
    const points = [place(far(way[0]) + thick, middle(way[0]))];
    for (const cell of way.slice(1, -1)) points.push(place(far(cell), middle(cell)), place(far(cell) + thick, middle(cell)));
    const last = way[way.length - 1];
    points.push(place(far(last), middle(last)));
    return { from: way[0].id, to: last.id, points };
  });
  const [width, height] = place(layers.length * (thick + size.along) - size.along, Math.max(...layers.flat().map((cell) => cell.at)) + wide);
  return { width, height, nodes, edges };
}

/** The parts in rows, as a printer sets type; the row's width is the one that comes nearest to the wished shape. */
function pack(pictures, gap, aspect) {
  const area = pictures.reduce((sum, one) => sum + (one.width + gap) * (one.height + gap), 0);
  const limit = Math.max(Math.sqrt(area * aspect), ...pictures.map((one) => one.width));
  const whole = { width: 0, height: 0, nodes: new Map(), edges: [] };
  let [x, y, tall] = [0, 0, 0];
  for (const one of [...pictures].sort((a, b) => b.height - a.height)) {
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

/** An edge as the path of an SVG: straight along its points across a layer, a curve between layers. */
export function curve(points, down) {
  const part = ([x0, y0], [x1, y1]) => {
    const half = down ? (y1 - y0) / 2 : (x1 - x0) / 2;
    return down ? `C${x0} ${y0 + half} ${x1} ${y1 - half} ${x1} ${y1}` : `C${x0 + half} ${y0} ${x1 - half} ${y1} ${x1} ${y1}`;
  };
  const text = [`M${points[0].join(" ")}`];
  for (let i = 1; i < points.length; i += 1) text.push(i % 2 ? part(points[i - 1], points[i]) : `L${points[i].join(" ")}`);
  return text.join("");
}

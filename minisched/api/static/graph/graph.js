/** The dependency graph: tasks in layers, from upstream to downstream, with their status. */
import { token } from "../core/api.js";
import { button, h, icon, iconButton, statusMark, svg, visible } from "../core/dom.js";
import { fmtSpan } from "../core/format.js";
import { UNFINISHED, dependencyText, leadRun, reasonText, upstreamId, upstreamIds } from "../core/status_text.js";
import { listed, t } from "../i18n/i18n.js";
import { actions } from "../tasks/actions.js";
import { curve, layered } from "./graph_layout.js";
import { Viewport } from "./viewport.js";

// Sizes of nodes and gaps in px, at a zoom of 1. Nodes are as wide as the longest name, within these widths; a longer one
// has up to so many lines.
const WIDE = { least: 150, most: 270, lines: 2, across: 18, along: 64 };
const SLIM = { least: 120, most: 172, lines: 4, across: 14, along: 44 };
// The height of a node without its name, and of a line of it.
const NODE_PX = 29;
const LINE_PX = 17;
// Below this width of the view nodes are slim, and the layers rather go down than to the right.
const NARROW_PX = 640;
// The other direction is taken if it shows the graph so much larger.
const LARGER = 1.15;
// The part of a node's width that is not available for its name.
const PADDING_PX = 52;
const ICON_PX = 20;
// What a label needs beside its text between two layers.
const ARROW_PX = 30;
// The smallest zoom at first: names can be read. A graph that is too large for it is shown in part; in a narrow view only
// if the whole would need a zoom below the other one.
const READABLE_ZOOM = 0.75;
const NARROW_ZOOM = 0.4;
const FONTS = { name: "600 14px", label: "500 11px" };
// Without a token only the history is available.
const PANEL_ACTIONS = ["run_with", "log", "history", "why", "edit"];
const PANEL_ICONS = { run: "play", run_with: "play", why: "info" };
const PANEL_TEXTS = { run: "run_now", stop: "stop_run" };

export function mount(el, store) {
  const view = new Graph(el, store);
  view.start();
  return { leave: () => view.leave() };
}

/** What the layout depends on. */
const shapeOf = (card) => JSON.stringify([card.task_name, card.task_dependencies]);

class Graph {
  constructor(el, store) {
    this.el = el;
    this.store = store;
    // task_id -> {id, el, word, mark, drawn}
    this.nodes = new Map();
    this.chosen = null;
  }

  start() {
    this.build();
    this.unsubscribe = this.store.on((change) => this.changed(change));
    this.resized = new ResizeObserver(() => this.resize());
    this.resized.observe(this.frame);
    this.layout();
  }

  leave() {
    this.unsubscribe();
    this.resized.disconnect();
  }

  build() {
    this.edges = svg("g", { class: "gr-edges", "aria-hidden": "true" });
    this.boxes = svg("g", { class: "gr-nodes" });
    this.scene = svg("g", {}, this.edges, this.boxes);
    const arrow = (id) => svg("marker", { id, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 11, markerHeight: 11, markerUnits: "userSpaceOnUse", orient: "auto" }, svg("path", { d: "M0 0.5L7.5 4L0 7.5z", class: id }));
    this.svg = svg("svg", { class: "gr-svg", role: "group", "aria-label": t("task_neighbours"), "aria-describedby": "gr-keys" }, svg("defs", {}, arrow("gr-arrow"), arrow("gr-arrow-on")), this.scene);
    this.view = new Viewport(this.svg, this.scene);
    const tools = h("div", { class: "gr-tools" }, zoomButton("+", t("gr_in"), () => this.view.zoom(1.25)), zoomButton("−", t("gr_out"), () => this.view.zoom(0.8)), button(t("gr_fit"), () => this.view.fit()));
    this.panel = h("div", { class: "gr-panel", role: "region", "aria-label": t("gr_selected"), hidden: true });
    this.frame = h("div", { class: "gr-frame" }, this.svg, tools, this.panel);
    this.note = h("p", { class: "muted gr-note" });
    this.none = h("div", { class: "empty", hidden: true }, h("p", {}, t("gr_none")));
    this.el.append(h("h1", { class: "hidden-label" }, t("task_neighbours")), h("div", { class: "gr" }, h("p", { class: "hidden-label", id: "gr-keys" }, t("gr_keys")), this.frame, this.none, this.note));
    this.svg.addEventListener("keydown", (event) => this.key(event));
    this.svg.addEventListener("click", (event) => {
      if (this.view.moved) return;
      const node = event.target.closest(".gr-node");
      this.choose(node ? node.dataset.id : null);
    });
    this.svg.addEventListener("focusin", (event) => {
      const node = event.target.closest(".gr-node");
      if (!node) return;
      for (const { el } of this.nodes.values()) el.setAttribute("tabindex", el === node ? "0" : "-1");
      const position = this.picture.nodes.get(node.dataset.id);
      if (node.matches(":focus-visible")) this.view.show(position.x, position.y, this.box.width, this.box.height);
    });
    this.panel.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      const { chosen } = this;
      this.choose(null);
      this.nodes.get(chosen)?.el.focus();
    });
  }

  changed(change) {
    const isNew = (id) => this.shapes.get(id) !== shapeOf(this.store.tasks.get(id));
    if (change.all || change.removed.size || [...change.ids].some(isNew)) return this.layout();
    for (const id of change.ids) {
      const node = this.nodes.get(id);
      if (node) this.draw(node, this.store.tasks.get(id));
    }
    if (this.chosen && change.ids.has(this.chosen)) this.fillPanel();
  }

  resize() {
    if (this.frame.clientWidth < NARROW_PX !== this.narrow) this.layout();
    else this.fit();
  }

  fit() {
    const whole = Math.min(this.frame.clientWidth / this.picture.width, this.frame.clientHeight / this.picture.height);
    this.view.fit(this.narrow && whole > NARROW_ZOOM ? NARROW_ZOOM : READABLE_ZOOM);
  }

  layout() {
    this.narrow = this.frame.clientWidth < NARROW_PX;
    const cards = [...this.store.tasks.values()];
    this.shapes = new Map(cards.map((card) => [card.task_id, shapeOf(card)]));
    const linked = new Set();
    for (const card of cards) {
      for (const other of upstreamIds(card)) if (this.store.tasks.has(other)) linked.add(other).add(card.task_id);
    }
    const graph = new Map(cards.filter((card) => linked.has(card.task_id)).map((card) => [card.task_id, upstreamIds(card)]));
    const alone = cards.length - graph.size;
    this.frame.hidden = !graph.size;
    this.none.hidden = graph.size > 0;
    this.note.textContent = graph.size && alone ? t("gr_alone", { n: alone }) : "";
    this.place(graph);
    const focused = document.activeElement?.closest?.(".gr-node")?.dataset.id;
    this.lines = this.picture.edges.map(({ from, to, points }) => {
      const dependency = this.dependency(from, to);
      const label = labelOf(dependency);
      const kind = dependency.on === "failure" ? "gr-edge gr-failure" : label ? "gr-edge gr-special" : "gr-edge";
      const el = svg("path", { d: curve(points, this.down), class: kind, "marker-end": "url(#gr-arrow)" }, svg("title", {}, dependencyText(dependency)));
      const [[x0, y0], [x1, y1]] = points;
      return { from, to, el, text: edgeLabel(label, (x0 + x1) / 2, (y0 + y1) / 2) };
    });
    this.edges.replaceChildren(...this.lines.map(({ el }) => el), ...this.lines.map(({ text }) => text));
    this.nodes = new Map();
    for (const [id, { x, y }] of this.picture.nodes) this.nodes.set(id, this.node(id, x, y));
    this.boxes.replaceChildren(...[...this.nodes.values()].map(({ el }) => el));
    this.nodes.values().next().value?.el.setAttribute("tabindex", "0");
    this.view.size(this.picture.width, this.picture.height);
    this.fit();
    if (focused) this.nodes.get(focused)?.el.focus();
    this.choose(this.nodes.has(this.chosen) ? this.chosen : null);
  }

  /** Lay the graph out in the direction in which more of it can be read. */
  place(graph) {
    const { clientWidth: width, clientHeight: height } = this.frame;
    const { least, most, lines, ...size } = this.narrow ? SLIM : WIDE;
    const longest = (texts, font) => Math.ceil(Math.max(0, ...texts.map((text) => widthOf(text, font))));
    const names = [...graph.keys()].map((id) => visible(this.store.tasks.get(id).task_name ?? id));
    const labels = [...graph].flatMap(([to, ids]) => ids.map((from) => labelOf(this.dependency(from, to))));
    const nodeWidth = Math.max(least, Math.min(most, longest(names, FONTS.name) + PADDING_PX));
    this.names = new Map([...graph.keys()].map((id, i) => [id, wrapped(names[i], nodeWidth - PADDING_PX, lines)]));
    this.box = { ...size, width: nodeWidth, height: NODE_PX + LINE_PX * Math.max(1, ...[...this.names.values()].map((one) => one.length)) };
    const picture = (down) => {
      const along = down ? size.along : Math.max(size.along, longest(labels, FONTS.label) + ARROW_PX);
      const found = layered(graph, { ...this.box, along }, { down, aspect: width && height ? width / height : 1.6 });
      return { ...found, down, zoom: Math.min(1, width / found.width, height / found.height) };
    };
    const [wanted, other] = [picture(this.narrow), picture(!this.narrow)];
    this.picture = other.zoom > wanted.zoom * LARGER ? other : wanted;
    this.down = this.picture.down;
  }

  /** The dependency of `to` on `from`, as the config has it. */
  dependency(from, to) {
    return this.store.tasks.get(to)?.task_dependencies?.find((one) => upstreamId(one) === from) ?? from;
  }

  node(id, x, y) {
    const lines = this.names.get(id);
    // Lower, the fewer lines the name has.
    const top = (this.box.height - NODE_PX - LINE_PX * lines.length) / 2;
    const title = svg("text", { class: "gr-name" }, lines.map((text, i) => svg("tspan", { x: 42, y: top + 3 + LINE_PX * (i + 1) }, text)));
    const word = svg("text", { class: "gr-word", x: 42, y: top + 19 + LINE_PX * lines.length });
    const mark = svg("g", { transform: `translate(12 ${(this.box.height - ICON_PX) / 2})` });
    const el = svg("g", { class: "gr-node", role: "button", tabindex: "-1", transform: `translate(${x} ${y})`, dataset: { id } }, svg("title"), svg("rect", { width: this.box.width, height: this.box.height, rx: 9 }), mark, title, word);
    const node = { id, el, word, mark, drawn: "" };
    this.draw(node, this.store.tasks.get(id));
    return node;
  }

  draw(node, card) {
    const name = visible(card.task_name ?? card.task_id);
    const status = t(`status_${card.current_status}`);
    const needed = this.lines.filter(({ from }) => from === card.task_id).map(({ to }) => to);
    const parts = [
      t("gr_node", { name, status }),
      card.enabled ? "" : t("status_disabled"),
      card.task_dependencies?.length ? t("gr_needs", { names: listed(card.task_dependencies.map(dependencyText)) }) : "",
      needed.length ? t("gr_needed", { names: listed(needed) }) : "",
    ].filter(Boolean);
    const key = JSON.stringify([parts, card.current_status, card.enabled]);
    if (key === node.drawn) return;
    node.drawn = key;
    const chosen = this.chosen === card.task_id;
    node.el.setAttribute("class", `gr-node s-${card.current_status}${card.enabled ? "" : " gr-off"}${chosen ? " gr-chosen" : ""}`);
    node.el.setAttribute("aria-label", parts.join("; "));
    node.el.querySelector("title").textContent = `${name}\n${card.task_id}`;
    node.word.textContent = card.enabled ? status : `${status} · ${t("status_disabled")}`;
    const picture = icon(card.current_status);
    picture.setAttribute("width", ICON_PX);
    picture.setAttribute("height", ICON_PX);
    node.mark.replaceChildren(picture);
  }

  // ---- the chosen task ----

  choose(id) {
    this.chosen = id;
    const up = this.reach(id, "to", "from");
    const down = this.reach(id, "from", "to");
    for (const [other, { el }] of this.nodes) {
      el.classList.toggle("gr-chosen", other === id);
      el.classList.toggle("gr-dim", id !== null && !up.has(other) && !down.has(other));
    }
    for (const { from, to, el, text } of this.lines ?? []) {
      const on = id !== null && ((up.has(from) && up.has(to)) || (down.has(from) && down.has(to)));
      el.classList.toggle("gr-on", on);
      el.setAttribute("marker-end", on ? "url(#gr-arrow-on)" : "url(#gr-arrow)");
      for (const one of [el, text]) one.classList.toggle("gr-dim", id !== null && !on);
    }
    this.fillPanel();
    const position = id !== null && this.picture.nodes.get(id);
    this.view.inset = this.panel.hidden ? 0 : this.panel.offsetHeight + 12;
    if (position) this.view.show(position.x, position.y, this.box.width, this.box.height);
  }

  /** The task and all that can be reached from it, going along each edge from its end `near` to its end `far`. */
  reach(id, near, far) {
    const found = new Set(id === null ? [] : [id]);
    for (const at of found) for (const edge of this.lines) if (edge[near] === at) found.add(edge[far]);
    return found;
  }

  fillPanel() {
    const card = this.chosen && this.store.tasks.get(this.chosen);
    this.panel.hidden = !card;
    if (!card) return;
    const key = JSON.stringify([card.task_id, card.version]);
    if (this.panel.dataset.key === key) return;
    const focused = this.panel.contains(document.activeElement) ? document.activeElement.dataset.act : null;
    this.panel.dataset.key = key;
    const run = leadRun(card);
    const reason = run ? reasonText(run) : "";
    const newest = () => this.store.tasks.get(card.task_id) ?? card;
    const actionButton = (name) => button(t(PANEL_TEXTS[name] ?? name), (event) => actions[name](newest(), ["why", "run_with"].includes(name) ? null : event.currentTarget), { icon: PANEL_ICONS[name] ?? name, dataset: { act: name } });
    const names = [UNFINISHED.has(card.current_status) ? "stop" : "run", ...PANEL_ACTIONS];
    this.panel.replaceChildren(
      h("div", { class: "gr-about" }, h("a", { href: `#task/${card.task_id}` }, h("strong", {}, visible(card.task_name ?? card.task_id))), statusMark(card.current_status), reason && h("span", { class: "muted" }, reason)),
      h("div", { class: "gr-acts" }, names.filter((name) => name === "history" || token()).map(actionButton)),
      iconButton("close", t("close"), () => this.choose(null), { class: "gr-close" }),
    );
    if (focused) (this.panel.querySelector(`[data-act="${focused}"]`) ?? this.panel.querySelector("button")).focus();
  }

  // ---- keyboard ----

  key(event) {
    const id = event.target.closest(".gr-node")?.dataset.id;
    if (event.key === "+" || event.key === "=") this.view.zoom(1.25);
    else if (event.key === "-") this.view.zoom(0.8);
    else if (event.key === "0") this.view.fit();
    else if (event.key === "r" && id && token() && !event.ctrlKey && !event.metaKey) actions.run(this.store.tasks.get(id));
    else if (event.key === "Escape" && this.chosen) this.choose(null);
    else if (id && (event.key === "Enter" || event.key === " ")) {
      this.choose(id);
      this.panel.querySelector("button")?.focus();
    } else if (id && event.key.startsWith("Arrow")) this.nodes.get(this.beside(id, event.key))?.el.focus();
    else return;
    event.preventDefault();
  }

  /** The node that an arrow key leads to: a neighbour in the graph, else the nearest node in that direction. */
  beside(id, key) {
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
    const along = this.down ? dy : dx;
    const here = this.picture.nodes.get(id);
    const far = (other) => {
      const position = this.picture.nodes.get(other);
      const [ahead, aside] = dx ? [(position.x - here.x) * dx, Math.abs(position.y - here.y)] : [(position.y - here.y) * dy, Math.abs(position.x - here.x)];
      return ahead > 1 ? ahead + aside * 3 : Infinity;
    };
    const nearest = (ids) => ids.filter((other) => far(other) < Infinity).sort((a, b) => far(a) - far(b))[0];
    const linked = along ? this.lines.filter((edge) => edge[along > 0 ? "from" : "to"] === id).map((edge) => edge[along > 0 ? "to" : "from"]) : [];
    return nearest(linked) ?? nearest([...this.nodes.keys()]);
  }
}

function zoomButton(text, label, click) {
  return h("button", { type: "button", class: "icon-button gr-sign", "aria-label": label, title: label, on: { click } }, text);
}

/** What is special about a dependency, for its edge; "" if a success is needed. */
function labelOf({ on = "success", within }) {
  const parts = [on !== "success" && t(`gr_on_${on}`), within === "ever" ? t("gr_ever") : within !== undefined && t("gr_within", { within: fmtSpan(within) })];
  return listed(parts.filter(Boolean));
}

/** The label of an edge, on a ground that hides the line. */
function edgeLabel(text, x, y) {
  const width = text ? widthOf(text, FONTS.label) + 8 : 0;
  return svg("g", { class: "gr-label" }, svg("rect", { x: x - width / 2, y: y - 8, width, height: 16 }), svg("text", { x, y: y + 4 }, text));
}

// Measures text.
let pen = null;

/** The width of a text in px. `font`: its weight and size. */
function widthOf(text, font) {
  pen ??= document.createElement("canvas").getContext("2d");
  pen.font = `${font} ${getComputedStyle(document.body).fontFamily}`;
  return pen.measureText(text).width;
}

/** How many of the first characters fit into a width in px. */
function fitting(chars, width) {
  let [low, high] = [0, chars.length];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (widthOf(chars.slice(0, middle).join(""), FONTS.name) <= width) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** A name as lines of a width in px, at most so many: broken at a space where there is one, the last line shortened. */
function wrapped(text, width, most) {
  const lines = [];
  let rest = [...text];
  while (rest.length) {
    let count = fitting(rest, width);
    if (count === rest.length) return [...lines, rest.join("")];
    if (lines.length === most - 1) return [...lines, `${rest.slice(0, fitting(rest, width - widthOf("…", FONTS.name))).join("")}…`];
    const space = rest.lastIndexOf(" ", count);
    if (space > 0) count = space;
    lines.push(rest.splice(0, Math.max(1, count)).join("").trim());
    if (rest[0] === " ") rest = rest.slice(1);
  }
  return lines;
}

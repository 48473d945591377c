/** Pan and zoom of an SVG's scene, by pointer, wheel, and from outside. */

const LEAST = 0.1;
const MOST = 2.5;
const MARGIN = 20; // px around the picture
const LARGEST_FIT = 1.15; // a small picture is not blown up
const DRAG_PX = 5; // less is a click

export class Viewport {
  constructor(svg, scene) {
    Object.assign(this, { svg, scene, x: 0, y: 0, scale: 1, width: 1, height: 1, moved: false, inset: 0 });
    this.pointers = new Map();
    svg.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    svg.addEventListener("pointerdown", (event) => this.down(event));
    svg.addEventListener("pointermove", (event) => this.move(event));
    for (const type of ["pointerup", "pointercancel"]) svg.addEventListener(type, (event) => this.pointers.delete(event.pointerId));
  }

  /** Of the whole picture. */
  size(width, height) {
    Object.assign(this, { width, height });
  }

  /** Show all of it, but at no smaller zoom than `least`; from its start what does not fit then. */
  fit(least = LEAST) {
    const { clientWidth: width, clientHeight: height } = this.svg;
    if (!width || !height) return;
    this.scale = Math.max(least, Math.min(LARGEST_FIT, (width - 2 * MARGIN) / this.width, (height - 2 * MARGIN) / this.height));
    this.x = Math.max(MARGIN, (width - this.width * this.scale) / 2);
    this.y = Math.max(MARGIN, (height - this.height * this.scale) / 2);
    this.put();
  }

  /** Zoom by a factor about a place in the SVG, else its middle. */
  zoom(factor, x = this.svg.clientWidth / 2, y = this.svg.clientHeight / 2) {
    const scale = Math.max(LEAST, Math.min(MOST, this.scale * factor));
    this.x = x - ((x - this.x) * scale) / this.scale;
    this.y = y - ((y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.put();
  }

  /** Move so that a box of the picture is in sight, above what covers `inset` px at the bottom. */
  show(x, y, width, height) {
    const into = (low, high, room) => (low < MARGIN ? MARGIN - low : high > room - MARGIN ? room - MARGIN - high : 0);
    this.x += into(this.x + x * this.scale, this.x + (x + width) * this.scale, this.svg.clientWidth);
    this.y += into(this.y + y * this.scale, this.y + (y + height) * this.scale, this.svg.clientHeight - this.inset);
    this.put();
  }

  put() {
    // Some of the picture always stays in sight.
    const keep = (at, size, room) => Math.min(room - 60, Math.max(60 - size * this.scale, at));
    this.x = keep(this.x, this.width, this.svg.clientWidth);
    this.y = keep(this.y, this.height, this.svg.clientHeight);
    this.scene.setAttribute("transform", `translate(${this.x.toFixed(1)} ${this.y.toFixed(1)}) scale(${this.scale.toFixed(4)})`);
  }

  /** A pinch of a touchpad comes as a wheel with Ctrl. */
  wheel(event) {
    event.preventDefault();
    const unit = event.deltaMode ? 30 : 1;
    const box = this.svg.getBoundingClientRect();
    if (event.ctrlKey || event.metaKey) return this.zoom(Math.exp(-event.deltaY * unit * 0.01), event.clientX - box.left, event.clientY - box.top);
    const [dx, dy] = event.shiftKey ? [event.deltaY, event.deltaX] : [event.deltaX, event.deltaY];
    this.x -= dx * unit;
    this.y -= dy * unit;
    return this.put();
  }

  down(event) {
    if (event.button) return;
    if (!this.pointers.size) this.moved = false;
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, startX: event.clientX, startY: event.clientY });
  }

  move(event) {
    const held = this.pointers.get(event.pointerId);
    if (!held) return;
    if (event.pointerType === "mouse" && !event.buttons) return void this.pointers.delete(event.pointerId);
    if (!this.moved && Math.hypot(event.clientX - held.startX, event.clientY - held.startY) < DRAG_PX) return;
    if (!this.moved) this.svg.setPointerCapture(event.pointerId); // not before: it would take the click from the node
    this.moved = true;
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, other]) => other);
    if (others.length) {
      const [other] = others;
      const before = Math.hypot(held.x - other.x, held.y - other.y);
      const after = Math.hypot(event.clientX - other.x, event.clientY - other.y);
      const box = this.svg.getBoundingClientRect();
      if (before) this.zoom(after / before, (event.clientX + other.x) / 2 - box.left, (event.clientY + other.y) / 2 - box.top);
    } else {
      this.x += event.clientX - held.x;
      this.y += event.clientY - held.y;
      this.put();
    }
    [held.x, held.y] = [event.clientX, event.clientY];
  }
}

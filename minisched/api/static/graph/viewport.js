/** Pan and zoom of the scene in an SVG, by pointer, by wheel and by calls. */

const ZOOM_MIN = 0.1;
const ZOOM_MAX = 2.5;
const MARGIN_PX = 20;
// A small scene is not enlarged further to fit.
const FIT_ZOOM_MAX = 1.15;
// A shorter movement is a click.
const DRAG_PX = 5;
// At least this much of the scene stays visible.
const KEPT_PX = 60;

export class Viewport {
  constructor(svg, scene) {
    Object.assign(this, { svg, scene, x: 0, y: 0, scale: 1, width: 1, height: 1, moved: false, inset: 0 });
    this.pointers = new Map();
    svg.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    svg.addEventListener("pointerdown", (event) => this.down(event));
    svg.addEventListener("pointermove", (event) => this.move(event));
    for (const type of ["pointerup", "pointercancel"]) svg.addEventListener(type, (event) => this.pointers.delete(event.pointerId));
  }

  /** Set the size of the scene. */
  size(width, height) {
    Object.assign(this, { width, height });
  }

  /** Show the whole scene; if that needs a zoom below `min`, its upper left part. */
  fit(min = ZOOM_MIN) {
    const { clientWidth: width, clientHeight: height } = this.svg;
    if (!width || !height) return;
    this.scale = Math.max(min, Math.min(FIT_ZOOM_MAX, (width - 2 * MARGIN_PX) / this.width, (height - 2 * MARGIN_PX) / this.height));
    this.x = Math.max(MARGIN_PX, (width - this.width * this.scale) / 2);
    this.y = Math.max(MARGIN_PX, (height - this.height * this.scale) / 2);
    this.apply();
  }

  /** Zoom by a factor around a point of the SVG, by default its centre. */
  zoom(factor, x = this.svg.clientWidth / 2, y = this.svg.clientHeight / 2) {
    const scale = Math.max(ZOOM_MIN, Math.min(ZOOM_MAX, this.scale * factor));
    this.x = x - ((x - this.x) * scale) / this.scale;
    this.y = y - ((y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.apply();
  }

  /** Move a box of the scene into view. The bottom `inset` px are covered by the panel. */
  show(x, y, width, height) {
    const into = (low, high, room) => (low < MARGIN_PX ? MARGIN_PX - low : high > room - MARGIN_PX ? room - MARGIN_PX - high : 0);
    this.x += into(this.x + x * this.scale, this.x + (x + width) * this.scale, this.svg.clientWidth);
    this.y += into(this.y + y * this.scale, this.y + (y + height) * this.scale, this.svg.clientHeight - this.inset);
    this.apply();
  }

  apply() {
    const keep = (at, size, room) => Math.min(room - KEPT_PX, Math.max(KEPT_PX - size * this.scale, at));
    this.x = keep(this.x, this.width, this.svg.clientWidth);
    this.y = keep(this.y, this.height, this.svg.clientHeight);
    this.scene.setAttribute("transform", `translate(${this.x.toFixed(1)} ${this.y.toFixed(1)}) scale(${this.scale.toFixed(4)})`);
  }

  /** A touchpad sends a pinch as a wheel event with Ctrl. */
  wheel(event) {
    event.preventDefault();
    const unit = event.deltaMode ? 30 : 1;
    const box = this.svg.getBoundingClientRect();
    if (event.ctrlKey || event.metaKey) return this.zoom(Math.exp(-event.deltaY * unit * 0.01), event.clientX - box.left, event.clientY - box.top);
    const [dx, dy] = event.shiftKey ? [event.deltaY, event.deltaX] : [event.deltaX, event.deltaY];
    this.x -= dx * unit;
    this.y -= dy * unit;
    return this.apply();
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
    // Not earlier: a captured pointer does not click the node.
    if (!this.moved) this.svg.setPointerCapture(event.pointerId);
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
      this.apply();
    }
    [held.x, held.y] = [event.clientX, event.clientY];
  }
}

/** The span of time that the timeline shows: zoom and pan by pointers, by wheel and by calls. */
import { now } from "../core/format.js";

export const HOUR_MS = 3600000;
// Of half of the span.
const HALF_MIN_MS = HOUR_MS / 24;
const HALF_MAX_MS = 15 * 24 * HOUR_MS;
// A shorter movement is a click.
const PAN_FROM_PX = 5;
// The wheel has come to rest after this time.
const REST_MS = 250;

export class TimeSpan {
  /**
   * half: of the span, in ms. at: its middle, in ms since 1970; null: always now. el: takes the pointers; track(): where
   * on the screen the span is, {left, width} in px. moved() is called for each change, settled() when it is over.
   */
  constructor({ half, at, el, track, moved, settled }) {
    Object.assign(this, { half, at, track, moved, settled });
    this.pointers = new Map();
    // Whether the pointer has moved the span, so that its click means nothing.
    this.panned = false;
    el.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    el.addEventListener("pointerdown", (event) => this.down(event));
    el.addEventListener("pointermove", (event) => this.move(event, el));
    for (const type of ["pointerup", "pointercancel"]) el.addEventListener(type, (event) => this.up(event));
  }

  bounds() {
    const middle = this.at ?? now();
    return [middle - this.half, middle + this.half];
  }

  /** The time at a place on the screen, in px from its left. */
  timeAt(x) {
    const { left, width } = this.track();
    return this.bounds()[0] + ((x - left) / width) * 2 * this.half;
  }

  set(half, at) {
    this.half = Math.max(HALF_MIN_MS, Math.min(HALF_MAX_MS, half));
    this.at = at;
    this.moved();
  }

  /** Move by a share of the span; settled at once, or when no further call follows. */
  pan(share) {
    this.set(this.half, (this.at ?? now()) + share * 2 * this.half);
    this.rest();
  }

  /** Zoom in by a factor. `x`: the place on the screen whose time stays where it is; without it the middle. */
  zoom(factor, x = null) {
    const fixed = x === null ? null : this.timeAt(x);
    const before = this.half;
    this.set(this.half / factor, this.at);
    if (fixed !== null) this.set(this.half, fixed - (fixed - (this.at ?? now())) * (this.half / before));
    this.rest();
  }

  rest() {
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.settled(), REST_MS);
  }

  stop() {
    clearTimeout(this.resting);
  }

  /** A touchpad sends a pinch as a wheel event with Ctrl. */
  wheel(event) {
    const unit = event.deltaMode ? 30 : 1;
    const across = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    if (event.ctrlKey || event.metaKey) this.zoom(Math.exp(-event.deltaY * unit * 0.005), event.clientX);
    else if (Math.abs(across) > Math.abs(event.shiftKey ? 0 : event.deltaY)) this.pan((across * unit) / this.track().width);
    else return;
    event.preventDefault();
  }

  down(event) {
    if (event.button) return;
    if (!this.pointers.size) this.panned = false;
    this.pointers.set(event.pointerId, { x: event.clientX, start: event.clientX });
  }

  move(event, el) {
    const held = this.pointers.get(event.pointerId);
    if (!held) return;
    if (event.pointerType === "mouse" && !event.buttons) return this.up(event);
    if (!this.panned && Math.abs(event.clientX - held.start) < PAN_FROM_PX) return;
    // Not earlier: a captured pointer does not click the mark.
    if (!this.panned) el.setPointerCapture(event.pointerId);
    this.panned = true;
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const [before, after] = [Math.abs(held.x - other.x), Math.abs(event.clientX - other.x)];
      if (before > PAN_FROM_PX && after > PAN_FROM_PX) this.zoom(after / before, (event.clientX + other.x) / 2);
    } else this.set(this.half, (this.at ?? now()) - ((event.clientX - held.x) / this.track().width) * 2 * this.half);
    held.x = event.clientX;
  }

  up(event) {
    if (!this.pointers.delete(event.pointerId) || !this.panned || this.pointers.size) return;
    this.stop();
    this.settled();
  }
}

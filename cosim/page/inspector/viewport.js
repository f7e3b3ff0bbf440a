/* The part of a figure that is in sight. */

const CLICK = 4; // pixels that a pointer may move within a click

/** Ranges of x and y, moved by wheel, drag, pinch and keys.
 *
 * The wheel zooms once the figure has the focus, or with Ctrl: until then it scrolls the page. */
class Viewport {
  constructor(canvas, { home, frame, changed, clicked, axes = "xy", fenced = true }) {
    Object.assign(this, { canvas, home, frame, changed, clicked, axes, fenced, pointers: new Map(), moved: 0 });
    this.sight = { ...home };
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => this.up(event));
  }

  reset() {
    this.show(this.home);
  }

  show(sight) {
    this.sight = { ...sight };
    this.changed();
  }

  get zoomed() {
    return ["x0", "x1", "y0", "y1"].some(
      (name) => Math.abs(this.sight[name] - this.home[name]) > 1e-12 * Math.abs(this.home.x1 - this.home.x0),
    );
  }

  /** Figure's coordinates of a pointer. */
  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const { left, top, width, height } = this.frame();
    const [u, v] = [(event.clientX - box.left - left) / width, (event.clientY - box.top - top) / height];
    const { x0, x1, y0, y1 } = this.sight;
    return { x: x0 + u * (x1 - x0), y: y0 + v * (y1 - y0), u, v };
  }

  /** Make the sight `factor` times as wide around a point of it, given as parts of its width and height. */
  zoom(factor, u = 0.5, v = 0.5) {
    const { x0, x1, y0, y1 } = this.sight;
    const next = { ...this.sight };
    if (this.axes.includes("x")) [next.x0, next.x1] = around(x0, x1, factor, u);
    if (this.axes.includes("y")) [next.y0, next.y1] = around(y0, y1, factor, v);
    this.show(this.fence(next));
  }

  /** Move by parts of the width and height. */
  pan(du, dv) {
    const { x0, x1, y0, y1 } = this.sight;
    const [dx, dy] = [du * (x1 - x0), this.axes.includes("y") ? dv * (y1 - y0) : 0];
    this.show(this.fence({ x0: x0 + dx, x1: x1 + dx, y0: y0 + dy, y1: y1 + dy }));
  }

  fence(sight) {
    if (!this.fenced) return sight;
    const [x0, x1] = within(sight.x0, sight.x1, this.home.x0, this.home.x1);
    const [y0, y1] = within(sight.y0, sight.y1, this.home.y0, this.home.y1);
    return { x0, x1, y0, y1 };
  }

  wheel(event) {
    if (!event.ctrlKey && document.activeElement !== this.canvas) return;
    event.preventDefault();
    const { u, v } = this.at(event);
    this.zoom(Math.exp(Math.sign(event.deltaY) * Math.min(Math.abs(event.deltaY), 100) * 0.002), u, v);
  }

  down(event) {
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.canvas.setPointerCapture(event.pointerId);
    if (this.pointers.size === 1) this.moved = 0;
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const now = { x: event.clientX, y: event.clientY };
    this.moved += Math.hypot(now.x - before.x, now.y - before.y);
    const spread = this.spread();
    this.pointers.set(event.pointerId, now);
    if (this.moved < CLICK) return;
    const { width, height } = this.frame();
    if (this.pointers.size === 1) this.pan((before.x - now.x) / width, (before.y - now.y) / height);
    else this.pinch(spread / this.spread(), event.pointerId);
  }

  up(event) {
    if (event.type === "pointerup" && this.pointers.size === 1 && this.moved < CLICK) this.clicked?.(this.at(event));
    this.pointers.delete(event.pointerId);
  }

  /** Zoom around the finger that rests, so that both keep what lies under them. */
  pinch(factor, moving) {
    const [, rests] = [...this.pointers].find(([id]) => id !== moving);
    const { u, v } = this.at({ clientX: rests.x, clientY: rests.y });
    this.zoom(factor, u, v);
  }

  /** Distance between two fingers. */
  spread() {
    const [one, other] = [...this.pointers.values()];
    return other ? Math.max(1, Math.hypot(one.x - other.x, one.y - other.y)) : 1;
  }
}

function around(low, high, factor, share) {
  const middle = low + share * (high - low);
  return [middle - share * (high - low) * factor, middle + (1 - share) * (high - low) * factor];
}

/** A range moved, and cut where it is too wide, to lie in another; either may run downwards. */
function within(low, high, first, last) {
  const sign = Math.sign(last - first) || 1;
  const width = Math.min(Math.abs(high - low), Math.abs(last - first));
  const start = Math.min(Math.max(low * sign, first * sign), last * sign - width);
  return [start * sign, (start + width) * sign];
}

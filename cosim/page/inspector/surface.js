/* A canvas that stays crisp. */

/** Draws again when the canvas's size, the screen's density or the colour scheme changes, once a frame at the most. */
class Surface {
  constructor(canvas, draw) {
    this.canvas = canvas;
    this.draw = draw;
    this.waiting = false;
    canvas.addEventListener("repaint", () => this.refresh());
    new ResizeObserver(() => this.refresh()).observe(canvas);
  }

  refresh() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.paint();
    });
  }

  paint() {
    const { canvas } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width || !height) return;
    const density = devicePixelRatio || 1;
    canvas.width = Math.round(width * density);
    canvas.height = Math.round(height * density);
    const pen = canvas.getContext("2d");
    pen.setTransform(density, 0, 0, density, 0, 0);
    pen.font = `11px ${getComputedStyle(canvas).fontFamily}`;
    this.draw(pen, width, height);
  }
}

/** Have every canvas drawn again when the colour scheme changes. */
function followScheme() {
  DARK.addEventListener("change", () =>
    document.querySelectorAll("canvas").forEach((one) => one.dispatchEvent(new Event("repaint"))),
  );
}

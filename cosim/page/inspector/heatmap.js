/* One array as a heat map. */

const MARGIN = { left: 26, top: 16 };
const LINED = 9; // pixels of a cell from which on cells are set apart by lines

/** A canvas of rows by columns of values. `pick(row, column)` hears of a chosen cell, `enter()` of Enter. */
class HeatMap {
  constructor(label, rows, columns, { pick, enter, say, unit }) {
    Object.assign(this, { rows, columns, pick, say, unit, chosen: { row: 0, column: 0 }, label });
    this.canvas = make("canvas", {
      class: "heatmap",
      tabindex: 0,
      role: "application",
      "aria-roledescription": "heat map",
    });
    this.canvas.style.aspectRatio = `${columns} / ${Math.max(rows, columns / 3)}`;
    this.surface = new Surface(this.canvas, (pen, width, height) => this.draw(pen, width, height));
    this.port = new Viewport(this.canvas, {
      home: { x0: 0, x1: columns, y0: 0, y1: rows },
      frame: () => this.frame(),
      changed: () => this.surface.refresh(),
      clicked: (at) => this.inside(at) && pick(Math.floor(at.y), Math.floor(at.x)),
    });
    this.canvas.addEventListener("pointermove", (event) => this.hover(event));
    this.canvas.addEventListener("pointerleave", () => say(null));
    this.canvas.addEventListener("keydown", (event) => this.key(event, enter));
  }

  /** Values (rows, columns), the range of the colours, and which cells are stuck; nan is no cell. */
  show(values, low, high, diverging, stuck) {
    Object.assign(this, { values, low, high, diverging, stuck });
    this.surface.refresh();
  }

  choose(row, column) {
    this.chosen = { row, column };
    const value = this.values ? `, ${si(this.values[row * this.columns + column], this.unit)}` : "";
    this.canvas.setAttribute(
      "aria-label",
      `${this.label}, ${this.rows} by ${this.columns}. Row ${row + 1}, column ${column + 1}${value}. Arrow keys choose a cell, Enter goes to its netlist lines.`,
    );
    this.surface.refresh();
  }

  frame() {
    return { ...MARGIN, width: this.canvas.clientWidth - MARGIN.left, height: this.canvas.clientHeight - MARGIN.top };
  }

  inside({ x, y, u, v }) {
    return u >= 0 && v >= 0 && x >= 0 && y >= 0 && x < this.columns && y < this.rows;
  }

  hover(event) {
    const at = this.port.at(event);
    this.say(this.inside(at) ? { row: Math.floor(at.y), column: Math.floor(at.x) } : null);
  }

  key(event, enter) {
    const { row, column } = this.chosen;
    const moves = {
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
      Home: [0, -column],
      End: [0, this.columns],
    };
    const zooms = { "+": 0.7, "=": 0.7, "-": 1 / 0.7 };
    if (moves[event.key]) {
      const [down, right] = moves[event.key];
      this.pick(clamp(row + down, this.rows - 1), clamp(column + right, this.columns - 1));
    } else if (event.key === "Enter") enter();
    else if (zooms[event.key]) this.port.zoom(zooms[event.key], ...this.middle());
    else if (event.key === "0") this.port.reset();
    else return;
    event.preventDefault();
  }

  /** Where the chosen cell lies in sight, for keys that zoom. */
  middle() {
    const { x0, x1, y0, y1 } = this.port.sight;
    const part = (value, low, high) => Math.min(1, Math.max(0, (value - low) / (high - low)));
    return [part(this.chosen.column + 0.5, x0, x1), part(this.chosen.row + 0.5, y0, y1)];
  }

  draw(pen, width, height) {
    pen.clearRect(0, 0, width, height);
    if (!this.values) return;
    const frame = this.frame();
    const scale = scaleOf(this.port.sight, frame);
    pen.save();
    pen.beginPath();
    pen.rect(frame.left, frame.top, frame.width, frame.height);
    pen.clip();
    pen.imageSmoothingEnabled = false;
    const [x, y] = [scale.x(0), scale.y(0)];
    const [wide, tall] = [scale.x(this.columns) - x, scale.y(this.rows) - y];
    pen.drawImage(this.image(), x, y, wide, tall);
    const cell = { width: wide / this.columns, height: tall / this.rows };
    this.lines(pen, scale, cell, frame);
    this.faults(pen, scale, cell);
    this.outline(pen, scale, cell);
    pen.restore();
    this.numbers(pen, scale, cell, frame);
  }

  /** One pixel a cell. */
  image() {
    const image = new ImageData(this.columns, this.rows);
    const map = colorMap(this.diverging);
    const span = this.high - this.low;
    for (let i = 0; i < this.values.length; i++) {
      if (Number.isNaN(this.values[i])) continue;
      const color = map[span ? clamp(Math.round(((this.values[i] - this.low) / span) * 255), 255) : 127];
      image.data.set([...color, 255], i * 4);
    }
    const canvas = new OffscreenCanvas(this.columns, this.rows);
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  lines(pen, scale, cell, frame) {
    if (Math.min(cell.width, cell.height) < LINED) return;
    pen.fillStyle = ink("surface");
    for (let i = 0; i <= this.columns; i++) pen.fillRect(scale.x(i) - 0.5, frame.top, 1, frame.height);
    for (let i = 0; i <= this.rows; i++) pen.fillRect(frame.left, scale.y(i) - 0.5, frame.width, 1);
  }

  /** A cross on a cell that is stuck. */
  faults(pen, scale, cell) {
    pen.beginPath();
    for (let i = 0; i < this.stuck.length; i++) {
      if (!this.stuck[i]) continue;
      const [x, y] = [scale.x((i % this.columns) + 0.5), scale.y(Math.floor(i / this.columns) + 0.5)];
      const arm = Math.max(1.5, Math.min(cell.width, cell.height) * 0.28);
      for (const sign of [-1, 1]) (pen.moveTo(x - arm, y - sign * arm), pen.lineTo(x + arm, y + sign * arm));
    }
    for (const [color, width] of [
      ["#ffffff", 3.5],
      [ink("fault"), 1.75],
    ]) {
      pen.strokeStyle = color;
      pen.lineWidth = width;
      pen.stroke();
    }
  }

  /** The chosen cell: dark within light, seen on every colour. */
  outline(pen, scale, cell) {
    const { row, column } = this.chosen;
    for (const [color, width] of [
      [ink("surface"), 5],
      [ink("accent"), 2.5],
    ]) {
      pen.strokeStyle = color;
      pen.lineWidth = width;
      pen.strokeRect(scale.x(column), scale.y(row), cell.width, cell.height);
    }
  }

  /** Row numbers at the left, column numbers on top, the chosen ones among them. */
  numbers(pen, scale, cell, frame) {
    pen.textBaseline = "middle";
    for (const [along, extent, size, room] of [
      ["x", this.columns, cell.width, 22],
      ["y", this.rows, cell.height, 14],
    ]) {
      const step = [1, 2, 5, 10, 20, 50, 100].find((one) => one * size >= room) ?? 200;
      const chosen = along === "x" ? this.chosen.column : this.chosen.row;
      pen.textAlign = along === "x" ? "center" : "right";
      for (let i = 0; i < extent; i++) {
        const usual = (i + 1) % step === 0 || i === 0;
        if (i !== chosen && (!usual || Math.abs(i - chosen) * size < room)) continue;
        pen.fillStyle = ink(i === chosen ? "accent" : "muted");
        const place = scale[along](i + 0.5);
        if (place < frame[along === "x" ? "left" : "top"]) continue;
        pen.fillText(String(i + 1), along === "x" ? place : frame.left - 5, along === "x" ? 7 : place);
      }
    }
  }
}

function clamp(value, most) {
  return Math.min(most, Math.max(0, value));
}

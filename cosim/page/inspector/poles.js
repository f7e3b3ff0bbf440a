/* The poles of the linear circuit, and how far the slowest is from growing. */

const SLOWEST = 12; // poles in the table
const DECADES = 4; // powers of ten on either side of 0; what is closer to it counts as 0

/** Section with the complex plane and a table. */
function polesSection(view) {
  const { eigenvalues, margin, time_constant } = view.poles;
  const plane = new PolePlane(eigenvalues, margin);
  const stable = margin > 0;
  const verdict = stable ? "Every mode decays." : "A mode does not decay: the circuit is unstable.";
  const facts = factList([
    ["Stability margin", si(margin, "rad/s")],
    ["Slowest time constant", si(time_constant ?? Infinity, "s")],
    ["Modes", count(eigenvalues.length / 2)],
  ]);
  const hint =
    "Poles of the linear circuit [rad/s]. Both axes are logarithmic on either side of 0; what grows lies right of the line.";
  return section(
    "Stability",
    hint,
    make("p", { class: stable ? "lead" : "lead bad-text" }, verdict),
    facts,
    make("div", { class: "plane" }, make("div", {}, plane.canvas, plane.readout), polesTable(eigenvalues)),
  );
}

function polesTable(eigenvalues) {
  const rows = [];
  for (let i = 0; i < Math.min(SLOWEST, eigenvalues.length / 2); i++) {
    const [real, imaginary] = [eigenvalues[2 * i], eigenvalues[2 * i + 1]];
    const cells = [si(real, "rad/s"), si(imaginary, "rad/s"), real < 0 ? si(-1 / real, "s") : "grows"];
    rows.push(
      make(
        "tr",
        {},
        make("th", { scope: "row" }, String(i + 1)),
        cells.map((cell) => make("td", {}, cell)),
      ),
    );
  }
  const names = ["Mode", "Real", "Imaginary", "Time constant"];
  const head = make(
    "thead",
    {},
    make(
      "tr",
      {},
      names.map((name) => make("th", { scope: "col" }, name)),
    ),
  );
  const box = make(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "Slowest poles" },
    make("table", {}, head, make("tbody", {}, rows)),
  );
  const more = eigenvalues.length / 2 > SLOWEST ? `The ${SLOWEST} slowest modes.` : "Every mode.";
  return make("div", {}, make("p", { class: "hint" }, more), box);
}

/** The complex plane, logarithmic on either side of both axes. */
class PolePlane {
  constructor(eigenvalues, margin) {
    Object.assign(this, { eigenvalues, margin });
    const largest = eigenvalues.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
    const smallest = Math.max(Math.abs(margin) || 0, largest * 10 ** -DECADES);
    this.floor = 10 ** (Math.floor(Math.log10(smallest)) - 1);
    this.far = this.fold(largest) + 0.3;
    const imaginary = eigenvalues.reduce((most, value, i) => Math.max(most, i % 2 ? Math.abs(this.fold(value)) : 0), 0);
    const tall = Math.max(1, imaginary + 0.3);
    this.readout = make("p", { class: "readout" }, "\u00a0");
    this.canvas = make("canvas", {
      class: "poles",
      tabindex: 0,
      role: "application",
      "aria-roledescription": "complex plane",
      "aria-label": `Poles in the complex plane; stability margin ${si(margin, "rad/s")}. + and - zoom, 0 resets.`,
    });
    this.surface = new Surface(this.canvas, (pen) => this.draw(pen));
    this.port = new Viewport(this.canvas, {
      home: { x0: -this.far, x1: margin > 0 ? 1 : this.far, y0: tall, y1: -tall },
      frame: () => this.frame(),
      changed: () => this.surface.refresh(),
    });
    this.canvas.addEventListener("pointermove", (event) => this.hover(event));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
  }

  frame() {
    return { left: 62, top: 8, width: this.canvas.clientWidth - 72, height: this.canvas.clientHeight - 34 };
  }

  /** A number's place: powers of ten above the floor, with its sign. */
  fold(value) {
    return Math.sign(value) * Math.log10(Math.max(1, Math.abs(value) / this.floor));
  }

  key(event) {
    const factor = { "+": 0.7, "=": 0.7, "-": 1 / 0.7 }[event.key];
    if (factor) this.port.zoom(factor);
    else if (event.key === "0") this.port.reset();
  }

  hover(event) {
    const at = this.port.at(event);
    let [best, apart] = [-1, 0.3];
    for (let i = 0; i < this.eigenvalues.length; i += 2) {
      const distance = Math.hypot(this.fold(this.eigenvalues[i]) - at.x, this.fold(this.eigenvalues[i + 1]) - at.y);
      if (distance < apart) [best, apart] = [i, distance];
    }
    this.readout.textContent =
      best < 0
        ? "\u00a0"
        : `mode ${best / 2 + 1}: ${si(this.eigenvalues[best], "rad/s")}, imaginary ${si(this.eigenvalues[best + 1], "rad/s")}`;
  }

  /** Marks of an axis, a power of ten apart where that leaves room. */
  marks(axis, scale, length) {
    const step = Math.max(1, Math.ceil((2 * this.far * (axis === "x" ? 66 : 18)) / length));
    const powers = Array.from({ length: Math.floor(this.far) + 1 }, (_, i) => i).filter((i) => i % step === 0);
    const values = powers.flatMap((i) => (i ? [i, -i] : [0]));
    return values
      .map((i) => ({
        axis,
        at: scale[axis](i),
        label: i ? `${i < 0 ? "-" : ""}${si(this.floor * 10 ** Math.abs(i), "", 1).trim()}` : "0",
      }))
      .filter(({ at }) =>
        axis === "x"
          ? at >= this.frame().left && at <= this.frame().left + this.frame().width
          : at >= this.frame().top && at <= this.frame().top + this.frame().height,
      );
  }

  draw(pen) {
    const frame = this.frame();
    const scale = scaleOf(this.port.sight, frame);
    pen.clearRect(0, 0, this.canvas.clientWidth, this.canvas.clientHeight);
    drawAxes(pen, frame, [...this.marks("x", scale, frame.width), ...this.marks("y", scale, frame.height)]);
    pen.save();
    pen.beginPath();
    pen.rect(frame.left, frame.top, frame.width, frame.height);
    pen.clip();
    pen.fillStyle = ink("grows");
    pen.fillRect(scale.x(0), frame.top, frame.left + frame.width, frame.height);
    this.line(pen, scale.x(0), frame, ink("ink"), []);
    if (Number.isFinite(this.margin) && this.margin)
      this.line(pen, scale.x(this.fold(-this.margin)), frame, ink("accent"), [4, 4]);
    for (let i = 0; i < this.eigenvalues.length; i += 2)
      this.cross(pen, scale, this.eigenvalues[i], this.eigenvalues[i + 1]);
    pen.restore();
  }

  line(pen, x, frame, color, dash) {
    pen.strokeStyle = color;
    pen.lineWidth = 1.25;
    pen.setLineDash(dash);
    pen.beginPath();
    pen.moveTo(x, frame.top);
    pen.lineTo(x, frame.top + frame.height);
    pen.stroke();
    pen.setLineDash([]);
  }

  cross(pen, scale, real, imaginary) {
    const [x, y] = [scale.x(this.fold(real)), scale.y(this.fold(imaginary))];
    pen.strokeStyle = real < 0 ? ink("accent") : ink("bad");
    pen.lineWidth = 1.5;
    pen.beginPath();
    for (const sign of [-1, 1]) (pen.moveTo(x - 4, y - sign * 4), pen.lineTo(x + 4, y + sign * 4));
    pen.stroke();
  }
}

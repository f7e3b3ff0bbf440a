/* The transient: every output, with the settled value, tolerance band and settling time of the chosen one. */

const FRAME = { left: 62, right: 10, top: 8, bottom: 24 };

/** A canvas with the waveforms. */
class Waveforms {
  constructor(view, choice, say) {
    Object.assign(this, { view, choice, say, hovered: null });
    const { times, volts } = view.traces;
    this.points = times.length;
    this.canvas = make("canvas", {
      class: "waveform",
      tabindex: 0,
      role: "application",
      "aria-roledescription": "waveforms",
    });
    this.surface = new Surface(this.canvas, (pen) => this.draw(pen));
    const [low, high] = extent(volts);
    const room = (high - low || 1) * 0.06;
    this.port = new Viewport(this.canvas, {
      home: { x0: times[0] ?? 0, x1: times[this.points - 1] ?? 1, y0: high + room, y1: low - room },
      frame: () => this.frame(),
      changed: () => this.surface.refresh(),
      clicked: (at) => this.take(at),
      fenced: false,
    });
    this.canvas.addEventListener("pointermove", (event) => this.hover(event));
    this.canvas.addEventListener("pointerleave", () => this.leave());
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    choice.on(["output", "side"], ({ output, side }) => {
      this.canvas.setAttribute(
        "aria-label",
        `Waveforms of ${view.netlist.outputs.length} outputs. ${this.words(output, side)} Up and down choose an output, left and right move, + and - zoom, 0 resets.`,
      );
      this.surface.refresh();
    });
  }

  frame() {
    return {
      left: FRAME.left,
      top: FRAME.top,
      width: this.canvas.clientWidth - FRAME.left - FRAME.right,
      height: this.canvas.clientHeight - FRAME.top - FRAME.bottom,
    };
  }

  /** The chosen output's figures as a sentence. */
  words(output, side) {
    const { traces, netlist, poles } = this.view;
    const at = output * traces.band.length + side;
    const name = netlist.outputs[output];
    if (!(poles.margin > 0)) return `${name} grows without limit in the linear circuit: it has no settled value.`;
    const [value, band, time] = [si(traces.settled[at], "V"), si(traces.band[side], "V"), traces.settling_times[at]];
    if (Number.isNaN(time)) return `${name} does not stay within ${band} of its settled value ${value} in this window.`;
    return `${name} settles to ${value}, within ${band} of it after ${si(time, "s")}.`;
  }

  /** Show the window of a right-hand side. */
  window(side) {
    const [start, end] = this.view.traces.windows.subarray(side * 2, side * 2 + 2);
    this.port.show({ ...this.port.home, x0: start, x1: end });
  }

  /** Zoom in on the tolerance band of the chosen output. */
  band() {
    const { output, side } = this.choice.values;
    const { traces } = this.view;
    const [middle, half] = [traces.settled[output * traces.band.length + side], traces.band[side] * 4];
    const [start, end] = traces.windows.subarray(side * 2, side * 2 + 2);
    if (half > 0) this.port.show({ x0: start, x1: end, y0: middle + half, y1: middle - half });
  }

  key(event) {
    const { output } = this.choice.values;
    const last = this.view.netlist.outputs.length - 1;
    const actions = {
      ArrowUp: () => this.choice.set({ output: clamp(output - 1, last) }),
      ArrowDown: () => this.choice.set({ output: clamp(output + 1, last) }),
      ArrowLeft: () => this.port.pan(-0.1, 0),
      ArrowRight: () => this.port.pan(0.1, 0),
      "+": () => this.port.zoom(0.7),
      "=": () => this.port.zoom(0.7),
      "-": () => this.port.zoom(1 / 0.7),
      0: () => this.port.reset(),
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  }

  hover(event) {
    const at = this.port.at(event);
    const point = nearest(this.view.traces.times, at.x);
    const output = this.closest(at, point);
    this.hovered = at.u >= 0 && at.u <= 1 && output >= 0 ? { point, output } : null;
    this.say(this.hovered);
    this.surface.refresh();
  }

  leave() {
    this.hovered = null;
    this.say(null);
    this.surface.refresh();
  }

  take(at) {
    const output = this.closest(at, nearest(this.view.traces.times, at.x));
    if (output >= 0) this.choice.set({ output, side: this.sideAt(at.x) });
  }

  closest(at, point) {
    const { volts } = this.view.traces;
    let [best, apart] = [-1, Infinity];
    for (let i = 0; i < volts.shape[0]; i++) {
      const distance = Math.abs(volts[i * this.points + point] - at.y);
      if (distance < apart) [best, apart] = [i, distance];
    }
    return best;
  }

  /** The right-hand side whose window holds a time. */
  sideAt(time) {
    const { windows, band } = this.view.traces;
    for (let j = band.length - 1; j > 0; j--) if (time >= windows[j * 2]) return j;
    return 0;
  }

  /** The waveforms, drawn once for as long as only the pointer moves, and the point under it. */
  draw(pen) {
    const { canvas } = this;
    const { output, side } = this.choice.values;
    const key = JSON.stringify([canvas.width, canvas.height, DARK.matches, this.port.sight, output, side]);
    if (key !== this.drawnAs) {
      this.still(pen);
      this.drawn = new OffscreenCanvas(canvas.width, canvas.height);
      this.drawn.getContext("2d").drawImage(canvas, 0, 0);
      this.drawnAs = key;
    } else pen.drawImage(this.drawn, 0, 0, canvas.clientWidth, canvas.clientHeight);
    if (this.hovered) drawPoint(pen, this, scaleOf(this.port.sight, this.frame()), this.hovered);
  }

  /** Everything but the pointer's point. */
  still(pen) {
    const frame = this.frame();
    const { sight } = this.port;
    const scale = scaleOf(sight, frame);
    const marks = [
      ...linearMarks("x", sight, scale, "s", frame.width / 90),
      ...linearMarks("y", sight, scale, "V", frame.height / 45),
    ];
    drawAxes(pen, frame, marks);
    pen.save();
    pen.beginPath();
    pen.rect(frame.left, frame.top, frame.width, frame.height);
    pen.clip();
    drawWaveforms(pen, this, scale, frame);
    pen.restore();
  }
}

/** Lowest and highest finite number. */
function extent(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) if (Number.isFinite(value)) [low, high] = [Math.min(low, value), Math.max(high, value)];
  return low > high ? [0, 1] : [low, high];
}

/** Place of the entry next to a value in rising order. */
function nearest(values, value) {
  let [low, high] = [0, values.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (values[middle] > value) high = middle;
    else low = middle;
  }
  return value - values[low] < values[high] - value ? low : high;
}

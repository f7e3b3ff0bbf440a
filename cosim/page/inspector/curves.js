/* What is drawn within the frame of the waveforms. */

const CROWD = 400; // settling times above which only those of the chosen output and right-hand side are marked
const FEW = 8; // outputs up to which each of them shows its band

/** Bands and settled values below, then all outputs, the chosen one on top with its marks. */
function drawWaveforms(pen, figure, scale, frame) {
  const { view, choice } = figure;
  const { output, side } = choice.values;
  const n = view.netlist.outputs.length;
  const crowded = n * view.traces.band.length > CROWD;
  for (let j = 0; j < view.traces.band.length; j++) {
    drawEdge(pen, view.traces, scale, frame, j);
    if (!(view.poles.margin > 0)) continue; // nothing to settle to
    for (let i = 0; i < n; i++) if (i === output || n <= FEW) drawBand(pen, view.traces, scale, i, j, i === output);
  }
  for (let i = 0; i < n; i++) if (i !== output) drawCurve(pen, figure, scale, i, n > FEW ? 0.55 : 0.9, 1.1);
  drawCurve(pen, figure, scale, output, 1, 2.4);
  for (let j = 0; j < view.traces.band.length; j++) {
    for (let i = 0; i < n; i++) {
      if (crowded && i !== output && j !== side) continue;
      drawArrival(pen, view.traces, scale, frame, i, j, i === output && j === side);
    }
  }
}

/** The start of a window after the first. */
function drawEdge(pen, traces, scale, frame, side) {
  if (!side) return;
  pen.fillStyle = ink("rule");
  pen.fillRect(Math.round(scale.x(traces.windows[side * 2])), frame.top, 1, frame.height);
}

function drawBand(pen, traces, scale, output, side, chosen) {
  const settled = traces.settled[output * traces.band.length + side];
  const half = traces.band[side];
  if (!Number.isFinite(settled)) return;
  const [start, end] = [scale.x(traces.windows[side * 2]), scale.x(traces.windows[side * 2 + 1])];
  const [top, bottom] = [scale.y(settled + half), scale.y(settled - half)];
  pen.globalAlpha = chosen ? 0.28 : 0.12;
  pen.fillStyle = lineColor(output);
  pen.fillRect(start, top - 1, end - start, Math.max(2, bottom - top + 2));
  pen.globalAlpha = chosen ? 1 : 0.5;
  pen.setLineDash([5, 4]);
  pen.strokeStyle = ink("muted");
  pen.lineWidth = 1;
  pen.beginPath();
  pen.moveTo(start, scale.y(settled));
  pen.lineTo(end, scale.y(settled));
  pen.stroke();
  pen.setLineDash([]);
  pen.globalAlpha = 1;
}

/** One output, as far as it is in sight. */
function drawCurve(pen, { view, points, port }, scale, output, strength, width) {
  const { times, volts } = view.traces;
  const first = Math.max(0, nearest(times, port.sight.x0) - 1);
  const last = Math.min(points - 1, nearest(times, port.sight.x1) + 1);
  pen.globalAlpha = strength;
  pen.strokeStyle = lineColor(output);
  pen.lineWidth = width;
  pen.lineJoin = "round";
  pen.beginPath();
  const path = new PixelPath(pen);
  for (let at = first; at <= last; at++) {
    const volt = volts[output * points + at];
    if (Number.isFinite(volt)) path.to(scale.x(times[at]), scale.y(volt));
  }
  path.end();
  pen.stroke();
  pen.globalAlpha = 1;
}

/** A line through many points: of those that share a column of pixels, the first, both extremes and the last. */
class PixelPath {
  constructor(pen) {
    Object.assign(this, { pen, column: NaN });
  }

  to(x, y) {
    if (Math.round(x * 2) !== this.column) {
      this.end();
      Object.assign(this, { column: Math.round(x * 2), low: y, high: y, many: false });
      this.pen.lineTo(x, y);
    } else Object.assign(this, { low: Math.min(this.low, y), high: Math.max(this.high, y), many: true });
    [this.x, this.y] = [x, y];
  }

  /** Draw what is left of a column. */
  end() {
    if (!this.many) return;
    for (const y of [this.low, this.high, this.y]) this.pen.lineTo(this.x, y);
    this.many = false;
  }
}

/** A dot where an output has come into its band for good; the chosen one has a line and its time. */
function drawArrival(pen, traces, scale, frame, output, side, chosen) {
  const at = output * traces.band.length + side;
  const [time, level] = [traces.settling_times[at], traces.settled[at]];
  if (!Number.isFinite(time) || !Number.isFinite(level)) return;
  const [x, y] = [scale.x(traces.windows[side * 2] + time), scale.y(level)];
  pen.fillStyle = ink("surface");
  pen.strokeStyle = lineColor(output);
  pen.lineWidth = chosen ? 2 : 1.2;
  if (chosen) drawTime(pen, frame, x, time);
  pen.beginPath();
  pen.arc(x, y, chosen ? 4.5 : 2.5, 0, 2 * Math.PI);
  pen.fill();
  pen.stroke();
}

function drawTime(pen, frame, x, time) {
  const words = si(time, "s");
  pen.save();
  pen.strokeStyle = pen.fillStyle = ink("accent");
  pen.lineWidth = 1;
  pen.beginPath();
  pen.moveTo(x, frame.top);
  pen.lineTo(x, frame.top + frame.height);
  pen.stroke();
  const right = x + pen.measureText(words).width + 12 < frame.left + frame.width;
  pen.textAlign = right ? "left" : "right";
  pen.fillText(words, x + (right ? 6 : -6), frame.top + 14);
  pen.restore();
}

/** The point under the pointer. */
function drawPoint(pen, { view, points }, scale, { point, output }) {
  pen.fillStyle = lineColor(output);
  pen.beginPath();
  pen.arc(scale.x(view.traces.times[point]), scale.y(view.traces.volts[output * points + point]), 4, 0, 2 * Math.PI);
  pen.fill();
}

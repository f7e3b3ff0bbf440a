/* Axes of a figure: round numbers, grid lines and their labels. */

/** Round numbers within a range, about as many as asked for. */
function ticks(low, high, about) {
  const span = Math.abs(high - low);
  if (!(span > 0) || !Number.isFinite(span)) return [];
  const rough = span / Math.max(1, about);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((one) => one * power >= rough) ?? 10);
  const first = Math.ceil(Math.min(low, high) / step);
  const last = Math.floor(Math.max(low, high) / step);
  return Array.from({ length: Math.min(200, last - first + 1) }, (_, i) => (first + i) * step);
}

/** Digits that tell neighbouring ticks apart. */
function tickDigits(values) {
  if (values.length < 2) return 4;
  const largest = Math.max(...values.map(Math.abs));
  return Math.min(12, Math.max(2, Math.ceil(Math.log10(largest / Math.abs(values[1] - values[0]))) + 1));
}

/** Ticks in the unit's one prefix, so that they read alike. */
function tickLabels(values, unit) {
  const largest = Math.max(...values.map(Math.abs), 0);
  const [factor, prefix] = PREFIXES.find(([one]) => largest >= one * 0.9999) ?? PREFIXES.at(-1);
  const digits = tickDigits(values);
  return values.map((value) =>
    value === 0 ? "0" : `${Number((value / factor).toPrecision(digits))} ${prefix}${unit}`,
  );
}

/** Where a number lies: pixels along each axis, and back. */
function scaleOf(sight, frame) {
  return {
    x: (value) => frame.left + ((value - sight.x0) / (sight.x1 - sight.x0)) * frame.width,
    y: (value) => frame.top + ((value - sight.y0) / (sight.y1 - sight.y0)) * frame.height,
  };
}

/** Grid, ticks and frame; `labels` turns the ticks of an axis into words. */
function drawAxes(pen, frame, marks) {
  pen.save();
  pen.lineWidth = 1;
  pen.strokeStyle = ink("grid");
  pen.fillStyle = ink("muted");
  pen.textBaseline = "middle";
  for (const { at, label, axis } of marks) {
    const place = Math.round(at) + 0.5;
    pen.beginPath();
    if (axis === "x") {
      pen.moveTo(place, frame.top);
      pen.lineTo(place, frame.top + frame.height);
      const half = pen.measureText(label).width / 2;
      pen.textAlign = "center";
      pen.fillText(label, Math.min(at, frame.left + frame.width + 8 - half), frame.top + frame.height + 13);
    } else {
      pen.moveTo(frame.left, place);
      pen.lineTo(frame.left + frame.width, place);
      pen.textAlign = "right";
      pen.fillText(label, frame.left - 7, at);
    }
    pen.stroke();
  }
  pen.strokeStyle = ink("rule");
  pen.strokeRect(frame.left + 0.5, frame.top + 0.5, frame.width - 1, frame.height - 1);
  pen.restore();
}

/** Marks of a linear axis in sight. */
function linearMarks(axis, sight, scale, unit, about) {
  const values = axis === "x" ? ticks(sight.x0, sight.x1, about) : ticks(sight.y0, sight.y1, about);
  const labels = tickLabels(values, unit);
  return values.map((value, i) => ({ axis, at: scale[axis](value), label: labels[i] }));
}

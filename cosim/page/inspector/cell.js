/* The chosen cell in words, with its netlist lines. */

/** Numbers of the netlist lines of one cell, counted from 1. */
function linesOf(array, row, column) {
  const place = row * array.target.shape[1] + column;
  array.starts ??= startsOf(array.counts);
  return Array.from(array.lines.subarray(array.starts[place], array.starts[place + 1]));
}

/** Where the lines of each cell begin, and where the last ones end. */
function startsOf(counts) {
  const starts = new Int32Array(counts.length + 1);
  counts.forEach((count, i) => {
    starts[i + 1] = starts[i] + count;
  });
  return starts;
}

/** Facts of the chosen cell, told again whenever another one is chosen. */
function cellPanel(view, choice, texts) {
  const body = make("div", { class: "cell-body" });
  const live = make("p", { class: "visually-hidden", "aria-live": "polite" });
  choice.on(["array", "row", "column"], ({ array, row, column }) => {
    const cells = view.arrays[array];
    const place = row * cells.target.shape[1] + column;
    const lines = linesOf(cells, row, column);
    body.replaceChildren(cellFacts(cells, row, column, place), cellLines(view, lines, texts));
    live.textContent = `Row ${row + 1}, column ${column + 1}: ${si(cells.programmed[place], "S")}, ${lines.length} netlist lines`;
  });
  return make(
    "section",
    { class: "section cell", id: "cell" },
    make("header", { class: "head" }, make("h3", {}, "Chosen cell")),
    body,
    live,
  );
}

function cellFacts(cells, row, column, place) {
  const [target, programmed] = [cells.target[place], cells.programmed[place]];
  const apart = programmed - target;
  return factList([
    ["Array", `${cells.sign > 0 ? "positive" : "negative"}, G${cells.name}`],
    ["Row", String(row + 1)],
    ["Column", String(column + 1)],
    ["Level", cells.levels[place] < 0 ? "none: continuous" : String(cells.levels[place])],
    ["Target", si(target, "S", 5)],
    ["Programmed", si(programmed, "S", 5)],
    ["Resistance", programmed ? si(1 / programmed, "Ω", 5) : "no cell"],
    [
      "Difference",
      target ? `${si(apart, "S", 3)}, ${share(Math.abs(apart / target))} of the target` : si(apart, "S", 3),
    ],
    ["Fault", { 1: "stuck on", "-1": "stuck off" }[cells.stuck[place]] ?? "none"],
  ]);
}

function cellLines(view, lines, texts) {
  if (lines.length) {
    const rows = lines.map((number) =>
      make("div", {}, make("span", { class: "number" }, String(number)), texts[number - 1]),
    );
    return make(
      "div",
      { class: "cell-lines", tabindex: 0, role: "region", "aria-label": "Netlist lines of the chosen cell" },
      rows,
    );
  }
  const why = view.netlist.reduced
    ? "The array is drawn as its exact port reduction: lines and cells together became resistors between the ports, and no line is this cell's alone. --reduce never draws every cell and every segment."
    : "The netlist draws no element for this cell: its conductance is 0.";
  return make("p", { class: "note" }, why);
}

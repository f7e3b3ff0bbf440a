/* The two arrays of a circuit, each as target, programmed and difference. */

const MAPS = ["Target", "Programmed", "Difference"];

/** Heat maps side by side; the chosen cell is the same in all of them. */
function arraysSection(view, choice, enter) {
  const [rows, columns] = view.arrays[0].target.shape;
  const figures = MAPS.map((name, place) => figureOf(name, place, rows, columns, view, choice, enter));
  const names = view.arrays.map((array) => `${array.sign > 0 ? "Positive" : "Negative"} array G${array.name}`);
  const reset = button("Reset zoom", () => figures.forEach((figure) => figure.map.port.reset()));
  const tools = make(
    "div",
    { class: "tools" },
    segmented("Array", names, (place) => choice.set({ array: place })),
    reset,
  );
  choice.on(["array"], ({ array }) => figures.forEach((figure) => figure.show(view.arrays[array])));
  choice.on(["array", "row", "column"], ({ row, column }) =>
    figures.forEach((figure) => figure.map.choose(row, column)),
  );
  const hint =
    "Click a cell. Arrow keys move it, Enter goes to its netlist lines; + and - zoom, as the wheel does in a map that has the focus.";
  return section(
    "Arrays",
    hint,
    tools,
    make(
      "div",
      { class: "maps" },
      figures.map((figure) => figure.element),
    ),
  );
}

/** One heat map with its title, colours and read-out. */
function figureOf(name, place, rows, columns, view, choice, enter) {
  const readout = make("p", { class: "readout" });
  const bar = make("div", { class: "colorbar" });
  const ends = make("div", { class: "ends" });
  let shown = null;
  const say = (cell) => {
    readout.textContent = cell
      ? `row ${cell.row + 1}, column ${cell.column + 1}: ${si(shown[cell.row * columns + cell.column], "S")}`
      : "\u00a0";
  };
  const map = new HeatMap(name, rows, columns, {
    pick: (row, column) => choice.set({ row, column }, "map"),
    enter,
    say,
    unit: "S",
  });
  const show = (array) => {
    const [low, high] = rangeOf(array, place);
    shown = valuesOf(array, place);
    map.label = `${name} of the ${array.sign > 0 ? "positive" : "negative"} array`;
    map.show(shown, low, high, place === 2, array.stuck);
    paintBar(bar, place === 2);
    ends.replaceChildren(...barEnds(low, high, place));
    say(null);
  };
  DARK.addEventListener("change", () => bar.isConnected && paintBar(bar, place === 2));
  const caption = make(
    "figcaption",
    {},
    name,
    make(
      "span",
      { class: "muted" },
      ["  what was to be written", "  what the cells have", "  programmed − target"][place],
    ),
  );
  return {
    map,
    show,
    element: make("figure", { class: "map" }, caption, map.canvas, make("div", { class: "scale" }, bar, ends), readout),
  };
}

/** (rows * columns) [S]; nan where there is no cell. */
function valuesOf(array, place) {
  const { target, programmed } = array;
  const pick = [(i) => target[i], (i) => programmed[i], (i) => programmed[i] - target[i]][place];
  return Float64Array.from(target, (_, i) => (target[i] === 0 && programmed[i] === 0 ? NaN : pick(i)));
}

/** Lowest and highest colour: common to target and programmed, symmetric for the difference. */
function rangeOf(array, place) {
  let [low, high, apart] = [Infinity, -Infinity, 0];
  array.target.forEach((target, i) => {
    const programmed = array.programmed[i];
    if (target === 0 && programmed === 0) return;
    low = Math.min(low, target, programmed);
    high = Math.max(high, target, programmed);
    apart = Math.max(apart, Math.abs(programmed - target));
  });
  return place === 2 ? [-apart, apart] : low > high ? [0, 0] : [low, high];
}

function barEnds(low, high, place) {
  if (place === 2 && high === 0) return [make("span", {}, "programmed as asked for, to the last digit")];
  if (low === 0 && high === 0) return [make("span", {}, "no cell in this array")];
  return [low, (low + high) / 2, high].map((value) => make("span", {}, si(value, "S", 3)));
}

/** The colours themselves, as a gradient. */
function paintBar(bar, diverging) {
  const colors = colorMap(diverging).filter((_, i) => i % 15 === 0);
  bar.style.background = `linear-gradient(to right, ${colors.map((color) => `rgb(${color.join(" ")})`).join(", ")})`;
}

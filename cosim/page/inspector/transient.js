/* The waveforms with their tools, and what every output came to. */

const MANY = 8; // right-hand sides above which the figure begins with the window of one

/** Section with the waveforms. */
function transientSection(view, choice) {
  const { traces, netlist, answer } = view;
  const readout = make("p", { class: "readout" }, "\u00a0");
  const say = (hovered) => {
    readout.textContent = hovered ? pointWords(view, hovered) : "\u00a0";
  };
  const figure = new Waveforms(view, choice, say);
  const outputs = picker(
    "Output",
    netlist.outputs.map((name, i) => [i, name]),
    (value) => choice.set({ output: Number(value) }),
  );
  const sides = picker(
    sideNoun(view),
    view.columns.map((number, j) => [j, String(number + 1)]),
    (value) => {
      choice.set({ side: Number(value) });
      figure.window(Number(value));
    },
  );
  if (traces.band.length > MANY) figure.window(choice.get("side"));
  choice.on(["output", "side"], ({ output, side }) => {
    [outputs.select.value, sides.select.value] = [output, side];
  });
  const tools = make(
    "div",
    { class: "tools" },
    outputs.element,
    sides.element,
    button("Window", () => figure.window(choice.get("side")), {
      title: "Show the window of the chosen right-hand side",
    }),
    button("Band", () => figure.band(), { title: "Zoom in on the tolerance band of the chosen output" }),
    button("Reset zoom", () => figure.port.reset()),
  );
  const legend = make("p", { class: "legend" });
  choice.on(["output", "side"], ({ output, side }) => {
    legend.textContent = figure.words(output, side);
  });
  const source = traces.backend === "spice" ? "ngspice" : "the nodal engine: the linear circuit, exact in time";
  const head = `${traces.times.length ? `From ${source}.` : `${source} gave no waveform.`} Drag to move; the wheel zooms once the figure has the focus.`;
  const key = make(
    "p",
    { class: "key" },
    make("span", { class: "swatch band" }),
    "tolerance band",
    make("span", { class: "swatch dash" }),
    "settled value",
    make("span", { class: "swatch dot" }),
    "settling time",
  );
  const table = outputsTable(view, choice);
  const message = traces.message ? make("pre", { class: "message" }, traces.message) : null;
  return section(
    "Waveforms",
    head,
    tools,
    figure.canvas,
    readout,
    make("div", { class: "under" }, legend, key),
    message,
    make(
      "details",
      {},
      make("summary", {}, `Every output of ${sideNoun(view).toLowerCase()} `, sideNumber(view, choice)),
      table,
    ),
  );
}

function sideNoun(view) {
  return view.subject.kind === "multiply" ? "Vector" : "Right-hand side";
}

function sideNumber(view, choice) {
  const number = make("span");
  choice.on(["side"], ({ side }) => {
    number.textContent = String(view.columns[side] + 1);
  });
  return number;
}

function pointWords({ traces, netlist }, { point, output }) {
  return `${si(traces.times[point], "s")}: ${netlist.outputs[output]} = ${si(traces.volts[output * traces.times.length + point], "V", 5)}`;
}

/** One row an output, for the chosen right-hand side. */
function outputsTable(view, choice) {
  const names = ["Output", "Settled", "Read", "Settling time", "Value", "Exact", "Difference"];
  const body = make("tbody");
  const { traces, answer, netlist } = view;
  choice.on(["side", "output"], ({ side, output }) => {
    const k = traces.band.length;
    body.replaceChildren(
      ...netlist.outputs.map((name, i) => {
        const at = i * k + side;
        const apart = answer.value[at] - answer.expected[at];
        const cells = [
          si(traces.settled[at], "V"),
          si(answer.volts[at], "V"),
          si(traces.settling_times[at], "s"),
          short(answer.value[at], 5),
          short(answer.expected[at], 5),
          short(apart, 3),
        ];
        const head = make(
          "th",
          { scope: "row" },
          button(name, () => choice.set({ output: i }), { class: "plain" }),
        );
        return make(
          "tr",
          { class: i === output ? "chosen" : "" },
          head,
          cells.map((cell) => make("td", {}, cell)),
        );
      }),
    );
  });
  const head = make(
    "thead",
    {},
    make(
      "tr",
      {},
      names.map((name) => make("th", { scope: "col" }, name)),
    ),
  );
  return make(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "Every output" },
    make("table", {}, head, body),
  );
}

/* The view of one circuit: verdict, waveforms, errors, arrays, chosen cell, netlist, stability. */

/** Elements of a view. `side` is the right-hand side to begin with. */
function circuitView(view, page, side = 0) {
  const texts = view.netlist.text.replace(/\n$/, "").split("\n");
  const start = startCell(view.arrays);
  const choice = new Choice({
    array: start.array,
    row: start.row,
    column: start.column,
    output: slowestOutput(view, side),
    side,
  });
  const netlist = netlistSection(view, choice, texts);
  const arrays = arraysSection(view, choice, netlist.reveal);
  return [
    verdict(view, page),
    make("div", { class: "pair wide-left" }, transientSection(view, choice), sidesSection(view, choice)),
    arrays,
    make("div", { class: "pair wide-right" }, cellPanel(view, choice, texts), netlist.element),
    polesSection(view),
    aboutCircuit(view),
  ];
}

/** The first cell that there is. */
function startCell(arrays) {
  for (const [array, cells] of arrays.entries()) {
    const place = cells.programmed.findIndex((value) => value > 0);
    const columns = cells.target.shape[1];
    if (place >= 0) return { array, row: Math.floor(place / columns), column: place % columns };
  }
  return { array: 0, row: 0, column: 0 };
}

/** The output that settles last: the one to look at first. */
function slowestOutput({ traces, netlist }, side) {
  const k = traces.band.length;
  const times = netlist.outputs.map((_, i) => traces.settling_times[i * k + side]);
  return times.reduce((best, time, i) => (time > times[best] || Number.isNaN(times[best]) ? i : best), 0);
}

/** What came of it, in words and figures. */
function verdict(view, page) {
  const { answer, traces, poles, subject } = view;
  const status = answer.worst;
  const tally = new Map();
  for (const one of answer.statuses) tally.set(one, (tally.get(one) ?? 0) + 1);
  const spread = tally.size > 1 ? [...tally].map(([name, times]) => `${times} ${name}`).join(", ") : null;
  const times = Array.from(traces.band, (_, j) => slowest(traces, j));
  const errors = Array.from(answer.errors);
  const again = page.command.length
    ? make(
        "header",
        { class: "head" },
        make("h3", {}, "Simulated again"),
        make(
          "p",
          { class: "hint" },
          `Waveforms from ${traces.backend === "spice" ? "ngspice" : "the nodal engine"}, on the array as the run wrote it.`,
        ),
      )
    : null;
  return make(
    "section",
    { class: "section verdict", "aria-label": "Verdict" },
    again,
    make("p", { class: "lead" }, badge(status), " ", page.statuses[status].text),
    factList([
      ["Right-hand sides", spread ? `${traces.band.length}: ${spread}` : String(traces.band.length)],
      ["Largest error", share(errors.some(Number.isNaN) ? NaN : Math.max(...errors))],
      ["Settling time", si(times.some(Number.isNaN) ? NaN : Math.max(...times), "s")],
      ["Stability margin", si(poles.margin, "rad/s")],
      ["Size", `${subject.rows} × ${subject.columns}, ${subject.kind}`],
      ["Hardware", subject.hardware_name],
    ]),
  );
}

/** Every field of the hardware, and where the templates come from. */
function aboutCircuit({ subject, netlist }) {
  const parts = Object.entries(subject.parts).map(([name, value]) => [name, value]);
  const origins = Object.entries(netlist.templates);
  const rows = (pairs) =>
    pairs.map(([name, value]) =>
      make("tr", {}, make("th", { scope: "row" }, name), make("td", { class: "text" }, value)),
    );
  const table = make(
    "table",
    {},
    make(
      "tbody",
      {},
      rows([
        ...parts,
        ...origins,
        ["netlist digest", netlist.digest],
        ["writes before", String(subject.write)],
        ["calls before", String(subject.call)],
      ]),
    ),
  );
  return make(
    "details",
    { class: "section about" },
    make("summary", {}, "Hardware, templates and digest in full"),
    make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Hardware" }, table),
  );
}

/* The error against the exact answer, right-hand side by right-hand side. */

const FINEST = 1e-8; // error at which a bar has no length; one of 1 has all of it

/** Section with a row a right-hand side; a click chooses it. */
function sidesSection(view, choice) {
  const { answer, traces } = view;
  const k = traces.band.length;
  const rows = Array.from({ length: k }, (_, j) => sideRow(view, choice, j));
  const body = make("tbody", {}, rows);
  choice.on(["side"], ({ side }) => rows.forEach((row, j) => row.classList.toggle("chosen", j === side)));
  const names = [view.subject.kind === "multiply" ? "Vector" : "Column", "Error", "", "Settled in", "Verdict"];
  const head = make(
    "thead",
    {},
    make(
      "tr",
      {},
      names.map((name) => make("th", { scope: "col" }, name)),
    ),
  );
  const hint =
    "norm(value − exact) / norm(exact), exact by dense linear algebra; bars are logarithmic, from 1e-8 to 1.";
  const box = make(
    "div",
    { class: "scroll sides", tabindex: 0, role: "region", "aria-label": "Error of every right-hand side" },
    make("table", {}, head, body),
  );
  return section("Error against exact", hint, box);
}

function sideRow(view, choice, j) {
  const { answer, traces } = view;
  const error = answer.errors[j];
  const bar = make("i", { class: "bar" });
  const part = error > 0 ? 1 - Math.log10(Math.min(1, Math.max(FINEST, error))) / Math.log10(FINEST) : 0;
  bar.style.width = `${Math.round(part * 100)}%`;
  const number = button(String(view.columns[j] + 1), () => choice.set({ side: j }), { class: "plain" });
  return make(
    "tr",
    { onclick: () => choice.set({ side: j }) },
    make("th", { scope: "row" }, number),
    make("td", {}, share(error)),
    make("td", { class: "bars" }, bar),
    make("td", {}, si(slowest(traces, j), "s", 3)),
    make("td", {}, badge(answer.statuses[j])),
  );
}

/** When the last output of a window has settled [s]; nan where one never does. */
function slowest(traces, side) {
  const k = traces.band.length;
  let most = 0;
  for (let at = side; at < traces.settling_times.length; at += k) {
    if (Number.isNaN(traces.settling_times[at])) return NaN;
    most = Math.max(most, traces.settling_times[at]);
  }
  return most;
}

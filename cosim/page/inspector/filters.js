/* What the table of INV calls lets through. */

/** Verdicts as switches with their counts, layer and factor as choices. */
function filterBar(table) {
  const { calls, order, page } = table;
  const apply = () => {
    order.filter();
    table.show();
  };
  const counts = new Map();
  for (const status of calls.status.index) counts.set(status, (counts.get(status) ?? 0) + 1);
  const severity = (i) => page.statuses[calls.status.names[i]]?.severity ?? 0;
  const switches = [...counts.keys()]
    .sort((a, b) => severity(b) - severity(a))
    .map((status) => statusSwitch(table, status, counts.get(status), apply));
  const chosen = (name) => (value) => {
    order.filters[name] = value === "" ? "" : Number(value);
    apply();
  };
  const words = (name) => [["", "all"], ...calls[name].names.map((word, i) => [i, word])];
  const pickers = ["layer", "factor"].map(
    (name) => picker({ layer: "Layer", factor: "Factor" }[name], words(name), chosen(name)).element,
  );
  return make(
    "div",
    { class: "tools" },
    make("div", { class: "switches", role: "group", "aria-label": "Verdict" }, switches),
    pickers,
    table.told,
  );
}

function statusSwitch(table, status, number, apply) {
  const { filters } = table.order;
  const toggle = () => {
    if (!filters.status.delete(status)) filters.status.add(status);
    press.setAttribute("aria-pressed", String(filters.status.has(status)));
    apply();
  };
  const name = table.calls.status.names[status];
  const press = button([badge(name), ` ${count(number)}`], toggle, {
    "aria-pressed": "false",
    class: "switch",
    "data-status": name,
  });
  return press;
}

/* The INV calls of a run: sorted, filtered, each opening its own view. */

const ROW = 28; // pixels of a row
const COLUMNS = [
  { name: "step", title: "Step", text: (calls, i) => String(calls.step[i]) },
  { name: "layer", title: "Layer", text: (calls, i) => wordOf(calls.layer, i), words: true },
  { name: "factor", title: "Factor", text: (calls, i) => wordOf(calls.factor, i), words: true },
  {
    name: "column",
    title: "Column",
    text: (calls, i) => String(calls.column[i] + 1),
    help: "Number of the right-hand side in its solve",
  },
  { name: "status", title: "Verdict", text: (calls, i) => wordOf(calls.status, i), words: true },
  { name: "settling_time", title: "Settling time", text: (calls, i) => si(calls.settling_time[i], "s") },
  { name: "residual", title: "Residual", text: (calls, i) => short(calls.residual[i], 4) },
  { name: "size", title: "Size", text: (calls, i) => String(calls.size[i]) },
  { name: "netlist", title: "Netlist", text: (calls, i) => wordOf(calls.netlist, i).slice(0, 8), words: true },
];

/** The word that a row has. */
function wordOf(words, i) {
  return words.names[words.index[i]];
}

/** Rows of the table in an order, as far as they pass the filters. */
class CallOrder {
  constructor(calls) {
    this.calls = calls;
    this.total = calls.step.length;
    this.sorting = { name: null, down: false };
    this.filters = { status: new Set(), layer: "", factor: "" };
    this.order = Uint32Array.from({ length: this.total }, (_, i) => i);
    this.rows = this.order;
  }

  /** Sort by a column; by the same one again, the other way round. Rows without a number come last. */
  sort(name) {
    this.sorting = { name, down: this.sorting.name === name && !this.sorting.down };
    const keys = this.keys(name);
    const sign = this.sorting.down ? -1 : 1;
    this.order = Uint32Array.from({ length: this.total }, (_, i) => i).sort((one, other) => {
      const [a, b] = [keys[one], keys[other]];
      if (a !== a || b !== b) return (a !== a) - (b !== b) || one - other;
      return sign * (a - b) || one - other;
    });
    this.filter();
  }

  /** A number for each row that sorts as the column does. */
  keys(name) {
    const column = this.calls[name];
    if (!column.names) return column;
    const sorted = column.names.map((word, i) => [word, i]).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    const rank = new Float64Array(sorted.length);
    sorted.forEach(([, i], place) => {
      rank[i] = place;
    });
    return Float64Array.from(column.index, (i) => rank[i]);
  }

  filter() {
    const { status, layer, factor } = this.filters;
    const { calls } = this;
    const passes = (i) =>
      (!status.size || status.has(calls.status.index[i])) &&
      (layer === "" || calls.layer.index[i] === layer) &&
      (factor === "" || calls.factor.index[i] === factor);
    this.rows = status.size || layer !== "" || factor !== "" ? this.order.filter(passes) : this.order;
  }
}

/** The table with its tools. `open(row)` hears of a call that is to be shown. */
class CallsTable {
  constructor(calls, page, open) {
    Object.assign(this, { calls, page, open, order: new CallOrder(calls), place: 0, opened: -1 });
    this.told = make("output", { class: "found", "aria-live": "polite" });
    this.heads = COLUMNS.map((column) => this.head(column));
    this.rows = make("div", { class: "rows", role: "rowgroup" });
    this.box = make(
      "div",
      {
        class: "grid",
        tabindex: 0,
        role: "grid",
        "aria-label": "INV calls; Enter opens one",
        "aria-rowcount": calls.step.length + 1,
      },
      make("div", { class: "row headings", role: "row" }, this.heads),
      this.rows,
    );
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.list = new VirtualList(this.box, this.rows, ROW, (i) => this.row(i));
    this.element = make("div", {}, filterBar(this), this.box);
  }

  head(column) {
    const press = button(column.title, () => this.sort(column.name), { title: column.help });
    return make("div", { role: "columnheader", class: `col-${column.name}`, "aria-sort": "none" }, press);
  }

  sort(name) {
    this.order.sort(name);
    COLUMNS.forEach((column, i) =>
      this.heads[i].setAttribute(
        "aria-sort",
        column.name === name ? (this.order.sorting.down ? "descending" : "ascending") : "none",
      ),
    );
    this.show();
  }

  /** Show the rows as they are now sorted and filtered, from the first. */
  show() {
    const { rows, total } = this.order;
    this.place = 0;
    this.box.scrollTop = 0;
    this.told.textContent =
      rows.length === total ? `${count(total)} calls` : `${count(rows.length)} of ${count(total)} calls`;
    this.list.resize(rows.length);
  }

  row(i) {
    const { calls } = this;
    const call = this.order.rows[i];
    const marks = `${i === this.place ? " cursor" : ""}${call === this.opened ? " chosen" : ""}`;
    const cells = COLUMNS.map((column) => {
      const text = column.text(calls, call);
      return make(
        "div",
        { role: "gridcell", class: `col-${column.name}`, title: column.words ? text : undefined },
        column.name === "status" ? badge(text) : text,
      );
    });
    const carried = carrier(this.page, calls, call) >= 0;
    const row = make(
      "div",
      {
        class: `row${marks}${carried ? " carried" : ""}`,
        role: "row",
        id: `call-${call}`,
        "aria-rowindex": i + 2,
        "aria-selected": call === this.opened,
        "data-call": call,
      },
      cells,
    );
    row.addEventListener("click", () => {
      this.place = i;
      this.open(call);
    });
    return row;
  }

  key(event) {
    if (event.target !== this.box) return;
    const page = Math.max(1, Math.floor(this.box.clientHeight / ROW) - 2);
    const last = this.order.rows.length - 1;
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -last, End: last };
    if (event.key === "Enter" && last >= 0) this.open(this.order.rows[this.place]);
    else if (event.key in moves && last >= 0) this.go(clamp(this.place + moves[event.key], last));
    else return;
    event.preventDefault();
  }

  go(place) {
    this.place = place;
    this.list.reveal(place);
    this.box.setAttribute("aria-activedescendant", `call-${this.order.rows[place]}`);
  }

  mark(call) {
    this.opened = call;
    this.list.paint();
  }
}

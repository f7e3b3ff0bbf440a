/* The netlist: every line, searchable, with those of the chosen cell marked. */

const LINE = 19; // pixels of a line

/** Section with the netlist; `reveal()` scrolls to the chosen cell's lines and takes the focus. */
function netlistSection(view, choice, texts) {
  const owners = ownersOf(view.arrays);
  const state = { marked: new Set(), found: [], at: -1, needle: "" };
  const rows = make("div", { class: "lines" });
  const box = make("div", { class: "netlist", tabindex: 0, role: "region", "aria-label": "Netlist" }, rows);
  rows.style.minWidth = `${texts.reduce((most, text) => Math.max(most, text.length), 0) + 8}ch`;
  rows.style.setProperty("--digits", `${String(texts.length).length}ch`);
  const list = new VirtualList(box, rows, LINE, (i) => lineRow(i, texts, state, owners, choice));
  const search = searchBar(texts, state, list);
  choice.on(["array", "row", "column"], ({ array, row, column }, from) => {
    const lines = linesOf(view.arrays[array], row, column);
    state.marked = new Set(lines);
    if (lines.length && from !== "netlist") list.reveal(lines[0] - 1);
    else list.paint();
  });
  const facts = make(
    "p",
    { class: "hint" },
    `${count(texts.length)} lines, digest ${view.netlist.digest.slice(0, DIGEST)}`,
  );
  const save = button(
    "Save",
    () => saveText(view.netlist.text, `${view.netlist.digest.slice(0, 12) || "netlist"}.cir`),
    { title: "Save the netlist; plain `ngspice -b FILE` runs it" },
  );
  search.append(save);
  const element = make(
    "section",
    { class: "section netlist-section" },
    make("header", { class: "head" }, make("h3", {}, "Netlist"), facts),
    search,
    box,
  );
  requestAnimationFrame(() => {
    list.resize(texts.length);
    if (state.marked.size) list.reveal(Math.min(...state.marked) - 1);
  });
  return { element, reveal: () => box.focus() };
}

/** Line number -> the cell that it draws a part of. */
function ownersOf(arrays) {
  const owners = new Map();
  arrays.forEach((array, place) => {
    const columns = array.target.shape[1];
    const starts = (array.starts ??= startsOf(array.counts));
    for (let i = 0; i < array.counts.length; i++) {
      for (let at = starts[i]; at < starts[i + 1]; at++)
        owners.set(array.lines[at], { array: place, row: Math.floor(i / columns), column: i % columns });
    }
  });
  return owners;
}

function lineRow(i, texts, state, owners, choice) {
  const text = texts[i];
  const kind = text.startsWith("*") ? " comment" : text.startsWith(".") ? " command" : "";
  const mine = state.marked.has(i + 1);
  const owner = owners.get(i + 1);
  const row = make("div", {
    class: `line${kind}${mine ? " marked" : ""}${state.found[state.at] === i ? " current" : ""}`,
    "data-line": i + 1,
    "aria-current": mine,
  });
  row.append(make("span", { class: "number" }, String(i + 1)), ...highlighted(text, state.needle));
  if (owner) {
    row.classList.add("owned");
    row.title = `Row ${owner.row + 1}, column ${owner.column + 1}`;
    row.addEventListener("click", () => choice.set(owner, "netlist"));
  }
  return row;
}

/** A text with what was searched for marked. */
function highlighted(text, needle) {
  if (!needle) return [text];
  const [parts, low] = [[], text.toLowerCase()];
  let done = 0;
  for (let at = low.indexOf(needle); at >= 0; at = low.indexOf(needle, done)) {
    parts.push(text.slice(done, at), make("mark", {}, text.slice(at, at + needle.length)));
    done = at + needle.length;
  }
  return [...parts, text.slice(done)];
}

function searchBar(texts, state, list) {
  const told = make("output", { class: "found", "aria-live": "polite" });
  const input = make("input", {
    type: "search",
    placeholder: "Search the netlist",
    "aria-label": "Search the netlist",
    spellcheck: "false",
    autocomplete: "off",
  });
  const go = (by) => {
    if (state.found.length) state.at = (state.at + by + state.found.length) % state.found.length;
    told.textContent = state.needle
      ? state.found.length
        ? `${count(state.at + 1)} of ${count(state.found.length)}`
        : "not found"
      : "";
    if (state.found.length) list.reveal(state.found[state.at]);
    else list.paint();
  };
  input.addEventListener("input", () => {
    state.needle = input.value.toLowerCase();
    state.found = state.needle
      ? texts.flatMap((text, i) => (text.toLowerCase().includes(state.needle) ? [i] : []))
      : [];
    state.at = 0;
    go(0);
  });
  input.addEventListener("keydown", (event) => event.key === "Enter" && go(event.shiftKey ? -1 : 1));
  return make(
    "div",
    { class: "tools" },
    input,
    button("Previous", () => go(-1)),
    button("Next", () => go(1)),
    told,
  );
}

/** Hand a text to the browser as a file. */
function saveText(text, name) {
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type: "text/plain" })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

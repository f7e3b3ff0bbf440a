/* The page comes together. */

/** Read what the page holds and show it: the calls of a run first, then the circuit that was asked for. */
async function start() {
  followScheme();
  const [page, calls] = [await unpack("page"), await unpack("calls")];
  const shown = { page, calls, views: new Map(), table: null };
  document.getElementById("top").append(...heading(page, calls));
  if (calls) showCalls(shown);
  addEventListener("hashchange", () => route(shown));
  await route(shown);
  document.documentElement.dataset.ready = "true";
}

function heading(page, calls) {
  const notes = page.notes.map((note) => make("p", { class: "note" }, note));
  const facts = factList([...Object.entries(page.facts), ...(calls ? [["INV calls", count(calls.step.length)]] : [])]);
  return [make("p", { class: "brand" }, "Ohmvert inspector"), make("h1", {}, page.title), facts, ...notes];
}

function showCalls(shown) {
  const { page, calls } = shown;
  for (const view of page.views) view.solve = view.call ? solveOf(calls, view.call) : -1;
  const table = new CallsTable(calls, page, (call) => openCall(shown, call));
  shown.table = table;
  const box = document.getElementById("calls");
  const hint = page.views.length
    ? "A dot marks calls whose circuit this page carries. Enter or a click opens a call."
    : "Enter or a click opens a call.";
  box.append(
    make(
      "header",
      { class: "head" },
      make("h2", { id: "calls-title", tabindex: -1 }, "INV calls"),
      make("p", { class: "hint" }, hint),
    ),
    table.element,
  );
  box.hidden = false;
  table.show();
}

/** The number of the solve of a step, layer and factor; -1 where the table has none. */
function solveOf(calls, [step, layer, factor]) {
  const at = calls.step.findIndex(
    (one, i) => one === step && wordOf(calls.layer, i) === layer && wordOf(calls.factor, i) === factor,
  );
  return at < 0 ? -1 : calls.solve[at];
}

function openCall(shown, call) {
  if (location.hash === `#call=${call}`) route(shown);
  else location.hash = `call=${call}`;
}

/** Show what the address asks for: `#call=N` opens call N, none the first circuit. */
async function route(shown) {
  const asked = /^#call=(\d+)$/.exec(location.hash);
  if (shown.calls && asked && Number(asked[1]) < shown.calls.step.length) return showCall(shown, Number(asked[1]));
  if (location.hash === "#calls" && shown.calls) return shown.table.box.focus();
  if (document.getElementById("view").childElementCount || !shown.page.views.length) return undefined;
  const first = shown.calls ? firstCall(shown) : -1;
  if (first >= 0) return showCall(shown, first, false);
  return place(circuitView(await viewOf(shown, 0), shown.page));
}

/** The first call of the first circuit that the page carries. */
function firstCall({ calls, page }) {
  const [view] = page.views;
  const column = view.columns[0] ?? 0;
  return calls.solve.findIndex((solve, i) => solve === view.solve && calls.column[i] === column);
}

async function showCall(shown, call, focus = true) {
  const { page, calls } = shown;
  const at = carrier(page, calls, call);
  shown.wanted = call;
  shown.table.mark(call);
  const view = at < 0 ? null : await viewOf(shown, at);
  if (shown.wanted !== call) return; // another one was opened meanwhile
  const rest = view ? circuitView(view, page, view.columns.indexOf(calls.column[call])) : [];
  place([callHead(calls, call, page, page.views[at], view), ...rest]);
  if (focus) document.getElementById("view-title").focus();
}

/** A circuit that the page carries, read once. */
async function viewOf(shown, at) {
  if (!shown.views.has(at)) shown.views.set(at, await unpack(`view${at}`));
  const view = shown.views.get(at);
  const columns = shown.page.views[at].columns;
  view.columns = columns.length ? columns : Array.from(view.traces.band, (_, j) => j);
  return view;
}

function place(elements) {
  document.getElementById("view").replaceChildren(...elements.filter(Boolean));
}

/** Say what went wrong where a reader looks; the browser's console has the rest. */
function complain(error) {
  const words = `This page cannot be shown: ${error.message}. It needs a browser of 2023 or later.`;
  document.getElementById("top").append(make("p", { class: "note", role: "alert" }, words));
  throw error;
}

addEventListener("DOMContentLoaded", () => start().catch(complain));

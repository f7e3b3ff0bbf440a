/* The view of one INV call of a run. */

const DIGEST = 16; // characters of a digest that tell netlists apart

/** Place of the view that has a call's circuit, driven by its right-hand side; -1 where the page carries none. */
function carrier(page, calls, i) {
  const has = ({ solve, columns }) =>
    solve === calls.solve[i] && (!columns.length || columns.includes(calls.column[i]));
  return page.views.findIndex(has);
}

/** Heading, facts and way out of a call; its circuit follows where the page carries it. */
function callHead(calls, i, page, carried, view) {
  const status = wordOf(calls.status, i);
  const [layer, factor] = [wordOf(calls.layer, i), wordOf(calls.factor, i)];
  const title = make(
    "h2",
    { id: "view-title", tabindex: -1 },
    `Step ${calls.step[i]}, ${layer} ${factor}, column ${calls.column[i] + 1}`,
  );
  const facts = factList([
    ["Size", `${calls.size[i]} × ${calls.size[i]}`],
    ["Settling time", si(calls.settling_time[i], "s")],
    ["Residual", short(calls.residual[i])],
    ["Netlist", digestOf(wordOf(calls.netlist, i))],
  ]);
  const back = make("a", { href: "#calls", class: "back" }, "Back to the calls");
  const lead = make("p", { class: "lead" }, badge(status), " ", page.statuses[status]?.text ?? "");
  return make(
    "section",
    { class: "section call" },
    make("header", { class: "head" }, title, make("p", { class: "hint" }, "As the run recorded it."), back),
    lead,
    facts,
    carried ? reasonOf(carried, wordOf(calls.netlist, i), view, page) : commandBox(calls, i, page),
  );
}

/** The beginning of a digest, the whole of it for a pointer that rests there. */
function digestOf(digest) {
  return digest ? make("code", { title: digest }, digest.slice(0, DIGEST)) : NONE;
}

/** Why the circuit is there, and where its netlist is not the one that the run's engine read. */
function reasonOf(carried, digest, view, page) {
  const words = carried.reason ? [`In full below, because it is ${carried.reason}.`] : [];
  if (digest && digest !== view.netlist.digest) {
    const again = view.netlist.digest.slice(0, DIGEST);
    const why =
      page.facts.backend === "nodal"
        ? "the run's nodal engine read the linear form of it"
        : "parts, templates or the version have changed since";
    words.push(`The netlist below has the digest ${again}: ${why}.`);
  }
  return make("p", { class: "hint" }, words.join(" "));
}

/** The command that makes this call's page, with a button that copies it. */
function commandBox(calls, i, page) {
  const [layer, factor] = [wordOf(calls.layer, i), wordOf(calls.factor, i)];
  const out = `step${calls.step[i]}-${layer.replace(/[^\w.-]+/g, "_")}-${factor}.html`;
  const given = page.command.map((word) => (word === "{column}" ? String(calls.column[i]) : word));
  const words = [...given, "--step", String(calls.step[i]), "--layer", layer, "--factor", factor, "--html", out];
  const line = words.map(shellWord).join(" ");
  const told = make("span", { class: "hint", "aria-live": "polite" });
  const code = make("code", { tabindex: 0 }, line);
  const copy = button("Copy", async () => {
    told.textContent = (await copyText(line, code)) ? "Copied." : "Selected: copy it with the keyboard.";
  });
  return make(
    "div",
    { class: "command" },
    make("p", {}, "This page does not carry the circuit of this call. This makes the page that does:"),
    make("div", { class: "tools" }, code, copy, told),
  );
}

/** Into the clipboard; where the browser refuses, the text is selected. */
async function copyText(text, element) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection().selectAllChildren(element);
    return document.execCommand("copy");
  }
}

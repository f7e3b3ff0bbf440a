/* Elements of the page. Text goes in as text only: nothing that a run is called can become markup. */

/** An element: `on...` are listeners, true and false switch an attribute, children are nodes or text. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** A button with a word on it. */
function button(label, press, attributes = {}) {
  return make("button", { type: "button", onclick: press, ...attributes }, label);
}

/** Buttons of which one is pressed; `pick` hears its place. */
function segmented(label, names, pick, chosen = 0) {
  const buttons = names.map((name, i) => button(name, () => press(i), { "aria-pressed": String(i === chosen) }));
  const press = (place) => {
    buttons.forEach((one, i) => one.setAttribute("aria-pressed", String(i === place)));
    pick(place);
  };
  return make("div", { class: "segmented", role: "group", "aria-label": label }, buttons);
}

/** A choice from a list of [value, words]. */
function picker(label, options, pick) {
  const select = make("select", { "aria-label": label, onchange: () => pick(select.value) });
  select.append(...options.map(([value, words]) => make("option", { value }, words)));
  return { element: make("label", { class: "picker" }, label, " ", select), select };
}

/** Names and values, one below the other. */
function factList(pairs) {
  const kept = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return make(
    "dl",
    { class: "facts" },
    kept.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))),
  );
}

/** A verdict as a word; its colour only repeats it. */
function badge(status) {
  return make(
    "span",
    { class: `badge ${status === "SETTLED" ? "good" : status === "FAILED" || status === "UNSTABLE" ? "bad" : "warn"}` },
    status,
  );
}

/** A section with its heading. */
function section(title, hint, ...children) {
  const head = make(
    "header",
    { class: "head" },
    make("h3", {}, title),
    hint ? make("p", { class: "hint" }, hint) : null,
  );
  return make("section", { class: "section" }, head, ...children);
}

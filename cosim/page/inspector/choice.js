/* What is chosen in a circuit's view. */

/** Values by name; listeners hear of those that changed. */
class Choice {
  constructor(values) {
    this.values = values;
    this.listeners = [];
  }

  get(name) {
    return this.values[name];
  }

  /** Change some of the values. `from` says who asks, for a listener that would answer itself. */
  set(values, from = "") {
    const changed = new Set(Object.keys(values).filter((name) => values[name] !== this.values[name]));
    if (!changed.size) return;
    Object.assign(this.values, values);
    for (const listen of this.listeners) listen(this.values, changed, from);
  }

  /** Hear of changes of these values, and of what they are now. */
  on(names, listen) {
    this.listeners.push((values, changed, from) => names.some((name) => changed.has(name)) && listen(values, from));
    listen(this.values, "");
  }
}

/* Numbers as an engineer writes them. */

const PREFIXES = [
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
  [1, ""],
  [1e-3, "m"],
  [1e-6, "µ"],
  [1e-9, "n"],
  [1e-12, "p"],
  [1e-15, "f"],
];
const NONE = "–";

/** A number with its unit's prefix: 12.34 µS. */
function si(value, unit, digits = 4) {
  if (value === null || value === undefined || Number.isNaN(value)) return NONE;
  if (!Number.isFinite(value)) return value > 0 ? "infinite" : "-infinite";
  if (value === 0) return `0 ${unit}`;
  const size = Math.abs(value) * (1 + 0.5 * 10 ** -digits);
  const [factor, prefix] = PREFIXES.find(([one]) => size >= one) ?? PREFIXES.at(-1);
  return `${short(value / factor, digits)} ${prefix}${unit}`;
}

/** A number without a unit, to some digits. */
function short(value, digits = 4) {
  if (value === null || value === undefined || Number.isNaN(value)) return NONE;
  if (!Number.isFinite(value)) return value > 0 ? "infinite" : "-infinite";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6))
    return value
      .toExponential(digits - 1)
      .replace(/\.?0+e/, "e")
      .replace("e+", "e");
  return String(Number(value.toPrecision(digits)));
}

/** A number as a part of a whole, or as a power of ten where that is small. */
function share(value) {
  if (value === null || Number.isNaN(value)) return NONE;
  return value >= 1e-3 && value < 10 ? `${short(value * 100, 3)} %` : short(value, 3);
}

/** A whole number with spaces between thousands. */
function count(value) {
  return String(value).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** A word of a shell's command line. */
function shellWord(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

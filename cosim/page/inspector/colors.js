/* Colour maps in which equal steps look equal: viridis, and vik on light or berlin on dark for differences. */

const VIRIDIS = [
  "#440154",
  "#482475",
  "#414487",
  "#355f8d",
  "#2a788e",
  "#21918c",
  "#22a884",
  "#44bf70",
  "#7ad151",
  "#bddf26",
  "#fde725",
];
const VIK = [
  "#001261",
  "#033e7d",
  "#1e6f9d",
  "#71a8c4",
  "#c9dde7",
  "#f1f0ee",
  "#eacebd",
  "#d39774",
  "#be6533",
  "#8b2706",
  "#590007",
];
const BERLIN = [
  "#9eb0ff",
  "#5aa3da",
  "#2d7597",
  "#1a4256",
  "#12222b",
  "#120d0b",
  "#2a0e04",
  "#501803",
  "#8a3f2a",
  "#c4756a",
  "#ffacac",
];
const DARK = matchMedia("(prefers-color-scheme: dark)");

/** 256 steps of a map as red, green, blue. */
function ramp(stops) {
  const colors = stops.map((stop) => [1, 3, 5].map((at) => parseInt(stop.slice(at, at + 2), 16)));
  return Array.from({ length: 256 }, (_, i) => {
    const place = (i / 255) * (colors.length - 1);
    const low = Math.min(Math.floor(place), colors.length - 2);
    return colors[low].map((part, channel) => Math.round(part + (colors[low + 1][channel] - part) * (place - low)));
  });
}

/** The map of a quantity, or of a difference. */
function colorMap(diverging) {
  return ramp(diverging ? (DARK.matches ? BERLIN : VIK) : VIRIDIS);
}

/** The value of a colour of the style sheet. */
function ink(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** The colour of one of many lines: hues that spread, light enough or dark enough for the scheme. */
function lineColor(index) {
  return `hsl(${(index * 137.508 + 210) % 360} ${DARK.matches ? "55% 66%" : "60% 38%"})`;
}

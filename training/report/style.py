"""The style of the page."""

STYLE = """\
:root {
  --paper: #fdfdfc; --ink: #1d2125; --faint: #5c646c; --line: #d9dde1; --shade: #f1f3f5; --link: #0b5cad;
  color-scheme: light dark;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15181b; --ink: #e3e6e9; --faint: #9aa3ab; --line: #343a40; --shade: #1f2428; --link: #7ab7f5;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 72rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  overflow-wrap: break-word;
}
p, li { max-width: 46rem; }
h1 { font-size: 1.8rem; line-height: 1.2; margin: 0.5rem 0; }
h2 {
  font-size: 1.3rem; line-height: 1.3; margin: 2.5rem 0 0.75rem; padding-top: 0.75rem;
  border-top: 1px solid var(--line);
}
a { color: var(--link); }
nav ul { display: flex; flex-wrap: wrap; gap: 0.3rem 1.2rem; margin: 1rem 0 0; padding: 0; list-style: none; }
code {
  font: 0.88em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  background: var(--shade); padding: 0.1em 0.3em; border-radius: 3px;
}
pre { background: var(--shade); padding: 0.8rem 1rem; overflow-x: auto; border-radius: 5px; }
pre code { padding: 0; background: none; }
.caption { margin: 1.4rem 0 0.4rem; }
.scroll { overflow-x: auto; max-width: 100%; }
table {
  border-collapse: collapse; border-block: 1px solid var(--line);
  font-size: 0.9rem; font-variant-numeric: tabular-nums;
}
th, td { padding: 0.35rem 1.1rem 0.35rem 0; text-align: left; vertical-align: top; }
td { white-space: nowrap; }
td.words { white-space: normal; min-width: 18rem; max-width: 34rem; overflow-wrap: anywhere; }
th { min-width: 4rem; }
th:first-child, td:first-child { padding-left: 0.4rem; }
th { color: var(--faint); font-weight: 600; vertical-align: bottom; }
tbody tr { border-top: 1px solid var(--line); }
.number { text-align: right; }
figure { margin: 1.5rem 0; }
.panels {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr));
  gap: 1rem 2rem; align-items: start;
}
.panel { min-width: 0; max-width: 36rem; }
.panel svg { display: block; width: 100%; height: auto; color: var(--ink); }
.panel svg text { font-family: inherit !important; }
figcaption { color: var(--faint); font-size: 0.9rem; max-width: 46rem; margin-top: 0.5rem; }
@media (max-width: 40rem) {
  body { padding: 1rem 1rem 3rem; }
  h1 { font-size: 1.5rem; }
  table { font-size: 0.82rem; }
}
@media print { body { max-width: none; } .scroll { overflow: visible; } }
"""

"""A sweep file becomes a CSV file and a plot; a half-written file never takes the place of a whole one."""

import math
from collections import defaultdict
from pathlib import Path

from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import Progress

from cosim.sweep import Sweep
from cosim.table_files import Rows, check_out, write_table


def run_sweep_file(file: Path, out: Path, progress: bool = True) -> None:
    """Run a sweep into `out` (.csv) and the plot beside it (.png)."""
    check_out(out)
    sweep = Sweep.read(file)
    console = Console(stderr=True)
    with Progress(console=console, disable=not progress) as bars:
        bar = bars.add_task(file.stem, total=len(sweep.points()))
        rows = sweep.run(lambda count: bars.advance(bar, count))
    write_table(rows, out, lambda found: draw(sweep, found))
    console.print(f"{len(rows)} rows in {out}, plot in {out.with_suffix('.png')}", soft_wrap=True)


def draw(sweep: Sweep, rows: Rows) -> Figure:
    """A panel for each column of the plot, logarithmic axes, a line for each series; failed rows are left out."""
    figure = Figure(figsize=(5.5 * len(sweep.plot.y), 4), layout="constrained")
    panels = figure.subplots(1, len(sweep.plot.y), squeeze=False)[0]
    for panel, column in zip(panels, sweep.plot.y, strict=True):
        for name, points in _series(sweep, rows, column).items():
            (line,) = panel.plot(*zip(*_medians(points), strict=True), label=name)
            panel.plot(*zip(*points, strict=True), ".", color=line.get_color(), alpha=0.5)
        panel.set(xlabel=sweep.plot.x, ylabel=column, xscale="log", yscale="log")
        panel.grid(True, which="both", alpha=0.2)
        if sweep.plot.series:
            panel.legend()
    figure.suptitle(sweep.title)
    return figure


def _series(sweep: Sweep, rows: Rows, column: str) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        if math.isfinite(row[column]):
            name = f"{sweep.plot.series} = {row[sweep.plot.series]:g}" if sweep.plot.series else sweep.title
            found[name].append((row[sweep.plot.x], row[column]))
    return found


def _medians(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The median of the values at each x, in rising order of x."""
    values = defaultdict(list)
    for x, y in points:
        values[x].append(y)
    return [(x, sorted(ys)[len(ys) // 2]) for x, ys in sorted(values.items())]

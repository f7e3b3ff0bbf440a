"""The picture of a sweep: a panel for each column that answers its question."""

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FormatStrFormatter, LogLocator, NullFormatter, NullLocator

from cosim.sweep import Sweep
from cosim.sweep_plot import SETTLED, Plot
from cosim.table_files import Rows

LINEAR = 1e6
"""Up to this size a symmetrical logarithmic axis is linear: a margin [rad/s] that is nearly none."""


def draw(sweep: Sweep, rows: Rows) -> Figure:
    """A panel for each column of the plot, a line for each series."""
    plot = sweep.plot
    figure = Figure(figsize=(1.2 + 5.2 * len(plot.y), 4.6), layout="constrained")
    panels = figure.subplots(1, len(plot.y), squeeze=False)[0]
    groups = _groups(plot, rows)
    for panel, column in zip(panels, plot.y, strict=True):
        for i, (words, own) in enumerate(groups.items()):
            style: dict[str, Any] = {
                "color": f"C{_place(plot, groups, i, 0) % 10}",
                "linestyle": _dash(plot, groups, i),
            }
            if plot.kind == "yield":
                style["linewidth"] = max(1.0, 4.0 - 0.5 * i)  # lines that lie on each other all show
            if plot.kind == "yield":
                _draw_yield(panel, own, column, words, style)
            elif plot.x in sweep.axes:
                _draw_line(panel, own, plot.x, column, words, style)
            else:
                _draw_dots(panel, own, plot.x, column, words, {**style, "marker": "o^"[_place(plot, groups, i, 1) % 2]})
        _dress(panel, sweep, column)
    if plot.series:
        figure.legend(
            *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2 * len(plot.y), fontsize=9
        )
    figure.suptitle(sweep.title)
    return figure


def _groups(plot: Plot, rows: Rows) -> dict[str, list[Mapping[str, Any]]]:
    """Rows by the words of their line."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        words = ", ".join(_said(plot.label(name), row[name]) for name in plot.series)
        groups.setdefault(words, []).append(row)
    return groups


def _said(label: str, value: Any) -> str:
    """A column and its value as a legend says it, the unit with its prefix."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return f"{label} {value}".strip()
    unit = re.search(r"\s*\[(.+)\]$", label)
    number = EngFormatter(unit[1], sep=" ")(value) if unit else f"{value:g}"
    return f"{label[: unit.start()] if unit else label} {number}"


def _place(plot: Plot, groups: Mapping[str, Rows], i: int, which: int) -> int:
    """Where the i-th line's value of a series stands among the values of that series."""
    if which >= len(plot.series):
        return 0
    name = plot.series[which]
    values = list(dict.fromkeys(own[0][name] for own in groups.values()))
    return values.index(list(groups.values())[i][0][name])


def _dash(plot: Plot, groups: Mapping[str, Rows], i: int) -> str:
    return ("-", "--", ":", "-.")[_place(plot, groups, i, 1) % 4]


def _value(row: Mapping[str, Any], column: str) -> float:
    """The number of a row: 1 for a call that settled; nan for what one that did not settle has left."""
    settled = row["status"] == "SETTLED"
    if column == SETTLED:
        return float(settled)
    return float(row[column]) if settled or column == "margin_rad_per_s" else math.nan


def _draw_line(panel: Axes, rows: Rows, x: str, column: str, words: str, style: dict[str, Any]) -> None:
    """Median and band at every x."""
    places, bands = [], []
    for at in sorted({row[x] for row in rows}):
        values = [_value(row, column) for row in rows if row[x] == at]
        finite = [value for value in values if math.isfinite(value)]
        if finite:
            middle = float(np.mean(finite)) if column == SETTLED else float(np.median(finite))
            places.append(at)
            bands.append((*np.quantile(finite, [0.1, 0.9]), middle))
    low, high, middles = zip(*bands, strict=True) if bands else ((), (), ())
    panel.plot(places, middles, marker="o", markersize=4, label=words, **style)
    if column != SETTLED:
        panel.fill_between(places, low, high, color=style["color"], alpha=0.13, linewidth=0)


def _draw_dots(panel: Axes, rows: Rows, x: str, column: str, words: str, style: dict[str, Any]) -> None:
    found = [(_value(row, x), _value(row, column)) for row in rows]
    found = [(at, value) for at, value in found if math.isfinite(at) and math.isfinite(value)]
    ats, values = zip(*found, strict=True) if found else ((), ())
    panel.plot(ats, values, **{**style, "linestyle": ""}, markersize=5, alpha=0.75, label=words)


def _draw_yield(panel: Axes, rows: Rows, column: str, words: str, style: dict[str, Any]) -> None:
    values = sorted(value for value in (_value(row, column) for row in rows) if math.isfinite(value))
    shares = [(i + 1) / len(rows) for i in range(len(values))]
    panel.step([*values[:1], *values], [0.0, *shares] if values else [], where="post", label=words, **style)


def _dress(panel: Axes, sweep: Sweep, column: str) -> None:
    """Labels, scales and grid."""
    plot = sweep.plot
    share = "share of chips at or below"
    x, y = (plot.label(column), share) if plot.kind == "yield" else (plot.label(plot.x), plot.label(column))
    panel.set(xlabel=x, ylabel=y, xscale=plot.x_scale)
    if plot.kind == "yield" or column == SETTLED:
        panel.set_ylim(-0.04, 1.04)
    else:
        scale = plot.y_scales.get(column, "log")
        if scale == "log" and not any(y > 0 for line in panel.lines for y in np.asarray(line.get_ydata())):
            scale = "linear"  # nothing settled, or nothing is above 0: a logarithmic axis cannot be drawn
        panel.set_yscale(scale, **({"linthresh": LINEAR} if scale == "symlog" else {}))
        if scale == "symlog":
            panel.set_yticks(_decades(*panel.get_ylim()))
    if plot.kind == "yield":
        if plot.x_scale == "log":
            panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            panel.xaxis.set_minor_formatter(NullFormatter())
        panel.xaxis.set_major_formatter(EngFormatter() if "[" in x else FormatStrFormatter("%g"))
    values = sweep.axes.get(plot.x, []) if plot.kind == "lines" else []
    if 0 < len(values) <= 10 and isinstance(values[0], int | float):
        ticks = [EngFormatter()(value) if value >= 1e4 else f"{value:g}" for value in values]
        panel.set_xticks(values, ticks)
        panel.xaxis.set_minor_locator(NullLocator())
    panel.grid(True, which="both", alpha=0.2)


def _decades(low: float, high: float) -> list[float]:
    """Ticks of a symmetrical logarithmic axis: 0, and every power of ten outside its linear middle."""
    powers = [LINEAR * 10.0**k for k in range(12)]
    return [tick for tick in (*[-power for power in reversed(powers)], 0.0, *powers) if low <= tick <= high]

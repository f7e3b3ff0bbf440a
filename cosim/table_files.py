"""Rows become a CSV file and a plot beside it; a half-written file never takes the place of a whole one."""

import csv
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from circuits import InputError

Rows = Sequence[Mapping[str, Any]]


def check_out(out: Path) -> None:
    """Raise InputError, before any work, unless the table's name ends in .csv."""
    if out.suffix != ".csv":
        raise InputError(f"The table {out} must end in .csv.")


def write_table(rows: Rows, out: Path, draw: Callable[[Rows], Figure]) -> None:
    """Write `out` (.csv) and the plot beside it (.png); InputError where they cannot be written."""
    check_out(out)

    def write_rows(path: Path) -> None:
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    def write_plot(path: Path) -> None:
        draw(rows).savefig(path, format="png", dpi=120)

    replace_files({out.with_suffix(".png"): write_plot, out: write_rows})


def replace_files(writers: Mapping[Path, Callable[[Path], object]]) -> None:
    """Write every file beside its place, then put all of them there, the last one last; InputError where one fails.

    Each writer gets the path to write to.
    """
    parts = {path: path.with_name(path.name + ".part") for path in writers}
    last = list(writers)[-1]
    try:
        last.parent.mkdir(parents=True, exist_ok=True)
        for path, write in writers.items():
            write(parts[path])
        for path, part in parts.items():
            os.replace(part, path)
    except OSError as error:
        raise InputError(f"{last} cannot be written: {error.strerror}.") from None
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def draw_effects(rows: Rows) -> Figure:
    """Error [-] of every factor by effect, a row of dots with and one without conditioning, and settled shares."""
    names = list(dict.fromkeys(row["effect"] for row in rows))
    figure = Figure(figsize=(9, 1.5 + 0.36 * len(names)), layout="constrained")
    panel = figure.subplots()
    for word, colour, shift in (("on", "tab:blue", -0.17), ("off", "tab:orange", 0.17)):
        own = [row for row in rows if row["conditioning"] == word]
        _dots(panel, own, "effect", names, shift, colour, f"conditioning {word}")
        for y, name in enumerate(names):
            share = settled_share([row for row in own if row["effect"] == name])
            place = panel.get_yaxis_transform()
            panel.text(1.01, y + shift, f"{share:.0%}", transform=place, fontsize=7, va="center", color=colour)
    panel.set(xscale="log", xlabel="relative error of a settled call: dot, median of a factor; bar, of all factors")
    panel.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
    panel.set_title("Error by effect; right: share of calls that settled", fontsize=10)
    figure.legend(loc="outside upper center", ncols=2)
    panel.grid(True, axis="x", alpha=0.3)
    return figure


def draw_stability(rows: Rows) -> Figure:
    """Share [-] of stable circuits and the margins [rad/s] of all, by variant and damping."""
    names = list(dict.fromkeys(row["variant"] for row in rows))
    dampings = list(dict.fromkeys(row["damping"] for row in rows))
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    height = 0.8 / len(dampings)
    for i, damping in enumerate(dampings):
        own = [row for row in rows if row["damping"] == damping]
        places = [y + (i - (len(dampings) - 1) / 2) * height for y in range(len(names))]
        shares = [_stable_share([row for row in own if row["variant"] == name]) for name in names]
        bars = left.barh(places, shares, height=0.9 * height, label=f"damping {damping:g}")
        left.bar_label(bars, [f"{share:.1%}" for share in shares], fontsize=8, padding=2)
        margins = [[row["margin_rad_per_s"] for row in own if row["variant"] == name] for name in names]
        for place, values in zip(places, margins, strict=True):
            right.plot(values, [place] * len(values), "|", color=f"C{i}", alpha=0.4)
    right.axvline(0, color="black", linewidth=0.8)
    right.set_xlabel("margin [rad/s], refused circuits left out")
    right.set_xscale("symlog", linthresh=1e6)
    right.set_xticks([-1e8, -1e7, -1e6, 0, 1e6, 1e7, 1e8, 1e9])
    left.set(xlim=(0, 1.15), xlabel="share of stable circuits", yticks=range(len(names)), yticklabels=names)
    left.invert_yaxis()
    figure.legend(loc="outside upper center", ncols=len(dampings))
    return figure


def draw_comparison(rows: Rows) -> Figure:
    """Error [-] and settling time [s] of every factor, by effect and circuit."""
    names = list(dict.fromkeys(f"{row['effect']} ({row['backend']})" for row in rows))
    labelled = [{**row, "case": f"{row['effect']} ({row['backend']})"} for row in rows]
    figure = Figure(figsize=(11, 1.5 + 0.5 * len(names)), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for panel, column in zip(panels, ("median_error", "settling_time_s"), strict=True):
        for signed, colour, shift in (("inverters", "tab:blue", -0.15), ("compensation", "tab:orange", 0.15)):
            own = [row for row in labelled if row["signed"] == signed]
            _dots(panel, own, "case", names, shift, colour, signed, column)
        panel.set(xscale="log", xlabel=column, yticks=range(len(names)), yticklabels=names)
        panel.grid(True, axis="x", alpha=0.3)
    panels[0].invert_yaxis()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def settled_share(rows: Rows) -> float:
    """Share [-] of the calls of all rows that settled."""
    return sum(row["SETTLED"] for row in rows) / sum(row["seeds"] * row["sides"] for row in rows)


def finite(rows: Rows, column: str) -> list[float]:
    """The numbers of a column that are there."""
    return [row[column] for row in rows if math.isfinite(row[column])]


def _dots(
    panel: Axes,
    rows: Rows,
    key: str,
    names: Sequence[str],
    shift: float,
    colour: str,
    label: str,
    column: str = "median_error",
) -> None:
    """A dot a row beside its name, and a bar at the median of each name."""
    for y, name in enumerate(names):
        values = finite([row for row in rows if row[key] == name], column)
        # An error of exactly 0 has no place on a logarithmic axis.
        values = [value for value in values if value > 0]
        panel.plot(values, [y + shift] * len(values), ".", color=colour, alpha=0.45, markersize=5)
        if values:
            panel.plot(median(values), y + shift, "|", color=colour, markersize=11, markeredgewidth=2.5)
    panel.plot([], [], "|", color=colour, markeredgewidth=2.5, label=label)


def _stable_share(rows: Rows) -> float:
    return sum(row["status"] == "stable" for row in rows) / len(rows)

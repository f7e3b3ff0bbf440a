"""The figures of the comparison."""

from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from training.report.drawing import INK, SIZE, legend, panel
from training.report.found import Measured
from training.report.methods import is_bare, look


def draw_accuracy(task: Measured, methods: Sequence[str], title: str) -> Figure:
    """Test accuracy [-] against epoch: medians, and quartiles as bands."""
    figure, axes = panel(title)
    shown = []
    for name in methods:
        curves = _curves(task, name)
        if not curves:
            continue
        epochs = range(1, min(map(len, curves)) + 1)
        low, middle, high = np.quantile([curve[: len(epochs)] for curve in curves], [0.25, 0.5, 0.75], axis=0)
        _line(axes, name, epochs, middle, low, high)
        shown += [*middle[1 if len(middle) > 3 else 0 :]]
    axes.axhline(task.target, color=INK, linewidth=0.8, alpha=0.6)
    axes.set(xlabel="epoch", ylabel="test accuracy", xlim=(0.5, None))
    # The first epoch of a slow method would press all others together.
    floor = min([*shown, task.target])
    axes.set_ylim(max(0.0, floor - 0.03), min(1.0, max([*shown, task.target]) + 0.02))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    legend(figure, axes)
    return figure


def draw_epochs(task: Measured) -> Figure:
    """Epochs to the target accuracy of every run, with median and quartiles of each method."""
    names = list(task.methods)
    figure, axes = panel(f"Epochs to a test accuracy of {task.target:g}", (SIZE[0], 1.3 + 0.3 * len(names)))
    most = task.summary["task"]["epochs"]
    never = 1.12 * most
    for place, name in enumerate(names):
        own = [row["epochs_to_accuracy"] for row in task.rows("runs", name)]
        reached = [float(one) for one in own if one != "never"]
        colour, spread = look(name).colour, task.methods[name]["epochs_to_accuracy"]
        axes.plot(reached, [place] * len(reached), "o", color=colour, alpha=0.45, markersize=4.5, markeredgewidth=0)
        if len(reached) < len(own):
            axes.text(never, place, f"{len(own) - len(reached)} never", color=colour, va="center", fontsize=8.5)
        if spread["median"] is not None:
            axes.plot([spread["median"]] * 2, [place - 0.3, place + 0.3], color=colour, linewidth=2.5)
        if spread["upper_quartile"] is not None:
            ends = spread["lower_quartile"], spread["upper_quartile"]
            axes.plot(ends, [place] * 2, color=colour, linewidth=1.5)
    axes.set(xlabel="epochs", xlim=(0, 1.35 * most), yticks=range(len(names)), yticklabels=names)
    axes.set_xticks(range(0, most + 1, 5))
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(False, axis="y")
    return figure


def draw_errors(task: Measured, kind: str) -> Figure:
    """Relative error [-] of the inverses of the factors A or G along the steps; the median over the layers."""
    figure, axes = panel(f"Inverses of the {kind} factors")
    for name in task.methods:
        rows = [row for row in task.rows("errors", name) if row["factor"].endswith(f"/{kind}")]
        steps = sorted({int(row["step"]) for row in rows})
        if not steps:
            continue
        at = [[row for row in rows if int(row["step"]) == step] for step in steps]
        low, middle, high = (
            [median(float(row[column]) for row in own) for own in at]
            for column in ("lower_quartile", "median", "upper_quartile")
        )
        _line(axes, name, steps, middle, low, high)
    axes.set(xlabel="step", ylabel="relative error", yscale="log")
    legend(figure, axes)
    return figure


def draw_settling(task: Measured, bare: bool) -> Figure:
    """Share [-] of the INV calls of each method by settling time [s]."""
    figure, axes = panel("Without conditioning" if bare else "With conditioning")
    for name in [name for name in task.methods if is_bare(name) == bare]:
        rows = task.rows("settling", name)
        total = sum(int(row["inv_calls"]) for row in rows)
        how = look(name)
        x, y = _steps(rows, total)
        if total:
            axes.plot(x, y, color=how.colour, linestyle=how.style, linewidth=1.4, label=name)
    axes.set(xlabel="settling time [s]", ylabel="share of INV calls", xscale="log", ylim=(0, None))
    legend(figure, axes)
    return figure


def _steps(rows: Sequence[Any], total: int) -> tuple[list[float], list[float]]:
    """Outline of a histogram; bins that no row names are empty."""
    x: list[float] = []
    y: list[float] = []
    for row in rows:
        low, high, share = float(row["from_s"]), float(row["to_s"]), int(row["inv_calls"]) / total
        if not x or abs(x[-1] / low - 1) > 1e-6:
            x += [x[-1], low] if x else [low]
            y += [0.0, 0.0] if y else [0.0]
        x += [low, high]
        y += [share, share]
    return [*x, *x[-1:]], [*y, *([0.0] if y else [])]


def _curves(task: Measured, method: str) -> list[list[float]]:
    runs: dict[str, list[float]] = {}
    for row in task.rows("curves", method):
        runs.setdefault(row["seed"], []).append(float(row["test_accuracy"]))
    return list(runs.values())


def _line(axes: Axes, method: str, x: Any, middle: Any, low: Any, high: Any) -> None:
    how = look(method)
    axes.fill_between(x, low, high, color=how.colour, alpha=0.17, linewidth=0)
    marker = "o" if len(x) == 1 else ""
    axes.plot(x, middle, color=how.colour, linestyle=how.style, linewidth=1.6, label=method, marker=marker)


PARTS = {
    "settling": "#3d85c8",
    "dac": "#2a9d63",
    "adc": "#b8860b",
    "programming": "#d2517c",
    "digital": "#8b8b8b",
}


def draw_breakdown(costs: Sequence[Any], names: Sequence[str], column: str, title: str) -> Figure:
    """Share [-] of each part in the time or the energy of a step, at the nominal estimate."""
    figure, axes = panel(title, (SIZE[0], 1.6 + 0.42 * len(costs)))
    places = range(len(costs))
    left = np.zeros(len(costs))
    for part, colour in PARTS.items():
        nominal = [cost["arrays"]["nominal"][column] for cost in costs]
        shares = np.array([one[part] / one["total"] for one in nominal])
        axes.barh(places, shares, 0.62, left=left, color=colour, label=part)
        left += shares
    axes.set(xlim=(0, 1), xlabel="share of the nominal total", yticks=places, yticklabels=names)
    axes.invert_yaxis()
    axes.grid(False, axis="y")
    legend(figure, axes, 3)
    return figure

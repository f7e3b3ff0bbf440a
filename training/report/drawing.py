"""Figures as SVG that stands inside a page: its colours, its font, the same bytes every time."""

import re
from collections.abc import Callable
from io import StringIO
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#123456"
"""Stands for the page's own text colour, which is light on dark and dark on light."""
SIZE = (5.2, 3.9)
"""[in] of a panel: its letters stay readable on a telephone."""
SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ohmvert",
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 9,
    **{
        name: INK
        for name in ("text.color", "axes.edgecolor", "axes.labelcolor", "axes.titlecolor", "xtick.color", "ytick.color")
    },
}


def panel(title: str, size: tuple[float, float] = SIZE) -> tuple[Figure, Axes]:
    """An empty panel with a faint grid."""
    figure = Figure(figsize=size, layout="constrained", facecolor="none")
    axes = figure.subplots()
    axes.set_facecolor("none")
    axes.set_title(title)
    axes.grid(True, color=INK, alpha=0.13, linewidth=0.7)
    axes.set_axisbelow(True)
    return figure, axes


def legend(figure: Figure, axes: Axes, columns: int = 2) -> None:
    """Below the axes, so that it covers nothing."""
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=columns)


def svg(draw: Callable[[], Figure], name: str) -> str:
    """The figure as an SVG element; every id in it begins with the name, so that several stand on one page."""
    text = StringIO()
    with matplotlib.rc_context(SETTINGS):
        draw().savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawn = text.getvalue()
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn[drawn.index("<svg") :], flags=re.DOTALL)
    drawn = re.sub(r'\bid="', f'id="{name}-', drawn)
    drawn = re.sub(r'(href="|url\()#', rf"\1#{name}-", drawn)
    return drawn.replace("<svg ", '<svg role="img" ', 1).replace(INK, "currentColor").strip()

"""What the picture of a sweep shows: the [plot] table of its file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

from circuits.errors import InputError, check_choice
from circuits.toml_file import check_names
from cosim.sweep_point import COLUMNS

KINDS = ("lines", "yield")
Y_SCALES = ("log", "linear", "symlog")
SETTLED = "settled"
LABELS = {
    "relative_error": "relative error of a settled call",
    "residual": "relative residual",
    "settling_time_s": "settling time [s]",
    "overshoot": "overshoot, part of the largest output",
    "power_W": "supply power [W]",
    "margin_rad_per_s": "stability margin [rad/s]",
    "smallest_eigenvalue": "smallest eigenvalue of the array, part of its largest entry",
    "op_amps": "op-amps",
    "time_points": "time points",
    "wall_s": "wall time [s]",
    SETTLED: "share of calls that settled",
    "levels": "levels of a cell",
    "size": "rows",
    "condition": "condition number",
    "opamp.gbw": "gain-bandwidth product [Hz]",
    "opamp.gain": "open-loop gain",
    "damping": "damping, part of the mean diagonal",
}
"""Words on the axes; a sweep's own labels come before them."""


@dataclass(frozen=True)
class Plot:
    """What the picture of a sweep shows: the [plot] table of its file. Calls that did not settle have no dot."""

    y: list[str]
    """Columns drawn, a panel each; `settled` is the share of the calls that did."""
    x: str = ""
    """Column of the horizontal axis; not used by yield."""
    series: list[str] = field(default_factory=list)
    """Columns, two at the most, whose values get a line each: the first one's a colour, the second's a dash."""
    kind: str = "lines"
    """lines: medians with a band from the 10th to the 90th percentile, dots where `x` is a measured column.
    yield: the share of the chips, failed ones included, that are as good as each value or better."""
    labels: dict[str, str] = field(default_factory=dict)
    """Words for columns, the unit in [brackets]."""
    x_scale: str = "log"
    """log or linear."""
    y_scales: dict[str, str] = field(default_factory=dict)
    """log (default), linear or symlog by column; shares are linear."""

    @classmethod
    def of(cls, table: Mapping[str, Any], axes: Sequence[str]) -> Self:
        """The plot of a [plot] table, for a sweep with these axes. InputError for unknown columns and words."""
        check_names("[plot]", table, [f.name for f in fields(cls)])
        lists = {name: _words(f"[plot] {name}", table.get(name, [])) for name in ("y", "series")}
        known = [*axes, *COLUMNS, SETTLED]
        for name in ("labels", "y_scales"):
            if not isinstance(table.get(name, {}), dict):
                raise InputError(f"[plot] {name} = {table[name]!r} must be a table, by column.")
            check_names(f"[plot] {name}", table.get(name, {}), known)
        plot = cls(**{**table, **lists})
        if not plot.y:
            raise InputError("[plot] y is empty: name at least one column to draw.")
        if len(plot.series) > 2:
            raise InputError(f"[plot] series = {plot.series} has more than two columns: one is a colour, one a dash.")
        check_choice("[plot] kind", plot.kind, KINDS)
        check_choice("[plot] x_scale", plot.x_scale, Y_SCALES[:2])
        for scale in plot.y_scales.values():
            check_choice("[plot] y_scales", scale, Y_SCALES)
        if plot.kind == "lines" and not plot.x:
            raise InputError("[plot] lacks x: name the column of the horizontal axis.")
        numbers = [name for name in COLUMNS if name not in ("status", "netlist", "message")]
        check_names("[plot] y", plot.y, [*numbers, SETTLED])
        check_names("[plot] x", [plot.x] if plot.x else [], [*axes, *numbers])
        check_names("[plot] series", plot.series, axes)
        return plot

    def label(self, column: str) -> str:
        """Words for a column, with its unit."""
        return self.labels.get(column, LABELS.get(column, column))


def _words(where: str, given: Any) -> list[str]:
    words = [given] if isinstance(given, str) else given
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise InputError(f"{where} = {given!r} must be the name of a column, or a list of names.")
    return words

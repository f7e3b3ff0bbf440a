"""The commands that print figures of the circuits on real factors: effects, stability, compare."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

Factors = Annotated[
    Path | None,
    typer.Option(help="Factors, an .npz file with names ending in /A or /G; a small training run where not given."),
]
Out = Annotated[Path, typer.Option("-o", "--out", help="The table to write, .csv; a plot goes beside it.")]
Seeds = Annotated[int, typer.Option(help="Chips, seeded 0, 1, ...")]
Damping = Annotated[float, typer.Option(help="Added to the diagonal, relative to its mean.")]
Spice = Annotated[bool, typer.Option(help="Also what needs ngspice, on one chip.")]
Shown = Annotated[bool, typer.Option("--progress/--no-progress", help="Progress bar.")]
Rows = Sequence[Mapping[str, Any]]

WIDTH = 110
"""Characters in a line where the output is no terminal: enough for every figure."""


def effects(
    out: Out,
    factors: Factors = None,
    backend: Annotated[str, typer.Option(help="What simulates the linear effects: nodal or spice.")] = "nodal",
    seeds: Seeds = 3,
    damping: Damping = 0.1,
    only: Annotated[list[str] | None, typer.Option(help="An effect by name; can be given several times.")] = None,
    spice: Spice = True,
    progress: Shown = True,
) -> None:
    """What each non-ideality alone does to the error, with and without conditioning; non-linear ones in ngspice."""
    from cosim.effects import find_effects, full_table
    from cosim.table_files import check_out, draw_effects, write_table
    from training.example_factors import get_factors

    check_out(out)
    chosen = find_effects(only or [])
    with clock("effects", progress) as done:
        rows = full_table(get_factors(factors), backend, damping, seeds, effects=chosen, spice=spice, done=done)
    write_table(rows, out, draw_effects)
    _show(f"Effects, damping {damping:g}", _by(rows, "effect", "backend", "conditioning"), out)


def stability(
    out: Out,
    factors: Factors = None,
    seeds: Seeds = 20,
    damping: Annotated[
        list[float] | None, typer.Option(help="Relative to the mean diagonal; several times. [default: 0.1, 0.3]")
    ] = None,
    progress: Shown = True,
) -> None:
    """Share of stable circuits at 3 bits and 2 % write error by conditioning; exit 1 unless the default has all."""
    from cosim.stability import DAMPINGS, stability_table, stable_shares
    from cosim.table_files import check_out, draw_stability, write_table
    from training.example_factors import get_factors

    check_out(out)
    with clock("stability", progress) as done:
        rows = stability_table(get_factors(factors), damping or DAMPINGS, seeds, done=done)
    write_table(rows, out, draw_stability)
    shares = stable_shares(rows)
    _show(f"Stable circuits at 8 levels and 2 % write error, {seeds} chips", shares, out)
    bad = [row for row in rows if row["variant"] == "default" and row["status"] != "stable"]
    if bad:
        _show("Not stable with the default conditioning", _failures(bad), out)
        raise typer.Exit(1)


def compare(
    out: Out,
    factors: Factors = None,
    seeds: Seeds = 3,
    damping: Damping = 0.1,
    spice: Spice = True,
    progress: Shown = True,
) -> None:
    """Inverters against compensation: error, settling time, op-amps; one factor of each size also in ngspice."""
    from cosim.comparison import comparison_table
    from cosim.table_files import check_out, draw_comparison, write_table
    from training.example_factors import get_factors

    check_out(out)
    with clock("compare", progress) as done:
        rows = comparison_table(get_factors(factors), damping, seeds, spice=spice, done=done)
    write_table(rows, out, draw_comparison)
    _show(f"Inverters and compensation, damping {damping:g}", _by(rows, "backend", "effect", "signed"), out)


def _by(rows: Rows, *keys: str) -> list[dict[str, Any]]:
    """One line for all factors of each case: medians over factors, the worst call, what settled."""
    from cosim.table_files import finite, settled_share

    lines = []
    for case in dict.fromkeys(tuple(row[key] for key in keys) for row in rows):
        own = [row for row in rows if tuple(row[key] for key in keys) == case]
        errors, times = finite(own, "median_error"), finite(own, "settling_time_s")
        line = dict(zip(keys, case, strict=True))
        line |= {"settled": settled_share(own), "median error": median(errors) if errors else float("nan")}
        line["worst error"] = max(finite(own, "worst_error"), default=float("nan"))
        line["settling time [s]"] = median(times) if times else float("nan")
        if "op_amps" in own[0]:
            line["op-amps"] = sum(row["op_amps"] for row in own)
        lines.append(line)
    return lines


def _failures(bad: Rows) -> list[dict[str, Any]]:
    """One line for each factor and damping: how many chips, and the smallest margin."""
    lines = []
    for factor, damping in dict.fromkeys((row["factor"], row["damping"]) for row in bad):
        own = [row for row in bad if (row["factor"], row["damping"]) == (factor, damping)]
        smallest = min((row["margin_rad_per_s"] for row in own), default=float("nan"))
        lines.append({"factor": factor, "damping": damping, "chips": len(own), "smallest margin [rad/s]": smallest})
    return lines


@contextmanager
def clock(name: str, shown: bool) -> Iterator[Callable[[int, int], None]]:
    """A progress bar, and the time that it took."""
    console, start = Console(stderr=True), time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not shown) as bars:
        bar = bars.add_task(name, total=None)
        yield lambda done, total: bars.update(bar, completed=done, total=total)
    console.print(f"{name}: {time.monotonic() - start:.1f} s", highlight=False)


def _show(title: str, lines: Rows, out: Path) -> None:
    console, table = Console(), Table(title=title, box=SIMPLE_HEAD, pad_edge=False)
    if not console.is_terminal:
        console.width = WIDTH
    for name, value in lines[0].items():
        text = isinstance(value, str)
        # Rich takes a unit in brackets for markup.
        table.add_column(escape(name), justify="left" if text else "right", no_wrap=text)
    for line in lines:
        table.add_row(*(_text(name, value) for name, value in line.items()))
    console.print(table)
    console.print(f"table {out}, plot {out.with_suffix('.png')}", highlight=False, soft_wrap=True)


def _text(name: str, value: Any) -> str:
    if name in ("settled", "refused") or name.startswith("stable"):
        return f"{value:.1%}"
    return f"{value:.2g}" if isinstance(value, float) else str(value)

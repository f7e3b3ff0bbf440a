"""The commands that hold the engines against each other: witness, lines. Exit 1 where a limit is passed."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

LIMITS = {"tight": (1e-6, 1e-6), "default": (1e-5, 1.0)}
"""(settled, anywhere): what ngspice and the nodal engine may differ by, of the largest voltage, by accuracy."""


def witness(
    factors: Annotated[
        Path | None, typer.Option(help="Factors, an .npz file with names ending in /A or /G; made where not given.")
    ] = None,
    accuracy: Annotated[str, typer.Option(help="tight (whole waveforms) or default (settled volts).")] = "tight",
    damping: Annotated[float, typer.Option(help="Added to the diagonal, relative to its mean.")] = 0.1,
    largest: Annotated[int, typer.Option(help="Leave out factors of more rows.")] = 1000,
) -> None:
    """Hold ngspice against the nodal engine on every linear configuration, over whole waveforms."""
    from circuits.errors import check_choice
    from cosim.trial import damped_factors
    from cosim.witness import CONFIGURATIONS, agreements
    from training.example_factors import get_factors

    check_choice("accuracy", accuracy, list(LIMITS))
    chosen = {name: matrix for name, matrix in get_factors(factors).items() if len(matrix) <= largest}
    matrices = damped_factors(chosen, damping)
    settled, anywhere = LIMITS[accuracy]
    bad = 0
    for found in agreements(matrices, CONFIGURATIONS, accuracy):
        mark = "ok" if found.settled <= settled and found.waveform <= anywhere else "APART"
        bad += mark != "ok"
        print(
            f"{mark:6}{found.configuration:34}{found.matrix:18}{found.size:4}  settled {found.settled:.1e}  "
            f"anywhere {found.waveform:.1e}  {found.time_points} points",
            flush=True,
        )
    print(f"{bad} of the comparisons passed {settled:g} settled or {anywhere:g} anywhere ({accuracy}).")
    raise typer.Exit(int(bad > 0))


def lines(
    segments: Annotated[int, typer.Option(help="Largest size run with every segment too; 48 takes minutes.")] = 24,
    arrays: Annotated[list[int] | None, typer.Option(help="Sizes of the pairs reduced.")] = None,
) -> None:
    """What the port reduction of wired arrays costs and saves."""
    from cosim.lines import measure_lines, measure_reduction
    from cosim.pool import SpicePool

    _print("Port reduction of a pair of arrays", [asdict(measure_reduction(n)) for n in arrays or [64, 128, 256, 512]])
    pool = SpicePool(workers=1, timeout=1200)
    try:
        measure_lines(4, False, pool)  # starts the worker, which is not what is measured
        rows = [asdict(measure_lines(n, n <= segments, pool)) for n in (8, 16, 24, 32, 48, 64)]
    finally:
        pool.close()
    _print("One transient of a signed, wired inverse", rows)
    apart = max(row["apart"] for row in rows if row["apart"] == row["apart"])
    raise typer.Exit(int(apart > 1e-6))


def _print(title: str, rows: Iterable[dict[str, Any]]) -> None:
    rows = list(rows)
    table = Table(*rows[0], title=title)
    for row in rows:
        table.add_row(*(f"{value:.3g}" for value in row.values()))
    Console().print(table)

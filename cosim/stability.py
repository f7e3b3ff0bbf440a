"""Which digital steps before the array it takes to make circuits of coarse, imprecise cells stable."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from circuits import Conditioning, Hardware, InputError
from circuits.parts import RramCell
from cosim.analog import AnalogArray
from cosim.solution import Array
from cosim.sweep import with_field
from cosim.tasks import Done, ignore, map_tasks
from cosim.trial import REFUSED, damped_factors, seeds_of

COARSE = with_field(with_field(Hardware.preset("ideal"), "cell.levels", 8), "programming.sigma", 0.02)
"""3 bits and 2 % programming error, and nothing else."""
DAMPINGS = (0.1, 0.3)
"""[-] relative to the mean diagonal."""

VARIANTS: dict[str, Callable[[float], Conditioning]] = {
    "default": lambda shift: Conditioning(),
    "no deflation": lambda shift: Conditioning(deflate=0),
    "no equilibration": lambda shift: Conditioning(equilibrate=False),
    "no shift": lambda shift: Conditioning(shift=0.0),
    "half the shift": lambda shift: Conditioning(shift=shift / 2),
    "none": lambda shift: Conditioning.off(),
}
"""Conditioning by name, from the shift [-] that the default takes."""


@dataclass(frozen=True)
class Case:
    """One damped matrix (n, n) under one variant, on several chips."""

    factor: str
    matrix: Array
    damping: float
    variant: str
    hardware: Hardware
    seeds: range


def matched_shift(n: int, cell: RramCell) -> float:
    """The shift [-] that the default conditioning adds to an (n, n) matrix whose largest entry is 1."""
    shifted = Conditioning(deflate=0, equilibrate=False).apply(np.eye(n), cell).matrix
    return float(shifted[0, 0] - 1)


def stability_table(
    factors: Mapping[str, Array],
    dampings: Sequence[float] = DAMPINGS,
    seeds: int = 20,
    *,
    hardware: Hardware = COARSE,
    workers: int | None = None,
    done: Done = ignore,
) -> list[dict[str, Any]]:
    """A row for every variant, factor (n, n), damping [-] and chip; InputError for bad arguments.

    Each circuit goes through its netlist's text. `status` is stable, unstable, or REFUSED where the matrix
    cannot be programmed; the margin [rad/s] is the decay rate of the slowest mode, negative where one grows.
    """
    if not dampings:
        raise InputError("There is no damping to try: give at least one.")
    cases = [
        Case(name, matrix, damping, variant, hardware, seeds_of(seeds))
        for variant in VARIANTS
        for damping in dampings
        for name, matrix in damped_factors(factors, damping).items()
    ]
    return [row for rows in map_tasks(run_case, cases, workers, done) for row in rows]


def run_case(case: Case) -> list[dict[str, Any]]:
    """A row for every chip."""
    shift = matched_shift(len(case.matrix), case.hardware.cell)
    conditioning = VARIANTS[case.variant](shift)
    keys = {"variant": case.variant, "factor": case.factor, "size": len(case.matrix), "damping": case.damping}
    rows = []
    for seed in case.seeds:
        status, margin = _program(case.matrix, replace(case.hardware, seed=seed), conditioning)
        rows.append({**keys, "seed": seed, "status": status, "margin_rad_per_s": margin})
    return rows


def _program(matrix: Array, hardware: Hardware, conditioning: Conditioning) -> tuple[str, float]:
    """Status and margin [rad/s] of one programmed array."""
    try:
        linear = AnalogArray.program(matrix, hardware, conditioning).reading
        return ("stable" if linear.stable else "unstable"), linear.margin
    except InputError:
        return REFUSED, float("nan")


def stable_shares(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for each variant: circuits [-], shares [-] stable (of all, by damping) and REFUSED, smallest margin."""
    shares = []
    for variant in dict.fromkeys(row["variant"] for row in rows):
        own = [row for row in rows if row["variant"] == variant]
        by_damping = {
            f"stable at {damping:g}": _share([row for row in own if row["damping"] == damping], "stable")
            for damping in dict.fromkeys(row["damping"] for row in own)
        }
        margins = [row["margin_rad_per_s"] for row in own if row["status"] != REFUSED]
        smallest = {"smallest margin [rad/s]": min(margins, default=float("nan"))}
        counts = {"circuits": len(own), "stable": _share(own, "stable"), "refused": _share(own, REFUSED)}
        shares.append({"variant": variant, **counts, **by_damping, **smallest})
    return shares


def _share(rows: Sequence[Mapping[str, Any]], status: str) -> float:
    return sum(row["status"] == status for row in rows) / len(rows)

"""BlockAMC against size: the error of a sweep over the blocks, and the operations that it takes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from circuits import Hardware, InputError
from circuits.errors import check_range, check_whole
from cosim.backends import Backend, open_backend
from cosim.blocks import BlockBackend, check_max_array
from cosim.solution import Array, Status
from cosim.stability import COARSE
from cosim.table_files import Rows, finite
from cosim.tasks import Done, ignore
from cosim.trial import damped_factors, seeds_of

MAX_ARRAYS = (16, 32, 64)
"""Rows of an array [-]."""
SIZES = (48, 96, 192, 384)
"""Rows of a factor [-]."""
OPERATIONS = ("inv", "mvm", "arrays", "cells", "levels")
"""Columns of a row that a solution's notes fill; a matrix that fits an array has none of them."""

Wrap = Callable[[Backend], Backend]


def as_it_is(backend: Backend) -> Backend:
    """A `Wrap` that adds nothing: rows are about a single sweep."""
    return backend


def feature_factors(images: Array, sizes: Sequence[int] = SIZES, seed: int = 0) -> dict[str, Array]:
    """(n, n) [-] A factors of linear layers behind an untrained one, by 'features<n>/A'.

    n - 1 rectified random features (Glorot uniform) of every image (count, ...) and a 1 for the bias are what such a
    layer sees. InputError for sizes below 2.
    """
    rng, factors, images = np.random.default_rng(seed), {}, np.asarray(images).reshape(len(images), -1)
    for n in sizes:
        check_whole("size", n, 2, 2**14)
        reach = np.sqrt(6 / (images.shape[1] + n - 1))
        features = np.maximum(images @ rng.uniform(-reach, reach, (images.shape[1], n - 1)), 0)
        seen = np.column_stack([features, np.ones(len(images))])
        factors[f"features{n}/A"] = seen.T @ seen / len(images)
    return factors


def block_table(
    factors: Mapping[str, Array],
    backend: str = "nodal",
    damping: float = 0.1,
    seeds: int = 1,
    *,
    sides: int = 4,
    max_arrays: Sequence[int] = MAX_ARRAYS,
    hardware: Hardware = COARSE,
    wrap: Wrap = as_it_is,
    done: Done = ignore,
) -> list[dict[str, Any]]:
    """A row for each factor (n, n) and number of rows an array, over `seeds` chips of `sides` right-hand sides each.

    `damping` [-] is relative to the mean diagonal; `wrap` puts a refinement around the blocks. Errors are those of
    settled right-hand sides, nan for none; operations are means for one right-hand side. InputError for bad arguments.
    """
    check_range("damping", damping, 0.0, 1e6)
    check_whole("sides", sides, 1, 2**20)
    for max_array in max_arrays:
        check_max_array(max_array)
    matrices = damped_factors(factors, damping)
    cases = [(name, max_array) for name in matrices for max_array in max_arrays]
    rows = []
    for i, (name, max_array) in enumerate(cases, start=1):
        chips = [replace(hardware, seed=seed) for seed in seeds_of(seeds)]
        tried = [_try(matrices[name], backend, chip, max_array, sides, wrap) for chip in chips]
        keys = {"factor": name, "size": len(matrices[name]), "max_array": max_array, "backend": backend}
        rows.append({**keys, "damping": damping, "seeds": seeds, "sides": sides, **_summary(tried)})
        done(i, len(cases))
    return rows


def _try(matrix: Array, name: str, hardware: Hardware, max_array: int, sides: int, wrap: Wrap) -> dict[str, Any]:
    """Errors (sides,) and what one right-hand side takes on one chip."""
    rhs = np.random.default_rng(hardware.seed).standard_normal((len(matrix), sides))
    exact = np.linalg.solve(matrix, rhs)
    with wrap(BlockBackend(open_backend(name, hardware=hardware), max_array)) as backend:
        try:
            stats = (solution := backend.program(matrix).solve(rhs, throw=False)).stats
        except InputError as error:
            return {"errors": np.full(sides, np.nan), "settled": 0, "message": str(error), "notes": {}}
    errors = np.linalg.norm(solution.value - exact, axis=0) / np.linalg.norm(exact, axis=0)
    settled = stats.statuses.count(Status.SETTLED)
    notes = stats.notes if "inv" in stats.notes else _alone(len(matrix), sides)
    per_side = {key: notes[key] / (sides if key in ("inv", "mvm") else 1) for key in OPERATIONS}
    return {"errors": errors, "settled": settled, "message": stats.message, "notes": per_side}


def _alone(n: int, sides: int) -> dict[str, float]:
    """What a matrix takes that fits an array."""
    return {"inv": float(sides), "mvm": 0.0, "arrays": 1.0, "cells": 2.0 * n * n, "levels": 0.0}


def _summary(tried: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    errors = np.concatenate([one["errors"] for one in tried])
    errors = errors[np.isfinite(errors)]
    notes = [one["notes"] for one in tried if one["notes"]]
    return {
        "median_error": float(np.median(errors)) if len(errors) else np.nan,
        "worst_error": float(errors.max()) if len(errors) else np.nan,
        "settled": sum(one["settled"] for one in tried),
        **{key: float(np.mean([one[key] for one in notes])) if notes else np.nan for key in OPERATIONS},
        "message": next((one["message"] for one in tried if one["message"]), ""),
    }


def draw_blocks(rows: Rows) -> Figure:
    """Median error [-] and operations on arrays [-] of a right-hand side against size, a line for each array."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    for colour, max_array in enumerate(dict.fromkeys(row["max_array"] for row in rows)):
        own = sorted((row for row in rows if row["max_array"] == max_array), key=lambda row: row["size"])
        sizes = [row["size"] for row in own]
        left.plot(sizes, [row["median_error"] for row in own], "o-", color=f"C{colour}", label=f"{max_array} rows")
        for kind, line in (("inv", "o-"), ("mvm", "s--")):
            right.plot(sizes, [row[kind] for row in own], line, color=f"C{colour}", label=f"{kind}, {max_array} rows")
    left.set(ylabel="median relative error")
    if any(value > 0 for value in finite(rows, "median_error")):
        left.set_yscale("log")
    # A matrix that fits an array takes no products, which a logarithmic axis could not show.
    right.set(yscale="symlog", ylabel="operations for a right-hand side", ylim=(0, None))
    sizes = sorted({row["size"] for row in rows})
    for panel in (left, right):
        panel.set(xscale="log", xlabel="rows of the matrix")
        panel.set_xticks(sizes, labels=map(str, sizes), minor=False)
        panel.xaxis.minorticks_off()
        panel.grid(True, alpha=0.3)
        panel.legend(fontsize=8)
    return figure

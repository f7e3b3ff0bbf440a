"""Error against cycle: how refinements of analog solves of different bits converge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, product
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from circuits import Conditioning, Hardware, Programming
from circuits.matrices import spd
from cosim.precision import Precision
from cosim.refine import RefinedProgrammed, open_precise
from cosim.solution import Array
from cosim.table_files import Rows
from cosim.tasks import Done, ignore, map_tasks
from cosim.trial import damped_factors, seeds_of

BITS = (3, 4, 6)
METHODS = ("richardson", "fcg")
TOLERANCE = 1e-9
"""[-] residual that ends a refinement of a table: below every error that is asked for."""
CYCLES = 40
CONDITIONS = (5.0, 30.0)
"""Condition numbers of the random matrices."""
CONDITIONINGS = {"rank 4": Conditioning(deflate=4), "rank 1": Conditioning(), "off": Conditioning.off()}
"""What stands before the array that solves a random matrix, by the word in the table."""
SIZE = 16
"""Rows of the random matrices: the largest that the published chip refined."""


@dataclass(frozen=True)
class Course:
    """One chip refining a solve of each matrix."""

    backend: str
    precision: Precision
    conditioning: Conditioning
    hardware: Hardware
    """The chip; its seed also draws the right-hand sides."""
    matrices: dict[str, Array]
    """(n, n) [-] by name."""


@dataclass(frozen=True)
class Followed:
    """How the solve of one matrix went."""

    errors: Array
    """(cycles + 1,) [-] norm(x - exact) / norm(exact) before each cycle and after the last."""
    residuals: Array
    """(cycles + 1,) [-] norm(b - A x) / norm(b), as the refinement has it."""
    status: str
    mvm: float
    """MVM operations."""
    message: str


def run_course(course: Course) -> dict[str, Followed]:
    """What every matrix gave, by name, failed ones included."""
    sides = np.random.default_rng(course.hardware.seed)
    rhs = {name: sides.standard_normal(len(matrix)) for name, matrix in course.matrices.items()}
    with open_precise(course.backend, course.precision, course.hardware, course.conditioning) as backend:
        programmed = backend.program_many(list(course.matrices.values()))
        return {name: _follow(one, rhs[name]) for name, one in zip(rhs, programmed, strict=True)}


def _follow(programmed: Any, rhs: Array) -> Followed:
    assert isinstance(programmed, RefinedProgrammed)
    exact, values = np.linalg.solve(programmed.matrix, rhs), [np.zeros_like(rhs)]
    programmed.watch = lambda value: values.append(value[:, 0])
    solution = programmed.solve(rhs, throw=False)
    programmed.watch = None
    errors = np.linalg.norm(np.array(values) - exact, axis=1) / np.linalg.norm(exact)
    stats = solution.stats
    return Followed(errors, programmed.history[:, 0], str(solution.status), stats.notes["mvm"], stats.message)


def factor_table(
    factors: Mapping[str, Array],
    backend: str = "nodal",
    damping: float = 0.1,
    seeds: int = 1,
    *,
    bits: Sequence[int] = BITS,
    methods: Sequence[str] = METHODS,
    sigma: float = 0.02,
    converters: int | None = None,
    products: str = "rounded",
    workers: int | None = None,
    done: Done = ignore,
) -> list[dict[str, Any]]:
    """A row for each method, bits, factor (n, n) and cycle, over `seeds` chips with a write error `sigma`.

    `damping` [-] is relative to the mean diagonal; `products` is that of `Precision`. `converters` [bits] of None are
    one bit more than a slice has, as on the published chip: 4 for 3. InputError for bad arguments.
    """
    matrices = damped_factors(factors, damping)
    conditioning = {"rank 1": Conditioning()}
    kinds = _kinds(methods, bits, converters, products)
    hardware = Hardware(programming=Programming(sigma=sigma))
    chips = [(seed, matrices) for seed in seeds_of(seeds)]
    keys = {"damping": damping, "sigma": sigma}
    return _table(backend, kinds, conditioning, hardware, chips, keys, workers, done)


def random_table(
    backend: str = "nodal",
    seeds: int = 20,
    *,
    bits: Sequence[int] = (3,),
    methods: Sequence[str] = METHODS,
    conditionings: Mapping[str, Conditioning] = CONDITIONINGS,
    sigma: float = 0.01,
    converters: int | None = None,
    products: str = "circuits",
    workers: int | None = None,
    done: Done = ignore,
) -> list[dict[str, Any]]:
    """A row for each method, conditioning, bits, condition number and cycle, random matrices of SIZE rows.

    Every seed is another chip and another matrix; otherwise as `factor_table`.
    """
    kinds = _kinds(methods, bits, converters, products)
    hardware = Hardware(programming=Programming(sigma=sigma))
    chips = [(seed, {f"spd {c:g}": spd(SIZE, c, seed) for c in CONDITIONS}) for seed in seeds_of(seeds)]
    return _table(backend, kinds, conditionings, hardware, chips, {"damping": 0.0, "sigma": sigma}, workers, done)


def _kinds(methods: Sequence[str], bits: Sequence[int], converters: int | None, products: str) -> list[Precision]:
    return [
        Precision(method, b, TOLERANCE, CYCLES, converters if converters is not None else b + 1, products=products)
        for method, b in product(methods, bits)
    ]


def _table(
    backend: str,
    kinds: Sequence[Precision],
    conditioning: Mapping[str, Conditioning],
    hardware: Hardware,
    chips: Sequence[tuple[int, dict[str, Array]]],
    setting: dict[str, Any],
    workers: int | None,
    done: Done,
) -> list[dict[str, Any]]:
    cases = list(product(kinds, conditioning))
    courses = [
        Course(backend, kind, conditioning[word], replace(hardware, seed=seed), matrices)
        for kind, word in cases
        for seed, matrices in chips
    ]
    # The spice backend has workers of its own.
    followed = map_tasks(run_course, courses, 1 if backend == "spice" else workers, done)
    rows = []
    for i, (kind, word) in enumerate(cases):
        own = followed[i * len(chips) : (i + 1) * len(chips)]
        for name, matrix in chips[0][1].items():
            keys = {"backend": backend, "products": kind.products, "method": kind.method, "conditioning": word}
            size = {"bits": kind.bits, "converters": kind.converters, "matrix": name, "size": len(matrix)}
            more = {**setting, "condition": float(np.linalg.cond(matrix)), "seeds": len(chips)}
            rows += [{**keys, **size, **more, **row} for row in _by_cycle([chip[name] for chip in own])]
    return rows


def _by_cycle(chips: Sequence[Followed]) -> list[dict[str, Any]]:
    """The columns of every cycle; a chip that has ended keeps what it had."""
    length = max(len(chip.errors) for chip in chips)
    errors, residuals = (
        np.array([np.pad(getattr(chip, name), (0, length - len(chip.errors)), mode="edge") for chip in chips])
        for name in ("errors", "residuals")
    )
    return [
        {
            "cycle": cycle,
            "median_error": float(np.median(errors[:, cycle])),
            "worst_error": float(errors[:, cycle].max()),
            "median_residual": float(np.median(residuals[:, cycle])),
            "worst_residual": float(residuals[:, cycle].max()),
            "settled": sum(chip.status == "SETTLED" for chip in chips),
            "mvm": float(np.median([chip.mvm for chip in chips])),
            "message": next((chip.message for chip in chips if chip.message), ""),
        }
        for cycle in range(length)
    ]


def solves_needed(rows: Sequence[Mapping[str, Any]], column: str, limit: float) -> int | None:
    """The first cycle of a row whose `column` is at most `limit`, the rows being those of one case; None for none."""
    return next((row["cycle"] for row in rows if row[column] <= limit), None)


def draw_cycles(rows: Rows) -> Figure:
    """Error [-] against cycle, a panel for each backend, method and conditioning, a colour for each bits."""
    names = list(dict.fromkeys(_panel(row) for row in rows))
    figure = Figure(figsize=(4.2 * len(names), 4.2), layout="constrained")
    panels = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    colours = {bits: f"C{i}" for i, bits in enumerate(dict.fromkeys(row["bits"] for row in rows))}
    for panel, name in zip(panels, names, strict=True):
        for _, lines in groupby((row for row in rows if _panel(row) == name), key=lambda r: (r["bits"], r["matrix"])):
            line = list(lines)
            y = [row["median_error"] for row in line]
            panel.plot([row["cycle"] for row in line], y, color=colours[line[0]["bits"]], alpha=0.6, linewidth=1)
        panel.set(yscale="log", ylim=(1e-10, 1e2), xlabel="cycle", title=name)
        panel.grid(True, alpha=0.3)
    for bits, colour in colours.items():
        panels[-1].plot([], [], color=colour, label=f"{bits} bits")
    panels[0].set_ylabel("relative error, median of the chips")
    figure.legend(loc="outside upper center", ncols=len(colours))
    return figure


def _panel(row: Mapping[str, Any]) -> str:
    return f"{row['backend']}, {row['method']}, {row['conditioning']}"

"""Our simulations against the other ways to the same numbers, in one run, so that ratios mean something."""

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from circuits import Hardware, Wires
from circuits.errors import check_whole
from cosim.bench_methods import (
    CONDITION,
    Problem,
    Timed,
    solve_by_command,
    solve_dense,
    solve_naive,
    solve_nodal,
    solve_ours,
)
from cosim.library import need_ngspice
from cosim.pool import SpicePool
from cosim.solution import Array

SIZES = (8, 16, 32, 64)
"""Rows n [-] of the matrices."""
SIDES = 64
"""Right-hand sides [-] of a matrix for the methods that are not scaled up from a few."""
FEWER = (1, 4, 16)
"""Right-hand sides [-] for which ours is timed besides, to see what a matrix costs and what a call costs."""
PROCESSES = (1, 2)
NAIVE_SIDES = 4
"""Right-hand sides [-] that naive PySpice and `ngspice -b` run: every call of theirs costs the same."""
NAIVE_WIRED_SIZE = 32
"""Largest wired array [-] that naive PySpice runs: every segment is a resistor there, a minute a call at 48."""
BUDGET = 15.0
"""[s] a case is repeated within."""
REPEATS = 5
CEILING_JOBS = 16
"""Transients [-] of 16 right-hand sides at n = 32, some 0.1 s each."""
Pools = Mapping[int, SpicePool]
"""Pools by their number of processes."""
Row = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A kind of circuit, of which each repeat draws new ones."""

    preset: str
    """Name in circuits.hardware.PRESETS."""
    wired: bool
    """Whether lines have resistance, 1.73 ohm a segment."""
    size: int
    sides: int = SIDES
    naive_sides: int = NAIVE_SIDES

    def __post_init__(self) -> None:
        check_whole("size", self.size, 1, 4096)
        check_whole("sides", self.sides, 1, 2**20)
        check_whole("naive_sides", self.naive_sides, 1, self.sides)

    @property
    def hardware(self) -> Hardware:
        """The chip."""
        preset = Hardware.preset(self.preset)
        return replace(preset, wires=Wires(r_row=1.73, r_col=1.73)) if self.wired else preset

    def problem(self, repeat: int, sides: int, which: int = 0) -> Problem:
        """Another matrix for every argument."""
        return Problem(self.size, sides, self.hardware, seed=1 + which + 10 * sides + 10_000 * repeat)

    @property
    def has_naive(self) -> bool:
        """Whether naive PySpice gets through it in seconds."""
        return not self.wired or self.size <= NAIVE_WIRED_SIZE


def cases(quick: bool = False) -> list[Case]:
    """Everything that is measured: two sizes with ideal wires in the quick form."""
    if quick:
        return [Case("default", False, size) for size in (8, 32)]
    kinds = (("default", False), ("default", True), ("ideal", False))
    # One call of naive PySpice with every segment takes seconds.
    return [
        Case(preset, wired, size, naive_sides=1 if wired else NAIVE_SIDES) for preset, wired in kinds for size in SIZES
    ]


@contextmanager
def open_pools() -> Iterator[dict[int, SpicePool]]:
    """A pool for each number of processes, every process of which has loaded ngspice and PySpice.

    InputError where there is no ngspice.
    """
    need_ngspice()
    pools = {count: SpicePool(count, timeout=1200.0) for count in PROCESSES}
    try:
        # One thread a process: two processes stand for two cores.
        with threadpool_limits(limits=1, user_api="blas"):
            for count, pool in pools.items():
                while len(set(pool.map(_wake, range(2 * count)))) < count:
                    pass
            yield pools
    finally:
        for pool in pools.values():
            pool.close()


def _wake(_: int) -> int:
    """Load what the measured functions need; the process's number."""
    import cosim.naive  # noqa: F401
    from cosim.ngspice import engine

    engine()
    time.sleep(0.2)  # lets the others have one too
    return os.getpid()


def measure(case: Case, pools: Pools, budget: float) -> Row:
    """A row of medians over repeats: seconds for each right-hand side by method and processes, and what they agree to.

    It is repeated within `budget` [s], BUDGET in the command, and runs once however long that takes. Raises InputError
    where `ngspice -b` gives no numbers, and NameError where PySpice does not.
    """
    samples: list[dict[tuple[str, int], Timed]] = []
    fewer: list[dict[int, float]] = []
    differences: list[dict[str, float]] = []
    start = time.monotonic()
    while not samples or (len(samples) < REPEATS and (time.monotonic() - start) * (1 + 1 / len(samples)) < budget):
        one = _repeat(case, pools, len(samples))
        samples.append(one)
        fewer.append(_fewer(case, pools, len(samples)))
        differences.append(_differences(case.problem(len(samples) - 1, case.sides), one))
    return {
        "hardware": case.preset,
        "wires": "wired" if case.wired else "ideal",
        "size": case.size,
        "sides": case.sides,
        "condition": CONDITION,
        "repeats": len(samples),
        **_summary(samples),
        "by_sides_s": {str(k): median(one[k] for one in fewer) for k in fewer[0]},
        "differences": {name: _worst([one[name] for one in differences]) for name in differences[0]},
    }


def _repeat(case: Case, pools: Pools, repeat: int) -> dict[tuple[str, int], Timed]:
    """Every method once, one after the other, on the same matrices; a matrix for each process."""
    found: dict[tuple[str, int], Timed] = {}
    for count, pool in pools.items():
        problems = [case.problem(repeat, case.sides, which) for which in range(count)]
        found["ours", count] = solve_ours(problems, pool, further=count == 1)
        if case.has_naive:
            found["naive", count] = solve_naive(problems, pool, case.naive_sides)
        if shutil.which("ngspice"):  # the library often comes without the program
            found["ngspice -b", count] = solve_by_command(problems, count, case.naive_sides)
        if count == 1:
            if case.has_naive and not case.wired:
                found["naive, built once", 1] = solve_naive(problems, pool, case.naive_sides, build_once=True)
            found["nodal", 1] = solve_nodal(problems[0])
            found["numpy", 1] = solve_dense(problems[0])
    return found


def _fewer(case: Case, pools: Pools, repeat: int) -> dict[int, float]:
    """Seconds for programming and all of so many right-hand sides, ours on one process."""
    found = {}
    for sides in (k for k in FEWER if k < case.sides):
        timed = solve_ours([case.problem(repeat, sides)], pools[1], further=False)
        found[sides] = timed.seconds * timed.calls
    return found


def _summary(samples: Sequence[Mapping[tuple[str, int], Timed]]) -> Row:
    def by_method(what: Callable[[Timed], float], keep: Callable[[Timed], bool] = lambda _: True) -> Row:
        table: dict[str, dict[str, float]] = {}
        for key, first in samples[0].items():
            if keep(first):
                table.setdefault(key[0], {})[str(key[1])] = median(what(one[key]) for one in samples)
        return table

    def figure(name: str) -> dict[str, float]:
        table = by_method(lambda timed: timed.figures[name], lambda timed: name in timed.figures)
        return {method: values["1"] for method, values in table.items()}

    return {
        "seconds_per_call": by_method(lambda timed: timed.seconds),
        "calls": by_method(lambda timed: timed.calls),
        "further_seconds_per_call": figure("further_s"),
        "outside_share": figure("outside")["ours"],
        "time_points_per_call": figure("time_points"),
        "building_share": figure("building"),
    }


def _differences(problem: Problem, found: Mapping[tuple[str, int], Timed]) -> dict[str, float]:
    """Largest relative distance of a right-hand side's solution from the nodal engine's, by method.

    `numpy` solves the matrix itself: its distance is the analog error, which is no disagreement.
    """
    truth = found["nodal", 1].values
    return {
        method: _distance(timed.values, truth[:, : timed.values.shape[1]])
        for (method, count), timed in found.items()
        if count == 1 and method != "nodal"
    }


def _distance(values: Array, truth: Array) -> float:
    apart = np.linalg.norm(values - truth, axis=0) / np.linalg.norm(truth, axis=0)
    return float(apart.max())


def _worst(distances: list[float]) -> float:
    """The largest; nan, which `max` can lose, where one is."""
    return float(np.max(distances))


def measure_ceiling(pools: Pools, repeats: int = 3) -> dict[str, float]:
    """[s] by number of processes for the same independent ngspice jobs, and what two win: what a pool can give here."""
    jobs = [Problem(32, 16, Hardware(), seed).job() for seed in range(CEILING_JOBS)]
    taken: dict[int, list[float]] = {count: [] for count in pools}
    for _ in range(repeats):
        for count, pool in pools.items():
            start = time.perf_counter()
            pool.run(jobs)
            taken[count].append(time.perf_counter() - start)
    seconds = {str(count): median(times) for count, times in taken.items()}
    return {**seconds, "ratio": seconds["1"] / seconds["2"]}

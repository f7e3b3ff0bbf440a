"""The digital processors that do the same inverses: measured on this machine's CPU, or from published figures.

The work of a step is that of the arrays: every factor is decomposed once in a refresh interval, and every right-hand
side is solved for. Two methods are known, 'inverse' (Cholesky, explicit inverse, then products) and 'solve' (Cholesky,
then triangular solves); a processor takes the faster. Numbers are float32, as K-FAC's are. Adding up factors, moving
them to a processor and a processor's waiting are in neither.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack
from threadpoolctl import threadpool_limits

from circuits.errors import InputError
from cosim.cost_constants import CORE_POWER, ESTIMATES, GPUS, LAUNCH_TIME, ROW_TIME, STRETCH, Constant

Factor = tuple[str, int, int]
"""(name, rows, right-hand sides of a step), as `cosim.workloads` has them."""
Singles = NDArray[np.float32]
METHODS = {"inverse": (("decompose", "invert"), ("multiply",)), "solve": (("decompose",), ("solve",))}
"""What each method does once in a refresh, and in every step."""
ROWS = 6144
"""Larger factors are not timed but taken in proportion to their operations."""
REPEATS = 5
SECONDS = 0.5  # after which a call is not repeated again


class Need(NamedTuple):
    """Work of a processor."""

    seconds: float
    """[s] at its own speed."""
    rows: int = 0
    """Rows that are decomposed one after the other."""
    launches: int = 0

    def time(self, values: Mapping[str, float]) -> float:
        """[s] with the values of 'stretch', 'row_time' and 'launch_time'."""
        waiting = self.rows * values.get("row_time", 0.0) + self.launches * values.get("launch_time", 0.0)
        return self.seconds * values["stretch"] + waiting


@dataclass(frozen=True)
class Baseline:
    """A processor on one workload."""

    name: str
    methods: Mapping[str, tuple[Need, Need]]
    """Of a refresh and of a step, by method."""
    constants: Mapping[str, Constant]
    """'stretch' [x], 'power' [W], and where the needs have any 'row_time' [s] and 'launch_time' [s]."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What was run or read, for a report."""

    def values(self, estimate: str = "nominal") -> dict[str, float]:
        """The constants at their 'low', 'nominal' or 'high' estimate."""
        return {name: float(ESTIMATES[estimate](constant)) for name, constant in self.constants.items()}

    def time(self, refresh: int, estimate: str = "nominal") -> float:
        """[s] of a step by the faster method, its part of a refresh included."""
        values = self.values(estimate)
        return min(once.time(values) / refresh + each.time(values) for once, each in self.methods.values())

    def energy(self, refresh: int, estimate: str = "nominal") -> float:
        """[J] of a step: the power over the time."""
        return self.time(refresh, estimate) * self.values(estimate)["power"]

    def row(self, refresh: int) -> dict[str, Any]:
        """Its constants, and time [s] and energy [J] of a step at every estimate, for a report."""
        return {
            "name": self.name,
            "constants": {name: asdict(constant) for name, constant in self.constants.items()},
            "time_s": {estimate: self.time(refresh, estimate) for estimate in ESTIMATES},
            "energy_J": {estimate: self.energy(refresh, estimate) for estimate in ESTIMATES},
            "details": dict(self.details),
        }


class Times(NamedTuple):
    """[s] of one call over its repeats."""

    low: float
    value: float
    high: float


Table = Mapping[int, Mapping[str, Times]]
"""By rows and call."""


def published(name: str, factors: Sequence[Factor]) -> Baseline:
    """A GPU of GPUS on the factors: explicit inverses, at the peak times a stretch, plus what waits."""
    gpu = GPUS[name]
    once = sum(n**3 for _, n, _ in factors) / gpu.flops
    each = sum(2 * n**2 * k for _, n, k in factors) / gpu.flops
    needs = Need(once, sum(n for _, n, _ in factors), 2 * len(factors)), Need(each, launches=len(factors))
    power = Constant(gpu.watts, "W", 0.4 * gpu.watts, gpu.watts, f"rated: {gpu.source}; low: 40 % of it, assumed")
    constants = {"stretch": STRETCH, "row_time": ROW_TIME, "launch_time": LAUNCH_TIME, "power": power}
    return Baseline(f"{name} (published)", {"inverse": needs}, constants, {"flops": gpu.flops, "source": gpu.source})


class Kernels(NamedTuple):
    """A library on one matrix (n, n); every call can be repeated."""

    decompose: Callable[[], object]
    """Cholesky."""
    invert: Callable[[], object]
    """The inverse from the decomposition."""
    take: Callable[[Singles], Mapping[str, Callable[[], object]]]
    """'multiply' (by the inverse) and 'solve' (two triangular solves) for right-hand sides (n, k)."""


Library = Callable[[Singles], Kernels]


def scipy_kernels(matrix: Singles) -> Kernels:
    """LAPACK's potrf, potri and potrs and BLAS's symm, which reads one triangle as potri leaves it."""
    upper = lapack.spotrf(matrix)[0]
    inverse = lapack.spotri(upper)[0]

    def take(rhs: Singles) -> dict[str, Callable[[], object]]:
        return {"multiply": lambda: blas.ssymm(1.0, inverse, rhs), "solve": lambda: lapack.spotrs(upper, rhs)}

    return Kernels(lambda: lapack.spotrf(matrix), lambda: lapack.spotri(upper), take)


class Run(NamedTuple):
    """A processor that is timed."""

    name: str
    power: Constant
    """[W]"""
    setting: Callable[[], AbstractContextManager[Any]] = nullcontext
    """In which its calls are made, such as a number of threads."""


def measure_scipy(
    factors: Sequence[Factor], threads: Iterable[int], rows: int = ROWS, repeats: int = REPEATS
) -> list[Baseline]:
    """SciPy on this CPU with each number of threads, timed on factors of up to `rows` rows."""
    runs = [cpu_run("SciPy", count, partial(threadpool_limits, count, user_api="blas")) for count in threads]
    return measured(runs, factors, scipy_kernels, rows, repeats)


def cpu_run(library: str, threads: int, setting: Callable[[], AbstractContextManager[Any]]) -> Run:
    """A library on so many cores of this CPU."""
    words = "1 thread" if threads == 1 else f"up to {threads} threads"
    return Run(f"CPU, {library}, {words}", CORE_POWER.scaled(threads), setting)


def measured(
    runs: Iterable[Run], factors: Sequence[Factor], library: Library, rows: int = ROWS, repeats: int = REPEATS
) -> list[Baseline]:
    """Processors timed now: each distinct size once, larger ones than `rows` in proportion.

    Each makes every call as the fastest of itself and those before it did: more threads are no reason to be slower.
    InputError for no factor, fewer than one repeat and fewer than one row.
    """
    if not factors or repeats < 1 or rows < 1:
        raise InputError(f"Timing needs 1 or more factors, repeats and rows, not {len(factors)}, {repeats} and {rows}.")
    sides = {n: sorted({k for _, m, k in factors if m == n}) for n in sorted({n for _, n, _ in factors})}
    table: Table = {}
    found = []
    for run in runs:
        with run.setting():
            timed = {n: _timed(n, sides[n], library, rows, repeats) for n in sides}
        table = (
            {n: {call: min(t, table[n][call], key=_value) for call, t in timed[n].items()} for n in sides}
            if table
            else timed
        )
        found.append(_baseline(run, factors, table, rows, repeats))
    return found


def _baseline(run: Run, factors: Sequence[Factor], table: Table, rows: int, repeats: int) -> Baseline:
    methods = {method: tuple(_total(factors, table, names) for names in both) for method, both in METHODS.items()}
    spans = [(once.low + each.low, once.high + each.high, once.value + each.value) for once, each in methods.values()]
    source = f"this run: fastest and slowest of up to {repeats} repeats over the median"
    low, high = min(low / value for low, _, value in spans), max(high / value for _, high, value in spans)
    seconds = {n: {call: times.value for call, times in row.items()} for n, row in table.items()}
    return Baseline(
        run.name,
        {method: (Need(once.value), Need(each.value)) for method, (once, each) in methods.items()},
        {"stretch": Constant(1.0, "x", min(low, 1.0), max(high, 1.0), source), "power": run.power},
        {"seconds": seconds, "timed_up_to_rows": rows, "in_proportion": [n for n in table if n > rows]},
    )


def _timed(n: int, sides: Sequence[int], library: Library, rows: int, repeats: int) -> dict[str, Times]:
    """'decompose', 'invert', and 'multiply k' and 'solve k' of a size; above `rows` in proportion to n^3 and n^2 k."""
    m = min(n, rows)
    kernels = library(_matrix(m))
    calls = {"decompose": kernels.decompose, "invert": kernels.invert}
    found = {name: _times(call, repeats, (n / m) ** 3) for name, call in calls.items()}
    for k in sides:
        columns = min(k, rows)
        for name, call in kernels.take(_sides(m, columns)).items():
            found[f"{name} {k}"] = _times(call, repeats, (n / m) ** 2 * k / columns)
    return found


def _matrix(n: int) -> Singles:
    """(n, n) symmetric positive definite, in LAPACK's order: times do not depend on values."""
    matrix = np.random.default_rng(n).random((n, n), dtype=np.float32)
    return np.asfortranarray(matrix + matrix.T + 2 * n * np.eye(n, dtype=np.float32))


def _sides(n: int, k: int) -> Singles:
    return np.asfortranarray(np.random.default_rng(n).random((n, k), dtype=np.float32))


def _times(call: Callable[[], object], repeats: int, factor: float) -> Times:
    """Over up to so many repeats; a short first one is not counted: it brings caches and threads about."""
    first = _clock(call)
    found = [first] if first > SECONDS / 5 else [_clock(call)]
    while len(found) < repeats and sum(found) < SECONDS:
        found.append(_clock(call))
    return Times(factor * min(found), factor * median(found), factor * max(found))


def _clock(call: Callable[[], object]) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


def _total(factors: Iterable[Factor], table: Table, names: tuple[str, ...]) -> Times:
    """Of all factors; what has right-hand sides is listed by their number."""
    rows = [table[n].get(name) or table[n][f"{name} {k}"] for _, n, k in factors for name in names]
    return Times(*(sum(column) for column in zip(*rows, strict=True)))


def _value(times: Times) -> float:
    return times.value

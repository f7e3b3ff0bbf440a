"""One chip tried on several matrices: how far its answers are off, and how they came about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from circuits import Conditioning, Hardware, InputError
from circuits.errors import check_range, check_whole
from cosim.backends import Backend, Programmed, open_backend
from cosim.check import check_matrix
from cosim.solution import Array, Solution, Status

REFUSED = "REFUSED"
"""The verdict where a matrix cannot be programmed at all, as when a row vanishes in the levels."""
VERDICTS = (*map(str, Status), REFUSED)
"""Every verdict of a trial, in the order of the columns."""


@dataclass(frozen=True)
class Trial:
    """A chip, what is done digitally before it, and the matrices that it gets one after the other."""

    backend: str
    hardware: Hardware
    """The chip; its seed also draws the right-hand sides."""
    conditioning: Conditioning
    matrices: dict[str, Array]
    """(n, n) [-] by name."""
    sides: int
    """k [-], 1 or more: right-hand sides of a matrix, standard normal."""

    def __post_init__(self) -> None:
        check_whole("sides", self.sides, 1, 2**20)


@dataclass(frozen=True)
class Tried:
    """What one matrix gave in one trial; arrays have an entry a right-hand side (k)."""

    errors: Array
    """(k,) [-] norm(value - exact) / norm(exact), nan where there is no value."""
    settling_times: Array
    """(k,) [s]."""
    verdicts: tuple[str, ...]
    message: str
    """The first words about a failure, empty for none."""


def damped_factors(factors: Mapping[str, Array], damping: float) -> dict[str, Array]:
    """Every factor (n, n) with damping [-] times its mean diagonal added to the diagonal; InputError for bad ones."""
    check_range("damping", damping, 0.0, 1e6)
    if not factors:
        raise InputError("There are no factors to try: give at least one matrix.")
    return {name: _damped(np.asarray(matrix, dtype=np.float64), damping) for name, matrix in factors.items()}


def _damped(matrix: Array, damping: float) -> Array:
    # A factor of few examples or of dead inputs is singular; only what is programmed has to be regular.
    if matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1]:
        matrix = matrix + damping * matrix.diagonal().mean() * np.eye(len(matrix))
    return check_matrix(matrix)


def seeds_of(count: int) -> range:
    """The seeds [-] 0 to count - 1; InputError for fewer than one."""
    check_whole("seeds", count, 1, 2**31)
    return range(count)


def run_trial(trial: Trial) -> dict[str, Tried]:
    """What every matrix gave, by name; failed ones are among them."""
    sides = np.random.default_rng(trial.hardware.seed)
    rhs = {name: sides.standard_normal((len(a), trial.sides)) for name, a in trial.matrices.items()}
    with open_backend(trial.backend, hardware=trial.hardware, conditioning=trial.conditioning) as backend:
        found: dict[str, Solution | InputError] = {}
        programmed: dict[str, Programmed] = {}
        for name, matrix in trial.matrices.items():
            try:
                programmed[name] = backend.program(matrix)
            except InputError as error:
                found[name] = error
        found |= _solve(backend, programmed, rhs)
    return {name: _judge(matrix, rhs[name], found[name]) for name, matrix in trial.matrices.items()}


def _solve(
    backend: Backend, programmed: dict[str, Programmed], rhs: dict[str, Array]
) -> dict[str, Solution | InputError]:
    """Solutions by name, all in one call; one by one where a circuit among them has no settled state."""
    try:
        solutions = backend.solve_many([(p, rhs[name]) for name, p in programmed.items()], throw=False)
        return dict(zip(programmed, solutions, strict=True))
    except InputError as error:
        if len(programmed) == 1:
            return dict.fromkeys(programmed, error)
    return {name: s for name, p in programmed.items() for s in _solve(backend, {name: p}, rhs).values()}


def _judge(matrix: Array, rhs: Array, found: Solution | InputError) -> Tried:
    k = rhs.shape[1]
    if isinstance(found, InputError):
        return Tried(np.full(k, np.nan), np.full(k, np.nan), (REFUSED,) * k, str(found))
    exact = np.linalg.solve(matrix, rhs)
    errors = np.linalg.norm(found.value - exact, axis=0) / np.linalg.norm(exact, axis=0)
    verdicts = tuple(map(str, found.stats.statuses))
    return Tried(errors, found.stats.settling_time, verdicts, found.stats.message)


def summary(tried: Sequence[Tried]) -> dict[str, Any]:
    """Columns of a row: errors and settling time [s] of the settled right-hand sides (nan for none), verdict counts."""
    errors = np.concatenate([t.errors for t in tried])
    verdicts = [verdict for t in tried for verdict in t.verdicts]
    settled = np.array([verdict == Status.SETTLED for verdict in verdicts])
    times = np.concatenate([t.settling_times for t in tried])[settled]
    return {
        "median_error": float(np.median(errors[settled])) if settled.any() else np.nan,
        "worst_error": float(errors[settled].max()) if settled.any() else np.nan,
        "settling_time_s": float(np.median(times)) if settled.any() else np.nan,
        **{verdict: verdicts.count(verdict) for verdict in VERDICTS},
        "message": next((t.message for t in tried if t.message), ""),
    }

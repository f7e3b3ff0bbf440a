"""The verdict that comes with every value: what an INV call gave and whether to believe it."""

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Status(StrEnum):
    """How an INV call ended; `text` tells the reader what to do about it."""

    SETTLED = "SETTLED"
    NOT_SETTLED = "NOT_SETTLED"
    STALLED = "STALLED"
    DIVERGED = "DIVERGED"
    RAILED = "RAILED"
    UNSTABLE = "UNSTABLE"
    FAILED = "FAILED"

    @property
    def text(self) -> str:
        """One sentence: what happened and the way out."""
        return _TEXTS[self]

    @property
    def severity(self) -> int:
        """0 for SETTLED, growing with how little of the value can be used."""
        return list(Status).index(self)


_TEXTS = {
    Status.SETTLED: "The outputs settled within the tolerance.",
    Status.NOT_SETTLED: "The outputs still moved at the end of the window: simulate a longer window, "
    "add damping to the matrix, or use an op-amp of larger gain-bandwidth product.",
    Status.STALLED: "The refinement stands still above its tolerance: take more bits in cells or converters, more "
    "damping, or more cycles.",
    Status.DIVERGED: "The refinement diverges: take the method 'fcg', conditioning, more bits or more damping.",
    Status.RAILED: "An op-amp reached its output swing: scale the right-hand side down, or add damping to the matrix.",
    Status.UNSTABLE: "The feedback loop has a mode that grows: the programmed matrix must have eigenvalues "
    "with positive real parts; add damping, or condition the matrix before it is programmed.",
    Status.FAILED: "The simulator gave no answer: its own message follows.",
}


def worst(statuses: "list[Status] | tuple[Status, ...]") -> Status:
    """The most severe of the statuses; SETTLED for none."""
    return max(statuses, key=lambda status: status.severity, default=Status.SETTLED)


@dataclass(frozen=True)
class Stats:
    """What was measured while a solution came about; arrays have one entry a right-hand side (k)."""

    statuses: tuple[Status, ...]
    """The verdict of each right-hand side."""
    residual: Array
    """(k,) norm(matrix @ value - rhs) / norm(rhs), computed digitally from the answer."""
    settling_time: Array
    """(k,) [s] until the outputs stay within the tolerance band; nan where unknown, 0 for no circuit."""
    time_points: int = 0
    """Accepted time points of all transients together."""
    seconds: float = 0.0
    """Wall time spent in the engine [s]."""
    digest: str = ""
    """SHA-256 of the netlist of the programmed circuit, without its stimulus."""
    message: str = ""
    """The simulator's own words, where it had any."""
    notes: dict[str, float] = field(default_factory=dict)
    """Further figures by name: stability margin, largest output voltage, and so on."""


@dataclass(frozen=True)
class Solution:
    """An inverse-vector product with its verdict.

    `value` has the shape of the right-hand side, (n,) or (n, k), and is nan in every column whose status
    is not SETTLED: a number that cannot be trusted is never handed on.
    """

    value: Array
    status: Status
    stats: Stats


class InverseError(RuntimeError):
    """An INV call that did not settle. `solution` carries the verdict of every column."""

    def __init__(self, solution: Solution, where: str = "") -> None:
        self.solution = solution
        bad = [k for k, status in enumerate(solution.stats.statuses) if status is not Status.SETTLED]
        columns = f"right-hand sides {bad[:8]}{'...' if len(bad) > 8 else ''} of {len(solution.stats.statuses)}"
        words = f"{solution.status}: {solution.status.text} ({columns}{', ' + where if where else ''})"
        super().__init__(f"{words} {solution.stats.message}".rstrip())


def residual(matrix: Array, value: Array, rhs: Array) -> Array:
    """(k,) norm(matrix @ value - rhs) / norm(rhs), and 0 for a right-hand side of zeros."""
    size = norms(rhs)
    return norms(matrix @ value - rhs) / np.where(size > 0, size, 1)


def norms(columns: Array) -> Array:
    """(k,) Euclidean norms of the columns of (n, k)."""
    found: Array = np.sqrt(np.einsum("ij,ij->j", columns, columns))  # a third of the time of numpy's norm
    return found

"""The digital half of a refinement: what becomes of analog solves and products, column by column."""

import math
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from cosim.solution import Array

MEMORY = 16
"""Directions that a new one is made conjugate to. With one, as in the Polak-Ribiere form, 4-bit converters cost up to
5 more solves on random matrices of condition 30 to 1e-7; 8, 16 and all give the same counts but for one."""
PATIENCE = 12
"""Cycles without progress after which a column is given up."""
PROGRESS = 0.9
"""A residual counts as progress below this part of the smallest before."""
DIVERGED = 1e3
"""A residual so many times the right-hand side's norm is not coming back."""
RATIOS = 6
"""Cycles whose residuals estimate the spectral radius."""

Columns = NDArray[np.bool_]


class End(StrEnum):
    """How the refinement of a column ended, or that it has not."""

    RUNNING = "is running"
    CONVERGED = "converged"
    DIVERGED = "diverges"
    STALLED = "stalls"
    LIMIT = "reached its limit of cycles"
    FAILED = "had an operation that failed"


class Refinement:
    """k right-hand sides on their way to a residual norm(b - A x) / norm(b) of `tolerance`.

    Every cycle takes approximate solutions for `residual` and the products of A with them; 'fcg' makes each solution
    conjugate to those before and takes the step that is best along it, 'richardson' takes it as it is.
    """

    def __init__(self, method: str, rhs: Array, tolerance: float) -> None:
        self.method, self.tolerance = method, tolerance
        self.value, self.residual = np.zeros_like(rhs), rhs.copy()
        """(n, k) x and b - A x."""
        self._size = np.linalg.norm(rhs, axis=0)
        self.ends = [End.RUNNING if size else End.CONVERGED for size in self._size]
        self.cycles = np.zeros(rhs.shape[1], dtype=int)
        """(k,) cycles that each column has had."""
        self.history = [np.where(self._size > 0, 1.0, 0.0)]
        """(k,) the residual's norm, relative to the right-hand side's, before each cycle and after the last."""
        self._best, self._since = self.history[0].copy(), np.zeros(rhs.shape[1], dtype=int)
        self._directions: list[tuple[Array, Array]] = []

    @property
    def active(self) -> Columns:
        """(k,) columns that want another cycle."""
        return np.array([end is End.RUNNING for end in self.ends])

    def end(self, columns: Columns, how: End) -> None:
        """Give up the columns (k,) among the active ones."""
        self.ends = [how if out and end is End.RUNNING else end for out, end in zip(columns, self.ends, strict=True)]

    def advance(self, steps: Array, products: Array) -> None:
        """Take approximate solutions (n, k) for `residual` and A times them; what ended columns have is ignored."""
        active = self.active
        step, product = np.where(active, steps, 0.0), np.where(active, products, 0.0)
        if self.method == "fcg":
            step, product = self._conjugate(step, product)
        self.value += step
        self.residual -= product
        self._judge(active)

    def _conjugate(self, step: Array, product: Array) -> tuple[Array, Array]:
        """The steps conjugate to those before, as long as is best."""
        for direction, image in self._directions:
            along = _ratio(_dots(step, image), _dots(direction, image))
            step, product = step - along * direction, product - along * image
        self._directions = [*self._directions, (step, product)][-MEMORY:]
        length = _ratio(_dots(step, self.residual), _dots(step, product))
        return length * step, length * product

    def _judge(self, active: Columns) -> None:
        now = np.linalg.norm(self.residual, axis=0) / np.where(self._size > 0, self._size, 1.0)
        self.history.append(now)
        self.cycles += active
        better = now < PROGRESS * self._best
        self._best = np.where(better, now, self._best)
        self._since = np.where(better, 0, self._since + active)
        self.end(now <= self.tolerance, End.CONVERGED)
        self.end(~(now < DIVERGED), End.DIVERGED)
        late = self._since >= PATIENCE
        self.end(late & (now > 1), End.DIVERGED)
        self.end(late, End.STALLED)

    def radius(self, column: int) -> float:
        """The mean factor from one residual to the next over the last cycles of a column; nan before the first."""
        last = int(self.cycles[column])
        first = max(0, last - RATIOS)
        if first == last or not self.history[first][column]:
            return math.nan
        return float((self.history[last][column] / self.history[first][column]) ** (1 / (last - first)))


def _dots(left: Array, right: Array) -> Array:
    return np.asarray((left * right).sum(axis=0))


def _ratio(upper: Array, lower: Array) -> Array:
    """The quotients, and 0 where there is nothing to divide by."""
    return np.divide(upper, lower, out=np.zeros_like(upper), where=lower != 0)

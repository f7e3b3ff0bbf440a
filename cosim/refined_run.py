"""One request of HP-INV on its way: what its operations have said, and the verdict in the end."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cosim.backends import Programmed
from cosim.hp_mvm import VECTOR_BITS, Product
from cosim.krylov import End, Refinement
from cosim.precision import Precision
from cosim.solution import Array, Solution, Stats, Status, residual, worst

if TYPE_CHECKING:
    from cosim.refine import RefinedProgrammed

CALLS = 2**24
"""Calls of a slice's array that are kept for each INV call: its noise then follows from the number of that call."""
REST = 0.75
"""Part of the tolerance at which the refinement stops; the rounding of the slices has a quarter."""
APART = 0.1
"""Part of a residual by which its reading may differ from digital arithmetic before the readings are to blame."""
ADDED = ("inv", "mvm", "rescaled", "extended")
"""Beginnings of the names of the analog solve's notes that are counts, and add up over the cycles."""


class RefinedRun:
    """One request on its way: the refinement and what its operations have said."""

    def __init__(self, programmed: "RefinedProgrammed", rhs: Array, precision: Precision) -> None:
        self.programmed, self.rhs, self.precision = programmed, rhs, precision
        self.refinement = Refinement(precision.method, rhs, REST * programmed.tolerance)
        k = rhs.shape[1]
        self.statuses, self.settling_time = [Status.SETTLED] * k, np.zeros(k)
        self.cycles, self.solves = 0, 0
        self.counts: Counter[str] = Counter()
        self.last: Stats | None = None
        self.message, self.time_points, self.seconds = "", 0, 0.0
        programmed.sliced.begin(programmed.calls * CALLS)

    def request(self) -> tuple[Programmed, Array]:
        """What the analog solve of this cycle gets: the residuals of the active columns."""
        self.columns = np.flatnonzero(self.refinement.active)
        self.cycles += 1
        self.solves += len(self.columns)
        return self.programmed.inner, self.refinement.residual[:, self.columns]

    def rounded(self, solution: Solution) -> Array:
        """(n, k) the solutions as the products take them, zero where there is none."""
        self._take(solution)
        steps = np.zeros_like(self.rhs)
        steps[:, self.columns] = np.nan_to_num(solution.value)
        self._fail(solution.stats.statuses, solution.stats.message)
        return self.programmed.sliced.slices.rounded(steps, VECTOR_BITS)

    def advance(self, steps: Array, product: Product) -> None:
        """Take the solutions and their products."""
        self.counts.update(mvm=product.drives, hp_mvm=product.drives)
        self.time_points += sum(s.stats.time_points for s in product.solutions)
        self.seconds += sum(s.stats.seconds for s in product.solutions)
        self._fail([product.statuses[j] for j in self.columns], product.message)
        self.refinement.advance(steps, np.nan_to_num(product.value))
        if self.programmed.watch:
            self.programmed.watch(self.refinement.value.copy())

    def _take(self, solution: Solution) -> None:
        stats = solution.stats
        self.last = stats
        self.settling_time[self.columns] += stats.settling_time
        self.time_points += stats.time_points
        self.seconds += stats.seconds
        self.counts.update({"inv": len(self.columns)} if "inv" not in stats.notes else {})
        self.counts.update({name: int(count) for name, count in stats.notes.items() if name.startswith(ADDED)})

    def _fail(self, statuses: Sequence[Status], message: str) -> None:
        """Give up the columns of this cycle whose operation had no SETTLED verdict, and pass it on."""
        failed = np.zeros(len(self.statuses), dtype=bool)
        for j, status in zip(self.columns, statuses, strict=True):
            if status is not Status.SETTLED and self.refinement.active[j]:
                self.statuses[j], failed[j] = status, True
        if failed.any():
            self.message = self.message or message
            self.refinement.end(failed, End.FAILED)

    def solution(self) -> Solution:
        """The verdict of every column by the residual of its answer, computed digitally; nan where there is none."""
        self.refinement.end(self.refinement.active, End.LIMIT)
        self.programmed.history = np.array(self.refinement.history)
        left = residual(self.programmed.matrix, self.refinement.value, self.rhs)
        bad = ~(left <= self.programmed.tolerance)
        statuses = tuple(
            (Status.DIVERGED if end is End.DIVERGED else Status.STALLED) if status is Status.SETTLED and out else status
            for status, out, end in zip(self.statuses, bad, self.refinement.ends, strict=True)
        )
        failed = np.array([status is not Status.SETTLED for status in statuses])
        value = np.where(failed, np.nan, self.refinement.value)
        stats = Stats(
            statuses=statuses,
            residual=np.where([status is not Status.SETTLED for status in self.statuses], np.nan, left),
            settling_time=self.settling_time,
            time_points=self.time_points,
            seconds=self.seconds,
            digest=self.last.digest if self.last else "",
            message=self.message or self._reason(bad, left),
            notes=self._notes(),
        )
        return Solution(value, worst(statuses), stats)

    def _notes(self) -> dict[str, float]:
        inner, n = self.last.notes if self.last else {}, len(self.rhs)
        sliced = self.programmed.sliced.notes()
        return {
            **inner,
            **{name: float(count) for name, count in sorted(self.counts.items())},
            "solves": float(self.solves),
            "cycles": float(self.cycles),
            "slices": sliced["slices"],
            "arrays": inner.get("arrays", 1.0) + sliced["arrays"],
            "cells": inner.get("cells", 2.0 * n * n) + sliced["cells"],
        }

    def _reason(self, bad: np.ndarray, left: Array) -> str:
        """Why the worst of the bad columns has no answer, and what would help."""
        if not bad.any():
            return ""
        j = int(np.argmax(np.where(bad, np.nan_to_num(left, nan=np.inf), -1.0)))
        end, found, cycles = self.refinement.ends[j], self.refinement.history[-1][j], self.refinement.cycles[j]
        if abs(left[j] - found) > max(self.programmed.tolerance, APART * found):
            return (
                f"After {cycles} cycles the residual is {found:.2g} by the readings of the slices and {left[j]:.2g} by "
                f"digital arithmetic: a reading was rounded to a wrong integer; look for stuck cells on the chip that "
                f"multiplies, or for errors beyond its Programming.window."
            )
        margin, radius = self.last.notes.get("margin") if self.last else None, self.refinement.radius(j)
        stability = "" if margin is None else f", the stability margin of the analog inverse {margin:.3g} rad/s"
        return (
            f"The refinement {end}: after {cycles} cycles the residual is {found:.2g}, above "
            f"{self.refinement.tolerance:.2g}; the spectral radius of a cycle is about {radius:.2g}, "
            f"the condition number {self.programmed.condition:.3g}{stability}: {self._cure(end)}."
        )

    def _cure(self, end: End) -> str:
        other = "cells of more bits, or more damping"
        if end is End.LIMIT:
            return f"allow more cycles than Precision.cycles = {self.precision.cycles}, or take {other}"
        if self.precision.method == "richardson":
            return f"use the method 'fcg', a conditioning that is on, {other}"
        return f"take converters or {other}"

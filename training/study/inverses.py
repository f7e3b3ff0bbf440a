"""How good the inverses of a run were, and how long their circuits took."""

from dataclasses import dataclass, field

import numpy as np

from cosim.solution import Array, Status
from training.calls import CallStore

BINS = np.geomspace(1e-9, 1e-4, 51)
"""[s] edges of the histogram of settling times."""


@dataclass(frozen=True)
class Inverses:
    """Errors at some steps, and settling times of all INV calls."""

    errors: list[tuple[int, str, float]] = field(default_factory=list)
    """(step, layer/factor, norm(x - A^-1 b) / norm(A^-1 b) over all right-hand sides of the step)."""
    settling: list[int] = field(default_factory=list)
    """INV calls in each of BINS."""
    unsettled: int = 0
    """INV calls without a settling time in BINS."""


def examine(store: CallStore, settling_times: Array) -> Inverses:
    """The errors of the solves in the store, against LAPACK in double precision, and the histogram of times [s]."""
    times = settling_times[np.isfinite(settling_times) & (settling_times > 0)]
    counts = np.histogram(times, BINS)[0]
    errors = [found for step in store.steps() for found in _errors(store, step)]
    return Inverses(errors, [int(count) for count in counts], int(len(settling_times) - counts.sum()))


def _errors(store: CallStore, step: int) -> list[tuple[int, str, float]]:
    found = []
    for name in store.solves(step):
        call = store.find(step, *name.rsplit("/", 1))
        if any(status is not Status.SETTLED for status in call.statuses):
            continue
        exact = np.linalg.solve(call.matrix, call.rhs)
        found.append((step, name, float(np.linalg.norm(call.value - exact) / np.linalg.norm(exact))))
    return found

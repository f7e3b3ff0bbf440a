"""Thousands of INV calls in one pool, and what each worker's memory does meanwhile."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from circuits import Hardware
from circuits.errors import InputError, check_whole
from circuits.matrices import spd
from cosim.backends import Programmed, open_backend
from cosim.job import Job, Outcome, run_job
from cosim.library import need_ngspice
from cosim.pool import SpicePool
from cosim.processes import TASKS_PER_WORKER
from cosim.solution import Status
from cosim.workers import resident_bytes

SIZES = (2, 4, 8, 12, 16, 24, 32)
CONDITION = 10.0
MATRICES = 4
"""Matrices [-] of each size; every call has a right-hand side of its own."""
ROUND = 100
"""INV calls [-] that are asked for at once."""
PARTS = 5
"""The calls fall into so many parts; the last one is held against the second."""
ALLOWED = 0.05
"""What memory may change by from the second part to the last, as a part of the second's mean."""


@dataclass(frozen=True)
class Weight:
    """What a worker weighed after a transient."""

    worker: int
    """Process number."""
    resident: float
    """[bytes]"""


def run_and_weigh(jobs: Sequence[Job]) -> list[tuple[Outcome, Weight]]:
    """Run jobs in this process, and weigh it after each."""
    return [(run_job(job), Weight(os.getpid(), resident_bytes())) for job in jobs]


class WeighingPool(SpicePool):
    """A pool that remembers who ran each transient, and how large that worker was then.

    Args:
        workers: processes.
        per_task: transients in a message, so few messages that no worker is replaced by their count.
    """

    def __init__(self, workers: int, per_task: int) -> None:
        super().__init__(workers)
        self.per_task = per_task
        self.weights: list[Weight] = []

    def run(self, jobs: Sequence[Job], progress: Callable[[], None] | None = None) -> list[Outcome]:
        """Outcomes in the order of the jobs; TaskError where a worker was lost every time."""
        tasks = [jobs[i : i + self.per_task] for i in range(0, len(jobs), self.per_task)]
        found = [pair for task in self.map(run_and_weigh, tasks, progress) for pair in task]
        self.weights += [weight for _, weight in found]
        return [outcome for outcome, _ in found]


@dataclass(frozen=True)
class Part:
    """What the workers weighed over consecutive INV calls."""

    first: int
    """Number of its first call, from 1."""
    calls: int
    mean: dict[int, float] = field(default_factory=dict)
    """[bytes] by process number: the mean over the calls that it ran."""
    largest: float = 0.0
    """[bytes] of any worker."""


@dataclass(frozen=True)
class Soak:
    """What the calls left behind."""

    parts: list[Part]
    workers: int
    seen: int
    """Processes that ran transients; more than `workers` where some were replaced."""
    bad: int
    """Calls that did not settle."""
    transients: int
    seconds: float
    own: tuple[float, float]
    """[bytes] resident in the asking process, at the end of the second part and at the end."""

    @property
    def replaced(self) -> int:
        """Workers that took another's place, and with it its leak."""
        return max(0, self.seen - self.workers)

    @property
    def growth(self) -> float:
        """The largest change of a worker's mean from the second part to the last, as a part of the former.

        nan where no worker ran in both.
        """
        early, late = self.parts[1].mean, self.parts[-1].mean
        return max((abs(late[pid] / early[pid] - 1) for pid in early if pid in late), default=float("nan"))

    @property
    def passed(self) -> bool:
        """Whether every call settled, no worker was replaced, and memory stayed."""
        return self.bad == 0 and self.replaced == 0 and self.growth <= ALLOWED


def soak(calls: int = 5000, workers: int = 2, done: Callable[[int, int], None] = lambda done, total: None) -> Soak:
    """Run INV calls of mixed sizes, each a transient of its own, in one pool.

    `done` hears how many calls are done and of how many. InputError for fewer than ten calls, without ngspice, and
    where the system does not tell how large a process is.
    """
    check_whole("calls", calls, 2 * PARTS, 10**7)
    need_ngspice()
    if not resident_bytes():
        raise InputError("The memory of a process cannot be read here: the soak needs /proc, which Linux has.")
    # A worker that is replaced hides a leak: half the messages that one may take stay unused.
    per_task = -(-2 * calls // TASKS_PER_WORKER)
    start, own = time.monotonic(), [0.0, 0.0]
    pool, asked, bad = WeighingPool(workers, max(per_task, 10)), 0, 0
    with open_backend("spice", hardware=Hardware(), executor=pool) as backend:
        matrices = [spd(size, CONDITION, seed) for size in SIZES for seed in range(MATRICES)]
        for requests in _rounds(backend.program_many(matrices), calls):
            solutions = backend.solve_many(requests, throw=False)
            bad += sum(solution.status is not Status.SETTLED for solution in solutions)
            asked += len(requests)
            own[asked > 2 * calls // PARTS] = resident_bytes()
            done(asked, calls)
    seen, seconds = len({weight.worker for weight in pool.weights}), time.monotonic() - start
    return Soak(_parts(pool.weights, calls), workers, seen, bad, len(pool.weights), seconds, (own[0], own[1]))


def _rounds(programmed: Sequence[Programmed], calls: int) -> Iterator[list[tuple[Programmed, np.ndarray]]]:
    """Requests of one right-hand side each, sizes in random order."""
    rng = np.random.default_rng(0)
    for first in range(0, calls, ROUND):
        chosen = rng.integers(len(programmed), size=min(ROUND, calls - first))
        yield [(programmed[i], rng.standard_normal(len(programmed[i].matrix))) for i in chosen]


def _parts(weights: list[Weight], calls: int) -> list[Part]:
    """The weights in parts of as many calls each, in the order of the calls."""
    edges = np.linspace(0, len(weights), PARTS + 1).astype(int).tolist()
    return [_part(weights[a:b], first=1 + a * calls // len(weights), calls=calls // PARTS) for a, b in pairwise(edges)]


def _part(weights: list[Weight], first: int, calls: int) -> Part:
    by_worker: dict[int, list[float]] = {}
    for weight in weights:
        by_worker.setdefault(weight.worker, []).append(weight.resident)
    mean = {pid: float(np.mean(sizes)) for pid, sizes in by_worker.items()}
    return Part(first, calls, mean, max(weight.resident for weight in weights))

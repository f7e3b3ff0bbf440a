"""Requests that take several operations on arrays, advanced side by side: one call of the backend a step for all."""

import hashlib
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cosim.backends import Backend, Programmed, ProgrammedMultiply
from cosim.solution import Array, Solution, Stats, Status, worst


@dataclass(frozen=True)
class Ask:
    """An operation on one array: INV calls where it holds a matrix to solve with, products where one to multiply by."""

    programmed: Programmed | ProgrammedMultiply
    columns: Array
    """(m, k) right-hand sides or vectors."""
    level: int
    """The stage of the recursion that asks, 0 for the outermost."""
    place: str
    """Which block it is, for the message of a failure."""

    @property
    def solves(self) -> bool:
        """Whether this is an INV call, not a product."""
        return isinstance(self.programmed, Programmed)


Flow = Generator[list[Ask], list[Array], Array]
"""Yields operations that do not wait for each other, is sent their values (n, k), and returns its own value (n, k)."""


def alone(programmed: Programmed | ProgrammedMultiply, columns: Array) -> Flow:
    """The flow of a single operation; a `Request` has what it gave as `last`."""
    (value,) = yield [Ask(programmed, columns, 0, "")]
    return value


@dataclass
class Request:
    """One flow with k columns, and what its operations have said so far.

    A column that failed goes on as zeros: the other columns do not see it, and how many calls an array has had
    does not depend on verdicts.
    """

    flow: Flow
    k: int
    value: Array = field(default_factory=lambda: np.zeros((0, 0)))
    """What the flow returned, once it has."""
    last: Solution = field(init=False)
    """What its last operation gave."""
    asks: list[Ask] = field(default_factory=list)
    """What the flow waits for."""
    counts: Counter[str] = field(default_factory=Counter)
    """Operations by kind and level."""

    def __post_init__(self) -> None:
        self.statuses = [Status.SETTLED] * self.k
        self._settling_time, self._time_points, self._seconds = np.zeros(self.k), 0, 0.0
        self._message, self._digests = "", dict[str, None]()
        self._advance(None)

    def take(self, solutions: Sequence[Solution]) -> None:
        """Hand the flow what it waits for, and run it to its next operations or its end."""
        asks, self.last = self.asks, solutions[-1]
        for ask, solution in zip(asks, solutions, strict=True):
            self._count(ask)
            self._judge(ask, solution)
        # The operations of a step run at the same time, the steps one after the other.
        self._settling_time += np.maximum.reduce([solution.stats.settling_time for solution in solutions])
        self._advance([self._alive(solution.value) for solution in solutions])

    def solution(self, value: Array, residual: Array, notes: dict[str, float]) -> Solution:
        """A value made from the flow's, with its residual, and nan in the columns that failed anywhere."""
        dead = self._dead
        stats = self._stats(np.where(dead, np.nan, residual), notes)
        return Solution(np.where(dead, np.nan, value), worst(self.statuses), stats)

    def _stats(self, residual: Array, notes: dict[str, float]) -> Stats:
        """Everything together: times of the steps in a row, counts of operations beside `notes`."""
        whole = "".join(self._digests)
        return Stats(
            statuses=tuple(self.statuses),
            residual=residual,
            settling_time=self._settling_time,
            time_points=self._time_points,
            seconds=self._seconds,
            digest=hashlib.sha256(whole.encode()).hexdigest() if whole else "",
            message=self._message,
            notes={**notes, **{name: float(count) for name, count in sorted(self.counts.items())}},
        )

    def _advance(self, values: list[Array] | None) -> None:
        try:
            asks = next(self.flow) if values is None else self.flow.send(values)
        except StopIteration as end:
            self.asks, self.value = [], end.value
            return
        self.asks = [replace(ask, columns=self._alive(ask.columns)) for ask in asks] if self._message else asks

    def _alive(self, columns: Array) -> Array:
        return np.where(self._dead, 0.0, columns) if self._message else columns

    @property
    def _dead(self) -> NDArray[np.bool_]:
        return np.array([status is not Status.SETTLED for status in self.statuses])

    def _count(self, ask: Ask) -> None:
        kind = "inv" if ask.solves else "mvm"
        for name in (kind, f"{kind}_level{ask.level}"):
            self.counts[name] += self.k

    def _judge(self, ask: Ask, solution: Solution) -> None:
        stats = solution.stats
        if solution.status is not Status.SETTLED:
            self._message = self._message or f"{ask.place}: {solution.status}. {stats.message}".rstrip()
            for j, status in enumerate(stats.statuses):
                self.statuses[j] = status if self.statuses[j] is Status.SETTLED else self.statuses[j]
        self._time_points += stats.time_points
        self._seconds += stats.seconds
        if stats.digest:
            self._digests[stats.digest] = None


def run_together(backend: Backend, requests: Sequence[Request]) -> None:
    """Bring all requests to their end; each step is one `solve_many` and one `multiply_many` at the most."""
    while waiting := [request for request in requests if request.asks]:
        asks = [ask for request in waiting for ask in request.asks]
        answers = iter(_run(backend, asks))
        for request in waiting:
            request.take([next(answers) for _ in request.asks])


def _run(backend: Backend, asks: list[Ask]) -> list[Solution]:
    inverses = [(ask.programmed, ask.columns) for ask in asks if isinstance(ask.programmed, Programmed)]
    products = [(ask.programmed, ask.columns) for ask in asks if isinstance(ask.programmed, ProgrammedMultiply)]
    solved = iter(backend.solve_many(inverses, throw=False) if inverses else [])
    multiplied = iter(backend.multiply_many(products, throw=False) if products else [])
    return [next(solved if ask.solves else multiplied) for ask in asks]

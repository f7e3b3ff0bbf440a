"""The items of one call to an executor: grouped into messages, tried again where they were lost, kept in order."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from cosim.executor import TaskError
from cosim.workers import Thrown

RETRIES = 3
"""How often a task that lost its worker or its time is tried again."""
MESSAGES = 4
"""Cheap items are grouped into at least so many messages a worker."""


class Tasks:
    """Items on their way to results.

    Args:
        function: what each item is given to.
        items: in the order of the results.
        retries: how often an item that was lost is tried again.
        counts: told what happened; 'retried' is counted here.
        progress: called once for every item that is done.
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        items: Sequence[Any],
        retries: int,
        counts: Counter[str],
        progress: Callable[[], None] | None = None,
    ) -> None:
        self.function, self.items = function, items
        self.results: list[Any] = [None] * len(items)
        self._retries, self._counts, self._progress = retries, counts, progress
        self._tries: Counter[int] = Counter()

    def keep(self, batch: list[int], results: list[Any]) -> list[list[int]]:
        """Store the results of a batch; what an unfit worker has left to another is a batch of its own."""
        for i, result in zip(batch, results, strict=False):
            self.results[i] = result.error if isinstance(result, Thrown) else result
            if self._progress:
                self._progress()
        return [batch[len(results) :]] if len(results) < len(batch) else []

    def again(self, batch: list[int], why: str) -> list[list[int]]:
        """The items of a lost batch, each on its own; those that were tried too often are TaskErrors."""
        again = []
        for i in batch:
            self._tries[i] += 1
            if self._tries[i] <= self._retries:
                self._counts["retried"] += 1
                again.append([i])
            else:
                times = f", {self._tries[i]} times in all" if self._tries[i] > 1 else ""
                self.keep([i], [Thrown(TaskError(f"{why}{times}."))])
        return again


def batches(costs: Sequence[float], workers: int) -> list[list[int]]:
    """Items grouped into messages, the costly ones first; none is larger than its share of all, or one item."""
    order = sorted(range(len(costs)), key=lambda i: -costs[i])
    share = sum(costs) / (MESSAGES * workers)
    grouped: list[list[int]] = []
    room = 0.0
    for i in order:
        if not grouped or not share or costs[i] > room:
            grouped.append([])
            room = share
        grouped[-1].append(i)
        room -= costs[i]
    return grouped

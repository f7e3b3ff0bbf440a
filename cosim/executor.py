"""Where SPICE jobs run: the shape that worker processes here and machines elsewhere share."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Self, TypeVar

from cosim.job import Job, Outcome, failed, run_job

T = TypeVar("T")
Item = TypeVar("Item")


class TaskError(RuntimeError):
    """A task that gave no result however often it was tried; the text says what happened to it."""


class Executor(ABC):
    """Runs pure functions of picklable arguments elsewhere. A context manager: leaving it stops the workers.

    The result of a task never depends on where it runs or how often it was tried.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        """What went wrong and was mended since opening: 'died', 'timed out', 'retried', 'recycled' and the like."""

    def run(self, jobs: Sequence[Job], progress: Callable[[], None] | None = None) -> list[Outcome]:
        """Outcomes in the order of the jobs. A job that could not be run at all has a FAILED outcome with the reason.

        `progress` is called once for every job that is done, in any order.
        """
        costs = [float(len(job.deck)) * len(job.ends) for job in jobs]
        found = self._execute(run_job, jobs, costs, progress)
        return [
            failed(job, str(outcome)) if isinstance(outcome, TaskError) else outcome
            for job, outcome in zip(jobs, found, strict=True)
        ]

    def map(
        self,
        function: Callable[[Item], T],
        items: Sequence[Item],
        progress: Callable[[], None] | None = None,
        costs: Sequence[float] | None = None,
    ) -> list[T]:
        """`function`, found by its module and name, of every item, in order. An exception of it comes through;
        TaskError where an item could not be run at all. `costs` are relative: the longest items go first.
        """
        found = self._execute(function, items, costs or [0.0] * len(items), progress)
        for result in found:
            if isinstance(result, Exception):
                raise result
        return found

    @abstractmethod
    def _execute(
        self,
        function: Callable[[Any], Any],
        items: Sequence[Any],
        costs: Sequence[float],
        progress: Callable[[], None] | None,
    ) -> list[Any]:
        """Results in order. Where there is none, a TaskError or the exception of the function stands in its place.

        `costs` rank the items, 0 for unknown: the longest go first, and cheap ones share a message.
        """

    @abstractmethod
    def close(self) -> None:
        """Stop all workers at once; what they run is given up."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

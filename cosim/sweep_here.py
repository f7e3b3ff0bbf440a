"""The executor of a process that is a worker already: everything runs where it is."""

from collections.abc import Callable, Sequence
from typing import Any

from cosim.executor import Executor
from cosim.job import Job, run_job


class Here(Executor):
    """Runs everything in this process, which is a worker already, and remembers the jobs."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: list[Job] = []

    def _execute(
        self,
        function: Callable[[Any], Any],
        items: Sequence[Any],
        costs: Sequence[float],
        progress: Callable[[], None] | None,
    ) -> list[Any]:
        results: list[Any] = []
        for item in items:
            if function is run_job:
                self.jobs.append(item)
            try:
                results.append(function(item))
            except Exception as error:
                results.append(error)
            if progress:
                progress()
        return results

    def close(self) -> None:
        """Nothing: there are no workers."""

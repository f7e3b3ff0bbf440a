"""Worker processes on this machine: each has its own ngspice, and its crash costs its own task only."""

import os
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, TimeoutError, wait
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from pebble import ProcessExpired, ProcessPool

from circuits.errors import InputError
from cosim.batches import RETRIES, Tasks, batches
from cosim.executor import Executor, TaskError
from cosim.job import POISONED
from cosim.workers import GIVEN_UP, Thrown, run_batch, start_worker

TASKS_PER_WORKER = 2000
"""ngspice keeps 8 to 16 kB of every circuit: a worker is replaced before that adds up."""
MEMORY_PER_WORKER = 2e9
"""[bytes] resident memory above which a worker is replaced before its next task."""


class SpicePool(Executor):
    """Spawned processes that import nothing of the caller's script.

    Args:
        workers: processes, one a core where None.
        timeout: [s] that one item may take before its process is stopped.
        retries: how often an item that lost its worker or its time is tried again on another.
        memory: [bytes] of resident memory above which a worker is replaced.
    """

    def __init__(
        self,
        workers: int | None = None,
        timeout: float = 600.0,
        retries: int = RETRIES,
        memory: float = MEMORY_PER_WORKER,
    ) -> None:
        super().__init__()
        self.workers = os.cpu_count() or 1 if workers is None else workers
        if not isinstance(self.workers, int) or isinstance(workers, bool) or self.workers < 1:
            raise InputError(f"workers = {workers!r} must be a whole number of 1 or more.")
        if not 0 < timeout < float("inf"):
            raise InputError(f"timeout = {timeout!r} s must be a finite time above 0.")
        self.timeout, self.retries = timeout, retries
        self._pool = ProcessPool(
            max_workers=self.workers,
            max_tasks=TASKS_PER_WORKER,
            initializer=start_worker,
            initargs=[memory],
            context=_Context(),
        )

    def _execute(
        self,
        function: Callable[[Any], Any],
        items: Sequence[Any],
        costs: Sequence[float],
        progress: Callable[[], None] | None,
    ) -> list[Any]:
        tasks = Tasks(function, items, self.retries, self.counts, progress)
        waiting = {self._schedule(tasks, batch): batch for batch in batches(costs, self.workers)}
        try:
            while waiting:
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    for batch in self._take(tasks, waiting.pop(future), future):
                        waiting[self._schedule(tasks, batch)] = batch
        except BaseException:
            for future in waiting:
                future.cancel()
            raise
        return tasks.results

    def _schedule(self, tasks: Tasks, batch: list[int]) -> "Future[list[Any]]":
        future: Future[list[Any]] = self._pool.schedule(
            run_batch,
            args=(tasks.function, [tasks.items[i] for i in batch]),
            timeout=self.timeout * len(batch),
        )
        return future

    def _take(self, tasks: Tasks, batch: list[int], future: "Future[list[Any]]") -> list[list[int]]:
        """Keep the results of a finished batch; the batches that are still to be run in its place."""
        try:
            results = future.result()
        except TimeoutError:
            self.counts["timed out"] += 1
            why = f"The simulation took longer than {self.timeout:g} s and was stopped"
        except ProcessExpired as error:
            if error.exitcode in GIVEN_UP:
                self.counts["poisoned" if error.exitcode == POISONED else "recycled"] += 1
                return [batch]
            self.counts["died"] += 1
            why = f"The worker process died (exit code {error.exitcode})"
        except CancelledError:
            raise TaskError("The pool was closed while tasks were running.") from None
        except Exception as error:  # what could not be sent or received
            return tasks.keep(batch, [Thrown(error)] * len(batch))
        else:
            return tasks.keep(batch, results)
        return tasks.again(batch, why)

    def close(self) -> None:
        """Stop all workers at once."""
        self._pool.stop()
        self._pool.join()


@contextmanager
def _plain_main() -> Iterator[None]:
    """Hide the caller's script, so that a spawned worker does not run it again.

    Without this every script that opens the backend would need the `if __name__ == "__main__"` guard.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


class _Process(SpawnProcess):
    @staticmethod
    def _Popen(process_obj):  # type: ignore[no-untyped-def]
        with _plain_main():
            return SpawnProcess._Popen(process_obj)


class _Context(SpawnContext):
    Process = _Process


def ask_engine(executor: Executor) -> tuple[str, bool]:
    """(version, whether it has KLU) of the library, as a worker process finds it."""
    return executor.map(_describe_engine, [None])[0]


def _describe_engine(_: None) -> tuple[str, bool]:
    from cosim import ngspice

    return ngspice.version(), ngspice.has_klu()

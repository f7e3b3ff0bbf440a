"""Worker processes on this machine: each has its own ngspice, and its crash costs its own task only."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, TimeoutError, wait
from dataclasses import dataclass
from typing import Any

from pebble import ProcessExpired

from circuits.errors import InputError
from cosim.batches import RETRIES, Tasks, batches
from cosim.executor import Executor, TaskError
from cosim.job import POISONED
from cosim.processes import Processes
from cosim.workers import GIVEN_UP, Thrown, run_batch

MEMORY_PER_WORKER = 2e9
"""[bytes] resident memory above which a worker is replaced before its next task."""
BARREN = 40
"""How often all processes are replaced at the most without any result between."""
PATIENCE = 15.0
"""[s] without any sign of life after which all processes are replaced; doubled where that did not help."""


class SpicePool(Executor):
    """Runs jobs in processes of this machine.

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
        self._processes = Processes(self.workers, memory)
        self._barren = 0

    def _execute(
        self,
        function: Callable[[Any], Any],
        items: Sequence[Any],
        costs: Sequence[float],
        progress: Callable[[], None] | None,
    ) -> list[Any]:
        tasks = Tasks(function, items, self.retries, self.counts, progress)
        flights: dict[Future[Any], _Flight] = {}
        self._send(tasks, batches(costs, self.workers), flights)
        try:
            while flights:
                done, _ = wait(flights, timeout=self._patience, return_when=FIRST_COMPLETED)
                for future in done or self._lost(flights):
                    self._send(tasks, self._take(tasks, flights.pop(future), future), flights)
        except BaseException:
            for future in flights:
                future.cancel()
            raise
        return tasks.results

    def _send(self, tasks: Tasks, waiting: list[list[int]], flights: "dict[Future[Any], _Flight]") -> None:
        """Give batches to the processes; to new ones where the old ones take no more."""
        for batch in waiting:
            generation = self._processes.generation
            args = (tasks.function, [tasks.items[i] for i in batch])
            while True:
                try:
                    future = self._processes.schedule(run_batch, args, self.timeout * len(batch))
                    break
                except RuntimeError:
                    generation = self._renew(generation)
            flights[future] = _Flight(batch, generation)

    @property
    def _patience(self) -> float:
        """[s] to wait for a sign of life: longer on a machine on which processes are slow to start."""
        return PATIENCE * 2 ** min(self._barren, 5)

    def _renew(self, generation: int) -> int:
        if self._processes.closed:
            raise TaskError("The pool was closed while tasks were running.")
        if self._barren == BARREN:
            raise TaskError("The worker processes end as soon as they are started: run `ohmvert doctor`.")
        if generation == self._processes.generation:
            self._barren += 1
            self.counts["renewed"] += 1
        self._processes.renew(generation)
        return self._processes.generation

    def _lost(self, flights: "dict[Future[Any], _Flight]") -> "list[Future[Any]]":
        """The futures that nobody works on any more: those of replaced processes, or of ones that gave no sign."""
        old = [future for future, flight in flights.items() if flight.generation < self._processes.generation]
        if old:
            return old
        now = time.monotonic()
        for future, flight in flights.items():
            if future.running() and flight.running_since is None:
                flight.running_since = now
        if any(flight.is_in_time(self.timeout, self._patience, now) for flight in flights.values()):
            return []
        self._renew(self._processes.generation)
        return list(flights)

    def _take(self, tasks: Tasks, flight: "_Flight", future: "Future[Any]") -> list[list[int]]:
        """Keep the results of a finished batch; the batches that are still to be run in its place."""
        batch = flight.batch
        if not future.done():
            return [batch]
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
        except (BrokenExecutor, CancelledError):
            self._renew(flight.generation)  # a process died while none was running: not the fault of this batch
            return [batch]
        except Exception as error:  # what could not be sent or received
            return tasks.keep(batch, [Thrown(error)] * len(batch))
        else:
            self._barren = 0
            return tasks.keep(batch, results)
        return tasks.again(batch, why)

    def close(self) -> None:
        """Stop all workers at once."""
        self._processes.close()


@dataclass
class _Flight:
    """A batch on its way through a process."""

    batch: list[int]
    generation: int
    """Of the processes that it was given to."""
    running_since: float | None = None
    """[s] when it was first seen to run, on this machine's clock."""

    def is_in_time(self, timeout: float, patience: float, now: float) -> bool:
        """Whether it runs, and not much longer than it may."""
        return self.running_since is not None and now - self.running_since < timeout * len(self.batch) + patience


def ask_engine(executor: Executor) -> tuple[str, bool]:
    """(version, whether it has KLU) of the library, as a worker process finds it."""
    return executor.map(_describe_engine, [None])[0]


def _describe_engine(_: None) -> tuple[str, bool]:
    from cosim import ngspice

    return ngspice.version(), ngspice.has_klu()

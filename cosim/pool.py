"""Worker processes for SPICE jobs: each has its own ngspice, and its crash costs its own job only."""

import os
import signal
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, TimeoutError
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import TypeVar

from pebble import ProcessExpired, ProcessPool

from circuits.errors import InputError
from cosim.job import POISONED, Job, Outcome, failed, run_job

T = TypeVar("T")
JOBS_PER_WORKER = 2000
"""ngspice keeps 8 to 16 kB of every circuit: a worker is replaced before that adds up."""


class SpicePool:
    """Runs jobs on worker processes and returns outcomes in the order of the jobs."""

    def __init__(self, workers: int | None = None, timeout: float = 600.0) -> None:
        workers = os.cpu_count() or 1 if workers is None else workers
        if not isinstance(workers, int) or workers < 1:
            raise InputError(f"workers = {workers!r} must be a whole number of 1 or more.")
        if not timeout > 0:
            raise InputError(f"timeout = {timeout!r} s must be above 0.")
        self.timeout = timeout
        self._pool = ProcessPool(
            max_workers=workers, max_tasks=JOBS_PER_WORKER, initializer=_start_worker, context=_Context()
        )

    def run(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Run all jobs, the longest first; a worker that dies or hangs fails its own job."""
        order = sorted(range(len(jobs)), key=lambda i: -len(jobs[i].deck) * len(jobs[i].ends))
        futures = {i: self._pool.schedule(run_job, args=(jobs[i],), timeout=self.timeout) for i in order}
        try:
            return [self._outcome(job, futures[i]) for i, job in enumerate(jobs)]
        except BaseException:
            for future in futures.values():
                future.cancel()
            raise

    def map(self, function: "Callable[[Job], T]", jobs: Sequence[Job]) -> Iterator[T]:
        """`function` of every job, in order, as they come; its exceptions come through."""
        futures = [self._pool.schedule(function, args=(job,), timeout=self.timeout) for job in jobs]
        for future in futures:
            yield future.result()

    def _outcome(self, job: Job, future: "Future[Outcome]") -> Outcome:
        try:
            return future.result()
        except TimeoutError:
            return failed(job, f"The simulation took longer than {self.timeout:g} s and was stopped.", self.timeout)
        except ProcessExpired as error:
            if error.exitcode == POISONED:
                return self._outcome(job, self._pool.schedule(run_job, args=(job,), timeout=self.timeout))
            return failed(job, f"The worker process died (exit code {error.exitcode}).")

    def close(self) -> None:
        """Stop all workers at once."""
        self._pool.stop()
        self._pool.join()


def _start_worker() -> None:
    # Ctrl-C reaches the whole process group; the trainer decides what is still worth finishing.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


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


def ask_engine(pool: SpicePool) -> tuple[str, bool]:
    """(version, whether it has KLU) of the library, as a worker process finds it."""
    answer: tuple[str, bool] = pool._pool.schedule(_describe_engine, timeout=pool.timeout).result()
    return answer


def _describe_engine() -> tuple[str, bool]:
    from cosim import ngspice

    return ngspice.version(), ngspice.has_klu()

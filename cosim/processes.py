"""Spawned processes under pebble, replaced as a whole where pebble itself has lost its way."""

import sys
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from pebble import ProcessPool

from cosim.workers import start_worker

TASKS_PER_WORKER = 2000
"""ngspice keeps 8 to 16 kB of every circuit: a worker is replaced before that adds up."""
FAREWELL = 10.0
"""[s] that the processes of a broken pool are given to end; those that are left end with this process."""


class Processes:
    """Processes that import nothing of the caller's script.

    pebble gives all tasks up when a process dies while none is running, and waits for ever for a task whose process
    died before it said that it had begun: `renew` then starts new processes.
    """

    def __init__(self, workers: int, memory: float) -> None:
        self.workers, self.memory = workers, memory
        self.generation = 0
        """How often all processes were replaced."""
        self.closed = False
        self._lock = threading.Lock()
        self._pool = self._start()

    def _start(self) -> ProcessPool:
        return ProcessPool(
            max_workers=self.workers,
            max_tasks=TASKS_PER_WORKER,
            initializer=start_worker,
            initargs=[self.memory],
            context=_Context(),
        )

    def schedule(self, function: Callable[..., Any], args: Sequence[Any], timeout: float) -> "Future[Any]":
        """The future of a task, which may take `timeout` [s] once it runs. RuntimeError where the pool is broken."""
        future: Future[Any] = self._pool.schedule(function, args=args, timeout=timeout)
        return future

    def renew(self, generation: int) -> None:
        """Replace all processes, unless that was done since `generation`; the tasks of the old ones are lost."""
        with self._lock:
            if generation != self.generation or self.closed:
                return
            broken, self._pool = self._pool, self._start()
            self.generation += 1
        _stop(broken, FAREWELL)

    def close(self) -> None:
        """Stop all processes at once."""
        with self._lock:
            self.closed = True
        _stop(self._pool, None)


def _stop(pool: ProcessPool, patience: float | None) -> None:
    pool.stop()
    # A pipe that a dead process has left full would keep the join for ever.
    joining = threading.Thread(target=pool.join, daemon=True)
    joining.start()
    joining.join(patience)


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

"""Independent pieces of work on all cores, their results in order."""

import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import Future, as_completed
from multiprocessing import get_context
from typing import TypeVar

from pebble import ProcessPool
from threadpoolctl import threadpool_limits

Task = TypeVar("Task")
Result = TypeVar("Result")
Done = Callable[[int, int], None]
"""Hears how many tasks [-] are done, and of how many."""


def ignore(done: int, total: int) -> None:
    """A `Done` that shows nothing."""


def map_tasks(
    function: Callable[[Task], Result], tasks: Sequence[Task], workers: int | None = None, done: Done = ignore
) -> list[Result]:
    """function(task) for every task, in the order of the tasks; `workers` processes, one a core where None.

    The function and its tasks must pickle. What a task raises is raised here, and the others are given up.
    """
    workers = min(workers or os.cpu_count() or 1, len(tasks))
    if workers <= 1:
        return _one_by_one(function, tasks, done)
    pool = ProcessPool(max_workers=workers, initializer=_start_worker, context=get_context("spawn"))
    try:
        futures: list[Future[Result]] = [pool.schedule(_call, args=(function, task)) for task in tasks]
        for count, future in enumerate(as_completed(futures), start=1):
            future.result()
            done(count, len(tasks))
        return [future.result() for future in futures]
    finally:
        pool.stop()
        pool.join()


def _one_by_one(function: Callable[[Task], Result], tasks: Sequence[Task], done: Done) -> list[Result]:
    results = []
    for count, task in enumerate(tasks, start=1):
        results.append(_call(function, task))
        done(count, len(tasks))
    return results


def _call(function: Callable[[Task], Result], task: Task) -> Result:
    # Every core has a task of its own: more BLAS threads than one would only wait for each other.
    with threadpool_limits(limits=1, user_api="blas"):
        return function(task)


def _start_worker() -> None:
    # Ctrl-C reaches the whole process group; the parent stops its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

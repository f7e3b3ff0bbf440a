"""The pool under faults: killed, hung, poisoned and swollen workers cost time, never a result."""

import contextlib
import functools
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

from circuits import InputError
from cosim import Status, open_backend
from cosim.batches import batches
from cosim.executor import TaskError
from cosim.job import Job
from cosim.pool import SpicePool
from cosim.settle import Limits

ROOT = Path(__file__).resolve().parents[1]
GOOD = """low pass
V1 in 0 PWL(0 0 1n 1)
R1 in out 1k
C1 out 0 1p
.tran 1n 100n 0 1n uic
.end
"""
POISON = GOOD.replace("1k", "{nowhere}")
INTERPOLATED = GOOD.replace(".tran", ".options interp\n.tran")


def job(deck: str = GOOD) -> Job:
    return Job(deck, ("out",), np.array([100e-9]), Limits(1e-5))


def process_of(_: object) -> int:
    return os.getpid()


def twice(item: int) -> int:
    if item < 0:
        raise ValueError(f"{item} is below 0")
    return 2 * item


def once(marker: str, act: str) -> str:
    """Do harm the first time, then work: the marker file remembers."""
    path = Path(marker)
    if not path.exists():
        path.touch()
        if act == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(600)
    return "done"


def grow(size: int) -> int:
    if size:
        process_of.__dict__["kept"] = np.ones(size // 8)
    return os.getpid()


@pytest.fixture(scope="module")
def pool() -> Iterator[SpicePool]:
    with SpicePool(workers=2) as opened:
        yield opened


def test_results_come_in_the_order_of_the_items(pool: SpicePool) -> None:
    assert pool.map(twice, range(40), costs=list(range(40))) == [2 * i for i in range(40)]
    assert pool.map(twice, []) == []


def test_exceptions_come_through_and_spoil_no_other_call(pool: SpicePool) -> None:
    with pytest.raises(ValueError, match="-1 is below 0"):
        pool.map(twice, [1, -1, 2])
    assert pool.map(twice, [3]) == [6]


def test_what_cannot_be_sent_is_an_error(pool: SpicePool) -> None:
    with pytest.raises(Exception, match="pickle"):
        pool.map(twice, [lambda: 0])  # type: ignore[list-item]
    assert pool.map(twice, [3]) == [6]


def test_every_finished_item_is_told(pool: SpicePool) -> None:
    told: list[int] = []
    pool.map(twice, range(7), lambda: told.append(1), costs=[1.0] * 7)
    assert len(told) == 7


@pytest.mark.parametrize("act", ["die", "hang"])
def test_a_lost_task_is_tried_again_elsewhere(tmp_path: Path, act: str) -> None:
    with SpicePool(workers=2, timeout=3.0) as pool:
        task = functools.partial(once, act=act)
        assert pool.map(task, [str(tmp_path / name) for name in "abc"]) == ["done"] * 3
        assert pool.counts["died" if act == "die" else "timed out"] == 3
        assert pool.counts["retried"] == 3


def test_a_task_that_always_dies_fails_alone(pool: SpicePool) -> None:
    with pytest.raises(TaskError, match=r"died \(exit code 3\), 4 times in all"):
        pool.map(os._exit, [3])
    assert pool.map(twice, [3]) == [6]


def test_a_worker_that_has_grown_is_replaced() -> None:
    with SpicePool(workers=1, memory=400e6) as pool:
        (small,) = pool.map(grow, [0])
        assert pool.map(grow, [0]) == [small]
        assert pool.map(grow, [int(500e6)]) == [small]
        assert pool.map(grow, [0]) != [small]
        assert pool.counts == {"recycled": 1}


def test_killing_idle_workers_breaks_nothing() -> None:
    with SpicePool(workers=2) as pool:
        for _ in range(6):  # more often than a task is tried
            for worker in multiprocessing.active_children():
                _kill(worker.pid or 0)
            assert pool.map(twice, range(10)) == [2 * i for i in range(10)]


def test_a_task_that_nobody_has_begun_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cosim.pool.PATIENCE", 3.0)
    with SpicePool(workers=1) as pool:
        assert pool.map(twice, [1]) == [2]
        schedule = pool._processes.schedule
        lost: list[object] = []

        def lose_the_first(*args: object) -> object:
            if not lost:
                lost.append(0)
                return Future()
            return schedule(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(pool._processes, "schedule", lose_the_first)
        assert pool.map(twice, [3]) == [6]
        assert pool.counts["renewed"] == 1


def test_processes_that_cannot_start_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cosim.processes.start_worker", os._exit)
    monkeypatch.setattr("cosim.pool.BARREN", 3)
    with SpicePool(workers=1, memory=1) as pool, pytest.raises(TaskError):
        pool.map(twice, [3])


@pytest.mark.ngspice
@pytest.mark.parametrize("deck", [POISON, INTERPOLATED])
def test_a_poisoned_process_is_never_used_again(deck: str) -> None:
    with SpicePool(workers=1) as pool:
        before, (first,) = pool.run([job()])[0], pool.map(process_of, [0])
        outcomes = pool.run([job(deck), job(), job(deck), job()])
        assert pool.map(process_of, [0]) != [first]
        assert pool.counts["poisoned"] >= 1
        assert pool.counts["retried"] == 0
    for outcome in outcomes[1::2]:
        np.testing.assert_array_equal(outcome.settled.volts, before.settled.volts)
        assert outcome.time_points == before.time_points


@pytest.mark.ngspice
@pytest.mark.slow
def test_workers_killed_at_random_change_no_bit() -> None:
    matrix, rhs = np.diag(np.arange(1.0, 21)) + 0.1, np.random.default_rng(0).normal(size=(20, 60))
    with open_backend("spice", workers=2) as backend:
        programmed = [backend.program(matrix * scale) for scale in (1, 2, 3)]
        requests = [(one, rhs) for one in programmed]
        expected = backend.solve_many(requests)
        stop = threading.Event()
        killer = threading.Thread(target=_kill_workers, args=(stop,))
        killer.start()
        found = backend.solve_many(requests)
        stop.set()
        killer.join()
        counts = backend.executor.counts
        assert counts["died"] + counts["renewed"] >= 1
    for a, b in zip(expected, found, strict=True):
        assert b.status is Status.SETTLED
        np.testing.assert_array_equal(a.value, b.value)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _kill_workers(stop: threading.Event) -> None:
    random = np.random.default_rng(0)
    for _ in range(4):
        if stop.wait(random.uniform(0.02, 0.1)):
            return
        children = multiprocessing.active_children()
        if children:
            os.kill(children[random.integers(len(children))].pid or 0, signal.SIGKILL)


SCRIPT = """
import time
from cosim.pool import SpicePool
pool = SpicePool(workers=2)
print(*pool.map(__import__("os").nice, [0, 0]), flush=True)
try:
    pool.map(time.sleep, [60] * 4)
except KeyboardInterrupt:
    pool.close()
    print("interrupted", flush=True)
"""


def test_interrupt_leaves_no_process_behind() -> None:
    run = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )
    assert run.stdout is not None
    run.stdout.readline()
    time.sleep(0.5)
    os.killpg(run.pid, signal.SIGINT)
    assert run.stdout.read() == "interrupted\n"
    assert run.wait(timeout=60) == 0
    deadline = time.monotonic() + 30
    while _group_lives(run.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _group_lives(run.pid)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("costs", [[0.0] * 5, [1.0] * 40, [100.0, *[1.0] * 50], []])
def test_batches_hold_every_item_once_and_the_costly_ones_first(costs: list[float]) -> None:
    found = batches(costs, 2)
    assert sorted(i for batch in found for i in batch) == list(range(len(costs)))
    assert len(found) <= 8 + 8 or not sum(costs)
    if costs and costs[0] > 1:
        assert found[0] == [0]


@pytest.mark.parametrize("workers", [0, -1, 1.5, True, "2"])
def test_workers_that_make_no_sense_are_refused(workers: object) -> None:
    with pytest.raises(InputError, match=r"workers = .* whole number of 1 or more"):
        SpicePool(workers=workers)  # type: ignore[arg-type]


@pytest.mark.parametrize("timeout", [0, -1.0, float("nan"), float("inf")])
def test_times_that_make_no_sense_are_refused(timeout: float) -> None:
    with pytest.raises(InputError, match=r"timeout = .* above 0"):
        SpicePool(workers=1, timeout=timeout)

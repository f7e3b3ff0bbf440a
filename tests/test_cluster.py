"""Jobs on a Dask cluster of this machine: the bits of the local pool, whatever happens to the workers."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("distributed")

from distributed import Client

from circuits import Hardware, InputError, InverseCircuit, Stimulus, encode
from circuits.stimulus import ACCURACIES
from cosim import cluster, cluster_client
from cosim.cluster import DaskExecutor
from cosim.cluster_worker import Versions, versions_here
from cosim.executor import TaskError
from cosim.executors import open_executor
from cosim.job import Job, Outcome
from cosim.pool import SpicePool
from cosim.settle import Limits
from cosim.spice import SpiceBackend
from training.cluster_demo import DemoCluster, demo_cluster

pytestmark = pytest.mark.ngspice

PID = "__import__('os').getpid()"
POISON = f"(setattr(__import__('cosim.job').job, '_poisoned', True), {PID})[1]"
LARGE = f"(setattr(__import__('cosim.cluster_worker').cluster_worker, '_memory_limit', float), {PID})[1]"
"""Lets 0 bytes be too many for the process, from now on."""
HANG = "__import__('re').match('(a+)+$', 'a' * 99 + 'b')"
"""Never ends, and gives no other thread of its interpreter a turn."""


@pytest.fixture(scope="module")
def started() -> Iterator[DemoCluster]:
    with demo_cluster(workers=2) as two:
        yield two


@pytest.fixture
def dask(started: DemoCluster) -> DemoCluster:
    """The cluster with both workers there, whatever the test before has done to them."""
    with Client(started.address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
    return started


@pytest.fixture(scope="module")
def here() -> Versions:
    return versions_here()


@pytest.fixture(autouse=True)
def versions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, here: Versions) -> None:
    # They do not change from test to test, and asking a process of its own takes a second.
    monkeypatch.setattr(cluster, "versions_here", lambda: here)


@pytest.fixture(scope="module")
def jobs() -> list[Job]:
    hardware = replace(Hardware(), opamp=Hardware().opamp.linear())
    found = []
    for n in (2, 3, 4, 5, 6, 7, 8, 9, 10, 11):
        matrix = np.random.default_rng(n).normal(size=(n, n)) / 4 + np.diag(np.linspace(1, 2, n))
        netlist = InverseCircuit(encode(matrix, hardware.cell), hardware).netlist()
        stimulus = Stimulus(
            np.random.default_rng(0).uniform(-0.1, 0.1, (n, 2)), 4e-7, 4e-9, replace(ACCURACIES["default"], steps=100)
        )
        found.append(Job(netlist.deck(stimulus), netlist.outputs, stimulus.ends, Limits(1e-5)))
    return found


@pytest.fixture(scope="module")
def expected(jobs: list[Job]) -> list[Outcome]:
    with SpicePool(workers=1) as pool:
        return pool.run(jobs)


def same(found: list[Outcome], expected: list[Outcome]) -> bool:
    return [(o.settled.volts.tobytes(), o.time_points) for o in found] == [
        (o.settled.volts.tobytes(), o.time_points) for o in expected
    ]


def pids(address: str) -> list[int]:
    with Client(address, set_as_default=False) as client:
        return list(client.run(os.getpid, on_error="ignore").values())


def test_the_bits_of_the_local_pool(dask: DemoCluster, jobs: list[Job], expected: list[Outcome]) -> None:
    done: list[None] = []
    with DaskExecutor(dask.address) as executor:
        started = time.monotonic()
        found = executor.run(jobs, progress=lambda: done.append(None))
        assert all(started <= o.started <= time.monotonic() for o in found)
        assert not executor.counts
    assert same(found, expected)
    assert len(done) == len(jobs)


def test_the_solution_of_the_local_backend(dask: DemoCluster) -> None:
    matrix = np.array([[2.0, -0.5, 0.1], [0.25, 1.0, 0.0], [0.0, 0.3, 1.5]])
    values = []
    for executor in (open_executor("local", workers=1), open_executor("dask", address=dask.address)):
        with SpiceBackend(executor=executor) as backend:
            values.append(backend.program(matrix).solve(np.eye(3)).value)
    assert values[0].tobytes() == values[1].tobytes()
    np.testing.assert_allclose(values[0], np.linalg.inv(matrix), atol=1e-2)


def test_killed_workers_change_no_bit(dask: DemoCluster, jobs: list[Job], expected: list[Outcome]) -> None:
    targets = pids(dask.address)

    def kill() -> None:
        while targets:
            os.kill(targets.pop(), signal.SIGKILL)

    with DaskExecutor(dask.address) as executor:
        found = executor.run(jobs, progress=kill)
        assert executor.counts["died"] >= 1
        assert executor.counts["retried"] >= 1
    assert same(found, expected)


@pytest.mark.parametrize(("reason", "spoiled"), {"poisoned": POISON, "recycled": LARGE}.items())
def test_unfit_process_is_not_used_again(dask: DemoCluster, reason: str, spoiled: str) -> None:
    with DaskExecutor(dask.address) as executor:
        # Several a message: a poisoned process leaves the others to another, a large one ends after them.
        found = executor._execute(eval, [spoiled, *[PID] * 31], [1.0] * 32, None)
        assert executor.counts == {reason: 1}
    assert all(found)
    assert found[0] not in found[1 if reason == "poisoned" else -4 :]


@pytest.mark.slow
def test_hung_task_is_stopped_and_tried_again(dask: DemoCluster, tmp_path: Path) -> None:
    mark = f"__import__('pathlib').Path({str(tmp_path / 'mark')!r})"
    with DaskExecutor(dask.address, timeout=2.0, retries=1) as executor:
        assert executor.map(eval, [f"{mark}.exists() or ({mark}.touch(), {HANG})", "7"]) == [True, 7]
        assert executor.counts == {"timed out": 1, "retried": 1}
        with pytest.raises(TaskError, match=r"longer than 2 s and was stopped, 2 times"):
            executor.map(eval, [HANG, "7"])


def test_task_that_kills_its_worker_fails_alone(dask: DemoCluster) -> None:
    with DaskExecutor(dask.address, retries=1) as executor:
        found = executor._execute(eval, ["__import__('os')._exit(3)", *["7"] * 8], [0.0] * 9, None)
        assert found[1:] == [7] * 8
        assert isinstance(found[0], TaskError)
        assert "died, 2 times" in str(found[0])
        assert executor.counts == {"died": 2, "retried": 1}


def test_exceptions_come_through(dask: DemoCluster) -> None:
    with DaskExecutor(dask.address) as executor:
        with pytest.raises(ValueError, match="invalid literal"):
            executor.map(int, ["1", "x"])
        with pytest.raises(TypeError, match="could not be sent"):
            executor.map(eval, ["lambda: 0"])
        with pytest.raises(OSError, match="of the function"):
            executor.map(exec, ["raise OSError('of the function')"])
        assert executor.map(int, ["1", "2"]) == [1, 2]


def test_interrupt_leaves_nothing_running(dask: DemoCluster) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with DaskExecutor(dask.address) as executor, Client(dask.address, set_as_default=False) as client:
        before = pids(dask.address)
        with pytest.raises(KeyboardInterrupt):
            executor.map(time.sleep, [1, 600], progress=interrupt)
        assert not any(client.processing().values())
        assert len(set(before) & set(pids(dask.address))) == 1  # the one that slept was ended
        assert executor.map(eval, ["7"] * 8) == [7] * 8


def test_other_versions_are_refused(dask: DemoCluster, here: Versions, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ngspice", "ohmvert", "python", "numpy"):
        other = replace(here, **{name: "0.0.1"})
        monkeypatch.setattr(cluster, "versions_here", lambda other=other: other)
        with pytest.raises(InputError, match=rf"tcp://.* has {name} {getattr(here, name)} and this run {name} 0\.0\.1"):
            DaskExecutor(dask.address)


def test_client_without_ngspice_takes_that_of_the_first_worker(
    dask: DemoCluster, here: Versions, monkeypatch: pytest.MonkeyPatch, jobs: list[Job], expected: list[Outcome]
) -> None:
    monkeypatch.setattr(cluster, "versions_here", lambda: replace(here, ngspice=""))
    with DaskExecutor(dask.address) as executor:
        assert executor._versions == here
        assert same(executor.run(jobs), expected)
    assert "no ngspice library" in here.refusal("tcp://there:1", replace(here, ngspice=""))


def test_worker_with_two_threads_is_refused(dask: DemoCluster) -> None:
    with DaskExecutor(dask.address) as executor:
        worker = dask.start_worker(threads=2)
        with Client(dask.address, set_as_default=False) as client:
            client.wait_for_workers(3, timeout=60)
        time.sleep(cluster_client.POLL)
        try:
            with pytest.warns(UserWarning, match="has 2 threads.* The others go on without it"):
                assert executor.map(eval, ["7"] * 4) == [7] * 4
            with pytest.raises(InputError, match=r"tcp://.* has 2 threads.*--nthreads 1"):
                DaskExecutor(dask.address)
        finally:
            dask.stop(worker)


def test_no_scheduler_at_the_address() -> None:
    with pytest.raises(InputError, match=r"tcp://127.0.0.1:9 in 1 s of trying"):
        DaskExecutor("tcp://127.0.0.1:9", connect=1.0)
    with pytest.raises(InputError, match=r"'nowhere' is not like tcp://host:8786"):
        DaskExecutor("nowhere")
    with pytest.raises(InputError, match="timeout = -1"):
        DaskExecutor("tcp://127.0.0.1:9", timeout=-1)


def test_nobody_is_there_and_then_the_scheduler_goes() -> None:
    with demo_cluster(workers=0) as empty, DaskExecutor(empty.address, patience=1.0) as executor:
        with pytest.raises(
            TaskError, match=r"could be used for 1 s: start workers with `dask worker tcp://.*--nthreads 1"
        ):
            executor.map(eval, ["7"])
        empty.stop(empty.processes[0])
        with pytest.raises(TaskError, match=r"scheduler at tcp://.* was lost"):
            executor.map(eval, ["7"])


def test_without_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install '\.\[cluster\]'"):
        DaskExecutor("tcp://127.0.0.1:9")


def test_options_of_the_other_kind() -> None:
    with pytest.raises(InputError, match="executor = 'ray' is unknown"):
        open_executor("ray")
    with pytest.raises(InputError, match="--dask-address"):
        open_executor("dask")
    with pytest.raises(InputError, match="--executor=dask"):
        open_executor("local", address="tcp://127.0.0.1:9")
    with pytest.raises(InputError, match="workers = 2 counts processes on this machine"):
        open_executor("dask", workers=2, address="tcp://127.0.0.1:9")

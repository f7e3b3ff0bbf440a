"""The command that shows a cluster losing a worker, all of it on this machine. Exit 1 where a bit differs."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

START = 60.0
"""[s] that a scheduler or a worker may take to start."""


@dataclass
class DemoCluster:
    """A Dask scheduler on this machine and the workers that were started for it."""

    folder: Path
    address: str = ""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a program of Dask in a session of its own, so that none of its children can outlive it."""
        command = [sys.executable, "-m", f"distributed.cli.{module}", *arguments, "--no-dashboard", "--host=127.0.0.1"]
        with Path(self.folder, f"{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, start_new_session=True)
        self.processes.append(process)
        return process

    def start_worker(self, threads: int = 1) -> subprocess.Popen[bytes]:
        """A worker process under a nanny, which starts it again when it ends."""
        return self.start("dask_worker", self.address, f"--nthreads={threads}", f"--local-directory={self.folder}")

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """Kill a program and all that it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def demo_cluster(workers: int = 2) -> Iterator[DemoCluster]:
    """A scheduler and so many workers on this machine; nothing of them is left afterwards."""
    from distributed import Client

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        cluster = DemoCluster(Path(name))
        try:
            cluster.start("dask_scheduler", "--port=0", "--scheduler-file=scheduler.json")
            file = Path(name, "scheduler.json")
            _wait_for(file.is_file)
            with Client(scheduler_file=str(file), set_as_default=False) as client:
                cluster.address = client.scheduler.address
                for _ in range(workers):
                    cluster.start_worker()
                if workers:
                    client.wait_for_workers(workers, timeout=START)
            yield cluster
        finally:
            for process in reversed(cluster.processes):
                cluster.stop(process)


def _wait_for(condition: Callable[[], Any]) -> None:
    until = time.monotonic() + START
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"Dask did not start within {START:g} s.")
        time.sleep(0.05)


def kill_busy_worker(address: str) -> int:
    """SIGKILL a worker process on this machine as soon as one is at work; its process id."""
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        _wait_for(lambda: any(client.processing().values()))
        pids = client.run(os.getpid)
        busy = [worker for worker, keys in client.processing().items() if keys]
        pid = int(pids[busy[0]] if busy else next(iter(pids.values())))
        os.kill(pid, signal.SIGKILL)
    return pid


def cluster_demo(
    matrices: Annotated[int, typer.Option(help="Matrices inverted.")] = 24,
    size: Annotated[int, typer.Option(help="Rows of each.")] = 16,
    kills: Annotated[int, typer.Option(help="Workers killed in the middle of the run.")] = 1,
) -> None:
    """Solve on a Dask cluster of two workers, kill one in the middle, and compare with the local pool bit for bit."""
    from cosim.cluster import DaskExecutor
    from cosim.pool import SpicePool

    with SpicePool(workers=2) as pool:
        local, local_seconds = _solve(pool, matrices, size)
    with demo_cluster() as cluster, DaskExecutor(cluster.address) as executor:
        killer = threading.Thread(target=_kill_often, args=(cluster.address, kills))
        killer.start()
        remote, seconds = _solve(executor, matrices, size)
        killer.join()
        counts = dict(executor.counts)
    apart = sum(a.tobytes() != b.tobytes() for a, b in zip(local, remote, strict=True))
    table = Table("", "local pool", "Dask", title=f"{matrices} inverses of {size} x {size}, {size} columns each")
    table.add_row("seconds", f"{local_seconds:.1f}", f"{seconds:.1f}")
    table.add_row("workers killed", "0", str(kills))
    table.add_row("mended", "", ", ".join(f"{name} {count}" for name, count in counts.items()) or "nothing")
    table.add_row("solutions that differ in a bit", "", str(apart))
    Console().print(table)
    raise typer.Exit(int(apart > 0))


def _kill_often(address: str, kills: int) -> None:
    for _ in range(kills):
        print(f"killed worker process {kill_busy_worker(address)}", flush=True)


def _solve(executor: Any, matrices: int, size: int) -> tuple[list[np.ndarray], float]:
    """Inverses of the same seeded matrices, and the seconds they took."""
    from cosim.spice import SpiceBackend

    random = np.random.default_rng(0)
    backend = SpiceBackend(executor=executor)
    drawn = random.normal(size=(matrices, size, size)) / (4 * size**0.5)
    programmed = backend.program_many([matrix @ matrix.T + np.eye(size) for matrix in drawn])
    started = time.monotonic()
    solutions = backend.solve_many([(one, np.eye(size)) for one in programmed])
    return [solution.value for solution in solutions], time.monotonic() - started

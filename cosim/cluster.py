"""Worker processes on other machines by way of a Dask scheduler: the jobs of the local pool, bit for bit.

The scheduler carries messages and watches workers. What runs where is decided here: every worker has one batch, and
one more in its hands for when that is done, so that it is known what a lost worker was doing, and no other task is
blamed for it.
"""

import math
import time
import warnings
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from circuits.errors import InputError
from cosim.batches import RETRIES, Tasks, batches
from cosim.cluster_client import Flight, Scheduler
from cosim.cluster_worker import Answer, Versions, versions_here
from cosim.executor import Executor, TaskError
from cosim.job import POISONED, Outcome
from cosim.workers import Thrown

CONNECT = 20.0
"""[s] that a scheduler is given to answer."""
PATIENCE = 300.0
"""[s] that a run waits while no worker is connected."""
WAY_OUT = "start workers with `dask worker {} --nthreads 1`."


class DaskExecutor(Executor):
    """Runs jobs on the workers of a Dask cluster, which stays as it is when this is closed.

    Workers may come and go at any time. One that cannot be used is an InputError at opening; later it is left out,
    with a warning. InputError too where no scheduler answers; a TaskError ends a run whose scheduler is lost.

    Args:
        address: of the scheduler, such as tcp://host:8786.
        timeout: [s] that one item may take before its process is stopped.
        retries: how often an item that lost its worker or its time is tried again on another.
        connect: [s] to try to reach the scheduler.
        patience: [s] that a run waits while no worker is connected.
    """

    def __init__(
        self,
        address: str,
        timeout: float = 600.0,
        retries: int = RETRIES,
        connect: float = CONNECT,
        patience: float = PATIENCE,
    ) -> None:
        super().__init__()
        for name, seconds in (("timeout", timeout), ("connect", connect), ("patience", patience)):
            if not 0 < seconds < math.inf:
                raise InputError(f"{name} = {seconds!r} s must be a finite time above 0.")
        self.timeout, self.retries, self.patience = timeout, retries, patience
        self.refused: dict[str, str] = {}
        """Why the worker at an address is not used."""
        self._processes: dict[str, str] = {}
        """The process at the address of every worker that may be used."""
        self._ended: set[str] = set()
        """Processes that were told to end."""
        self._met = False
        self._scheduler = Scheduler(address, connect)
        try:
            self._versions = versions_here()
            self._meet(connect)
        except BaseException:
            self.close()
            raise

    def _meet(self, seconds: float) -> None:
        """Compare the workers that are there and answer in time; InputError for one that cannot be used."""
        tasks = Tasks(int, [], self.retries, self.counts)
        flights = self._send(tasks, deque(), [])
        until = time.monotonic() + seconds
        while flights and not self.refused and time.monotonic() < until:
            for flight in self._scheduler.landed(flights):
                flights.remove(flight)
                self._take(tasks, flight)
        if self.refused:
            raise InputError(next(iter(self.refused.values())))
        self._met = True

    def _execute(
        self,
        function: Callable[[Any], Any],
        items: Sequence[Any],
        costs: Sequence[float],
        progress: Callable[[], None] | None,
    ) -> list[Any]:
        tasks = Tasks(function, items, self.retries, self.counts, progress)
        queue = deque(batches(costs, max(1, len(self._scheduler.workers()))))
        flights: list[Flight] = []
        alone_since = time.monotonic()
        try:
            while queue or any(flight.batch for flight in flights):
                flights += self._send(tasks, queue, flights)
                alone_since = time.monotonic() if flights else alone_since
                self._check_company(alone_since)
                for flight in self._scheduler.landed(flights):
                    queue.extendleft(self._take(tasks, flight))
                    flights.remove(flight)
                    self._start_clock(flight.address, flights)
        except BaseException:
            self._scheduler.abandon(flights)
            raise
        return tasks.results

    def _send(self, tasks: Tasks, queue: deque[list[int]], flights: list[Flight]) -> list[Flight]:
        """Give every idle worker a batch, and while there are plenty a second one to go on with at once.

        A worker that is new is only asked who it is.
        """
        sent: list[Flight] = []
        workers = self._scheduler.workers()
        self.refused = {address: reason for address, reason in self.refused.items() if address in workers}
        for hands in (0, 1):
            held = Counter(flight.address for flight in (*flights, *sent))
            for address, worker in workers.items():
                if held[address] != hands or not self._is_free(address, worker):
                    continue
                if address not in self._processes:
                    sent += [] if hands else [self._submit(tasks, address, [])]
                elif queue and (not hands or len(queue) >= len(workers)):
                    sent.append(self._submit(tasks, address, queue.popleft()))
        return sent

    def _submit(self, tasks: Tasks, address: str, batch: list[int]) -> Flight:
        work = (tasks.function, [tasks.items[i] for i in batch])
        return self._scheduler.submit(address, batch, self.timeout * max(1, len(batch)), work)

    def _is_free(self, address: str, worker: dict[str, Any]) -> bool:
        if worker["nthreads"] != 1:
            way_out = WAY_OUT.format(self._scheduler.address)
            self._refuse(
                address,
                f"The worker {address} has {worker['nthreads']} threads, and ngspice runs one circuit a process: "
                + way_out,
            )
        return address not in self.refused and worker["status"] == "running"

    def _start_clock(self, address: str, flights: list[Flight]) -> None:
        """The next batch in the hands of a worker begins now."""
        for flight in flights:
            if flight.address == address:
                flight.started = time.monotonic()

    def _take(self, tasks: Tasks, flight: Flight) -> list[list[int]]:
        """Keep the results of a flight that has landed; the batches that are still to be run in its place."""
        batch, address = flight.batch, flight.address
        found = self._scheduler.fetch(flight)
        if found is None:
            return self._lost(tasks, flight)
        if isinstance(found, Exception):
            if batch:  # what could not be sent or received
                return tasks.keep(batch, [Thrown(found)] * len(batch))
            found = Answer("", repr(found))
        if not self._accept(address, found, bool(batch)):
            return [batch] if batch else []
        if found.unfit and found.process not in self._ended:
            self._end(address, found)
        shift = time.monotonic() - found.clock
        return tasks.keep(batch, [_on_this_clock(result, shift) for result in found.results])

    def _accept(self, address: str, found: Answer, worked: bool) -> bool:
        """Whether the worker that answered may be used."""
        reason = self._versions.refusal(address, found.versions)
        if reason or not isinstance(found.versions, Versions):
            self._refuse(address, reason)
            return False
        self._versions = self._versions.completed(found.versions)
        if worked and self._processes.get(address, found.process) != found.process:
            # Its predecessor died, and Dask has given the batch to the process that came at the same address.
            self.counts.update(died=1, retried=1)
        if found.process not in self._ended:
            self._processes[address] = found.process
        return True

    def _refuse(self, address: str, reason: str) -> None:
        if address not in self.refused:
            self.refused[address] = reason
            self.counts["refused"] += 1
            if self._met:
                warnings.warn(f"{reason} The others go on without it.", stacklevel=2)

    def _lost(self, tasks: Tasks, flight: Flight) -> list[list[int]]:
        """The items of a flight whose worker is gone, each on its own; those that were tried too often fail."""
        self._scheduler.forget(flight)
        if not flight.batch:
            return []
        if self._processes.pop(flight.address, None) is None:
            return [flight.batch]  # an older batch has taken the process with it, or it was told to end
        late = time.monotonic() - flight.started >= self.timeout * len(flight.batch)
        self.counts["timed out" if late else "died"] += 1
        died = f"The worker {flight.address} died"
        why = f"The simulation took longer than {self.timeout:g} s and was stopped" if late else died
        return tasks.again(flight.batch, why)

    def _end(self, address: str, found: Answer) -> None:
        """Have a process that is unfit end itself; it refuses every batch that it still holds."""
        self.counts["poisoned" if found.unfit == POISONED else "recycled"] += 1
        self._ended.add(found.process)
        self._processes.pop(address, None)
        self._scheduler.end(address, found.unfit)

    def _check_company(self, alone_since: float) -> None:
        if time.monotonic() - alone_since > self.patience:
            reasons = " ".join(["", *self.refused.values()])
            raise TaskError(
                f"No worker of the Dask scheduler at {self._scheduler.address} could be used for {self.patience:g} s: "
                f"{WAY_OUT.format(self._scheduler.address)}{reasons}"
            )

    def close(self) -> None:
        """Leave the cluster; its workers stay for others."""
        self._scheduler.close()


def _on_this_clock(result: Any, shift: float) -> Any:
    """A result whose times [s] are those of this machine's clock, which its worker does not share."""
    return replace(result, started=result.started + shift) if isinstance(result, Outcome) else result

"""The connection to a Dask scheduler: who works there, what is sent to whom, and what comes back."""

import asyncio
import contextlib
import math
import pickle
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from circuits.errors import InputError
from cosim.cluster_worker import Answer, answer, end_process, give_up
from cosim.executor import TaskError

if TYPE_CHECKING:
    from distributed import Client, Future

POLL = 0.5
"""[s] between looks at which workers are there."""
FETCH = 1.0
"""[s] that the result of a finished batch may be on its way before its worker is looked at again; then twice that."""


@dataclass(eq=False)
class Flight:
    """A batch on its way to a worker and back."""

    address: str
    """The worker that has it, and no other may run it."""
    batch: list[int]
    """The items in it."""
    token: str = field(default_factory=lambda: uuid4().hex)
    started: float = field(default_factory=time.monotonic)
    """[s] on the clock of this machine: when it was sent, or the batch before it was done."""
    future: "Future[Any]" = field(init=False)


class Scheduler:
    """A client of the Dask scheduler at `address`, such as tcp://host:8786.

    Raises InputError where there is none, saying how long it was tried: up to `seconds`. Every method raises
    TaskError where the connection is lost or closed.
    """

    def __init__(self, address: str, seconds: float) -> None:
        self.address = address
        self._client = _connect(address, seconds)
        self._seen: tuple[float, dict[str, Any]] = (-math.inf, {})

    def workers(self) -> dict[str, Any]:
        """What the scheduler knows of every worker, by address, at most POLL old."""
        looked, workers = self._seen
        if time.monotonic() - looked >= POLL:
            workers = self._ask(lambda: self._client.scheduler_info(n_workers=-1).get("workers", {}))
            self._seen = time.monotonic(), workers
        return workers

    def submit(self, address: str, batch: list[int], seconds: float, work: Any) -> Flight:
        """Send a batch, `work` = (function, items), to the worker; its process ends itself after `seconds`."""
        flight = Flight(address, batch)
        # Pickled here, so that Dask does not search a long list of jobs for futures of its own.
        packed = pickle.dumps(work)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sending large graph")
            flight.future = self._ask(
                lambda: self._client.submit(
                    answer, packed, flight.token, seconds, key=f"ohmvert-{flight.token}", workers=[address]
                )
            )
        return flight

    def landed(self, flights: Sequence[Flight]) -> list[Flight]:
        """Those that are over after at most POLL: answered, or without the worker they went to."""
        from distributed import wait

        if not flights:
            time.sleep(POLL)
            return []
        with contextlib.suppress(TimeoutError), self._client.as_current():
            self._ask(lambda: wait([flight.future for flight in flights], POLL, "FIRST_COMPLETED"))
        workers = self.workers()
        return [flight for flight in flights if flight.future.done() or flight.address not in workers]

    def fetch(self, flight: Flight) -> Answer | Exception | None:
        """The answer of a flight that has landed, what Dask raised in its place, or None where its worker is gone."""
        from distributed import KilledWorker

        seconds = FETCH
        while flight.address in self.workers():
            with contextlib.suppress(TimeoutError):
                error = self._ask(partial(flight.future.exception, seconds))
                if error is not None:
                    return None if isinstance(error, KilledWorker) else error
                return _unpacked(self._ask(partial(flight.future.result, seconds)))
            seconds *= 2
        return None

    def forget(self, flight: Flight) -> None:
        """Take back a flight whose worker is gone: Dask would wait for another at the same address."""
        self._ask(lambda: flight.future.cancel())

    def end(self, address: str, code: int) -> None:
        """Have the idle process of a worker end itself; its nanny starts another."""
        self._ask(lambda: self._client.run(end_process, code, workers=[address], on_error="ignore"))

    def abandon(self, flights: Sequence[Flight]) -> None:
        """Take back what was sent, and end the processes that are in the middle of it, as far as that can be."""
        there = list({flight.address for flight in flights if flight.address in self._seen[1]})
        if self._client.status != "running":
            return  # its workers end themselves without it
        with contextlib.suppress(Exception):
            self._client.cancel([flight.future for flight in flights])
            if there:
                tokens = [flight.token for flight in flights]
                self._client.run(give_up, tokens, workers=there, on_error="ignore")

    def close(self) -> None:
        """Leave the cluster as it is."""
        self._client.close()

    def _ask(self, question: Callable[[], Any]) -> Any:
        """An answer by way of the scheduler; TimeoutError passes."""
        problem: object = "the connection is closed"
        if self._client.status == "running":
            try:
                return question()
            except TimeoutError:
                raise
            except CancelledError:
                pass
            except OSError as error:
                problem = error
        raise TaskError(f"The Dask scheduler at {self.address} was lost while there were tasks to run: {problem}.")


def _unpacked(packed: bytes) -> Answer | Exception:
    try:
        return pickle.loads(packed)
    except Exception as error:
        return error


def _connect(address: str, seconds: float) -> "Client":
    try:
        from distributed import Client
    except ImportError:
        raise InputError("Dask distributed is not installed: in the checkout, pip install '.[cluster]'.") from None
    started = time.monotonic()
    try:
        # A Client that fails to connect keeps its threads; a single connection does not.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, _knock(address, seconds)).result()
        return Client(address, timeout=seconds, set_as_default=False, name="ohmvert")
    except ValueError as error:
        raise InputError(f"dask address = {address!r} is not like tcp://host:8786: {error}.") from None
    except (OSError, TimeoutError) as error:
        raise InputError(
            f"No Dask scheduler answered at {address} in {time.monotonic() - started:.0f} s of trying ({error}): "
            "start one with `dask scheduler`, or correct the address."
        ) from None


async def _knock(address: str, seconds: float) -> None:
    from distributed import Security
    from distributed.comm import connect

    comm = await connect(address, timeout=seconds, **Security().get_connection_args("client"))
    await comm.close()

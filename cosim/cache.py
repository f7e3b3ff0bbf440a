"""Outcomes of SPICE jobs kept on disk by content: a transient that ran once need not run again."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pooch

from cosim.executor import Executor, TaskError
from cosim.job import Job, Outcome
from cosim.pool import ask_engine
from cosim.settle import Settled
from cosim.solution import Status
from cosim.store import Store

SIZE_LIMIT = 2**30
"""[bytes] that a cache folder may take; beyond, what was stored first goes first."""
JUDGES = ("job.py", "messages.py", "ngspice.py", "settle.py")
"""Source files between a job and its outcome: once any of them changes, all entries are misses."""
_FLOAT = "<f8"


class CachedExecutor(Executor):
    """Another executor with a memory on disk, shared by all processes that name the same folder.

    An entry is found by the SHA-256 of all that its outcome depends on: the job, ngspice's version and whether it
    has KLU, and the sources in JUDGES. Only outcomes with waveforms are kept: a timeout or a death says nothing
    about the job, and what ngspice refuses it refuses at once, perhaps for a reason of this machine. Trusted jobs
    always run: their decks may start programs and read files.

    `counts` are those of the inner executor, with 'cache hits', 'cache misses' and 'corrupt' for entries, or whole
    databases, that were dropped. A folder that cannot be used is a RuntimeWarning once, and then there is no cache.
    The inner executor is closed with this one.

    Args:
        inner: runs the jobs that are not found.
        folder: where to keep outcomes, the user's cache folder where None.
        size_limit: [bytes] that they may take.
    """

    def __init__(self, inner: Executor, folder: Path | str | None = None, size_limit: int = SIZE_LIMIT) -> None:
        super().__init__()
        self.inner, self.counts = inner, inner.counts
        self.folder = Path(folder or pooch.os_cache("ohmvert")) / "outcomes"
        self._store = Store(self.folder, size_limit, self.counts)
        self._engine = b""

    def run(self, jobs: Sequence[Job], progress: Callable[[], None] | None = None) -> list[Outcome]:
        """Outcomes in the order of the jobs: found, or run by the inner executor and kept. Equal jobs run once."""
        if not self._store.usable or any(job.trust for job in jobs) or not self._know_engine():
            return self.inner.run(jobs, progress)
        keys = [hashlib.sha256(self._engine + _bytes(job)).digest() for job in jobs]
        known = {key: outcome for key in dict.fromkeys(keys) if (outcome := self._find(key))}
        missing = {key: job for key, job in zip(keys, jobs, strict=True) if key not in known}
        self.counts["cache hits"] += len(jobs) - len(missing)
        self.counts["cache misses"] += len(missing)
        for _ in range(len(jobs) - len(missing) if progress else 0):
            progress()  # type: ignore[misc]
        fresh = dict(zip(missing, self.inner.run(list(missing.values()), progress), strict=True))
        for key, outcome in fresh.items():
            if outcome.time_points:
                self._store.set(key, _pack(key, outcome))
        known |= {key: replace(outcome, seconds=0.0) for key, outcome in fresh.items()}
        # The first of equal jobs has spent the engine's time, the others none.
        return [fresh.pop(key, known[key]) for key in keys]

    def _find(self, key: bytes) -> Outcome | None:
        """The outcome kept under a key, with no engine time spent; None where there is none that can be read."""
        packed = self._store.get(key)
        if packed is None:
            return None
        try:
            return _unpack(key, packed)
        except (ValueError, KeyError, TypeError):
            self._store.drop(key)
            return None

    def _know_engine(self) -> bool:
        """Ask the workers once what they run with; whether they told."""
        try:
            self._engine = self._engine or _bytes((*ask_engine(self.inner), _judges()))
        except (TaskError, OSError):
            return False  # a job will say better what is wrong with ngspice
        return True

    def _execute(
        self,
        function: Callable[[Any], Any],
        items: Sequence[Any],
        costs: Sequence[float],
        progress: Callable[[], None] | None,
    ) -> list[Any]:
        return self.inner._execute(function, items, costs, progress)

    def close(self) -> None:
        """Stop the inner executor's workers and let go of the folder."""
        self._store.close()
        self.inner.close()


def _bytes(value: Any) -> bytes:
    """Content as bytes that differ where the content differs."""
    if isinstance(value, np.ndarray):
        return repr((value.dtype.str, value.shape)).encode() + value.tobytes()
    if is_dataclass(value):
        value = tuple(getattr(value, field.name) for field in fields(value))
    if isinstance(value, tuple):
        parts = [_bytes(part) for part in value]
        return b"".join(b"%d:%b" % (len(part), part) for part in parts)
    return repr(value).encode()


def _judges() -> bytes:
    return b"".join(files("cosim").joinpath(name).read_bytes() for name in JUDGES)


def _pack(key: bytes, outcome: Outcome) -> bytes:
    """An outcome behind a checksum that covers its key too."""
    settled = outcome.settled
    words = [[str(status) for status in settled.statuses], settled.details, outcome.time_points, outcome.message]
    header = json.dumps([settled.volts.shape, *words]).encode()
    numbers = settled.volts.astype(_FLOAT).tobytes() + settled.settling_time.astype(_FLOAT).tobytes()
    content = header + b"\n" + numbers
    return hashlib.sha256(key + content).digest() + content


def _unpack(key: bytes, packed: bytes) -> Outcome:
    """The outcome, ended now and without any engine time. ValueError where the checksum does not fit."""
    checksum, content = packed[:32], packed[32:]
    if hashlib.sha256(key + content).digest() != checksum:
        raise ValueError("The entry is not what was stored.")
    header, _, numbers = content.partition(b"\n")
    (rows, columns), statuses, details, time_points, message = json.loads(header)
    floats = np.frombuffer(numbers, _FLOAT).astype(float)
    settled = Settled(
        volts=floats[: rows * columns].reshape(rows, columns),
        settling_time=floats[rows * columns :],
        statuses=tuple(Status(status) for status in statuses),
        details=tuple(details),
    )
    return Outcome(settled, time_points, time.monotonic(), message=message)

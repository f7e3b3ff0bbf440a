"""Outcomes of SPICE jobs kept on disk by content: a transient that ran once need not run again."""

import hashlib
import json
import sqlite3
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import diskcache
import numpy as np
import pooch

from cosim.executor import Executor, TaskError
from cosim.job import Job, Outcome
from cosim.pool import ask_engine
from cosim.settle import Settled
from cosim.solution import Status

T = TypeVar("T")

SIZE_LIMIT = 2**30
"""[bytes] that a cache folder may take; beyond, what was stored first goes first."""
PATIENCE = 10.0
"""[s] to wait for another process that writes."""
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
        self._store = _Store(self.folder, size_limit, self.counts)
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


class _BytesDisk(diskcache.Disk):
    """Reads and writes bytes inside the database and nothing else.

    diskcache's own would unpickle, and so run, what somebody else has put into the folder (CVE-2025-69872).
    """

    def get(self, key: Any, raw: bool) -> bytes:
        """A key; TypeError unless it is bytes."""
        return _only_bytes(key if raw else None)

    def store(self, value: Any, read: bool, key: Any = None) -> tuple[int, int, None, Any]:
        """(size, mode, file, value) of bytes; TypeError for anything else."""
        return 0, diskcache.core.MODE_RAW, None, _only_bytes(value)

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> bytes:
        """Bytes as they were stored; TypeError for anything else, pickles and files among it."""
        return _only_bytes(value if mode == diskcache.core.MODE_RAW else None)

    def remove(self, file_path: str) -> None:
        """Nothing: there are no files, whatever the database says."""


class _Store:
    """Bytes by key in a folder. It never raises: what it cannot keep is not kept."""

    def __init__(self, folder: Path, size_limit: int, counts: Counter[str]) -> None:
        self.folder, self.size_limit, self.counts = folder, size_limit, counts
        self._cache: diskcache.Cache | None = None
        self._renewed = False
        self._try(self._open)

    @property
    def usable(self) -> bool:
        return self._cache is not None

    def get(self, key: bytes) -> bytes | None:
        try:
            return self._try(lambda: None if self._cache is None else self._cache.get(key))
        except TypeError:
            self.drop(key)
            return None

    def set(self, key: bytes, value: bytes) -> None:
        self._try(lambda: self._cache is not None and self._cache.set(key, value))

    def drop(self, key: bytes) -> None:
        """Remove a corrupt entry."""
        self.counts["corrupt"] += 1
        self._try(lambda: self._cache is not None and self._cache.delete(key))

    def close(self) -> None:
        if self._cache is not None:
            self._try(self._cache.close)
        self._cache = None

    def _open(self) -> None:
        try:
            self._cache = diskcache.Cache(
                str(self.folder.resolve()), timeout=PATIENCE, disk=_BytesDisk, **self._settings
            )
        except (TypeError, ValueError) as error:  # settings in the database that diskcache does not know
            raise sqlite3.DatabaseError(str(error)) from None

    @property
    def _settings(self) -> dict[str, Any]:
        return {
            "size_limit": self.size_limit,
            # Hits then write nothing, and so wait for nobody.
            "eviction_policy": "least-recently-stored",
            # A file in mapped memory that somebody cuts short kills the process, and write-ahead logs map one.
            "sqlite_mmap_size": 0,
            "sqlite_journal_mode": "truncate",
            # Nothing is synced: what a power failure tears, a checksum tells.
            "sqlite_synchronous": 0,
        }

    def _try(self, action: Callable[[], T]) -> T | None:
        """What the action gives; None where the folder fails it, and then the store is renewed or given up."""
        try:
            return action()
        except (OSError, sqlite3.DatabaseError, diskcache.Timeout) as error:
            if _is_corrupt(error):
                self._renew()
            else:
                self._give_up(f"{error}" or f"another process kept it locked for {PATIENCE:g} s")
        return None

    def _renew(self) -> None:
        self.counts["corrupt"] += 1
        if self._renewed:
            self._give_up("its database is corrupt again")
            return
        self._renewed = True
        self.close()
        for suffix in ("-journal", ""):
            self.folder.joinpath(diskcache.core.DBNAME + suffix).unlink(missing_ok=True)
        self._try(self._open)

    def _give_up(self, why: str) -> None:
        self._cache = None
        words = f"The cache folder {self.folder} cannot be used ({why}): going on without a cache."
        warnings.warn(words, RuntimeWarning, stacklevel=2)


def _is_corrupt(error: Exception) -> bool:
    """Whether the database itself is at fault: no database, broken pages, missing tables."""
    if isinstance(error, sqlite3.OperationalError):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
    return isinstance(error, sqlite3.DatabaseError)


def _only_bytes(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError("The cache holds something else than bytes.")
    return value


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

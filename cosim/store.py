"""Bytes by key on disk, in a folder that many processes share and that anybody may have damaged."""

import sqlite3
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import diskcache

T = TypeVar("T")

PATIENCE = 10.0
"""[s] to wait for another process that writes."""


class BytesDisk(diskcache.Disk):
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


class Store:
    """Bytes by key in a folder. It never raises: what it cannot keep is not kept."""

    def __init__(self, folder: Path, size_limit: int, counts: Counter[str]) -> None:
        self.folder, self.size_limit, self.counts = folder, size_limit, counts
        self._cache: diskcache.Cache | None = None
        self._renewed = False
        self._try(self._open)

    @property
    def usable(self) -> bool:
        """Whether anything can be kept."""
        return self._cache is not None

    def get(self, key: bytes) -> bytes | None:
        """What is kept under a key, None for nothing."""
        try:
            return self._try(lambda: None if self._cache is None else self._cache.get(key))
        except TypeError:
            self.drop(key)
            return None

    def set(self, key: bytes, value: bytes) -> None:
        """Keep a value if possible."""
        self._try(lambda: self._cache is not None and self._cache.set(key, value))

    def drop(self, key: bytes) -> None:
        """Remove a corrupt entry."""
        self.counts["corrupt"] += 1
        self._try(lambda: self._cache is not None and self._cache.delete(key))

    def close(self) -> None:
        """Let go of the folder."""
        if self._cache is not None:
            self._try(self._cache.close)
        self._cache = None

    def _open(self) -> None:
        try:
            self._cache = diskcache.Cache(
                str(self.folder.resolve()), timeout=PATIENCE, disk=BytesDisk, **self._settings
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

"""What happens inside a worker process of a Dask cluster: it says who it is with every batch it has run."""

import faulthandler
import os
import pickle
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from uuid import uuid4

import numpy as np
from threadpoolctl import threadpool_limits

from cosim import job as jobs
from cosim.library import find_ngspice
from cosim.pool import MEMORY_PER_WORKER, SpicePool
from cosim.workers import RECYCLED, Thrown, resident_bytes, run_batch

ABANDONED = 77
"""Exit code of a worker in the middle of a batch that nobody waits for any more."""
MEMORY_SHARE = 0.6
"""Part of a worker's memory limit at which its process is replaced; at 0.8 Dask would pause it."""
_process = uuid4().hex
_running = ""


@dataclass(frozen=True)
class Versions:
    """What the bits of a result depend on. Empty where it is not installed."""

    ngspice: str
    ohmvert: str
    python: str
    """Major and minor version."""
    numpy: str

    def refusal(self, address: str, other: "Versions | str") -> str:
        """Why the worker that is `other` cannot be used beside these versions; empty where it can."""
        if isinstance(other, str):
            return (
                f"The worker {address} cannot run jobs ({other}): install ohmvert[cluster] and ngspice's library there."
            )
        if not other.ngspice:
            return (
                f"The worker {address} has no ngspice library: install libngspice0 there or set NGSPICE_LIBRARY_PATH."
            )
        for one in fields(self):
            ours, theirs = getattr(self, one.name), getattr(other, one.name)
            if ours and ours != theirs:
                return (
                    f"The worker {address} has {one.name} {theirs} and this run {one.name} {ours}, which may give "
                    "other results: install one version everywhere."
                )
        return ""

    def completed(self, other: "Versions") -> "Versions":
        """These, with the ngspice of the first worker where there is none here."""
        return self if self.ngspice else replace(self, ngspice=other.ngspice)


@dataclass(frozen=True)
class Answer:
    """What a worker sends back."""

    process: str
    """Names the process, among all processes ever."""
    versions: Versions | str
    """Its versions, or why it has none."""
    results: list[Any] = field(default_factory=list)
    """Of the first items of the batch; fewer than all where the process became unfit on the way."""
    unfit: int = 0
    """The exit code that it must end with before another batch, 0 for none."""
    clock: float = 0.0
    """[s] of its monotonic clock when it had finished."""


def answer(work: bytes, token: str, seconds: float) -> bytes:
    """Run a pickled (function, items); a pickled Answer. The process ends itself after `seconds`."""
    global _running
    found = _versions_of_worker()
    function, items = pickle.loads(work)
    _running = token
    # A thread of C: it needs no turn of the interpreter, which a simulator that hangs may never give.
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or sys.stderr)
    try:
        results = [] if _unfit() else run_batch(function, items)
    finally:
        faulthandler.cancel_dump_traceback_later()
        _running = ""
    return _packed(Answer(_process, found, results, _unfit(), time.monotonic()))


def _packed(found: Answer) -> bytes:
    try:
        return pickle.dumps(found)
    except Exception as error:
        problem = Thrown(TypeError(f"A result could not be sent: {error}"))
        return pickle.dumps(replace(found, results=[problem] * len(found.results)))


def _unfit() -> int:
    if jobs.is_poisoned():
        return jobs.POISONED
    return RECYCLED if resident_bytes() > _memory_limit() else 0


@cache
def _memory_limit() -> float:
    """[bytes] of resident memory above which this process is replaced."""
    from distributed import get_worker

    limit = get_worker().memory_manager.memory_limit
    return min(MEMORY_PER_WORKER, MEMORY_SHARE * limit if limit else MEMORY_PER_WORKER)


def give_up(tokens: Sequence[str]) -> None:
    """End this process if it runs one of these batches."""
    if _running in tokens:
        os._exit(ABANDONED)


def end_process(code: int) -> None:
    """End this process between two batches."""
    os._exit(code)


@cache
def _versions_of_worker() -> Versions:
    found = describe(None)
    # After the libraries are loaded. One process a core is running already: more threads wait for each other.
    threadpool_limits(1)
    return found


def describe(_: None) -> Versions:
    """The versions of this process, which loads ngspice for it."""
    engine = ""
    if find_ngspice():
        from cosim import ngspice

        engine = ngspice.version()
    try:
        ours = version("ohmvert")
    except PackageNotFoundError:
        ours = "not installed"
    return Versions(engine, ours, ".".join(platform.python_version_tuple()[:2]), np.__version__)


def versions_here() -> Versions:
    """The versions of this machine; ngspice is loaded by a process of its own, if there is one."""
    if not find_ngspice():
        return describe(None)
    with SpicePool(workers=1, timeout=60.0) as pool:
        return pool.map(describe, [None])[0]

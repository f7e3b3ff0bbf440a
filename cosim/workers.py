"""What happens inside a worker process: a batch of items, one after the other, and when the process is given up."""

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from cosim import job as jobs

RECYCLED = 76
"""Exit code of a worker whose memory has grown too large to go on."""
GIVEN_UP = (jobs.POISONED, RECYCLED)
"""Exit codes of workers that stop by their own choice, before they begin a batch."""
_memory_limit = float("inf")
_used = False


@dataclass(frozen=True)
class Thrown:
    """An exception that the function raised, as a result that can be sent."""

    error: Exception


def start_worker(memory: float) -> None:
    """Prepare a fresh process, which is replaced once it holds more than `memory` bytes."""
    global _memory_limit
    end_with_parent()
    # Ctrl-C reaches the whole process group; the trainer decides what is still worth finishing.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # One process a core is running already: more threads wait for each other.
    threadpool_limits(1)
    _memory_limit = memory


def end_with_parent() -> None:
    """Have this process end within seconds once the one that started it is gone, whatever it is doing."""
    threading.Thread(target=_watch, args=[os.getppid()], daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def run_batch(function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """Results of the items, fewer where the process became unfit on the way; a Thrown for an exception.

    A process that is unfit from the start ends, so that the pool makes a new one.
    """
    global _used
    if jobs.is_poisoned():
        os._exit(jobs.POISONED)
    if _used and resident_bytes() > _memory_limit:
        os._exit(RECYCLED)
    _used = True
    results: list[Any] = []
    for item in items:
        if jobs.is_poisoned():
            break
        try:
            results.append(function(item))
        except Exception as error:
            results.append(Thrown(error))
    return results


def resident_bytes() -> float:
    """Resident memory of this process [bytes], 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return float(pages * os.sysconf("SC_PAGESIZE"))

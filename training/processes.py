"""The worker processes of a training run, found from outside by Linux's /proc."""

import time
from pathlib import Path


def workers_of(trainer: int) -> list[int]:
    """Ids of the processes of a trainer that run ngspice."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        if _status(int(folder.name))[1] == trainer and "spawn_main" in _command(int(folder.name)):
            found.append(int(folder.name))
    return sorted(found)


def is_running(process: int) -> bool:
    """Whether a process computes at this moment."""
    return _status(process)[0] == "R"


def survivors(processes: list[int], seconds: float) -> list[int]:
    """The worker processes that are still there after so many seconds."""
    until = time.monotonic() + seconds
    while alive := [p for p in processes if _status(p)[0] not in "ZX" and "spawn_main" in _command(p)]:
        if time.monotonic() > until:
            break
        time.sleep(0.05)
    return alive


def _status(process: int) -> tuple[str, int]:
    """(state, parent) of a process; X where there is none."""
    try:
        state, parent = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[:2]
    except (OSError, ValueError):
        return "X", 0
    return state, int(parent)


def _command(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except OSError:
        return ""

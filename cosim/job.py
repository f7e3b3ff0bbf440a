"""A SPICE job: a pure function from netlist text, probes and read-out times to volts, for any process."""

import re
import time
from dataclasses import dataclass

import numpy as np

from circuits.errors import InputError
from circuits.vendor import refuse_programs
from cosim.settle import Limits, Settled, Waveforms, settle
from cosim.solution import Array, Status

POISONED = 75
"""Exit code of a worker whose ngspice can run no further circuit."""
_poisoned = False
_LEAKING = re.compile(r"^\s*\.opt(ions?)?\b.*\binterp\b", re.IGNORECASE | re.MULTILINE)
"""Options that ngspice keeps for every later circuit of the process."""


@dataclass(frozen=True)
class Job:
    """Everything that a transient needs; it can be sent to another process and repeated."""

    deck: str
    """Complete netlist text."""
    probes: tuple[str, ...]
    """Nodes to read."""
    ends: Array
    """(k,) [s] when each right-hand side is read."""
    limits: Limits
    """What the outputs are judged by."""
    trust: bool = False
    """Whether lines of the deck that ngspice runs as programs are let through."""


@dataclass(frozen=True)
class Outcome:
    """What a job gave. `message` holds the simulator's words where it failed."""

    settled: Settled
    time_points: int = 0
    started: float = 0.0
    """[s] on the machine's monotonic clock, the same in all processes."""
    seconds: float = 0.0
    """Wall time inside ngspice [s]."""
    message: str = ""


def failed(job: Job, message: str, seconds: float = 0.0) -> Outcome:
    """The outcome of a job without waveforms."""
    k = len(job.ends)
    nothing = Settled(np.full((len(job.probes), k), np.nan), np.full(k, np.nan), (Status.FAILED,) * k)
    return Outcome(nothing, seconds=seconds, message=message)


def is_poisoned() -> bool:
    """Whether the ngspice of this process would fail with every further circuit."""
    return _poisoned


def run_job(job: Job) -> Outcome:
    """Run a job in this process; a simulation that fails is an outcome, not an exception."""
    from cosim.ngspice import SimulationError, run

    global _poisoned
    started = time.monotonic()
    try:
        if not job.trust:
            refuse_programs(job.deck, "The netlist")
        _poisoned = bool(_LEAKING.search(job.deck))
        waveforms = run(job.deck, job.probes, float(job.ends[-1]))
    except InputError as error:
        return failed(job, str(error))
    except SimulationError as error:
        _poisoned |= error.poisoned
        return failed(job, str(error))
    seconds = time.monotonic() - started
    settled = settle(waveforms, job.ends, job.limits)
    return Outcome(settled, len(waveforms.times), started, seconds)


def run_waveforms(job: Job) -> Waveforms:
    """The waveforms of a job, run in this process. Raises cosim.ngspice.SimulationError."""
    from cosim.ngspice import run

    return run(job.deck, job.probes, float(job.ends[-1]))


def busy_seconds(outcomes: list[Outcome]) -> float:
    """Wall time [s] in which at least one of the jobs ran, on however many processes."""
    total, until = 0.0, -np.inf
    for start, end in sorted((o.started, o.started + o.seconds) for o in outcomes):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total

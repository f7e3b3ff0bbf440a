"""Waveforms of a circuit's windows, by either engine, and when each output comes into its band."""

from dataclasses import dataclass, replace

import numpy as np

from circuits import LinearCircuit
from circuits.blas import one_thread
from circuits.errors import InputError
from cosim.executor import TaskError
from cosim.job import Job, run_waveforms
from cosim.library import need_ngspice
from cosim.pool import SpicePool
from cosim.settle import BAND, Settled, Waveforms, settle, settling_time
from cosim.show_deck import Settling
from cosim.solution import Array

POINTS = 240
"""Times in a window of a nodal waveform at the most, close after its edge."""
FEWEST = 40
"""At the least, however many volts there are."""
VOLTS = 2_000_000
"""Volts of all outputs that are kept together, where FEWEST allows it."""

CLEAR = 1.5
"""An excursion beyond so many bands, or below one over it, is the same in any engine; ringing between may graze."""


@dataclass(frozen=True)
class Recorded:
    """A transient, judged."""

    waveforms: Waveforms | None
    """None where the simulator gave none."""
    settled: Settled | None
    message: str = ""


def record_nodal(circuit: LinearCircuit, outputs: tuple[str, ...], windows: Array, job: Job) -> Recorded:
    """The exact waveforms of the linear circuit; no limit of an op-amp is known to it."""
    points = int(np.clip(VOLTS // max(1, len(outputs) * len(windows)), FEWEST, POINTS))
    share = (np.arange(1, points + 1) / points) ** 2
    times = np.concatenate([[0.0], *(start + (end - start) * share for start, end in windows)])
    with one_thread(), np.errstate(over="ignore", invalid="ignore"):
        waveforms = Waveforms(times, circuit.waveform(list(outputs), times))
    limits = replace(job.limits, swing=np.inf, slew=np.inf)
    return Recorded(waveforms, settle(waveforms, job.ends, limits))


def record_spice(job: Job) -> Recorded:
    """The transient in ngspice, in a process of its own."""
    need_ngspice()
    with SpicePool(1) as pool:
        try:
            waveforms = pool.map(_simulate, [job])[0]
        except TaskError as error:
            return Recorded(None, None, str(error))
    if isinstance(waveforms, str):
        return Recorded(None, None, waveforms)
    return Recorded(waveforms, settle(waveforms, job.ends, job.limits))


def _simulate(job: Job) -> Waveforms | str:
    """The waveforms, or ngspice's reason for giving none: its own exception cannot be unpacked without PySpice."""
    from cosim.ngspice import SimulationError

    try:
        return run_waveforms(job)
    except (SimulationError, InputError) as error:
        return str(error)


def bands(settled: Array) -> Array:
    """(k,) [V] half the width of the band around settled outputs (n, k)."""
    return np.asarray(BAND * np.abs(settled).max(axis=0))


def settling(waveforms: Waveforms, settled: Array, windows: Array) -> Settling:
    """How outputs come into the bands around `settled` (n, k) [V]."""
    edges, clear = np.zeros(settled.shape), np.zeros(settled.shape, dtype=bool)
    for j, band in enumerate(bands(settled)):
        for i, row in enumerate((_cut(waveforms, windows[j])[1] - settled[:, j : j + 1]) / band):
            edges[i, j], clear[i, j] = _entry(row)
    return Settling(settled, bands(settled), edges, clear)


def _entry(apart: Array) -> tuple[float, bool]:
    """Sign (1 rising, -1 falling, 0 for none) of the edge at which distances (points,) [bands] come below 1 for good,
    and whether the last excursion before and the largest after leave no doubt that any engine crosses there.
    """
    outside = np.flatnonzero(~(np.abs(apart) <= 1))
    if not len(outside) or outside[-1] + 1 == len(apart):
        return 0.0, False
    last = int(outside[-1])
    sign = np.sign(apart[last])
    elsewhere = np.flatnonzero(~(sign * apart[: last + 1] > 1))
    peak = np.abs(apart[(elsewhere[-1] + 1 if len(elsewhere) else 0) : last + 1]).max()
    rest = np.abs(apart[last + 1 :])
    inside = np.flatnonzero(rest < 1 / CLEAR)
    stays = len(inside) > 0 and rest[inside[0] :].max() < 1 / CLEAR
    return float(-sign), bool(peak > CLEAR and stays)


def settling_times(waveforms: Waveforms, windows: Array) -> Array:
    """(n, k) [s] from the start of each window until an output stays within BAND of the largest one's end."""
    found = np.full((len(waveforms.volts), len(windows)), np.nan)
    for j, window in enumerate(windows):
        times, volts = _cut(waveforms, window)
        if np.isfinite(volts).all():
            largest = float(np.abs(volts[:, -1]).max())
            found[:, j] = [settling_time(times, row[None], BAND, largest) for row in volts]
    return found


def _cut(waveforms: Waveforms, window: Array) -> tuple[Array, Array]:
    """Times from the start of a window, and volts, from the last point before it to the one at its end."""
    slack = 1e-9 * waveforms.times[-1]
    first, last = np.searchsorted(waveforms.times, [window[0] + slack, window[1] + slack])
    kept = slice(max(first - 1, 0), last)
    return waveforms.times[kept] - window[0], waveforms.volts[:, kept]

"""What the exact port reduction of wired arrays costs and saves, measured on this machine."""

import resource
import time
from dataclasses import dataclass, replace

import numpy as np
from threadpoolctl import threadpool_limits

from circuits import Conditioning, Hardware, Wires
from circuits.matrices import spd
from circuits.wires import reduce_array
from cosim.analog import AnalogArray
from cosim.job import Job, run_waveforms
from cosim.pool import SpicePool
from cosim.solution import Array

WIRED = replace(Hardware().linear(), wires=Wires(r_row=1.73, r_col=1.73))
"""Linear parts on the 40 nm chip's lines."""


@dataclass(frozen=True)
class Reduction:
    """The port reduction of a pair of arrays."""

    size: int
    seconds: float
    peak_mib: float
    """Largest resident memory of the process so far [MiB]."""


@dataclass(frozen=True)
class LineRun:
    """One transient of a signed, wired inverse with the reduction, and with every segment where that was run."""

    size: int
    reduced_s: float
    """Wall time of the transient with reduced arrays [s], rendering and reduction included."""
    segments_s: float
    """The same with every segment [s]; nan where not run."""
    apart: float
    """Largest difference of the two waveforms, as a part of the largest voltage; nan where not run."""


def measure_reduction(size: int) -> Reduction:
    """Reduce a pair of size x size arrays of random cells between 0.5 and 35 uS."""
    rng = np.random.default_rng(0)
    pair = [rng.uniform(0.5e-6, 35e-6, (size, size)) for _ in range(2)]
    start = time.perf_counter()
    with threadpool_limits(limits=1, user_api="blas"):
        for array in pair:
            reduce_array(array, 1.73, 1.73)
    seconds = time.perf_counter() - start
    return Reduction(size, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def measure_lines(size: int, segments: bool, pool: SpicePool) -> LineRun:
    """Run one transient of an spd matrix of condition 10, reduced and, where asked, with every segment."""
    matrix = spd(size, 10.0, seed=0)
    reduced_s, reduced = _run(matrix, WIRED, pool)
    if not segments:
        return LineRun(size, reduced_s, np.nan, np.nan)
    wires = replace(WIRED.wires, reduce="never")
    segments_s, every = _run(matrix, replace(WIRED, wires=wires), pool)
    apart = float(np.abs(reduced - every).max() / np.abs(every).max())
    return LineRun(size, reduced_s, segments_s, apart)


def _run(matrix: Array, hardware: Hardware, pool: SpicePool) -> tuple[float, Array]:
    """Wall time, and the waveforms at a thousand times, between time points by straight lines."""
    start = time.perf_counter()
    array = AnalogArray.program(matrix, hardware, Conditioning())
    rhs = np.random.default_rng(0).standard_normal((len(matrix), 1))
    # The window comes from ideal lines: reading every segment by the nodal engine would be timed here too.
    ideal = AnalogArray.program(matrix, replace(hardware, wires=Wires()), Conditioning())
    stimulus = ideal.stimulus(ideal.inputs(rhs, ideal.input_scale(rhs), call=0))
    job = Job(array.netlist.deck(stimulus), array.netlist.outputs, stimulus.ends, ideal.limits)
    (waveforms,) = pool.map(run_waveforms, [job])
    seconds = time.perf_counter() - start
    times = np.linspace(0, float(stimulus.ends[-1]), 1000)
    return seconds, np.array([np.interp(times, waveforms.times, volts) for volts in waveforms.volts])

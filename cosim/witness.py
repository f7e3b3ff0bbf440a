"""ngspice and the nodal engine on the same netlist text: how far two witnesses are apart, over whole waveforms."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from circuits import Conditioning, Hardware, LinearCircuit, OpAmp, RramCell, Wires
from circuits.stimulus import ACCURACIES
from cosim.analog import AnalogArray
from cosim.job import Job, run_waveforms
from cosim.pool import SpicePool
from cosim.settle import Waveforms
from cosim.solution import Array

_LINEAR = Hardware().linear()
_CHIP = Wires(r_row=1.73, r_col=1.73)
_IMPERFECT = OpAmp(offset=1e-3, bias=1e-8, r_out=50.0).linear()

CONFIGURATIONS: dict[str, Hardware] = {
    "ideal": Hardware.preset("ideal"),
    "finite gain, erased cells": _LINEAR,
    "offset, bias, output resistance": replace(_LINEAR, opamp=_IMPERFECT),
    "access resistor": replace(_LINEAR, cell=RramCell(access="resistor", r_on=2e3)),
    "compensation": replace(_LINEAR, signed="compensation"),
    "wires, reduced": replace(_LINEAR, wires=_CHIP),
    "wires, every segment": replace(_LINEAR, wires=replace(_CHIP, reduce="never")),
    "wires on both sides, reduced": replace(_LINEAR, wires=replace(_CHIP, both_sides=True)),
    "wires with capacitance": replace(_LINEAR, wires=replace(_CHIP, c_row=1e-16, c_col=1e-16)),
    "wires, compensation": replace(_LINEAR, wires=_CHIP, signed="compensation"),
    "line capacitance alone": replace(_LINEAR, wires=Wires(c_row=1e-16, c_col=1e-16)),
}
"""Every kind of linear netlist by name."""
WIRED_LIMIT = 32
"""Largest matrix that is compared with wires: every segment costs seconds a time point beyond it."""
STORING_LIMIT = 13
"""Largest matrix that is compared with capacitors along its wires: 4 n^2 of them are as many modes."""
BATCH = 6
"""Comparisons prepared at once."""


@dataclass(frozen=True)
class Agreement:
    """Largest difference of any output, as a part of the largest voltage of the waveforms."""

    configuration: str
    matrix: str
    size: int
    settled: float
    """At the end of every right-hand side."""
    waveform: float
    """At any time point of ngspice."""
    time_points: int


def prepare(matrix: Array, hardware: Hardware, accuracy: str, k: int = 1) -> tuple[Job, LinearCircuit]:
    """A transient of k random right-hand sides, and the nodal reading of the same text."""
    array = AnalogArray.program(matrix, hardware, Conditioning())
    rhs = np.random.default_rng(0).standard_normal((len(matrix), k))
    stimulus = array.stimulus(array.inputs(rhs, array.input_scale(rhs), call=0))
    stimulus = replace(stimulus, accuracy=ACCURACIES[accuracy])
    deck = array.netlist.deck(stimulus)
    return Job(deck, array.netlist.outputs, stimulus.ends, array.limits), LinearCircuit.read(deck)


def compare(job: Job, circuit: LinearCircuit, waveforms: Waveforms) -> tuple[float, float]:
    """(settled, anywhere): the largest difference, as a part of the largest voltage."""
    expected = circuit.waveform(list(job.probes), waveforms.times)
    apart = np.abs(expected - waveforms.volts).max(axis=0) / np.abs(expected).max()
    ends = [int(np.abs(waveforms.times - end).argmin()) for end in job.ends]
    return float(apart[ends].max()), float(apart.max())


def agreements(
    matrices: dict[str, Array], names: Iterable[str], accuracy: str, workers: int | None = None
) -> Iterator[Agreement]:
    """Every named configuration on every matrix that it is affordable for."""
    chosen = [(name, key) for name in names for key in matrices if affordable(name, len(matrices[key]))]
    with SpicePool(workers) as pool:
        for start in range(0, len(chosen), BATCH):
            batch = chosen[start : start + BATCH]
            prepared = [prepare(matrices[key], CONFIGURATIONS[name], accuracy) for name, key in batch]
            runs = pool.map(run_waveforms, [job for job, _ in prepared])
            for (name, key), (job, circuit), waveforms in zip(batch, prepared, runs, strict=True):
                settled, anywhere = compare(job, circuit, waveforms)
                yield Agreement(name, key, len(matrices[key]), settled, anywhere, len(waveforms.times))


def affordable(name: str, size: int) -> bool:
    """Whether a configuration is compared at this size."""
    wires = CONFIGURATIONS[name].wires
    if wires.ideal:
        return True
    return size <= (WIRED_LIMIT if wires.resistive else STORING_LIMIT)

"""One array with its calls, driven and recorded: what an inspection is put together from."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from circuits import Conductances, LinearCircuit, Stimulus, encode
from circuits.blas import one_thread
from circuits.drawing import reduces
from cosim.analog import Aim, AnalogArray
from cosim.inspection import Answer, Inspection, NetlistView, Poles, Subject, Traces
from cosim.job import Job
from cosim.multiply import MultiplyArray
from cosim.settle import Waveforms
from cosim.show_cells import cell_arrays
from cosim.show_deck import SHOWN, Caption, Drive, Settling, write_deck
from cosim.show_traces import Recorded, bands, record_nodal, record_spice, settling, settling_times
from cosim.solution import Array, Status, norms

GROWTH = 8.0
"""Time constants of the growing mode that are shown of an unstable circuit."""


@dataclass(frozen=True)
class Question:
    """What is asked of an array."""

    rhs: Array
    """(m, k) [-] all right-hand sides of the call: a converter's noise is drawn for all of them."""
    columns: tuple[int, ...]
    """Those that are looked at, counted from 0."""
    call: int = 0
    """INV calls that the array had before."""
    backend: str = "nodal"
    """Where the waveforms come from."""
    title: str = ""
    hardware_name: str = ""
    trust: bool = False
    """Whether lines that ngspice runs as programs are let through."""


@dataclass(frozen=True)
class Inspected:
    """What an inspection is put together from, each computed once."""

    array: AnalogArray
    """As it is in the call, with that call's read noise."""
    aim: Aim
    """All right-hand sides, scaled as a controller does it that knows nothing of the noise."""
    matrix: Array
    question: Question

    def inspection(self) -> Inspection:
        """All of it as data."""
        array, question = self.array, self.question
        return Inspection(
            Subject(
                "multiply" if isinstance(array, MultiplyArray) else "inverse",
                question.title,
                question.hardware_name,
                array.hardware,
                self.matrix,
                array.conditioned.matrix,
                array.write,
                question.call,
            ),
            cell_arrays(array, _target(array), self.text),
            NetlistView(
                self.text,
                array.netlist.digest,
                array.netlist.inputs,
                array.netlist.outputs,
                array.hardware.templates.origins(),
                reduces(array.hardware.cell, array.hardware.drawn_wires),
            ),
            Poles(self.linear.eigenvalues, array.reading.margin, array.reading.time_constant),
            self.answer(),
            self.traces(),
        )

    @cached_property
    def drive(self) -> Drive:
        """What goes in, and what should come out."""
        array, columns = self.array, list(self.question.columns)
        inputs = array.inputs_of(self.aim, self.question.call)[:, columns]
        rhs = self.question.rhs[:, columns]
        multiplies = isinstance(array, MultiplyArray)
        expected: Array = self.matrix @ rhs if multiplies else np.linalg.solve(self.matrix, rhs).astype(np.float64)
        settled = array.reading.gain @ inputs + array.reading.offset[:, None]
        return Drive(rhs, expected, self.aim.scale[columns], inputs, settled, self.question.columns)

    @cached_property
    def stimulus(self) -> Stimulus:
        """As a backend drives the array, with closer steps; a few time constants of growth where it is unstable."""
        array = self.array
        if array.reading.stable:
            return replace(array.stimulus(self.drive.inputs), accuracy=SHOWN)
        rate = -array.reading.margin
        return Stimulus(
            self.drive.inputs, array.rise + (GROWTH / rate if rate else 100 * array.rise), array.rise, SHOWN
        )

    @cached_property
    def text(self) -> str:
        """The complete netlist."""
        caption = Caption(self.question.title, self.question.hardware_name)
        return write_deck(self.array, self.stimulus, self.drive, caption, self._settling())

    def _settling(self) -> Settling:
        """How outputs come into their bands: as in ngspice where it has run, which knows how parts bend."""
        recorded = self.recorded
        if self.question.backend == "spice" and recorded.waveforms and recorded.settled:
            return settling(recorded.waveforms, recorded.settled.volts, self.windows)
        nodal = self.nodal.waveforms
        assert nodal is not None  # the linear circuit always has waveforms
        return settling(nodal, self.drive.settled, self.windows)

    @cached_property
    def windows(self) -> Array:
        """(k, 2) [s] start and end of each right-hand side."""
        ends = self.stimulus.ends
        return np.column_stack([ends - self.stimulus.period, ends])

    @cached_property
    def linear(self) -> LinearCircuit:
        """The circuit with linear parts, driven as the netlist is."""
        hardware = self.array.hardware
        array = self.array if hardware.is_linear else replace(self.array, hardware=hardware.linear())
        with one_thread():
            return LinearCircuit.read(array.netlist.deck(self.stimulus))

    @cached_property
    def job(self) -> Job:
        """What ngspice runs: .meas lines are for a person's run."""
        deck, outputs = self.array.netlist.deck(self.stimulus), self.array.netlist.outputs
        trust = self.question.trust or self.array.hardware.trusted
        return Job(deck, outputs, self.stimulus.ends, self.array.limits, trust)

    @cached_property
    def nodal(self) -> Recorded:
        """The waveforms of the linear circuit."""
        return record_nodal(self.linear, self.array.netlist.outputs, self.windows, self.job)

    @cached_property
    def recorded(self) -> Recorded:
        """The waveforms that were asked for."""
        return self.nodal if self.question.backend == "nodal" else record_spice(self.job)

    @cached_property
    def statuses(self) -> tuple[Status, ...]:
        """(k,) the verdicts; no waveform is believed of a circuit with a mode that grows."""
        k = len(self.question.columns)
        if not self.array.reading.stable:
            return (Status.UNSTABLE,) * k
        return self.recorded.settled.statuses if self.recorded.settled else (Status.FAILED,) * k

    def answer(self) -> Answer:
        """What went in, and what the volts stand for."""
        drive, settled = self.drive, self.recorded.settled
        nothing = np.full(drive.expected.shape, np.nan)
        volts = settled.volts if settled and self.array.reading.stable else nothing
        value = np.where([status is Status.SETTLED for status in self.statuses], self._decoded(volts), np.nan)
        size = norms(drive.expected)
        errors = norms(value - drive.expected) / np.where(size > 0, size, 1)
        return Answer(drive.rhs, drive.scale, drive.inputs, volts, value, drive.expected, errors, self.statuses)

    def _decoded(self, volts: Array) -> Array:
        """(n, k) [-] volts of the columns as the call's converters read them, among all of the call's."""
        columns, rhs = list(self.question.columns), self.question.rhs
        every = np.full((len(volts), rhs.shape[1]), np.nan)
        every[:, columns] = volts
        return self.array.decode(every, self.aim.scale, rhs, self.question.call)[:, columns]

    def traces(self) -> Traces:
        """The transient with its band."""
        waveforms, settled = self.recorded.waveforms, self.drive.settled
        found = waveforms or Waveforms(np.zeros(0), np.zeros((len(settled), 0)))
        times = np.full(settled.shape, np.nan)
        if waveforms is not None and self.array.reading.stable:
            times = settling_times(waveforms, self.windows)
        told = (self.recorded.message, *(self.recorded.settled.details if self.recorded.settled else ()))
        message = "; ".join(text for text in told if text)
        backend = self.question.backend
        return Traces(backend, found.times, found.volts, self.windows, settled, bands(settled), times, message)


def _target(array: AnalogArray) -> Conductances:
    """What was to be written into the array."""
    multiplies = isinstance(array, MultiplyArray)
    return encode(
        array.conditioned.programmed if not multiplies else array.conditioned.matrix,
        array.hardware.cell,
        rows_may_vanish=multiplies,
    )

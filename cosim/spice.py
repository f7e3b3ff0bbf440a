"""The round trip: matrix, conductances, netlist, waveforms, volts, solution, by way of ngspice."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from circuits import Conditioning, Hardware
from circuits.errors import InputError
from cosim.analog import AnalogArray
from cosim.backends import ProgrammedMultiply
from cosim.executor import Executor
from cosim.job import Job, Outcome, busy_seconds
from cosim.library import need_ngspice
from cosim.nodal import AnalogBackend, AnalogProgrammed, OnArray
from cosim.pool import SpicePool
from cosim.settle import BAND
from cosim.solution import Array, Solution, Stats, Status, worst

MOST = 64
"""Right-hand sides in one transient at the most."""
CHUNK = 2_200_000
"""Rows to the third power times right-hand sides in one transient, so that the jobs of a step fill all workers."""
RESCALE = 0.25
"""What the input of a railed right-hand side is multiplied by before it runs again."""
SATURATED = 0.25
"""A vendor's op-amp counts as railed when its outputs are this part of the largest away from the linear reading."""
ATTEMPTS = 4
"""How often a right-hand side runs at the most."""
STRETCH = 4
"""The window of a right-hand side that has not settled is doubled until it is so many times as long."""


class SpiceBackend(AnalogBackend):
    """Every solve is a transient in ngspice; the linear reading only sets its window and input range.

    `executor` runs the transients and is closed with the backend; where it is not given, a pool of `workers`
    processes with `timeout` [s] for each transient.
    """

    def __init__(
        self,
        hardware: Hardware | None = None,
        conditioning: Conditioning | None = None,
        workers: int | None = None,
        timeout: float = 600.0,
        executor: Executor | None = None,
    ) -> None:
        super().__init__(hardware, conditioning)
        if executor is None:
            need_ngspice()
        self.engine_seconds = 0.0
        self.executor = executor or SpicePool(workers, timeout)
        if self.hardware.opamp.model or self.hardware.cell.model:
            self._check_models()

    def program_many(self, matrices: Sequence[ArrayLike]) -> list[AnalogProgrammed]:
        """Condition, encode and write every matrix; the workers draw the netlists and read them."""
        programmed = super().program_many(matrices)
        self._prepare(programmed)
        return programmed

    def program_multiply_many(self, matrices: Sequence[ArrayLike]) -> Sequence[ProgrammedMultiply]:
        """Encode and write every matrix; the workers draw the netlists and read them."""
        programmed = super().program_multiply_many(matrices)
        self._prepare([one for one in programmed if isinstance(one, OnArray)])
        return programmed

    def _prepare(self, programmed: Sequence[OnArray]) -> None:
        costs = [float(one.matrix.size) for one in programmed]
        arrays = self.executor.map(AnalogArray.prepared, [one.array for one in programmed], costs=costs)
        for one, array in zip(programmed, arrays, strict=True):
            one.array = array

    def _solve(self, requests: list[tuple[OnArray, Array]]) -> list[Solution]:
        runs = [_Run(programmed, rhs) for programmed, rhs in requests]
        for _ in range(ATTEMPTS):
            pending = [(run, columns) for run in runs for columns in run.pending()]
            outcomes = self.executor.run([run.job(columns) for run, columns in pending])
            self.engine_seconds += busy_seconds(outcomes)
            for (run, columns), outcome in zip(pending, outcomes, strict=True):
                run.take(columns, outcome)
        return [run.solution() for run in runs]

    def _check_models(self) -> None:
        """Raise InputError unless ngspice runs a 1 x 1 circuit of this hardware, before anything depends on it."""
        solution = self.program([[1.0]]).solve([1.0], throw=False)
        self.writes = 0
        if solution.status is Status.FAILED:
            self.close()
            raise InputError(f"The model file does not run in a 1 x 1 circuit: {solution.stats.message}")

    def close(self) -> None:
        """Stop the worker processes."""
        self.executor.close()


class _Run:
    """One programmed matrix with its right-hand sides on their way through ngspice."""

    def __init__(self, programmed: OnArray, rhs: Array) -> None:
        self.programmed, self.array, self.rhs = programmed, programmed.array, rhs
        k = rhs.shape[1]
        self.call = programmed.count(k)
        self.stable = self.array.reading.stable
        self.scale = self.array.input_scale(rhs) if self.stable else np.ones(k)
        self.stretch = np.ones(k, dtype=int)
        self.volts = np.full((len(programmed.matrix), k), np.nan)
        self.settling_time = np.full(k, np.nan)
        self.statuses: list[Status | None] = [None] * k
        self.messages: list[str] = []
        self.time_points, self.seconds, self.rescaled, self.extended = 0, 0.0, 0, 0

    def pending(self) -> list[np.ndarray]:
        """Columns still to run, in pieces that go through one transient.

        Railed ones run again with a smaller input, unsettled ones with a longer window.
        """
        if not self.stable:
            return []
        again = np.array([status is not None for status in self.statuses])
        railed = np.array([status is Status.RAILED for status in self.statuses])
        slow = np.array([status is Status.NOT_SETTLED for status in self.statuses]) & (self.stretch < STRETCH)
        self.scale[railed] *= RESCALE
        self.stretch[slow] *= 2
        self.rescaled += int(railed.sum())
        self.extended += int(slow.sum())
        columns = np.flatnonzero(~again | railed | slow)
        alike = [columns[self.stretch[columns] == stretch] for stretch in np.unique(self.stretch[columns])]
        piece = min(MOST, max(8, CHUNK // len(self.volts) ** 3))
        if self.array.hardware.programming.read_noise:
            piece = 1
        return [part for group in alike for part in np.array_split(group, -(-len(group) // piece))]

    def job(self, columns: np.ndarray) -> Job:
        """One transient through the given columns, which have equal windows."""
        array = self.array
        if array.hardware.programming.read_noise:
            array = array.during(self.call + int(columns[0]))
        inputs = self.array.inputs(self.rhs, self.scale, self.call)[:, columns]
        stimulus = self.array.stimulus(inputs, int(self.stretch[columns[0]]))
        return Job(
            array.netlist.deck(stimulus),
            array.netlist.outputs,
            stimulus.ends,
            self.array.limits,
            array.hardware.trusted,
        )

    def take(self, columns: np.ndarray, outcome: Outcome) -> None:
        """Keep what a transient gave."""
        settled = outcome.settled
        self.volts[:, columns] = settled.volts
        self.settling_time[columns] = settled.settling_time
        saturated = self._saturated(columns)
        for j, status, bent in zip(columns, settled.statuses, saturated, strict=True):
            self.statuses[j] = Status.RAILED if bent and status in (Status.SETTLED, Status.NOT_SETTLED) else status
        if saturated.any():
            self.messages.append("The op-amp model saturates before its supply: set OpAmp.swing to where it does.")
        self.messages += [outcome.message, *settled.details]
        self.time_points += outcome.time_points
        self.seconds += outcome.seconds

    def _saturated(self, columns: np.ndarray) -> np.ndarray:
        """(columns,) whether a vendor's model settled far from the linear reading: its own limits are not known."""
        if self.array.hardware.opamp.model is None:
            return np.zeros(len(columns), dtype=bool)
        inputs = self.array.inputs(self.rhs, self.scale, self.call)[:, columns]
        expected = self.array.reading.gain @ inputs + self.array.reading.offset[:, None]
        apart = np.abs(self.volts[:, columns] - expected).max(axis=0)
        return np.asarray(apart > SATURATED * np.abs(expected).max(axis=0))

    def solution(self) -> Solution:
        """Volts become values; a column without a SETTLED verdict becomes nan."""
        if not self.stable:
            return self.programmed.unstable(self.rhs)
        statuses = tuple(status or Status.FAILED for status in self.statuses)
        value = self.array.decode(self.volts, self.scale, self.rhs, self.call)
        value[:, [status is not Status.SETTLED for status in statuses]] = np.nan
        stats = Stats(
            statuses=statuses,
            residual=self.programmed.residual(value, self.rhs),
            settling_time=self.settling_time,
            time_points=self.time_points,
            seconds=self.seconds,
            digest=self.array.netlist.digest,
            message=self._message(worst(statuses)),
            notes={**self.programmed.notes(), "rescaled": float(self.rescaled), "extended": float(self.extended)},
        )
        return Solution(value, worst(statuses), stats)

    def _message(self, status: Status) -> str:
        if status is Status.SETTLED:
            return ""
        expected = f"Expected to settle to {BAND:g} in {self.array.settling_time(BAND):.3g} s."
        told = next((message for message in self.messages if message), "")
        return expected if status is Status.NOT_SETTLED else told

"""The round trip: matrix, conductances, netlist, waveforms, volts, solution, by way of ngspice."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from circuits import Conditioning, Hardware
from circuits.errors import InputError
from cosim.analog import AnalogArray
from cosim.backends import Backend, Programmed
from cosim.check import check_matrix
from cosim.job import Job, Outcome, busy_seconds
from cosim.library import find_ngspice
from cosim.nodal import AnalogProgrammed
from cosim.pool import SpicePool
from cosim.solution import Array, Solution, Stats, Status, residual, worst

CHUNK = 40_000
"""Cells times right-hand sides in one transient, so that the jobs of a step fill all workers."""


class SpiceBackend(Backend):
    """Every solve is a transient in ngspice; the linear reading only sets its window and input range."""

    def __init__(
        self,
        hardware: Hardware | None = None,
        conditioning: Conditioning | None = None,
        workers: int | None = None,
        timeout: float = 600.0,
    ) -> None:
        if find_ngspice() is None:
            raise InputError(
                "ngspice's shared library was not found: install it (Debian and Ubuntu: apt-get install libngspice0; "
                "macOS: brew install libngspice) or set NGSPICE_LIBRARY_PATH to the file."
            )
        self.hardware = hardware or Hardware()
        self.conditioning = conditioning or Conditioning()
        self.engine_seconds = 0.0
        self._pool = SpicePool(workers, timeout)

    def program_many(self, matrices: Sequence[ArrayLike]) -> list[Programmed]:
        """Render the netlist of every matrix."""
        checked = [check_matrix(matrix) for matrix in matrices]
        return [AnalogProgrammed(self, m, AnalogArray.program(m, self.hardware, self.conditioning)) for m in checked]

    def _solve(self, requests: list[tuple[AnalogProgrammed, Array]]) -> list[Solution]:
        runs = [_Run(p, rhs) for p, rhs in requests]
        outcomes = self._pool.run([job for run in runs for job in run.jobs])
        self.engine_seconds += busy_seconds(outcomes)
        ordered = iter(outcomes)
        return [run.solution([next(ordered) for _ in run.jobs]) for run in runs]

    def close(self) -> None:
        """Stop the worker processes."""
        self._pool.close()


class _Run:
    """One programmed matrix with its right-hand sides, cut into jobs."""

    def __init__(self, programmed: AnalogProgrammed, rhs: Array) -> None:
        self.programmed = programmed
        self.rhs = rhs
        self.scale = programmed.array.input_scale(rhs)
        self.jobs = self._jobs() if programmed.array.linear.stable else []

    def _jobs(self) -> list[Job]:
        array, (n, k) = self.programmed.array, self.rhs.shape
        pieces = -(-k // max(8, CHUNK // n**2))
        jobs = []
        for part in np.array_split(np.arange(k), pieces):
            stimulus = array.stimulus(self.rhs[:, part], self.scale[part])
            deck = array.netlist.deck(stimulus)
            jobs.append(Job(deck, array.netlist.outputs, stimulus.ends, array.limits))
        return jobs

    def solution(self, outcomes: list[Outcome]) -> Solution:
        """Volts become values; a column without a SETTLED verdict becomes nan."""
        if not outcomes:
            return self.programmed.unstable(self.rhs)
        array, matrix = self.programmed.array, self.programmed.matrix
        statuses = tuple(status for outcome in outcomes for status in outcome.settled.statuses)
        value = array.decode(np.hstack([outcome.settled.volts for outcome in outcomes]), self.scale)
        value[:, [status is not Status.SETTLED for status in statuses]] = np.nan
        stats = Stats(
            statuses=statuses,
            residual=residual(matrix, value, self.rhs),
            settling_time=np.concatenate([outcome.settled.settling_time for outcome in outcomes]),
            time_points=sum(outcome.time_points for outcome in outcomes),
            seconds=sum(outcome.seconds for outcome in outcomes),
            digest=array.netlist.digest,
            message=next((outcome.message for outcome in outcomes if outcome.message), ""),
            notes={"margin": array.linear.margin},
        )
        return Solution(value, worst(statuses), stats)

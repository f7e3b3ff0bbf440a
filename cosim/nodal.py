"""The fast backend: the netlist's own linear equations, solved without time stepping."""

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from circuits import Conditioning, Hardware
from cosim.analog import AnalogArray
from cosim.backends import Backend, Programmed
from cosim.check import check_matrix
from cosim.settle import BAND
from cosim.solution import Array, Solution, Stats, Status, residual


class AnalogProgrammed(Programmed):
    """A matrix with its array and netlist."""

    def __init__(self, backend: Backend, matrix: Array, array: AnalogArray) -> None:
        super().__init__(backend, matrix)
        self.array = array

    def unstable(self, rhs: Array) -> Solution:
        """The verdict of a circuit with a mode that grows: nothing to run, nothing to believe."""
        k = rhs.shape[1]
        rate = -self.array.linear.margin
        stats = Stats(
            statuses=(Status.UNSTABLE,) * k,
            residual=np.full(k, np.nan),
            settling_time=np.full(k, np.inf),
            digest=self.array.netlist.digest,
            message=f"The fastest-growing mode grows by e every {1 / rate if rate else np.inf:.3g} s.",
            notes={"margin": self.array.linear.margin},
        )
        return Solution(np.full(rhs.shape, np.nan), Status.UNSTABLE, stats)


class NodalBackend(Backend):
    """Reads the netlist with linear parts: settled volts for all right-hand sides at once."""

    def __init__(self, hardware: Hardware | None = None, conditioning: Conditioning | None = None) -> None:
        self.hardware = (hardware or Hardware()).linear()
        self.conditioning = conditioning or Conditioning()

    def program_many(self, matrices: Sequence[ArrayLike]) -> list[Programmed]:
        """Render and read the netlist of every matrix."""
        checked = [check_matrix(matrix) for matrix in matrices]
        return [AnalogProgrammed(self, m, AnalogArray.program(m, self.hardware, self.conditioning)) for m in checked]

    def _solve(self, requests: list[tuple[AnalogProgrammed, Array]]) -> list[Solution]:
        return [self._solve_one(programmed, rhs) for programmed, rhs in requests]

    def _solve_one(self, programmed: AnalogProgrammed, rhs: Array) -> Solution:
        start, array = time.perf_counter(), programmed.array
        if not array.linear.stable:
            return programmed.unstable(rhs)
        scale = array.input_scale(rhs)
        volts = array.gain @ (array.conditioned.enter(rhs) * scale) + array.offset[:, None]
        value = array.decode(volts, scale)
        stats = Stats(
            statuses=(Status.SETTLED,) * rhs.shape[1],
            residual=residual(programmed.matrix, value, rhs),
            settling_time=np.full(rhs.shape[1], array.settling_time(BAND)),
            seconds=time.perf_counter() - start,
            digest=array.netlist.digest,
            notes={"margin": array.linear.margin},
        )
        return Solution(value, Status.SETTLED, stats)

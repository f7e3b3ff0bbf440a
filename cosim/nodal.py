"""The fast backend: the netlist's own linear equations, solved without time stepping."""

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from circuits import Conditioning, Hardware
from cosim.analog import Aim, AnalogArray
from cosim.backends import Backend, Programmed, ProgrammedMultiply
from cosim.check import check_matrix
from cosim.multiply import MultiplyArray, product_error
from cosim.settle import BAND
from cosim.solution import Array, Solution, Stats, Status, residual


class OnArray:
    """A matrix on its array, and how many calls it has had."""

    def __init__(self, backend: Backend, matrix: Array, array: AnalogArray) -> None:
        self.backend = backend
        self.matrix = matrix
        self.array = array
        self.write = array.write
        self.calls = 0

    def residual(self, value: Array, rhs: Array) -> Array:
        """(k,) how far values are from what was asked for, computed digitally."""
        if not self.backend.measures:
            return np.full(rhs.shape[1], np.nan)
        return residual(self.matrix, value, rhs)

    def count(self, k: int) -> int:
        """The number of the first of k new calls."""
        self.calls += k
        return self.calls - k

    def unstable(self, rhs: Array) -> Solution:
        """The verdict of a circuit with a mode that grows: nothing to run, nothing to believe."""
        k = rhs.shape[1]
        rate = -self.array.reading.margin
        stats = Stats(
            statuses=(Status.UNSTABLE,) * k,
            residual=np.full(k, np.nan),
            settling_time=np.full(k, np.inf),
            digest=self.array.netlist.digest,
            message=f"The fastest-growing mode grows by e every {1 / rate if rate else np.inf:.3g} s.",
            notes=self.notes(),
        )
        return Solution(np.full((len(self.matrix), k), np.nan), Status.UNSTABLE, stats)

    def notes(self) -> dict[str, float]:
        """Figures of the circuit: the decay rate of its slowest mode [rad/s], negative where it grows."""
        return {"margin": self.array.reading.margin}


class AnalogProgrammed(OnArray, Programmed):
    """A matrix on an array that solves."""


class AnalogMultiply(OnArray, ProgrammedMultiply):
    """A matrix on an array that multiplies."""

    def residual(self, value: Array, rhs: Array) -> Array:
        """(k,) how far products are from the digital ones."""
        if not self.backend.measures:
            return np.full(rhs.shape[1], np.nan)
        return product_error(self.matrix, value, rhs)


class AnalogBackend(Backend):
    """Programs matrices on arrays; each programming is a write on the chip of `Hardware.seed`."""

    def __init__(self, hardware: Hardware | None = None, conditioning: Conditioning | None = None) -> None:
        self.hardware = hardware or Hardware()
        self.conditioning = conditioning or Conditioning()
        self.superposes = self.hardware.nonlinearity

    def program_many(self, matrices: Sequence[ArrayLike]) -> list[AnalogProgrammed]:
        """Condition, encode and write every matrix; its netlist is drawn and read when it is needed."""
        return [self._program(matrix) for matrix in [check_matrix(matrix) for matrix in matrices]]

    def _program(self, matrix: Array) -> AnalogProgrammed:
        array = AnalogArray.program(matrix, self.hardware, self.conditioning, self.writes)
        self.writes += 1
        return AnalogProgrammed(self, matrix, array)

    def _program_multiply(self, matrix: Array) -> AnalogMultiply:
        array = MultiplyArray.of(matrix, self.hardware, self.writes)
        self.writes += 1
        return AnalogMultiply(self, matrix, array)

    def _multiply(self, requests: list[tuple[OnArray, Array]]) -> list[Solution]:
        return self._solve(requests)  # a run asks the array what goes in and what comes out


class NodalBackend(AnalogBackend):
    """Reads the netlist with linear parts: settled volts for all right-hand sides at once."""

    def __init__(self, hardware: Hardware | None = None, conditioning: Conditioning | None = None) -> None:
        super().__init__((hardware or Hardware()).linear(), conditioning)

    def _solve(self, requests: list[tuple[OnArray, Array]]) -> list[Solution]:
        return [self._solve_one(programmed, rhs) for programmed, rhs in requests]

    def _solve_one(self, programmed: OnArray, rhs: Array) -> Solution:
        start, array = time.perf_counter(), programmed.array
        call = programmed.count(rhs.shape[1])
        if not array.reading.stable:
            return programmed.unstable(rhs)
        aim = array.aim(rhs)
        value = array.decode(self._settle(array, aim, call), aim.scale, rhs, call)
        stats = Stats(
            statuses=(Status.SETTLED,) * rhs.shape[1],
            residual=programmed.residual(value, rhs),
            settling_time=np.full(rhs.shape[1], array.settling_time(BAND)),
            seconds=time.perf_counter() - start,
            digest=array.netlist.digest,
            notes=programmed.notes(),
        )
        return Solution(value, Status.SETTLED, stats)

    def _settle(self, array: AnalogArray, aim: Aim, call: int) -> Array:
        """(n, k) [V] settled outputs; with read noise every column has an array of its own."""
        if not self.hardware.programming.read_noise:
            return array.settled(aim, call)
        inputs = array.inputs_of(aim, call)
        columns = []
        for j in range(inputs.shape[1]):
            now = array.during(call + j)
            columns.append(now.reading.gain @ inputs[:, j] + now.reading.offset)
        return np.column_stack(columns)

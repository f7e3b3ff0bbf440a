"""What mathematics says: dense linear algebra in float64, with no circuit at all."""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import lu_factor, lu_solve

from circuits import Conditioning, Hardware
from cosim.backends import Backend, Programmed, ProgrammedMultiply
from cosim.check import check_matrix
from cosim.multiply import product_error
from cosim.solution import Array, Solution, Stats, Status, residual


class ExactProgrammed(Programmed):
    """A matrix with its LU factors."""

    def __init__(self, backend: "ExactBackend", matrix: Array) -> None:
        super().__init__(backend, matrix)
        self.factors = lu_factor(matrix)


class ExactBackend(Backend):
    """Solves by LU. Hardware and conditioning are taken for the sake of the common call and change nothing."""

    def __init__(self, hardware: Hardware | None = None, conditioning: Conditioning | None = None) -> None:
        pass

    def program_many(self, matrices: Sequence[ArrayLike]) -> list[Programmed]:
        """Factorise every matrix."""
        return [ExactProgrammed(self, check_matrix(matrix)) for matrix in matrices]

    def _solve(self, requests: list[tuple[ExactProgrammed, Array]]) -> list[Solution]:
        return [self._solve_one(programmed, rhs) for programmed, rhs in requests]

    def _solve_one(self, programmed: ExactProgrammed, rhs: Array) -> Solution:
        start = time.perf_counter()
        value = lu_solve(programmed.factors, rhs)
        stats = Stats(
            statuses=(Status.SETTLED,) * rhs.shape[1],
            residual=residual(programmed.matrix, value, rhs),
            settling_time=np.zeros(rhs.shape[1]),
            seconds=time.perf_counter() - start,
        )
        return Solution(value, Status.SETTLED, stats)

    def _program_multiply(self, matrix: Array) -> ProgrammedMultiply:
        return ProgrammedMultiply(self, matrix)

    def _multiply(self, requests: list[tuple[ProgrammedMultiply, Array]]) -> list[Solution]:
        return [self._multiply_one(programmed.matrix, vectors) for programmed, vectors in requests]

    def _multiply_one(self, matrix: Array, vectors: Array) -> Solution:
        start, k = time.perf_counter(), vectors.shape[1]
        value = matrix @ vectors
        stats = Stats((Status.SETTLED,) * k, product_error(matrix, value, vectors), np.zeros(k))
        return Solution(value, Status.SETTLED, replace(stats, seconds=time.perf_counter() - start))

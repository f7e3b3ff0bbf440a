"""Plain block-diagonal matrices: what couples the blocks is dropped, the cheapest way to matrices of any size."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from circuits.errors import check_whole
from cosim.around import BackendAround
from cosim.backends import Backend, Programmed, ProgrammedMultiply
from cosim.check import check_matrix
from cosim.elimination import Leaf, program_leaves
from cosim.lockstep import Ask, Flow, Request, alone, run_together
from cosim.solution import Array, Solution, residual
from cosim.tiles import cuts


def block_diagonal(matrix: Array, size: int) -> Array:
    """(n, n) the matrix with zeros outside the blocks of `size` rows along its diagonal, the last one of the rest."""
    check_whole("block_size", size, 1, 2**20)
    kept = np.zeros_like(matrix)
    for part in cuts(len(matrix), size):
        kept[part, part] = matrix[part, part]
    return kept


class DiagonalProgrammed(Programmed):
    """The blocks along a matrix's diagonal, each on its own."""

    def __init__(self, backend: "BlockDiagonalBackend", matrix: Array) -> None:
        self.blocks = [
            Leaf(matrix[part, part], part.start, 0, f"block {i}")
            for i, part in enumerate(cuts(len(matrix), backend.size))
        ]
        super().__init__(backend, block_diagonal(matrix, backend.size))

    @property
    def calls(self) -> int:
        """INV calls so far, the same for every block. Setting it sets theirs."""
        return self._calls

    @calls.setter
    def calls(self, calls: int) -> None:
        self._calls = calls
        for block in self.blocks if calls else ():
            block.programmed.calls = calls

    def flow(self, rhs: Array) -> Flow:
        """(n, k) the solution for rhs (n, k), all blocks at once."""
        self._calls += rhs.shape[1]
        parts = cuts(len(self.matrix), len(self.blocks[0].matrix))
        values = yield [Ask(b.programmed, rhs[part], 0, b.place) for b, part in zip(self.blocks, parts, strict=True)]
        return np.concatenate(values)

    def notes(self) -> dict[str, float]:
        """How many blocks there are."""
        return {"blocks": float(len(self.blocks))}


class BlockDiagonalBackend(BackendAround):
    """Programs the square blocks along the diagonal and leaves out the rest; products are the inner backend's.

    `matrix` of what it programs is the block-diagonal one, and residuals are measured against it: it is another
    curvature, not a bad inverse. A matrix of `size` rows or fewer is the inner backend's, unchanged. The inner
    backend is closed with this one.
    """

    def __init__(self, inner: Backend, size: int) -> None:
        check_whole("block_size", size, 1, 2**20)
        super().__init__(inner)
        self.size = size

    def program_many(self, matrices: Sequence[ArrayLike]) -> list[Programmed]:
        """Program the blocks of all matrices in one call. InputError where a matrix or a block cannot be used."""
        prepared = [DiagonalProgrammed(self, check_matrix(matrix)) for matrix in matrices]
        program_leaves(self.inner, [block for one in prepared for block in one.blocks])
        for one in prepared:
            one.write = one.blocks[0].programmed.write
        return [one if len(one.blocks) > 1 else one.blocks[0].programmed for one in prepared]

    def _solve(self, requests: list[tuple[Programmed, Array]]) -> list[Solution]:
        runs = [Request(_flow(programmed, rhs), rhs.shape[1]) for programmed, rhs in requests]
        run_together(self.inner, runs)
        return [_solution(programmed, run, rhs) for run, (programmed, rhs) in zip(runs, requests, strict=True)]

    def _program_multiply(self, matrix: Array) -> ProgrammedMultiply:
        return self.inner.program_multiply(matrix)

    def _multiply(self, requests: list[tuple[ProgrammedMultiply, Array]]) -> list[Solution]:
        return self.inner.multiply_many(requests, throw=False)


def _flow(programmed: Programmed, rhs: Array) -> Flow:
    return programmed.flow(rhs) if isinstance(programmed, DiagonalProgrammed) else alone(programmed, rhs)


def _solution(programmed: Programmed, run: Request, rhs: Array) -> Solution:
    if not isinstance(programmed, DiagonalProgrammed):
        return run.last
    return run.solution(run.value, residual(programmed.matrix, run.value, rhs), programmed.notes())

"""Matrices larger than an array: BlockAMC's recursion over blocks, around any backend.

The whole matrix is conditioned before it is cut. Measured on A factors of 256, 512 and 1024 rows of a layer on real
letters (64 rows an array, 3 bits, 2 % write error, relative damping 0.1): flexible conjugate gradients around a sweep
need 9, 12 and 15 of them for a residual of 1e-3. With one direction taken out in place of four it is 11, 13 and 17,
without the shift 9, 12 and 32, and with blocks that are conditioned one by one, and the whole not, more than 200.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from circuits import Conditioned, Conditioning, RramCell
from circuits.blas import one_thread
from circuits.errors import InputError, check_whole
from cosim.around import BackendAround
from cosim.backends import Backend, Programmed, ProgrammedMultiply
from cosim.check import check_matrix
from cosim.elimination import Node, program_leaves, split
from cosim.lockstep import Request, alone, run_together
from cosim.solution import Array, Solution, residual
from cosim.tiles import TiledMultiply, Tiles, cuts

SIZE = 64
"""Rows [-] of an array: closed-loop arrays of 64 rows have been built (Nature Electronics 2026, 90 nm)."""
SHIFT = 1.0
"""Shift of a conditioned matrix [-] over its `coupling_noise`. The spectrum of inverse times matrix then ends between
1.0 and 1.2 on those factors, so that plain refinement converges too; half of it leaves up to 3.1, and twice of it
costs a third more sweeps."""
CONDITIONING = Conditioning(deflate=4)
"""For a whole matrix of several arrays."""


class BlockProgrammed(Programmed):
    """A matrix larger than an array: conditioned as a whole, and the tree of its blocks."""

    def __init__(self, backend: "BlockBackend", matrix: Array, conditioned: Conditioned, tree: Node) -> None:
        self.conditioned = conditioned
        self.tree = tree
        super().__init__(backend, matrix)

    @property
    def calls(self) -> int:
        """INV calls so far. Setting it sets those of every array, so that a restored matrix meets the same noise."""
        return self._calls

    @calls.setter
    def calls(self, calls: int) -> None:
        self._calls = calls
        if calls:
            for array, times in self.tree.uses():
                array.calls = calls * times

    def request(self, rhs: Array) -> Request:
        """Solve the conditioned matrix for rhs (n, k)."""
        self._calls += rhs.shape[1]
        return Request(self.tree.solve(self.conditioned.enter(rhs)), rhs.shape[1])

    def solution(self, request: Request, rhs: Array) -> Solution:
        """What a request has come to, in the caller's coordinates, with the residual of the whole matrix."""
        value = self.conditioned.leave(request.value, rhs)
        return request.solution(value, residual(self.matrix, value, rhs), self.notes)

    @cached_property
    def notes(self) -> dict[str, float]:
        """What is programmed: levels of the recursion, arrays that solve or multiply, cells, two an entry."""
        leaves, tiles = self.tree.leaves, self.tree.tiles
        cells = 2 * sum(leaf.matrix.size for leaf in leaves) + sum(one.cells for one in tiles)
        arrays = len(leaves) + sum(len(one.pieces) for one in tiles)
        return {"levels": float(self.tree.levels), "arrays": float(arrays), "cells": float(cells)}


class BlockBackend(BackendAround):
    """Solves and multiplies with matrices of any size on arrays of max_array rows and columns.

    What fits an array is the inner backend's, unchanged. Any other matrix is conditioned, cut in four, and again,
    until its blocks fit; its Schur complements are computed in float64 when it is programmed. The number of a write
    is that of the first array of a matrix: its arrays follow one another.

    Args:
        inner: programs the arrays, and is closed with this one.
        max_array: rows and columns [-] of an array, 2 or more.
        conditioning: of the whole matrix; its shift None stands for `SHIFT`, a number for a part of the largest entry.
            The inner backend conditions every block that solves once more.
        cell: whose levels the shift is for; None asks the inner backend's hardware, where it has one.
    """

    def __init__(
        self,
        inner: Backend,
        max_array: int = SIZE,
        conditioning: Conditioning | None = None,
        cell: RramCell | None = None,
    ) -> None:
        check_max_array(max_array)
        super().__init__(inner)
        inner.measures = False
        self.max_array = max_array
        self.conditioning = conditioning or CONDITIONING
        self.cell = cell or getattr(getattr(inner, "hardware", None), "cell", None) or RramCell()

    def program_many(self, matrices: Sequence[ArrayLike]) -> list[Programmed]:
        """Program every matrix; nothing is programmed before all the large ones are checked and cut.

        InputError as the inner backend raises it, and where a leading block cannot be eliminated; `writes` is then
        what it was.
        """
        prepared: list[Any] = [self._prepare(matrix) if self._large(matrix) else matrix for matrix in matrices]
        # Small matrices side by side are one call; the arrays of a large one must follow one another.
        groups = [
            (large, list(group)) for large, group in groupby(prepared, lambda one: isinstance(one, BlockProgrammed))
        ]
        programmed: list[Programmed] = []
        before = self.writes
        try:
            for large, group in groups:
                programmed += [self._write(one) for one in group] if large else self._whole(group)
        except InputError:
            self.writes = before
            raise
        return programmed

    def _whole(self, matrices: list[Any]) -> list[Programmed]:
        """Matrices that fit an array, on the inner backend, and measured unlike the blocks of larger ones."""
        programmed = list(self.inner.program_many(matrices))
        for one in programmed:
            one.backend = self
        return programmed

    def _large(self, matrix: ArrayLike) -> bool:
        try:
            return len(matrix) > self.max_array  # type: ignore[arg-type]
        except TypeError:
            return False

    def _prepare(self, matrix: ArrayLike) -> BlockProgrammed:
        """Everything digital: the checked matrix conditioned, and the tree of its blocks."""
        with one_thread():
            checked = check_matrix(matrix)
            conditioned = self._condition(checked)
            return BlockProgrammed(self, checked, conditioned, split(conditioned.matrix, self.max_array))

    def _condition(self, matrix: Array) -> Conditioned:
        matched = self.conditioning.shift is None
        steps = replace(self.conditioning, shift=0.0) if matched else self.conditioning
        conditioned = steps.apply(matrix, self.cell)
        whole = conditioned.matrix
        if np.allclose(matrix, matrix.T, rtol=1e-10, atol=0):
            whole = (whole + whole.T) / 2
        shift = SHIFT * coupling_noise(whole, self.max_array, self.cell.levels) if matched else 0.0
        return replace(conditioned, matrix=whole + shift * np.eye(len(whole)), shift=conditioned.shift + shift)

    def _write(self, programmed: BlockProgrammed) -> BlockProgrammed:
        leaves = programmed.tree.leaves
        program_leaves(self.inner, leaves)
        programmed.write = leaves[0].programmed.write
        for tiles in programmed.tree.tiles:
            tiles.program(self.inner)
        return programmed

    def _solve(self, requests: list[tuple[Programmed, Array]]) -> list[Solution]:
        with one_thread():  # hundreds of small products, none of them worth waiting for a second core
            return self._sweep(requests)

    def _sweep(self, requests: list[tuple[Programmed, Array]]) -> list[Solution]:
        runs = [
            p.request(rhs) if isinstance(p, BlockProgrammed) else Request(alone(p, rhs), rhs.shape[1])
            for p, rhs in requests
        ]
        run_together(self.inner, runs)
        return [
            p.solution(run, rhs) if isinstance(p, BlockProgrammed) else run.last
            for run, (p, rhs) in zip(runs, requests, strict=True)
        ]

    def _program_multiply(self, matrix: Array) -> ProgrammedMultiply:
        if max(matrix.shape) <= self.max_array:
            whole = self.inner.program_multiply(matrix)
            whole.backend = self
            return whole
        tiles = Tiles(matrix, self.max_array)
        tiles.program(self.inner)
        return TiledMultiply(self, matrix, tiles)

    def _multiply(self, requests: list[tuple[ProgrammedMultiply, Array]]) -> list[Solution]:
        runs = [
            Request(p.tiles.multiply(v) if isinstance(p, TiledMultiply) else alone(p, v), v.shape[1])
            for p, v in requests
        ]
        run_together(self.inner, runs)
        return [
            p.solution(run, v) if isinstance(p, TiledMultiply) else run.last
            for run, (p, v) in zip(runs, requests, strict=True)
        ]


def coupling_noise(matrix: Array, max_array: int, levels: int) -> float:
    """Size [-] of what rounding to `levels` does to the tiles off the diagonal; 0 for continuous cells.

    Rounding in steps q, of a tile's largest entry over levels - 1, leaves q^2 / 12 in every entry; the size is the
    root mean square over all directions of what that noise makes of a unit vector, sqrt(n / 12) q for equal tiles.
    """
    if not levels:
        return 0.0
    parts = cuts(len(matrix), max_array)
    tiles = [matrix[rows, columns] for rows in parts for columns in parts if rows != columns]
    squares = sum(tile.size * (np.abs(tile).max() / (levels - 1)) ** 2 for tile in tiles)
    return float(np.sqrt(squares / len(matrix) / 12))


def check_max_array(max_array: int) -> None:
    """InputError unless an array of max_array rows can take part in a recursion."""
    if isinstance(max_array, int) and max_array < 2:
        raise InputError(
            f"max_array = {max_array} rows cannot be: the recursion needs arrays of 2 or more, and 64 have been built."
        )
    check_whole("max_array", max_array, 2, 2**20)

"""HP-MVM: a matrix bit-sliced over multiply arrays, its products put together with shift-and-add."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cosim.backends import Backend, ProgrammedMultiply
from cosim.readout import Readout
from cosim.slices import Slices, Whole, planes
from cosim.solution import Array, Solution, Status, worst
from cosim.tiles import cuts

VECTOR_BITS = 10
"""Bits of the vectors in a refinement, whatever its tolerance: a step of it is only as good as an analog solve, and the
residual follows from the rounded step with the precision of the matrix's slices. With 8 bits one random matrix in 40
of condition 5 needs 11 solves for an error of 1e-7 where all need 10 at the most with 10 or 16 bits."""


@dataclass(frozen=True)
class Product:
    """Products of one sliced matrix."""

    value: Array
    """(n, k), nan where it did not settle."""
    statuses: tuple[Status, ...]
    drives: int
    """MVM operations: columns of one array driven once."""
    message: str = ""
    solutions: list[Solution] = field(default_factory=list)
    """Of every array, for time points and the like."""


@dataclass
class SlicedMatrix:
    """Slices on their arrays: `Readout.rows` by `Readout.columns` entries each, and a row that sets the range.

    That row, of largest digits, makes the cells' levels and the converters' steps those of the integers whatever the
    slice holds. It stands in for a feedback resistor of fixed size and is not counted among the cells. Columns that
    are not driven are left out of the netlist: at 0 V they carry no current.
    """

    slices: Slices
    readout: Readout
    arrays: list["SliceArray"] = field(default_factory=list)
    """In the order of writing; empty where products are only rounded."""

    @cached_property
    def filled(self) -> NDArray[np.int64]:
        """(s, row tiles, column groups) entries that are not zero; a part without any has no array."""
        n, m = self.slices.integers.shape
        rows, columns = range(0, n, self.readout.rows), range(0, m, self.readout.columns)
        digits = (self.slices.slice(i + 1) != 0 for i in range(self.slices.count))
        return np.stack([np.add.reduceat(np.add.reduceat(d, rows, axis=0, dtype=int), columns, axis=1) for d in digits])

    @property
    def size(self) -> int:
        """Arrays, time-multiplexed or not, that hold the slices."""
        return int((self.filled > 0).sum())

    @property
    def cells(self) -> int:
        """Cells written: two for an entry of a slice, on the positive and on the negative array."""
        n, m = self.slices.integers.shape
        rows = np.diff([*range(0, n, self.readout.rows), n])
        columns = np.diff([*range(0, m, self.readout.columns), m])
        return int(2 * ((self.filled > 0) * np.outer(rows, columns)).sum())

    def notes(self) -> dict[str, float]:
        """What the slices take on chips: slices, arrays and cells."""
        return {"slices": float(self.slices.count), "arrays": float(self.size), "cells": float(self.cells)}

    def program(self, backend: Backend) -> None:
        """Write all arrays, the most significant slice first."""
        n, m = self.slices.integers.shape
        rows, columns = cuts(n, self.readout.rows), cuts(m, self.readout.columns)
        places, matrices = np.argwhere(self.filled), []
        for i, r, c in places:
            digits = self.slices.slice(i + 1)[rows[r], columns[c]]
            top = np.full((1, digits.shape[1]), self.readout.digit)
            matrices.append(np.vstack([digits, top]).astype(float))
        for (i, r, c), programmed in zip(places, backend.program_multiply_many(matrices), strict=True):
            weight = 2.0 ** (self.slices.bits * (self.slices.count - i - 1))
            self.arrays.append(SliceArray(programmed, rows[r], columns[c], weight))

    def begin(self, call: int) -> None:
        """Number the calls of all arrays from `call` on: noise is that of the solve, whatever was before."""
        for array in self.arrays:
            array.programmed.calls = call

    def drives(self, integers: Whole) -> int:
        """MVM operations of a product with vectors (m, k): pieces that are not zero, on every array that has them."""
        starts = range(0, len(integers), self.readout.columns)
        arrays = (self.filled > 0).sum(axis=(0, 1))
        pieces = [np.add.reduceat(part != 0, starts, axis=0) > 0 for _, part in planes(integers, self.readout.bits)]
        return int(sum(arrays @ piece.sum(axis=1) for piece in pieces))


@dataclass
class SliceArray:
    """One part of a slice on its array."""

    programmed: ProgrammedMultiply
    rows: slice
    columns: slice
    weight: float
    """[-] what 1 in the slice counts in the integers."""


def multiply_sliced(
    backend: Backend | None, requests: Sequence[tuple[SlicedMatrix, Array]], bits: int = VECTOR_BITS
) -> list[Product]:
    """Products with vectors (m, k), rounded to `bits`, all in one `multiply_many`; without a backend, rounded ones."""
    entered = [sliced.slices.enter(vectors, bits) for sliced, vectors in requests]
    if backend is None:
        return [_rounded(sliced, *given) for (sliced, _), given in zip(requests, entered, strict=True)]
    sums = [_ShiftAndAdd(sliced, *given) for (sliced, _), given in zip(requests, entered, strict=True)]
    drives = [drive for one in sums for drive in one.drives]
    solutions = iter(backend.multiply_many([(drive.array.programmed, drive.pieces) for drive in drives], throw=False))
    for one in sums:
        for drive in one.drives:
            one.add(drive, next(solutions))
    return [one.product() for one in sums]


def _rounded(sliced: SlicedMatrix, integers: Whole, unit: Array) -> Product:
    value = sliced.slices.leave(sliced.slices.integers.astype(float) @ integers, unit)
    return Product(value, (Status.SETTLED,) * value.shape[1], sliced.drives(integers))


@dataclass
class _Drive:
    """Pieces of vectors on their way through one array, without those that are zero."""

    array: SliceArray
    pieces: Array
    """(columns, j) whole numbers."""
    vectors: Whole
    """(j,) which vector each piece belongs to."""
    weights: Array
    """(j,) what 1 in each piece counts in its vector."""


class _ShiftAndAdd:
    """Products of one sliced matrix, reading by reading."""

    def __init__(self, sliced: SlicedMatrix, integers: Whole, unit: Array) -> None:
        self.sliced, self.unit = sliced, unit
        n, k = len(sliced.slices.integers), integers.shape[1]
        self.total = np.zeros((n, k))
        self.statuses = [Status.SETTLED] * k
        self.solutions: list[Solution] = []
        self.drives = [drive for array in sliced.arrays if (drive := self._drive(array, integers[array.columns]))]

    def _drive(self, array: SliceArray, integers: Whole) -> _Drive | None:
        pieces, vectors, weights = [], [], []
        for weight, part in planes(integers, self.sliced.readout.bits):
            driven = np.flatnonzero(part.any(axis=0))
            pieces.append(part[:, driven].astype(float))
            vectors.append(driven)
            weights.append(np.full(len(driven), float(weight)))
        if not pieces:
            return None
        return _Drive(array, np.hstack(pieces), np.concatenate(vectors), np.concatenate(weights))

    def add(self, drive: _Drive, solution: Solution) -> None:
        """Round the readings of a drive, shift them by the weights of slice and piece, and add them."""
        self.solutions.append(solution)
        for j, status in zip(drive.vectors, solution.stats.statuses, strict=True):
            self.statuses[j] = worst((self.statuses[j], status))
        readings = np.rint(solution.value[:-1]) * drive.weights * drive.array.weight
        rows = self.total[drive.array.rows]
        np.add.at(rows.T, drive.vectors, readings.T)

    def product(self) -> Product:
        """The sum in the caller's coordinates; nan where a reading did not settle."""
        value = self.sliced.slices.leave(self.total, self.unit)
        value[:, [status is not Status.SETTLED for status in self.statuses]] = np.nan
        message = next((s.stats.message for s in self.solutions if s.stats.message), "")
        drives = sum(len(drive.vectors) for drive in self.drives)
        return Product(value, tuple(self.statuses), drives, message, self.solutions)

"""Block elimination as a tree: arrays that solve at its leaves, stages of five operations above them.

A = [[A1, A2], [A3, A4]] with S = A4 - A3 A1^-1 A2 and A x = b, b = (f, g): y = A1^-1 f, z = S^-1 (g - A3 y),
x = (A1^-1 (f - A2 z), z). Source: BlockAMC, DATE 2024 (arXiv 2401.10042).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from circuits.errors import InputError
from cosim.backends import Backend, Programmed
from cosim.lockstep import Ask, Flow
from cosim.solution import Array
from cosim.tiles import Tiles

GROWTH = 1e6
"""A Schur complement so many times as large as its matrix [-] has lost that part of its digits."""


class Leaf:
    """A block that fits an array."""

    levels = 0

    def __init__(self, matrix: Array, start: int, level: int, name: str) -> None:
        self.matrix = matrix
        self.level = level
        self.place = f"level {level}, {name} on rows {start}:{start + len(matrix)}"
        self.programmed: Programmed

    def solve(self, rhs: Array) -> Flow:
        """(n, k) matrix^-1 @ rhs in one operation."""
        (value,) = yield [Ask(self.programmed, rhs, self.level, self.place)]
        return value

    def uses(self, times: int = 1) -> Iterator[tuple[Any, int]]:
        """The array, and how many calls it has for a right-hand side of the whole matrix."""
        yield self.programmed, times

    @property
    def leaves(self) -> "list[Leaf]":
        """Itself."""
        return [self]

    @property
    def tiles(self) -> list[Tiles]:
        """None."""
        return []


class Stage:
    """A block that is cut in two: the leading block A1, the Schur complement S, and what couples them.

    Without A3 or without A2 the operations that would get or give zeros are left out.
    """

    def __init__(self, matrix: Array, max_array: int, start: int, level: int) -> None:
        h = half(len(matrix), max_array)
        a1, a2, a3, a4 = matrix[:h, :h], matrix[:h, h:], matrix[h:, :h], matrix[h:, h:]
        rows = f"rows {start}:{start + len(matrix)}"
        self.h = h
        self.upper = _tiles(a2, max_array, level, f"level {level}, A2 of {rows}")
        self.lower = _tiles(a3, max_array, level, f"level {level}, A3 of {rows}")
        self.first = split(a1, max_array, start, level, "A1")
        schur = schur_complement(a1, a2, a3, a4, start, level) if self.upper and self.lower else a4
        self.schur = split(schur, max_array, start + h, level, "S")

    def solve(self, rhs: Array) -> Flow:
        """(n, k) matrix^-1 @ rhs: INV(A1), MVM(A3), INV(S), MVM(A2), INV(A1)."""
        f, g = rhs[: self.h], rhs[self.h :]
        if self.lower or not self.upper:
            top = yield from self.first.solve(f)
        if self.lower:
            g = g - (yield from self.lower.multiply(top))
        bottom = yield from self.schur.solve(g)
        if self.upper:
            top = yield from self.first.solve(f - (yield from self.upper.multiply(bottom)))
        return np.concatenate([top, bottom])

    def uses(self, times: int = 1) -> Iterator[tuple[Any, int]]:
        """Every array, and how many calls it has for a right-hand side of the whole matrix."""
        both = 2 if self.upper and self.lower else 1
        yield from self.first.uses(both * times)
        yield from self.schur.uses(times)
        yield from ((tile, times) for tiles in (self.lower, self.upper) if tiles for tile in tiles.programmed)

    @property
    def leaves(self) -> list[Leaf]:
        """Blocks that fit an array, top left to bottom right."""
        return [*self.first.leaves, *self.schur.leaves]

    @property
    def tiles(self) -> list[Tiles]:
        """Couplings of this stage, then of those inside it."""
        own = [tiles for tiles in (self.lower, self.upper) if tiles]
        return [*own, *self.first.tiles, *self.schur.tiles]

    @property
    def levels(self) -> int:
        """How deep the recursion goes: 1 where both parts fit an array."""
        return 1 + max(self.first.levels, self.schur.levels)


Node = Leaf | Stage


def split(matrix: Array, max_array: int, start: int = 0, level: int = -1, name: str = "the matrix") -> Node:
    """The tree of a matrix (n, n) whose leaves have max_array rows at the most.

    `start` is its first row in the whole matrix, `level` the stage that it is a part of (-1 for the whole), `name`
    what it is there.
    InputError where a leading block is too nearly singular to eliminate.
    """
    if len(matrix) <= max_array:
        return Leaf(matrix, start, max(level, 0), name)
    return Stage(matrix, max_array, start, level + 1)


def half(n: int, max_array: int) -> int:
    """Rows of the leading block: half of the arrays that n rows need, all of them full."""
    return max_array * ((-(-n // max_array) + 1) // 2)


def schur_complement(a1: Array, a2: Array, a3: Array, a4: Array, start: int, level: int) -> Array:
    """A4 - A3 A1^-1 A2 in float64, symmetric where the whole is; InputError where it has no digits."""
    try:
        schur = a4 - a3 @ np.linalg.solve(a1, a2)
    except np.linalg.LinAlgError:
        schur = np.full_like(a4, np.inf)
    largest = max(float(np.abs(part).max()) for part in (a1, a2, a3, a4))
    growth = float(np.abs(schur).max()) / largest
    if not growth < GROWTH:
        raise InputError(
            f"Block elimination cannot start with rows {start} to {start + len(a1) - 1} (level {level}): they are so "
            f"nearly singular that the Schur complement is {growth:.3g} times as large as the matrix, the limit "
            f"is {GROWTH:g}. Add damping to the diagonal, or raise max_array."
        )
    # What rounding leaves of the symmetry would cost the blocks their conditioning.
    symmetric = np.array_equal(a1, a1.T) and np.array_equal(a2, a3.T) and np.array_equal(a4, a4.T)
    return (schur + schur.T) / 2 if symmetric else schur


def _tiles(matrix: Array, max_array: int, level: int, name: str) -> Tiles | None:
    return Tiles(matrix, max_array, level, name) if matrix.any() else None


def program_leaves(backend: Backend, leaves: Sequence[Leaf]) -> None:
    """Program blocks in one call. InputError that says which of them cannot be used."""
    try:
        found = backend.program_many([leaf.matrix for leaf in leaves])
    except InputError:
        found = [_program_leaf(backend, leaf) for leaf in leaves]
    for leaf, programmed in zip(leaves, found, strict=True):
        leaf.programmed = programmed


def _program_leaf(backend: Backend, leaf: Leaf) -> Programmed:
    try:
        return backend.program(leaf.matrix)
    except InputError as error:
        raise InputError(f"The block at {leaf.place} cannot be programmed. {error}") from None

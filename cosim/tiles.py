"""A matrix in tiles on several multiply arrays; the products of its tiles are added digitally."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from cosim.backends import Backend, ProgrammedMultiply
from cosim.lockstep import Ask, Flow, Request
from cosim.multiply import product_error
from cosim.solution import Array, Solution


def cuts(n: int, size: int) -> list[slice]:
    """Pieces of 0 to n of the given size, the last one of what is left."""
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


@dataclass
class Tiles:
    """A matrix (n, m) cut into tiles of max_array rows and columns at the most; tiles of zeros have no array."""

    matrix: Array
    max_array: int
    level: int = 0
    """The stage of a recursion that multiplies by it."""
    name: str = "the matrix"
    """What a failure calls it."""
    programmed: Sequence[ProgrammedMultiply] = field(default_factory=list)
    """In the order of `pieces`."""

    def __post_init__(self) -> None:
        n, m = self.matrix.shape
        grid = [(rows, columns) for rows in cuts(n, self.max_array) for columns in cuts(m, self.max_array)]
        self.pieces = [piece for piece in grid if self.matrix[piece].any()]
        """Rows and columns of every tile that is not zero."""
        self._places = [f"{self.name}, tile [{_span(rows)}, {_span(columns)}]" for rows, columns in self.pieces]

    def program(self, backend: Backend) -> None:
        """Program the tiles in the order of `pieces`."""
        self.programmed = backend.program_multiply_many([self.matrix[piece] for piece in self.pieces])

    @property
    def cells(self) -> int:
        """Two for an entry of a tile, on the positive and on the negative array."""
        return 2 * sum(self.matrix[piece].size for piece in self.pieces)

    def multiply(self, vectors: Array) -> Flow:
        """(n, k) matrix @ vectors (m, k), all tiles at once."""
        asks = [
            Ask(programmed, vectors[columns], self.level, place)
            for programmed, (_, columns), place in zip(self.programmed, self.pieces, self._places, strict=True)
        ]
        products = yield asks
        total = np.zeros((len(self.matrix), vectors.shape[1]))
        for (rows, _), product in zip(self.pieces, products, strict=True):
            total[rows] += product
        return total


def _span(part: slice) -> str:
    return f"{part.start}:{part.stop}"


class TiledMultiply(ProgrammedMultiply):
    """A matrix to multiply by that is larger than an array."""

    def __init__(self, backend: Backend, matrix: Array, tiles: Tiles) -> None:
        super().__init__(backend, matrix)
        self.tiles = tiles

    def solution(self, request: Request, vectors: Array) -> Solution:
        """The product that a request has come to, as far from the digital one as it is."""
        return request.solution(request.value, product_error(self.matrix, request.value, vectors), self._notes())

    def _notes(self) -> dict[str, float]:
        return {"arrays": float(len(self.tiles.pieces)), "cells": float(self.tiles.cells)}

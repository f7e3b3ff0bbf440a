"""What is done to a matrix digitally before it is programmed, and undone around every solve."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuits.errors import check_range, check_whole
from circuits.parts import RramCell

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Conditioning:
    """Which digital steps stand between a matrix and its array, in the order in which they are taken."""

    deflate: int = 1
    """r [-], 0 to 4: how many of the largest eigenvalues are taken out and their directions solved digitally.
    It needs a symmetric positive definite matrix: any other is programmed with all its directions."""
    equilibrate: bool = True
    """Jacobi equilibration D^-1/2 A D^-1/2, so that the diagonal is 1 [-]. It needs a positive diagonal:
    a matrix without one is programmed as it is."""
    shift: float | None = None
    """delta [-], 0 or more, of the largest entry: added to the diagonal against what quantisation takes away, by a
    resistor from each output to its row, so that it costs the cells no range. None matches it to the step:
    2 sqrt(n / 12) steps, the spectral norm of white quantisation noise."""

    def __post_init__(self) -> None:
        check_whole("Conditioning.deflate", self.deflate, 0, 4)
        if self.shift is not None:
            check_range("Conditioning.shift", self.shift, 0.0, 1e6)

    @classmethod
    def off(cls) -> "Conditioning":
        """No step at all: the matrix is programmed as it is."""
        return cls(deflate=0, equilibrate=False, shift=0.0)

    def apply(self, matrix: Array, cell: RramCell) -> "Conditioned":
        """The matrix to program into cells of this kind, with the way in and out of its coordinates."""
        eigenvalues, directions = self._dominant(matrix)
        deflated = matrix - (directions * (eigenvalues[:-1] - eigenvalues[-1])) @ directions.T
        diagonal = np.diag(deflated)
        equilibrate = self.equilibrate and diagonal.min() > 0
        scale = 1 / np.sqrt(diagonal) if equilibrate else np.ones(len(matrix))
        scaled = deflated * np.outer(scale, scale)
        shift = self._shift(cell, len(matrix)) * np.abs(scaled).max()
        shifted = scaled + shift * np.eye(len(matrix))
        return Conditioned(shifted, scale, directions, eigenvalues[:-1], float(shift))

    def _dominant(self, matrix: Array) -> tuple[Array, Array]:
        """(r + 1,) eigenvalues, largest first, the last one for the directions that stay; (n, r) eigenvectors."""
        n = len(matrix)
        if not self.deflate or n <= self.deflate or not np.allclose(matrix, matrix.T, rtol=1e-10, atol=0):
            return np.ones(1), np.zeros((n, 0))
        values, vectors = np.linalg.eigh(matrix)
        if values[0] <= 0:
            return np.ones(1), np.zeros((n, 0))
        return values[::-1][: self.deflate + 1], vectors[:, ::-1][:, : self.deflate]

    def _shift(self, cell: RramCell, n: int) -> float:
        if self.shift is not None:
            return self.shift
        return 2 * np.sqrt(n / 12) / (cell.levels - 1) if cell.levels else 0.0


@dataclass(frozen=True)
class Conditioned:
    """A matrix as it is programmed: D (A - sum_i (w_i - w) v_i v_i') D + delta I.

    The directions v_i are solved digitally, x = sum_i v_i (v_i' b) / w_i, and taken out of what the circuit gets
    and gives; w is the largest eigenvalue that stays.
    """

    matrix: Array
    """(n, n) [-] the matrix that the circuit solves."""
    scale: Array
    """(n,) [-] D: diagonal to the power -1/2."""
    directions: Array
    """(n, r) [-] v_i, orthonormal."""
    eigenvalues: Array
    """(r,) [-] w_i of the directions."""
    shift: float = 0.0
    """[-] delta, what the circuit adds to the diagonal of the array."""

    @property
    def programmed(self) -> Array:
        """(n, n) [-] the matrix that the array holds: without the shift."""
        return self.matrix - self.shift * np.eye(len(self.matrix))

    def enter(self, rhs: Array) -> Array:
        """(n, k) what the circuit solves for, in the coordinates of the array."""
        return self.scale[:, None] * self._rest(rhs)

    def leave(self, value: Array, rhs: Array) -> Array:
        """(n, k) solutions in the caller's coordinates, from the circuit's values and the right-hand sides."""
        digital = self.directions @ ((self.directions.T @ rhs) / self.eigenvalues[:, None])
        return self._rest(self.scale[:, None] * value) + digital

    def _rest(self, vectors: Array) -> Array:
        """The part without the directions that are solved digitally."""
        return vectors - self.directions @ (self.directions.T @ vectors)

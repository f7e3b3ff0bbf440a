"""What is done to a matrix digitally before it is programmed, and undone around every solve."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Conditioning:
    """Which digital steps stand between a matrix and its array."""

    equilibrate: bool = True
    """Jacobi equilibration D^-1/2 A D^-1/2, so that the diagonal is 1. It needs a positive diagonal:
    a matrix without one is programmed as it is."""

    def apply(self, matrix: Array) -> "Conditioned":
        """The matrix to program, with the way in and out of its coordinates."""
        diagonal = np.diag(matrix)
        if not self.equilibrate or diagonal.min() <= 0:
            return Conditioned(matrix, np.ones(len(matrix)))
        scale = 1 / np.sqrt(diagonal)
        return Conditioned(matrix * np.outer(scale, scale), scale)


@dataclass(frozen=True)
class Conditioned:
    """A matrix as it is programmed: scale_i A_ij scale_j."""

    matrix: Array
    """(n, n) [-] the matrix that the array holds."""
    scale: Array
    """(n,) [-] D^-1/2."""

    def enter(self, rhs: Array) -> Array:
        """(n, k) right-hand sides in the coordinates of the array."""
        return self.scale[:, None] * rhs

    def leave(self, value: Array) -> Array:
        """(n, k) solutions in the caller's coordinates."""
        return self.scale[:, None] * value

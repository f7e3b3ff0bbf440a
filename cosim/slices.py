"""Bit slicing: a matrix, and the vectors it is multiplied by, as small integers that rounding can restore."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from circuits.errors import InputError, check_whole
from cosim.solution import Array

Whole = NDArray[np.int64]

MOST_BITS = 52
"""Bits of a sliced number at the most: what float64 holds, and what its sums of slices hold exactly."""


@dataclass(frozen=True)
class Slices:
    """A = R (2^e sum_i 2^(-m i) S_i) C with integer slices S_i, |S_i| < 2^m, i from 1, the most significant, to s.

    R and C are powers of two on the diagonal, which cost no more than shifts. All slices of an entry have its sign.
    """

    integers: Whole
    """(n, m) [-] the sum of 2^(m (s - i)) S_i."""
    bits: int
    """m [bits] of a slice."""
    count: int
    """s [-] slices."""
    unit: float
    """[-] 2^(e - m s): what 1 in the integers stands for."""
    rows: Array
    """(n,) [-] R."""
    columns: Array
    """(m,) [-] C."""

    @classmethod
    def of(cls, matrix: Array, bits: int, count: int) -> Self:
        """Round a matrix (n, m) to so many slices of so many bits."""
        check_whole("slices times bits", bits * count, 1, MOST_BITS)
        rows, columns = exponents(matrix)
        integers, unit = whole(matrix / rows[:, None] / columns, bits * count)
        return cls(integers, bits, count, float(unit), rows, columns)

    @property
    def matrix(self) -> Array:
        """(n, m) [-] the matrix that the slices stand for, exactly."""
        return self.integers * self.unit * self.rows[:, None] * self.columns

    def slice(self, i: int) -> Whole:
        """(n, m) S_i, 1 the most significant."""
        digits = (np.abs(self.integers) >> (self.bits * (self.count - i))) & (2**self.bits - 1)
        return np.sign(self.integers) * digits

    def enter(self, vectors: Array, bits: int) -> tuple[Whole, Array]:
        """Vectors (m, k) in the coordinates of the integers: whole numbers of so many bits, and what 1 stands for (k,).

        Every vector has its own power of two.
        """
        return whole(vectors * self.columns[:, None], bits, by_column=True)

    def rounded(self, vectors: Array, bits: int) -> Array:
        """(m, k) the nearest vectors that `enter` takes without any loss."""
        integers, unit = self.enter(vectors, bits)
        return integers * unit / self.columns[:, None]

    def leave(self, integers: Array, unit: Array) -> Array:
        """(n, k) products in the caller's coordinates from products of the integers, with the `unit` of `enter`."""
        return integers * (self.unit * unit) * self.rows[:, None]


def whole(numbers: Array, bits: int, by_column: bool = False) -> tuple[Whole, Array]:
    """Integers of `bits` bits and a sign, and the power of two that 1 stands for: one for all, or (k,) for columns.

    What is already a multiple of the power of two stays exactly what it is.
    """
    largest = np.abs(numbers).max(axis=0) if by_column else np.abs(numbers).max()
    unit = np.ldexp(1.0, np.frexp(largest)[1] - bits)
    top = 2**bits - 1
    return np.clip(np.rint(numbers / unit), -top, top).astype(np.int64), unit


def exponents(matrix: Array) -> tuple[Array, Array]:
    """(n,), (m,) powers of two near the roots of a positive diagonal; ones where there is none.

    Without them the largest diagonal entry decides how fine the smallest is: the shared K-FAC factors at relative
    damping 0.1 need up to 8 slices of 3 bits for a residual of 1e-3 and 12 for 1e-6, with them 7 and 10.
    """
    n, m = matrix.shape
    diagonal = np.diag(matrix) if n == m else np.zeros(1)
    if diagonal.min() <= 0:
        return np.ones(n), np.ones(m)
    scale = np.exp2(np.rint(np.log2(diagonal) / 2))
    return scale, scale.copy()


def planes(integers: Whole, bits: int) -> Iterator[tuple[int, Whole]]:
    """(weight, part) with integers = sum of weight * part, |part| < 2^bits; parts of zeros are left out."""
    size, shift = np.abs(integers), 0
    while (size >> shift).any():
        part = np.sign(integers) * ((size >> shift) & (2**bits - 1))
        if part.any():
            yield 1 << shift, part
        shift += bits


def slices_for(matrix: Array, bits: int, tolerance: float, *, solving: bool = True) -> Slices:
    """The fewest slices whose rounding, E, stays within the tolerance.

    `solving` bounds what it does to a residual norm(b - A x) / norm(b), norm(E A^-1); otherwise norm(E) / norm(A) is
    bounded, what it does to a product. Both are Frobenius norms. InputError, with what would be reached, where the
    limit of MOST_BITS is not enough.
    """
    right = np.linalg.inv(matrix) if solving else np.eye(matrix.shape[1]) / np.linalg.norm(matrix)
    count, left, most = 0, math.inf, MOST_BITS // bits
    while count < most:
        # A slice more leaves 2^-bits of it: most counts need not be tried.
        ahead = int(math.log2(left / tolerance) / bits) - 1 if math.isfinite(left) else 1
        count = min(count + max(ahead, 1), most)
        sliced = Slices.of(matrix, bits, count)
        left = float(np.linalg.norm((matrix - sliced.matrix) @ right))
        if left <= tolerance:
            return sliced
    raise InputError(
        f"{count} slices of {bits} bits leave {left:.2g}, above the {tolerance:.2g} that is theirs of the tolerance, "
        f"and a sliced number holds no more than {MOST_BITS} bits: choose a tolerance {1.1 * left / tolerance:.2g} "
        f"times as large, or add damping to the matrix."
    )

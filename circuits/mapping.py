"""Matrix to conductances and volts back to numbers: the scales of the mapping live here."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from circuits.errors import RefusedError
from circuits.hardware import Hardware
from circuits.parts import RramCell
from circuits.programming import program_cells, read_cells

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Conductances:
    """A signed matrix on two arrays: matrix = (positive - negative) / unit."""

    positive: Array
    """(n, m) [S] cells between row i and the output of column j."""
    negative: Array
    """(n, m) [S] cells between row i and the inverted output of column j."""
    unit: float
    """[S] conductance that stands for 1 in the matrix."""
    g_in: float
    """[S] conductance between each input and its row; the matrix entry of largest size has the same."""
    g_shift: float = 0.0
    """[S] conductance between each output and its row, outside the arrays; it adds to the matrix's diagonal."""

    @property
    def matrix(self) -> Array:
        """(n, m) [-] the matrix that the conductances stand for, quantised and imprecise as they are."""
        return (self.positive - self.negative) / self.unit

    def written(self, hardware: Hardware, write: int) -> Self:
        """The conductances that the cells end up with when these are written, for the write-th time on the chip."""
        part, seed = (hardware.cell.g_min, hardware.cell.g_max), hardware.seed
        return replace(
            self,
            positive=program_cells(self.positive, part, hardware.programming, seed, write, array=0),
            negative=program_cells(self.negative, part, hardware.programming, seed, write, array=1),
        )

    def read(self, hardware: Hardware, call: int) -> Self:
        """The conductances in one INV call, read noise included."""
        programming, seed = hardware.programming, hardware.seed
        return replace(
            self,
            positive=read_cells(self.positive, programming, seed, call, array=0),
            negative=read_cells(self.negative, programming, seed, call, array=1),
        )


def encode(matrix: Array, cell: RramCell, *, rows_may_vanish: bool = False) -> Conductances:
    """Conductances of a real matrix: the largest entry gets the whole range, zero gets g_min twice.

    Raises InputError where quantisation takes a whole row away, which leaves no inverse; a product can do without.
    """
    span = cell.g_max - cell.g_min
    unit = span / float(np.abs(matrix).max())
    positive = cell.g_min + quantise(np.maximum(matrix, 0) * unit, span, cell.levels)
    negative = cell.g_min + quantise(np.maximum(-matrix, 0) * unit, span, cell.levels)
    lost = np.flatnonzero((positive == negative).all(axis=1) & matrix.any(axis=1))
    if len(lost) and not rows_may_vanish:
        raise RefusedError(
            f"Row {lost[0]} of the matrix vanishes in {cell.levels} levels: its largest entry is "
            f"{np.abs(matrix[lost[0]]).max() / np.abs(matrix).max():.3g} of the matrix's, below half a step. "
            f"Use more levels, or equilibrate the matrix."
        )
    return Conductances(positive, negative, unit, g_in=span)


def quantise(conductance: Array, span: float, levels: int) -> Array:
    """The nearest of `levels` equal steps from 0 to `span`; unchanged where levels is 0."""
    if not levels:
        return conductance
    step = span / (levels - 1)
    return np.round(conductance / step) * step


def decode(volts: Array, input_scale: Array | float, conductances: Conductances) -> Array:
    """Values from output volts, (n, k): G v = -g_in v_in and v_in = input_scale * rhs."""
    return -volts * (conductances.unit / (conductances.g_in * input_scale))

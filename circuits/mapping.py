"""Matrix to conductances and volts back to numbers: the scales of the mapping live here."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuits.hardware import RramCell

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Conductances:
    """A signed matrix on two arrays: matrix = (positive - negative) / unit."""

    positive: Array
    """(n, n) [S] cells between row i and the output of column j."""
    negative: Array
    """(n, n) [S] cells between row i and the inverted output of column j."""
    unit: float
    """[S] conductance that stands for 1 in the matrix."""
    g_in: float
    """[S] conductance between each input and its row; the matrix entry of largest size has the same."""

    @property
    def matrix(self) -> Array:
        """(n, n) [-] the matrix that the conductances stand for, quantised as they are."""
        return (self.positive - self.negative) / self.unit


def encode(matrix: Array, cell: RramCell) -> Conductances:
    """Conductances of a real matrix: the largest entry gets the whole range, zero gets g_min twice."""
    span = cell.g_max - cell.g_min
    unit = span / float(np.abs(matrix).max())
    positive = cell.g_min + quantise(np.maximum(matrix, 0) * unit, span, cell.levels)
    negative = cell.g_min + quantise(np.maximum(-matrix, 0) * unit, span, cell.levels)
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

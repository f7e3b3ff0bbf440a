"""A matrix on its multiply array, and how far a product is from the true one."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from circuits import Conditioned, Hardware, MultiplyCircuit, encode
from circuits.circuit import Circuit
from circuits.converters import read
from circuits.multiply import decode_product, feedback_conductance
from cosim.analog import Aim, AnalogArray
from cosim.solution import Array, norms


@dataclass(frozen=True, kw_only=True)
class MultiplyArray(AnalogArray):
    """An array that multiplies: (n, m) in, whatever the rank, and nothing conditioned.

    Writing, read noise, converters, input range and time window are those of `AnalogArray`; the feedback was chosen
    for the range, and the linear gain also knows what writing has made of the cells.
    """

    g_feedback: float
    """[S] feedback conductance of every row."""

    @classmethod
    def of(cls, matrix: Array, hardware: Hardware, write: int = 0) -> Self:
        """Encode a checked matrix (n, m) and write it.

        Feedback resistors are chosen for what was to be written: what the cells make of it, nobody knows
        beforehand, and reading noise must not move a resistor.
        """
        target = encode(matrix, hardware.cell, rows_may_vanish=True)
        return cls(
            hardware=hardware,
            conditioned=_as_it_is(matrix),
            conductances=target.written(hardware, write),
            write=write,
            g_feedback=feedback_conductance(target),
        )

    @cached_property
    def _circuit(self) -> Circuit:
        return MultiplyCircuit(self.conductances, self.hardware, self.g_feedback)

    def aim(self, rhs: Array) -> Aim:
        """As for a solve; vectors enter as they are."""
        return self._aimed(rhs)

    def decode(self, volts: Array, scale: Array, rhs: Array, call: int) -> Array:
        """(n, k) the products that settled output volts stand for, as the ADCs read them."""
        seen = read(volts, self.hardware.converters, self.hardware.v_max, self._noise(call, purpose=1))
        # A vector of zeros has no scale: nothing is driven, and nothing that comes out counts.
        return decode_product(seen, np.where(scale > 0, scale, np.inf), self.conductances.unit, self.g_feedback)


def product_error(matrix: Array, product: Array, vectors: Array) -> Array:
    """(k,) norm(product - matrix @ vector) / norm(matrix @ vector), the norm alone where the product is zero."""
    true = matrix @ vectors
    size = norms(true)
    return norms(product - true) / np.where(size > 0, size, 1)


def _as_it_is(matrix: Array) -> Conditioned:
    """The matrix without any conditioning: vectors enter its array unchanged."""
    columns = matrix.shape[1]
    return Conditioned(matrix, np.ones(columns), np.zeros((columns, 0)), np.zeros(0))

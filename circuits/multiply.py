"""The multiply circuit: conductances and parts become a netlist that settles to a matrix-vector product."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from circuits.circuit import Circuit
from circuits.drawing import DrawnArray
from circuits.hardware import Hardware
from circuits.inverse import balance, op_amp_variables
from circuits.mapping import Conductances
from circuits.netlist import Netlist, render

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MultiplyCircuit(Circuit):
    """An array in front of transimpedance amplifiers that settles to v(out) = -(Gp - Gn) v(in) / g_feedback.

    The matrix is (n, m), square or not: input in<j> drives column j, row i ends in amplifier out<i>. In the compensated
    form the positive array and the feedback hang on an amplifier's inverting input, the negative array on the
    other one. With S the conductance at either input, their common voltage e leaves the currents
    (G+ v + g_feedback v_out - S e) and (G- v - S e), both zero, and e cancels in their difference. S is the same
    on both sides once `balance` has put the larger one's excess, of the sums over Gp_ij and g_feedback on one
    side and over Gn_ij on the other, from the smaller one's input to ground.
    """

    g_feedback: float | None = None
    """[S] feedback conductance of every row; None takes `feedback_conductance` of these conductances."""

    _driver: ClassVar[str] = "in"
    _template: ClassVar[str] = "multiply.cir.j2"

    def _draw(self, hardware: Hardware, arrays: list[DrawnArray]) -> Netlist:
        n_rows, n_columns = self.conductances.positive.shape
        g_feedback = self.g_feedback or feedback_conductance(self.conductances)
        wires = hardware.wires
        text = render(
            self._template,
            hardware.templates,
            n_rows=n_rows,
            n_columns=n_columns,
            unit=self.conductances.unit,
            r_feedback=1 / g_feedback,
            r_inverter=1 / self.conductances.g_in,
            signed=hardware.signed,
            arrays=arrays,
            balance=balance(arrays[0].row_load + g_feedback, arrays[1].row_load),
            part=hardware.cell,
            wires=wires,
            segments=not (wires.ideal and wires.resistive),
            # As for a square circuit that both sides fit into: the first rows and the first inverters are used.
            **op_amp_variables(hardware.opamp, max(n_rows, n_columns), hardware.seed),
        )
        inputs, outputs = range(1, n_columns + 1), range(1, n_rows + 1)
        return Netlist(text, tuple(f"in{j}" for j in inputs), tuple(f"out{i}" for i in outputs), hardware.templates)


def feedback_conductance(conductances: Conductances) -> float:
    """[S] the smallest feedback conductance that keeps every output within the range of the inputs.

    An output is at most the row's sum of |Gp_ij - Gn_ij| over g_feedback times the largest input; the row with
    the largest sum decides for all, so that one scale decodes them. Where no entry differs from zero, as
    faults can leave a matrix, it is the conductance of the largest entry.
    """
    row_sums = np.abs(conductances.positive - conductances.negative).sum(axis=1)
    return float(row_sums.max()) or conductances.g_in


def decode_product(volts: Array, input_scale: Array | float, unit: float, g_feedback: float) -> Array:
    """Products from output volts, (n, k): v_out = -(Gp - Gn) v_in / g_feedback and v_in = input_scale * vector.

    `input_scale` is in V for 1 in the vector, (k,) or one for all, `unit` in S for 1 in the matrix.
    """
    return -volts * (g_feedback / (unit * input_scale))

"""The INV circuit: conductances and parts become a netlist."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from circuits.circuit import Circuit
from circuits.drawing import DrawnArray
from circuits.hardware import Hardware
from circuits.netlist import Netlist, number, render
from circuits.parts import OpAmp


@dataclass(frozen=True)
class InverseCircuit(Circuit):
    """An array in op-amp feedback that settles to G v(out) = -g_in v(in).

    Inputs are in1..inn, outputs out1..outn.
    """

    _driver: ClassVar[str] = "out"
    _template: ClassVar[str] = "inverse.cir.j2"

    def _draw(self, hardware: Hardware, arrays: list[DrawnArray]) -> Netlist:
        n, g_in = len(self.conductances.positive), self.conductances.g_in
        wires = hardware.wires
        text = render(
            self._template,
            hardware.templates,
            n=n,
            unit=self.conductances.unit,
            g_in=g_in,
            r_in=1 / g_in,
            signed=hardware.signed,
            arrays=arrays,
            g_shift=self.conductances.g_shift,
            balance=balance(arrays[0].row_load + g_in + self.conductances.g_shift, arrays[1].row_load),
            part=hardware.cell,
            wires=wires,
            segments=not (wires.ideal and wires.resistive),
            **op_amp_variables(hardware.opamp, n, hardware.seed),
        )
        names = range(1, n + 1)
        return Netlist(text, tuple(f"in{i}" for i in names), tuple(f"out{i}" for i in names), hardware.templates)


def op_amp_variables(opamp: OpAmp, n: int, seed: int) -> dict[str, object]:
    """What the op-amp template takes, and the offsets of n row op-amps and n inverters."""
    offsets: list[float] = []
    if opamp.offset:
        # One stream for all instances, so that a row's offset does not depend on the matrix.
        offsets = np.random.default_rng(seed).normal(0, opamp.offset, 2 * n).tolist()
    return {
        "opamp": opamp,
        "c_pole": 1 / (2 * math.pi * opamp.gbw),
        "row_offsets": offsets[0::2],
        "inverter_offsets": offsets[1::2],
    }


def balance(plus: np.ndarray, minus: np.ndarray) -> list[tuple[str, str]]:
    """(node, ohms) of the conductances to ground that make both inputs of every op-amp see the same.

    With S the conductance at either input and e their common voltage, the currents (G+ v + g_in v_in - S e) and
    (G- v - S e) are zero together, and e cancels in their difference.
    """
    pairs = []
    for i, missing in enumerate((plus - minus).tolist(), start=1):
        if abs(missing) > 1e-12 * plus[i - 1]:
            pairs.append((f"{'ref' if missing > 0 else 'row'}{i}", number(1 / abs(missing))))
    return pairs

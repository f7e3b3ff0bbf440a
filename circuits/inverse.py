"""The INV circuit: conductances and parts become a netlist."""

import math
from dataclasses import dataclass

import numpy as np

from circuits.hardware import Hardware
from circuits.mapping import Array, Conductances
from circuits.netlist import Netlist, number, render


@dataclass(frozen=True)
class InverseCircuit:
    """An array in op-amp feedback that settles to G v(out) = -g_in v(in)."""

    conductances: Conductances
    hardware: Hardware

    def netlist(self) -> Netlist:
        """The circuit as text; inputs in1..inn, outputs out1..outn."""
        n = len(self.conductances.positive)
        text = render("inverse.cir.j2", n=n, **self._arrays(), **self._parts(n))
        names = range(1, n + 1)
        return Netlist(text, tuple(f"in{i}" for i in names), tuple(f"out{i}" for i in names))

    def _arrays(self) -> dict[str, object]:
        return {
            "positive": cells(self.conductances.positive),
            "negative": cells(self.conductances.negative),
            "unit": self.conductances.unit,
            "g_in": self.conductances.g_in,
            "r_in": 1 / self.conductances.g_in,
        }

    def _parts(self, n: int) -> dict[str, object]:
        opamp, wires = self.hardware.opamp, self.hardware.wires
        offsets: list[float] = []
        if opamp.offset:
            # One stream for all instances, so that a row's offset does not depend on the matrix.
            offsets = np.random.default_rng(self.hardware.seed).normal(0, opamp.offset, 2 * n).tolist()
        return {
            "opamp": opamp,
            "c_pole": 1 / (2 * math.pi * opamp.gbw),
            "row_offsets": offsets[:n],
            "inverter_offsets": offsets[n:],
            "wired": not wires.ideal,
            # ngspice takes no 0 ohm: a micro-ohm is five orders below any real segment.
            "r_row": number(wires.r_row or 1e-6),
            "r_col": number(wires.r_col or 1e-6),
        }


def cells(conductance: Array) -> list[tuple[int, int, str]]:
    """(row, column, resistance) of every cell that conducts, counted from 1."""
    rows, columns = np.nonzero(conductance)
    ohms = (1 / conductance[rows, columns]).tolist()
    return [(i + 1, j + 1, number(r)) for i, j, r in zip(rows.tolist(), columns.tolist(), ohms, strict=True)]

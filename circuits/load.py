"""What the amplifiers and the input drivers of a circuit feed: its resistors, read from the netlist's text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from circuits.deck import GROUND, Deck
from circuits.errors import InputError
from circuits.netlist import Netlist

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Load:
    """The resistors between the parts: cells, lines, input, shift, balance and inverter resistors.

    Resistors inside an op-amp's subcircuit are a part of its model and no load. Neither are capacitors: what
    they take on the way up they give back.
    """

    nodes: tuple[str, ...]
    """Every node with a resistor, without ground."""
    conductance: csr_array
    """(nodes, nodes) [S]: currents [A] from each node into the resistors = conductance @ volts."""
    outputs: tuple[int, ...]
    """Where in `nodes` the output of every op-amp is."""
    inputs: tuple[int, ...]
    """Where in `nodes` every input is."""

    @classmethod
    def of(cls, netlist: Netlist) -> Self:
        """The load of a circuit that was drawn from the templates. InputError for cells that are no resistors."""
        lines = list(_top_level(netlist.circuit.lower()))
        outputs = [line.split()[-2] for line in lines if line.startswith("x") and line.endswith(" opamp")]
        bent = [line for line in lines if line[0] in "bm" or (line[0] == "x" and not line.endswith(" opamp"))]
        if bent:
            raise InputError(
                f"The energy of a cell that is no resistor is not known ({bent[0][:60]!r}): take an ohmic cell "
                f"(RramCell.access 'none' or 'resistor', v_sinh inf, no model)."
            )
        return cls._between([line for line in lines if line[0] == "r"], outputs, netlist.inputs)

    @classmethod
    def _between(cls, lines: list[str], outputs: list[str], inputs: Sequence[str]) -> Self:
        resistors = Deck.read("\n".join(["* resistors", *lines])).passive["r"]
        index: dict[str, int] = {}
        for element in resistors:
            for node in element.nodes:
                if node != GROUND:
                    index.setdefault(node, len(index))
        ends = np.array([[index.get(node, -1) for node in element.nodes] for element in resistors], dtype=int)
        siemens = 1 / np.array([element.value for element in resistors])
        return cls(
            tuple(index),
            _laplacian(ends.reshape(-1, 2), siemens, len(index)),
            tuple(index[node] for node in outputs),
            tuple(index[node] for node in inputs),
        )

    @cached_property
    def drive(self) -> csr_array:
        """(outputs, then inputs, nodes) [S]: the currents [A] that op-amps and input drivers deliver."""
        return self.conductance[[*self.outputs, *self.inputs]]

    def dissipation(self, volts: Array) -> Array:
        """(points,) [W] heat in all resistors at node volts (nodes, points)."""
        found: Array = np.einsum("ij,ij->j", volts, self.conductance @ volts)
        return found


def _top_level(text: str) -> Iterator[str]:
    """Lines of elements outside every subcircuit."""
    inside = False
    for line in map(str.strip, text.splitlines()):
        if line.startswith((".subckt", ".ends")):
            inside = line.startswith(".subckt")
        elif line and line[0] not in "*." and not inside:
            yield line


def _laplacian(ends: NDArray[np.int_], siemens: Array, size: int) -> csr_array:
    """(size, size) [S] of resistors between two nodes each, -1 for ground."""
    a, b = ends.T
    rows, columns = np.concatenate([a, b, a, b]), np.concatenate([a, b, b, a])
    values = np.concatenate([siemens, siemens, -siemens, -siemens])
    kept = (rows >= 0) & (columns >= 0)
    return csr_array((values[kept], (rows[kept], columns[kept])), shape=(size, size))

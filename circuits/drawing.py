"""An array as a template draws it: its cells on lines, or the resistors of its exact port reduction."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from circuits.blas import one_thread
from circuits.errors import InputError
from circuits.netlist import number
from circuits.parts import RramCell, Wires
from circuits.repeated import Repeated
from circuits.wires import port_resistors, reduce_array

Array = NDArray[np.float64]


@dataclass(frozen=True)
class DrawnArray:
    """One array between the ports `port1 ..` of its rows and the drivers `driver1 ..` of its columns."""

    name: str
    """Letter in the names of its elements."""
    sign: str
    port: str
    driver: str
    rows: int
    columns: int
    cells: Repeated
    """Marks <i> <j> <siemens> <ohms> of every cell that conducts, rows and columns counted from 1."""
    ports: Repeated | None
    """Marks <k> <first> <second> <ohms> of the port reduction, None where the cells are drawn themselves."""
    row_load: Array
    """(rows,) [S] conductance between a row's port and all columns."""

    @classmethod
    def of(cls, name: str, sign: str, ends: tuple[str, str], conductance: Array, part: RramCell, wires: Wires) -> Self:
        """The array of conductances (rows, columns) [S]; `ends` are the node names of row ports and drivers."""
        rows, columns = conductance.shape
        seen = conductance / (1 + conductance * part.series)
        if wires.ideal:
            return cls(name, sign, *ends, rows, columns, _cells(conductance), None, seen.sum(axis=1))
        with one_thread():
            matrix = reduce_array(seen, wires.r_row, wires.r_col, wires.both_sides)
        load = -matrix[:rows, rows:].sum(axis=1)
        if not reduces(part, wires):
            return cls(name, sign, *ends, rows, columns, _cells(conductance), None, load)
        names = [f"{ends[0]}{i + 1}" for i in range(rows)] + [f"{ends[1]}{j + 1}" for j in range(columns)]
        return cls(name, sign, *ends, rows, columns, _cells(np.zeros((0, 0))), _ports(matrix, names), load)


def reduces(part: RramCell, wires: Wires) -> bool:
    """Whether arrays of these cells and lines are drawn as their port reduction."""
    if wires.reduce == "always" and not part.is_linear:
        raise InputError(
            "Wires.reduce = 'always' needs linear cells: a port reduction holds resistors only; use 'auto' or 'never'."
        )
    return wires.reduce != "never" and not wires.ideal and wires.resistive and part.is_linear


def _cells(conductance: Array) -> Repeated:
    rows, columns = np.nonzero(conductance)
    siemens = conductance[rows, columns]
    return Repeated(
        {
            "i": (rows + 1).tolist(),
            "j": (columns + 1).tolist(),
            "siemens": [number(value) for value in siemens.tolist()],
            "ohms": [number(value) for value in (1 / siemens).tolist()],
        }
    )


def _ports(matrix: Array, names: list[str]) -> Repeated:
    pairs = port_resistors(matrix, names)
    return Repeated(
        {
            "k": range(1, len(pairs) + 1),
            "first": [first for first, _, _ in pairs],
            "second": [second for _, second, _ in pairs],
            "ohms": [number(ohms) for _, _, ohms in pairs],
        }
    )

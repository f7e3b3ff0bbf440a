"""The cells of a programmed array: targets, levels, faults, and where the netlist draws each."""

import re
from collections.abc import Iterator

import numpy as np

from circuits import Conductances, Hardware, Programming
from circuits.programming import program_cells
from cosim.analog import AnalogArray
from cosim.inspection import CONTINUOUS, CellArray, Levels, Lines
from cosim.solution import Array

_CELL = re.compile(r"^([a-z]\w*?)([pn])(\d+)_(\d+)$", re.IGNORECASE)
_LINE_PARTS = ("rwr", "rwc", "cwr", "cwc")
"""How the names of a line's segments begin, which are no cells."""


def cell_arrays(array: AnalogArray, target: Conductances, text: str) -> tuple[CellArray, CellArray]:
    """Both arrays; `target` is what was to be written, `text` the netlist."""
    pairs = ((target.positive, array.conductances.positive), (target.negative, array.conductances.negative))
    hardware = array.hardware
    made = [
        CellArray(
            name,
            sign,
            asked,
            programmed,
            _levels(asked, hardware),
            _stuck(asked, hardware, number),
            _lines(text, name, asked.shape),
        )
        for number, (name, sign, (asked, programmed)) in enumerate(zip("pn", (1, -1), pairs, strict=True))
    ]
    return made[0], made[1]


def _levels(target: Array, hardware: Hardware) -> Levels:
    cell = hardware.cell
    if not cell.levels:
        return np.full(target.shape, CONTINUOUS)
    step = (cell.g_max - cell.g_min) / (cell.levels - 1)
    return np.rint((target - cell.g_min) / step).astype(np.int64)


def _stuck(target: Array, hardware: Hardware, number: int) -> Levels:
    """Written with nothing but the faults, a cell half way between the ends lands on the end where it is stuck."""
    faults = Programming(stuck_on=hardware.programming.stuck_on, stuck_off=hardware.programming.stuck_off)
    ends = (hardware.cell.g_min, hardware.cell.g_max)
    half = np.where(target > 0, sum(ends) / 2, 0.0)
    written = program_cells(half, ends, faults, hardware.seed, write=0, array=number)
    return (written == ends[1]).astype(np.int64) - ((written == ends[0]) & (target > 0))


def _lines(text: str, name: str, shape: tuple[int, ...]) -> Lines:
    found: list[list[list[int]]] = [[[] for _ in range(shape[1])] for _ in range(shape[0])]
    for number, (letter, row, column) in element_cells(text):
        if letter == name and row <= shape[0] and column <= shape[1]:
            found[row - 1][column - 1].append(number)
    return tuple(tuple(tuple(numbers) for numbers in row) for row in found)


def element_cells(text: str) -> Iterator[tuple[int, tuple[str, int, int]]]:
    """Line number, and (array, row, column) counted from 1, of every element line that draws a part of a cell."""
    for number, line in enumerate(text.splitlines(), start=1):
        match = _CELL.match(line.partition(" ")[0])
        if match and match[1].lower() not in _LINE_PARTS:
            yield number, (match[2].lower(), int(match[3]), int(match[4]))

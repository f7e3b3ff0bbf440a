"""The two arrays of a circuit as a picture: conductances as heat maps, faults, op-amps, and one cell with its lines."""

from dataclasses import dataclass

import numpy as np

from circuits.errors import InputError
from cosim.inspection import CONTINUOUS, CellArray, Inspection
from cosim.svg_page import FAINT, SvgPage, shade

DARK = {1: (8, 69, 148), -1: (166, 54, 3)}
"""Colour of the largest conductance, by the array's sign."""
MARK = "#d6006e"
"""Of the annotated cell and of stuck ones."""
SIDE, LEFT, TOP, GAP, RIGHT = 330.0, 74.0, 96.0, 56.0, 100.0
MOST_LINES = 6
"""Element lines that are quoted of a cell."""


def draw_array(inspection: Inspection, cell: tuple[int, int] | None = None) -> str:
    """SVG text. `cell` is (row, column), counted from 1, of the annotated cell; where None, the one of largest
    difference between the arrays. InputError for a cell that there is not.
    """
    return _Drawing(inspection, _choose(inspection, cell)).write()


def _choose(inspection: Inspection, cell: tuple[int, int] | None) -> tuple[int, int, int]:
    """(array, row, column), counted from 0: the array in which that cell conducts more."""
    positive, negative = (one.target for one in inspection.arrays)
    if cell is None:
        row, column = divmod(int(np.abs(positive - negative).argmax()), positive.shape[1])
    else:
        row, column = cell[0] - 1, cell[1] - 1
        if not (0 <= row < positive.shape[0] and 0 <= column < positive.shape[1]):
            raise InputError(
                f"cell {cell[0]},{cell[1]} is outside the array: it has {positive.shape} rows and columns."
            )
    return int(negative[row, column] > positive[row, column]), row, column


@dataclass(frozen=True)
class _Drawing:
    inspection: Inspection
    chosen: tuple[int, int, int]

    @property
    def pitch(self) -> float:
        """Pixels of a cell."""
        return max(5.0, min(46.0, SIDE / max(self.shape)))

    @property
    def shape(self) -> tuple[int, int]:
        rows, columns = self.inspection.arrays[0].target.shape
        return rows, columns

    def left(self, number: int) -> float:
        """The x of an array's left edge."""
        return LEFT + number * (self.shape[1] * self.pitch + GAP)

    def write(self) -> str:
        """The document."""
        bottom = TOP + self.shape[0] * self.pitch
        quoted = self._quoted()
        width = max(self.left(2) - GAP + RIGHT, 560.0, 40 + 7.3 * max(map(len, quoted)))
        below = bottom + 46 + 16 * len(quoted)
        page = SvgPage(width, below + 36)
        self._heading(page)
        self._rows(page)
        for number, array in enumerate(self.inspection.arrays):
            self._cells(page, array, self.left(number))
            self._drivers(page, array, self.left(number))
        self._opamps(page)
        self._scale(page, below)
        self._caption(page, bottom, quoted)
        return page.write()

    def _heading(self, page: SvgPage) -> None:
        subject, rows, columns = self.inspection.subject, *self.shape
        page.text(20, 24, f"{subject.kind} circuit, {rows} x {columns}, hardware {subject.hardware_name}", 14)
        page.text(20, 42, subject.title, 11, fill=FAINT)
        wide = columns * self.pitch
        for number, (words, array) in enumerate(zip(self._names, self.inspection.arrays, strict=True)):
            page.text(self.left(number) + wide / 2, 60, words, 13, "middle", shade(1, DARK[array.sign]))

    @property
    def _apart(self) -> bool:
        return self.inspection.subject.hardware.signed == "compensation"

    @property
    def _names(self) -> tuple[str, str]:
        return ("+  Gp, on inputs -", "-  Gn, on inputs +") if self._apart else ("+  Gp", "-  Gn")

    def _rows(self, page: SvgPage) -> None:
        """Row lines from the inputs through both arrays to the op-amps; rows of a product have no input of their own.

        In the compensated form each array has rows of its own, and those of the positive one end short of the other.
        """
        end, inverse = self.left(2) - GAP + 22, self.inspection.subject.kind == "inverse"
        for i in range(self.shape[0]):
            y = self._middle(i)
            begin = LEFT - (26 if inverse else 0)
            if self._apart:
                page.line((begin, y), (self.left(1) - GAP + 12, y), stroke=FAINT, thick=0.8)
                begin = self.left(1)
            page.line((begin, y), (end, y), stroke=FAINT, thick=0.8)
            if inverse and self._labelled(i):
                page.text(LEFT - 30, y + 4, f"in{i + 1}", self._size, "end")

    def _cells(self, page: SvgPage, array: CellArray, left: float) -> None:
        full = self.inspection.subject.hardware.cell.g_max
        for (i, j), siemens in np.ndenumerate(array.programmed):
            x, y, side = left + j * self.pitch, TOP + i * self.pitch, self.pitch
            fill = shade(float(siemens) / full, DARK[array.sign])
            page.rect(x, y, side, side, fill, "#d5dbe1", thick=0.5, tip=self._told(array, i, j))
            if array.stuck[i, j]:
                inset = side * 0.22
                page.line((x + inset, y + inset), (x + side - inset, y + side - inset), stroke=MARK, thick=1.6)
                page.line((x + inset, y + side - inset), (x + side - inset, y + inset), stroke=MARK, thick=1.6)

    def _drivers(self, page: SvgPage, array: CellArray, left: float) -> None:
        """What drives the columns, above them: outputs or inputs, through an inverter for the negative array."""
        subject = self.inspection.subject
        source = "out" if subject.kind == "inverse" else "in"
        inverted = array.sign < 0 and subject.hardware.signed == "inverters"
        for j in range(self.shape[1]):
            x = left + (j + 0.5) * self.pitch
            page.line((x, TOP - 8), (x, TOP), stroke=FAINT, thick=0.8)
            if self._labelled(j):
                page.text(x, TOP - 12, f"{'inv' if inverted else source}{j + 1}", self._size, "middle")

    def _opamps(self, page: SvgPage) -> None:
        x, size = self.left(2) - GAP + 22, max(6.0, min(26.0, self.pitch * 0.8))
        for i in range(self.shape[0]):
            y = self._middle(i)
            page.opamp(x, y, size)
            page.line((x + size, y), (x + size + 10, y), thick=0.8)
            if size > 14:
                page.text(x + 2, y + 4, "+" if self._apart else "-", 11)
            if self._labelled(i):
                page.text(x + size + 13, y + 4, f"out{i + 1}", self._size)

    def _scale(self, page: SvgPage, y: float) -> None:
        """Both colours from 0 to the largest conductance; what a cross means."""
        full = self.inspection.subject.hardware.cell.g_max * 1e6
        for number, sign in enumerate((1, -1)):
            for step in range(40):
                page.rect(LEFT + 3 * step, y + 9 * number, 3, 8, shade(step / 39, DARK[sign]))
        page.text(LEFT - 6, y + 12, "0", 10, "end")
        page.text(LEFT + 126, y + 12, f"{full:.3g} uS", 10)
        stuck = sum(int((one.stuck != 0).sum()) for one in self.inspection.arrays)
        told = f"x: stuck cell ({stuck} of {2 * self.shape[0] * self.shape[1]})"
        page.text(LEFT + 190, y + 12, told, 10, fill=MARK if stuck else FAINT)

    def _caption(self, page: SvgPage, bottom: float, quoted: list[str]) -> None:
        """A frame around the chosen cell, a line down to its words."""
        number, row, column = self.chosen
        x, y = self.left(number) + column * self.pitch, TOP + row * self.pitch
        page.rect(x, y, self.pitch, self.pitch, "none", MARK, thick=2)
        middle, top = x + self.pitch / 2, bottom + 22
        page.line((middle, y + self.pitch), (middle, top), (20, top), stroke=MARK, thick=1, dash="3 3")
        for i, words in enumerate(quoted):
            page.text(20, top + 18 + 16 * i, words, 11, mono=i > 0)

    def _quoted(self) -> list[str]:
        """What the chosen cell is, and its lines in the netlist."""
        number, row, column = self.chosen
        array, view = self.inspection.arrays[number], self.inspection.netlist
        numbers, lines = array.lines[row][column], view.text.splitlines()
        quoted = [self._told(array, row, column)]
        quoted += [f"{line:6d}  {lines[line - 1]}" for line in numbers[:MOST_LINES]]
        if view.reduced:
            quoted.append("  no element of its own: the array is drawn as its port reduction (--reduce=never draws it)")
        elif not numbers:
            quoted.append("  no element of its own in the netlist")
        return quoted

    def _told(self, array: CellArray, row: int, column: int) -> str:
        level = array.levels[row, column]
        words = f"cell {row + 1},{column + 1} of G{array.name}: target {array.target[row, column] * 1e6:.4g} uS"
        words += "" if level == CONTINUOUS else f" (level {level})"
        words += f", programmed {array.programmed[row, column] * 1e6:.4g} uS"
        return words + {1: ", stuck on", -1: ", stuck off", 0: ""}[int(array.stuck[row, column])]

    def _middle(self, row: int) -> float:
        return TOP + (row + 0.5) * self.pitch

    def _labelled(self, index: int) -> bool:
        """Whether there is room for the label of a line: of every one, or of every few."""
        every = max(1, int(np.ceil(26 / self.pitch)))
        return index % every == 0

    @property
    def _size(self) -> float:
        return 10 if self.pitch < 30 else 11

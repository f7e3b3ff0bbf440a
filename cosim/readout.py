"""How much of a slice is driven and read at once, so that every reading rounds to the right integer."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from circuits import Hardware
from circuits.errors import InputError
from circuits.spreads import SPREADS
from cosim.precision import HALF_STEP

SIGMAS = 5.0
"""Standard deviations of an error that still have to round away: 6e-7 of normal readings lie beyond."""
DROP = 0.01
"""Part of the voltage that wires may take from the last row of a full column: it decides how many rows are read."""


@dataclass(frozen=True)
class Readout:
    """Columns driven together, bits of the vector driven together, and rows read together."""

    digit: int
    """[-] 2^m - 1: largest entry of a slice."""
    columns: int
    bits: int
    rows: int

    @classmethod
    def choose(cls, hardware: Hardware, slice_bits: int, vector_bits: int, shape: tuple[int, int]) -> Self:
        """The readout that takes the fewest steps for a slice of this shape (n, m) and vectors of so many bits.

        It falls back to one column and one bit at a time; InputError where even their reading may be wrong.
        """
        digit, rows = 2**slice_bits - 1, min(shape[0], _rows(hardware))
        limit = min(shape[1], hardware.max_array)
        found = [
            cls(digit, columns, bits, rows)
            for bits in range(1, vector_bits + 1)
            for columns in range(1, limit + 1)
            if cls(digit, columns, bits, rows).error(hardware) < HALF_STEP
        ]
        if not found:
            cls(digit, 1, 1, rows)._refuse(hardware)
        return min(found, key=lambda one: (one.steps(shape[1], vector_bits), one.full))

    @property
    def full(self) -> int:
        """[-] the largest product that a reading can be, which the range of the converters is set to."""
        return self.digit * self.columns * (2**self.bits - 1)

    def steps(self, columns: int, vector_bits: int) -> int:
        """Drives, one after the other, for a product with one vector."""
        return math.ceil(columns / self.columns) * math.ceil(vector_bits / self.bits)

    def error(self, hardware: Hardware) -> float:
        """[-] how far a reading can be from its integer: below half it rounds away.

        Cells: 5 sigma of the sum of the driven ones, or their write-verify windows added up where that is less, and
        the same once more, since the largest output sets the range that readings are scaled by. Variation and
        noise: 5 sigma, in quadrature. Finite gain, access transistors, cells that are not ohmic, wires: their largest
        effect on the full range. Converters: half
        a step of the ADC, which counts for nothing where its steps are those of the integers; half a step of the
        DAC unless its steps are those of the vector.
        """
        return sum(self._parts(hardware).values())

    def _parts(self, hardware: Hardware) -> dict[str, float]:
        return {
            "write errors": 2 * self._cells(hardware),
            "variation and noise": SIGMAS * math.hypot(*self._noise(hardware)),
            "finite gain": 2 * self.full / hardware.opamp.gain,
            "the cells' own curve": self.full * _curve(hardware),
            "wires": self.full * _drop(hardware, self.rows, self.columns),
            "converters": self._converters(hardware),
        }

    def _cells(self, hardware: Hardware) -> float:
        cell, programming = hardware.cell, hardware.programming
        step = (cell.g_max - cell.g_min) / self.digit
        top = 2**self.bits - 1
        normal = SIGMAS * programming.sigma * cell.g_max / step * top * math.sqrt(self.columns)
        verified = programming.window / step * top * self.columns if programming.window else math.inf
        return min(normal, verified)

    def _noise(self, hardware: Hardware) -> tuple[float, ...]:
        cell, programming, converters = hardware.cell, hardware.programming, hardware.converters
        top, step = 2**self.bits - 1, (cell.g_max - cell.g_min) / self.digit
        summed = top * math.sqrt(self.columns)
        volts = math.hypot(converters.adc_noise, converters.dac_noise, 2 * hardware.opamp.offset) / hardware.v_max
        relative = math.hypot(programming.variation, programming.read_noise) * cell.g_max / step
        return (relative * summed, _spread(hardware) / step * summed, volts * self.full)

    def _converters(self, hardware: Hardware) -> float:
        adc, dac = _steps(hardware.converters.adc_bits), _steps(hardware.converters.dac_bits)
        read = 0.0 if adc == self.full else 0.5 * self.full / adc
        return read + (0.0 if math.isinf(dac) or dac % (2**self.bits - 1) == 0 else 0.5 * self.full / dac)

    def _refuse(self, hardware: Hardware) -> None:
        parts = self._parts(hardware)
        worst = max(parts, key=lambda name: parts[name])
        raise InputError(
            f"One column and one bit at a time, a reading of a slice may be {self.error(hardware):.2g} steps off, "
            f"{parts[worst]:.2g} of them from {worst}, and only errors below {HALF_STEP:g} round away: "
            f"{_CURES[worst]}, or take slices of fewer bits."
        )


_CURES = {
    "write errors": "choose a smaller Precision.window",
    "variation and noise": "choose hardware of less variation, noise and offset, or a larger Hardware.v_max",
    "finite gain": "choose an op-amp of larger gain",
    "the cells' own curve": "choose a smaller Hardware.v_max, or access transistors of less resistance",
    "wires": "choose wires of less resistance",
    "converters": "choose converters of more bits, at least one more than a slice has",
}
"""What makes each part smaller."""


def _steps(bits: int) -> float:
    """Steps of a converter to either side of zero; infinite for an ideal one."""
    return 2 ** (bits - 1) - 1 if bits else math.inf


def _rows(hardware: Hardware) -> int:
    """Rows [-] of an array, beside the one that sets its range, whose wires take at most DROP."""
    rows = max(1, hardware.max_array - 1)
    while rows > 1 and _drop(hardware, rows, 1) > DROP:
        rows -= 1
    return rows


def _drop(hardware: Hardware, rows: int, columns: int) -> float:
    """[V/V] what the wires take from the far end of a column and of a row whose cells all have g_max."""
    wires = hardware.wires
    return hardware.cell.g_max * (wires.r_col * rows**2 + wires.r_row * columns**2) / 2


def _curve(hardware: Hardware) -> float:
    """[A/A] how far a cell of g_max is from its conductance at V_max: what is in series with it, and its curve."""
    bend = hardware.v_max / hardware.cell.v_sinh
    return hardware.cell.g_max * hardware.cell.series + (math.sinh(bend) / bend - 1 if bend else 0.0)


def _spread(hardware: Hardware) -> float:
    """[S] standard deviation of the named spread for the conductance that has most of it."""
    cell, programming = hardware.cell, hardware.programming
    spread = SPREADS[programming.spread]
    if spread.name == "none":
        return 0.0
    mean, sigma = spread.moved(programming.age)
    levels = np.linspace(cell.g_min, cell.g_max, cell.levels)
    return math.hypot(float(spread.sigma(levels, programming.age).max()), mean, sigma)

"""How precise an inverse has to be, by which method, and what that asks of the hardware."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

from circuits import Hardware
from circuits.errors import InputError, check_choice, check_range, check_whole

METHODS = ("lp", "richardson", "fcg")
PRODUCTS = ("circuits", "rounded")
HALF_STEP = 0.5
"""[steps] an error that rounding to whole steps no longer takes away."""
SECOND_CHIP = 2**40
"""Added to the seed of the chip that multiplies: it is not the one that solves, and its cells err for themselves."""

Tolerance = float | Callable[[int], float]


@dataclass(frozen=True)
class Precision:
    """LP-INV alone, or HP-INV: LP-INV refined with products of the full matrix in slices.

    `tolerance`, `cycles`, `window` and `products` are of no use to the method 'lp'.
    """

    method: str = "fcg"
    """'lp' is one analog solve; 'richardson' adds A0^-1 r to the solution until r = b - A x is small, as the HP-INV of
    Nature Electronics 2025 (10.1038/s41928-025-01477-0); 'fcg', flexible conjugate gradients around the same solve
    (Notay, SIAM J. Sci. Comput. 22, 1444, 2000), needs a positive definite matrix and half the solves or fewer [-]."""
    bits: int = 3
    """m [bits], 1 to 8: of a cell, 2^m levels, and of a slice of the matrix. 3: the same chip."""
    tolerance: Tolerance = 1e-3
    """[-] 1e-13 to 0.5: norm(b - A x) / norm(b) that ends the refinement; a number, or a function of the training
    step. A matrix keeps the tolerance of the step at which it was programmed."""
    cycles: int = 50
    """[-] 1 to 10,000: analog solves of a right-hand side at the most."""
    converters: int | None = None
    """b [bits], 2 to 24, or 0 for ideal ones: DACs and ADCs of the loop; None leaves `Hardware.converters` as they are.
    4: the same chip."""
    window: float = 0.125
    """w [steps of a level], above 0 to 0.25: cells of slices are written again until they are within it
    (`Programming.window`). Rounding takes an error away as long as it stays below half a step, so a cell that is half
    a step off could never be put right. A reading has the error of its cell and, through the range of the converters,
    that of the largest cell: twice the window must stay below half a step, and an eighth leaves as much to everything
    else, half a step of 5-bit converters among it. The same chip: all of 400 cells verified within their levels."""
    products: str = "circuits"
    """'circuits' reads every product of the refinement from multiply arrays, one after the other; 'rounded' takes
    what those readings give once each is rounded to the right integer, the product of the sliced matrix, from
    digital arithmetic, and counts the same operations: for matrices whose slices are too many to simulate [-]."""

    def __post_init__(self) -> None:
        check_choice("Precision.method", self.method, METHODS)
        check_choice("Precision.products", self.products, PRODUCTS)
        check_whole("Precision.bits", self.bits, 1, 8)
        check_whole("Precision.cycles", self.cycles, 1, 10_000)
        check_range("Precision.window", self.window, 1e-6, HALF_STEP / 2, "steps")
        if self.converters is not None:
            check_whole("Precision.converters", self.converters, 0, 24)
        if not callable(self.tolerance):
            self.at(0)

    @classmethod
    def parse(cls, text: str, **fields: Any) -> Self:
        """'lp:3' is LP-INV of 3 bits, 'hp:1e-6' is HP-INV to that residual with 3-bit slices.

        `fields` are further fields of the type. InputError says how to write it.
        """
        kind, _, number = text.strip().lower().partition(":")
        try:
            if kind == "lp":
                return cls(**{"method": "lp", "bits": int(number), **fields})
            if kind == "hp":
                return cls(**{"method": "fcg", "tolerance": float(number), **fields})
        except InputError:
            raise
        except ValueError:
            pass
        raise InputError(f"Unknown precision {text!r}: write lp:BITS, such as lp:3, or hp:TOLERANCE, such as hp:1e-3.")

    @property
    def refines(self) -> bool:
        """Whether there is more to it than one analog solve."""
        return self.method != "lp"

    def at(self, step: int) -> float:
        """The tolerance [-] at a training step; InputError where it is out of range."""
        value = self.tolerance(step) if callable(self.tolerance) else self.tolerance
        check_range("Precision.tolerance", value, 1e-13, 0.5)
        return float(value)

    def solving(self, hardware: Hardware) -> Hardware:
        """The chip of LP-INV: cells of 2^m levels, and the converters of the loop.

        InputError where the hardware's cells have another number of levels.
        """
        levels, known = 2**self.bits, hardware.cell.levels
        if known not in (0, levels):
            raise InputError(
                f"Precision.bits = {self.bits} needs cells of {levels} levels, and RramCell.levels = {known}: choose "
                f"{_bits(known)}, or leave RramCell.levels at 0."
            )
        converters = hardware.converters
        if self.converters is not None:
            converters = replace(converters, dac_bits=self.converters, adc_bits=self.converters)
        return replace(hardware, cell=replace(hardware.cell, levels=levels), converters=converters)

    def multiplying(self, hardware: Hardware) -> Hardware:
        """The chip of HP-MVM: that of `solving` with verified cells, and another chip, with its own errors."""
        chip = self.solving(hardware)
        step = (chip.cell.g_max - chip.cell.g_min) / (chip.cell.levels - 1)
        window = min(self.window * step, chip.programming.window or 1.0)
        programming = replace(chip.programming, window=window)
        return replace(chip, programming=programming, seed=(chip.seed + SECOND_CHIP) % 2**63)


def _bits(levels: int) -> str:
    bits = levels.bit_length() - 1
    return f"bits = {bits}" if levels == 2**bits and bits <= 8 else "2, 4, 8, ... or 256 levels"

"""Named fits of how far written conductances lie from their targets, measured on cells by others."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuits.errors import InputError

Array = NDArray[np.float64]

DAY = 86400.0
"""[s]."""
TEN_YEARS = 3650 * DAY
"""[s]."""
MICRO = 1e-6
"""[S] the unit that the fits are published in."""


@dataclass(frozen=True)
class Spread:
    """A normal error around the target, whose standard deviation is a polynomial of the target."""

    name: str
    """What the spread is called in Programming.spread."""
    low: float
    """[S] smallest conductance that was measured."""
    high: float
    """[S] largest conductance that was measured."""
    fit: tuple[float, ...]
    """[uS] coefficients of the standard deviation, constant first, in powers of conductance/unit."""
    unit: float = MICRO
    """[S] conductance at which every power in the polynomial is 1."""
    fit_day: tuple[float, ...] = ()
    """[uS] the same coefficients a day after writing, where `fit` is 1 s after; empty where none is published."""
    decay: tuple[float, ...] = ()
    """[uS] (a, b, c): at t seconds the conductance has moved by a further normal error of mean a ln t and
    standard deviation b ln t + c, whatever the target; empty where none is published."""

    @property
    def oldest(self) -> float:
        """[s] largest age that the published growth covers; 0 where none is published."""
        return DAY if self.fit_day else TEN_YEARS if self.decay else 0.0

    def sigma(self, target: Array, age: float = 0.0) -> Array:
        """[S] standard deviation at each target [S], `age` [s] after writing: between the fits after 1 s
        and 1 day it is linear in ln(age). InputError where a target was never measured; 0 is no cell.
        """
        self._check(target)
        later = math.log(age) / math.log(DAY) if self.fit_day and age else 0.0
        fit = (1 - later) * np.array(self.fit) + (later * np.array(self.fit_day) if later else 0)
        return MICRO * np.asarray(np.polynomial.polynomial.polyval(target / self.unit, fit), dtype=np.float64)

    def moved(self, age: float) -> tuple[float, float]:
        """[S] mean and standard deviation of the further error `age` [s] after writing; 0, 0 at age 0."""
        if not self.decay or not age:
            return 0.0, 0.0
        mean, slope, start = self.decay
        return MICRO * mean * math.log(age), MICRO * (slope * math.log(age) + start)

    def _check(self, target: Array) -> None:
        """Raise InputError for the first target outside the measured range, give or take rounding."""
        outside = (target != 0) & ~((target >= self.low * (1 - 1e-9)) & (target <= self.high * (1 + 1e-9)))
        if outside.any():
            raise InputError(
                f"Programming.spread = {self.name!r} was measured from {self.low:g} to {self.high:g} S, and a cell "
                f"is to hold {target[outside][0]:g} S: set RramCell.g_min and g_max inside, or choose another spread."
            )


NEURRAM_1S = (0.348, 16.030, -43.853, 45.393, -16.815)
NEURRAM_1D = (0.701, 22.086, -50.773, 47.095, -16.458)
CMO_DECAY = (-0.08900206, 0.04201137, 0.41183342)

SPREADS: dict[str, Spread] = {
    spread.name: spread
    for spread in (
        Spread("none", 0.0, math.inf, fit=(0.0,)),
        # HfOx cells of NeuRRAM (Wan et al., Nature 2022, 10.1038/s41586-022-04992-8, Extended Data Fig. 3), after
        # write-verify and relaxation; the quartics of aihwkit's ReRamWan2022NoiseModel, of conductance/40 uS.
        Spread("neurram-1s", 0.0, 40e-6, fit=NEURRAM_1S, unit=40e-6, fit_day=NEURRAM_1D),
        Spread("neurram-1d", 0.0, 40e-6, fit=NEURRAM_1D, unit=40e-6),
        # The same figure after 1 s; the cubic of CrossSim's RRAMWan.
        Spread("neurram-wan", 0.0, 39.26e-6, fit=(1.053, 2.374e-1, -1.167e-2, 1.536e-4)),
        # Milo et al., IRPS 2021, IEEE document 9405119, Fig. 4, algorithm IGVVA-100; the line of CrossSim's RRAMMilo.
        Spread("milo-igvva", 50e-6, 225e-6, fit=(4.782321, -0.009107)),
        # CMO/HfOx cells (Falcone et al., arXiv:2502.04524), written to within 2 % or 0.2 % of the target: aihwkit's
        # ReRamCMONoiseModel, its range and ages those of aihwkit's example 34 (9 to 88.19 uS, 1 s to 10 years).
        Spread("cmo-2pct", 9e-6, 88.19e-6, fit=(0.0112185391, 0.01129027418), decay=CMO_DECAY),
        Spread("cmo-0.2pct", 9e-6, 88.19e-6, fit=(0.00081107, 0.00106879), decay=CMO_DECAY),
    )
}
"""Every spread by name."""

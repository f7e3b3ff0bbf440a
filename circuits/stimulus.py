"""Right-hand sides as PWL sources, streamed one after the other through one transient."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DEFAULT_OPTIONS = "method=trap xmu=0.3 reltol=1e-3 abstol=1e-12 vntol=1e-6 chgtol=1e-14"
"""The tolerances are ngspice's defaults, written out so that no start-up file can change them. xmu below
0.5 damps the trapezoidal rule's ringing, which at 0.5 leaves settled errors of 4e-5 on real factors and at 0.45
still makes small, fast arrays look unsettled."""
STEPS_PER_PERIOD = 12
"""The step bound is a twelfth of the period, fine enough that oscillating modes settle to 1e-6; the solver's
error control does the rest (25 to 50 points)."""


@dataclass(frozen=True)
class Stimulus:
    """What drives a circuit, and for how long."""

    volts: Array
    """(n, k) [V] input voltages, one column a right-hand side."""
    period: float
    """[s] time given to each right-hand side."""
    rise: float
    """[s] length of the edge at the start of each period, below the period."""
    options: str = DEFAULT_OPTIONS
    """Simulator options, as they stand in the netlist."""
    steps: int = STEPS_PER_PERIOD
    """Time points in a period at the least."""

    @property
    def ends(self) -> Array:
        """(k,) [s] the end of each period, where the outputs are read."""
        return self.period * np.arange(1, self.volts.shape[1] + 1)

    def variables(self) -> dict[str, object]:
        """What the stimulus template takes."""
        return {
            "k": self.volts.shape[1],
            "columns": self.volts.tolist(),
            "period": self.period,
            "rise": self.rise,
            "step": self.period / self.steps,
            "options": self.options,
        }

"""Right-hand sides as PWL sources, streamed one after the other through one transient."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Accuracy:
    """How closely the simulator follows the circuit in time."""

    options: str
    """Simulator options, as they stand in the netlist."""
    steps: int
    """Time points in a period at the least."""
    lead: bool
    """Whether the first edge waits for one rise time. The step at time 0 is a crude one; steps after a
    breakpoint start small."""


ACCURACIES = {
    # ngspice's default tolerances, written out so that no start-up file can change them. xmu below 0.5 damps the
    # trapezoidal rule's ringing, which at 0.5 leaves settled errors of 4e-5 on real factors and at 0.45 still makes
    # small, fast arrays look unsettled; twelve steps a period let oscillating modes settle to 1e-6 too.
    "default": Accuracy("method=trap xmu=0.3 reltol=1e-3 abstol=1e-12 vntol=1e-6 chgtol=1e-14", 12, lead=False),
    # Whole waveforms to 1e-6 of the largest voltage, at a hundred times the time points.
    "tight": Accuracy("method=trap reltol=3e-9 abstol=1e-16 vntol=1e-14 chgtol=1e-22 trtol=1", 3000, lead=True),
}
"""Named settings: 'default' for settled volts, 'tight' for waveforms."""


@dataclass(frozen=True)
class Stimulus:
    """What drives a circuit, and for how long."""

    volts: Array
    """(n, k) [V] input voltages, one column a right-hand side."""
    period: float
    """[s] time given to each right-hand side."""
    rise: float
    """[s] length of the edge at the start of each period, below the period."""
    accuracy: Accuracy = ACCURACIES["default"]
    """How closely the simulator follows."""

    @property
    def lead(self) -> float:
        """[s] time before the first edge."""
        return self.rise if self.accuracy.lead else 0.0

    @property
    def ends(self) -> Array:
        """(k,) [s] the end of each period, where the outputs are read."""
        return self.lead + self.period * np.arange(1, self.volts.shape[1] + 1)

    def variables(self) -> dict[str, object]:
        """What the stimulus template takes."""
        return {
            "k": self.volts.shape[1],
            "columns": self.volts.tolist(),
            "period": self.period,
            "rise": self.rise,
            "lead": self.lead,
            "step": self.period / self.accuracy.steps,
            "options": self.accuracy.options,
        }

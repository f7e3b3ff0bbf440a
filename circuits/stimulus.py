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


_SETTLING = "method=trap xmu=0.3 reltol=3e-2 abstol=1e-12 vntol=1e-6 chgtol=1e-14"
ACCURACIES = {
    # xmu below 0.5 damps the trapezoidal rule's ringing, which at 0.5 leaves settled errors of 4e-5 on real factors.
    # Eight steps a period and a relative tolerance of 3e-2 take 19 time points, where 1e-3 and twelve take 32; on
    # real factors the settled volts are the same to 2e-6.
    "default": Accuracy(_SETTLING, 8, lead=False),
    # Modes that oscillate fade by the factor 0.43 a step at the least: more steps, however long the period.
    "ringing": Accuracy(_SETTLING, 14, lead=False),
    # Whole waveforms to 1e-6 of the largest voltage, at a hundred times the time points.
    "tight": Accuracy("method=trap reltol=3e-9 abstol=1e-16 vntol=1e-14 chgtol=1e-22 trtol=1", 3000, lead=True),
}
"""Named settings: 'default' and 'ringing' for settled volts, 'tight' for waveforms."""


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
            "points": self._points(),
            "period": self.period,
            "lead": self.lead,
            "step": self.period / self.accuracy.steps,
            "options": self.accuracy.options,
        }

    def _points(self) -> list[str]:
        """For each input, the lines of its corners: the end of every edge, and the start of all but the first."""
        starts = self.lead + self.period * np.arange(self.volts.shape[1])
        corners = np.stack([starts, starts + self.rise], axis=1).ravel()[1:]
        pattern = "\n".join(f"+ {time:.12g} %s" for time in corners)
        return [pattern % tuple(_doubled(row)) for row in self.volts.tolist()]


def _doubled(volts: list[float]) -> list[str]:
    """Every value at the end of its edge and again at the start of the next; the last one once."""
    texts = [f"{value:.12g}" for value in volts]
    return [text for text in texts for _ in range(2)][:-1]

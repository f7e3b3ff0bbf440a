"""Power of a circuit: what heats its resistors, what its op-amps and input drivers take, and from which supply."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuits.errors import check_range

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Supply:
    """What feeds an op-amp or an input driver from two rails."""

    volts: float
    """V_s [V], 1e-3 to 100: each rail, from ground."""
    quiescent: float
    """I_q [A], 0 to 1: what an op-amp takes from rail to rail without a load."""

    def __post_init__(self) -> None:
        check_range("Supply.volts", self.volts, 1e-3, 100.0, "V")
        check_range("Supply.quiescent", self.quiescent, 0.0, 1.0, "A")


@dataclass(frozen=True)
class Energy:
    """[J] of one operation. The load's heat is a part of what the outputs and inputs draw: it is not added again."""

    load: float
    """Heat in the resistors: cells, lines, input, shift, balance and inverter resistors."""
    outputs: float
    """From the supply through the op-amps' outputs into the load: V_s int |i|, a push-pull (class AB) stage."""
    inputs: float
    """Likewise through the drivers of the inputs."""
    quiescent: float
    """What all op-amps take without a load: 2 V_s I_q over the time."""

    @property
    def total(self) -> float:
        """All that is drawn from the supplies."""
        return self.outputs + self.inputs + self.quiescent


@dataclass(frozen=True)
class Flow:
    """What goes through a load in a time, before the supply is known."""

    heat: float
    """[J] in the resistors."""
    charge: Array
    """(op-amps, then inputs) [C] int |i| of what each delivers."""
    duration: float
    """[s]"""
    opamps: int
    """How many op-amps there are."""

    def energy(self, supply: Supply) -> Energy:
        """What the supply gives for it."""
        return Energy(
            load=self.heat,
            outputs=supply.volts * float(self.charge[: self.opamps].sum()),
            inputs=supply.volts * float(self.charge[self.opamps :].sum()),
            quiescent=2 * supply.volts * supply.quiescent * self.opamps * self.duration,
        )


def crosses(current: Array) -> NDArray[np.bool_]:
    """(rows, points - 1) whether a current has different signs at the two ends of a step."""
    return np.asarray(current[:, 1:] * current[:, :-1] < 0)


def turning(current: Array, times: Array) -> Array:
    """(rows, points - 1) int |i| of straight lines through zero: h (i0^2 + i1^2) / (2 (|i0| + |i1|))."""
    size = np.abs(current)
    sums = np.maximum(size[:, 1:] + size[:, :-1], np.finfo(float).tiny)
    return np.asarray((size[:, 1:] ** 2 + size[:, :-1] ** 2) / (2 * sums) * np.diff(times))

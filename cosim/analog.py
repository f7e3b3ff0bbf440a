"""A matrix on its array: what the nodal and the spice backend share, from matrix to netlist and back."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from circuits import (
    Conditioned,
    Conditioning,
    Conductances,
    Hardware,
    InverseCircuit,
    LinearCircuit,
    Netlist,
    Stimulus,
    decode,
    encode,
)
from cosim.settle import Limits
from cosim.solution import Array

TOLERANCE = 1e-5
"""Outputs count as settled when less than this part of the largest output is still to come."""
EXTRA_TIME_CONSTANTS = 6.5
"""Added to ln(1/tolerance) time constants, so that a settled output ends far inside the tolerance."""


@dataclass(frozen=True)
class AnalogArray:
    """A programmed array: its netlist, and what the linear reading of that netlist says beforehand."""

    hardware: Hardware
    conditioned: Conditioned
    conductances: Conductances
    netlist: Netlist
    linear: LinearCircuit
    """The netlist with linear parts, as the nodal engine reads it."""
    gain: Array
    """(n, n) [V/V] settled output volts for a volt at each input."""
    offset: Array
    """(n,) [V] settled output volts without any input."""

    @classmethod
    def program(cls, matrix: Array, hardware: Hardware, conditioning: Conditioning) -> Self:
        """Condition and encode a checked matrix, render its netlist and read it."""
        conditioned = conditioning.apply(matrix)
        conductances = encode(conditioned.matrix, hardware.cell)
        netlist = InverseCircuit(conductances, hardware).netlist()
        silent = Stimulus(np.zeros((len(matrix), 1)), period=1.0, rise=0.5)
        text = InverseCircuit(conductances, hardware.linear()).netlist().deck(silent)
        linear = LinearCircuit.read(text)
        gain = linear.transfer([f"v{node}" for node in netlist.inputs], list(netlist.outputs))
        return cls(hardware, conditioned, conductances, netlist, linear, gain, linear.settled(list(netlist.outputs)))

    def input_scale(self, rhs: Array) -> Array:
        """(k,) [V] volts for 1 in the right-hand side, such that no input or output exceeds v_max.

        The range comes from the linear gain, as a controller finds it by one trial; the circuit is
        linear inside the range, so it does not change the answer.
        """
        inputs = self.conditioned.enter(rhs)
        largest = np.maximum(np.abs(inputs), np.abs(self.gain @ inputs)).max(axis=0)
        return self.hardware.v_max / np.where(largest > 0, largest, 1)

    def stimulus(self, rhs: Array, scale: Array) -> Stimulus:
        """The right-hand sides one after the other, each with the time it needs."""
        return Stimulus(self.conditioned.enter(rhs) * scale, self.period, self.rise)

    def decode(self, volts: Array, scale: Array) -> Array:
        """(n, k) the solution that settled output volts stand for."""
        return self.conditioned.leave(decode(volts, scale, self.conductances))

    @property
    def limits(self) -> Limits:
        """What settled outputs are judged by; a right-hand side of zeros stays below the floor."""
        return Limits(TOLERANCE, floor=0.1 * self.hardware.v_max, swing=self.hardware.opamp.swing)

    @property
    def rise(self) -> float:
        """[s] edge of the inputs: two periods of the gain-bandwidth product."""
        return 2 / self.hardware.opamp.gbw

    @property
    def period(self) -> float:
        """[s] time for a right-hand side: the slowest mode down to the tolerance, edge and slewing included."""
        slewing = 4 * self.hardware.v_max / self.hardware.opamp.slew
        return self.settling_time(TOLERANCE) + EXTRA_TIME_CONSTANTS * self.linear.time_constant + self.rise + slewing

    def settling_time(self, band: float) -> float:
        """[s] the time after which the slowest mode stays within the band; infinite where unstable."""
        return self.linear.time_constant * float(np.log(1 / band))

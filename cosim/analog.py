"""A matrix on its array: what the nodal and the spice backend share, from matrix to netlist and back."""

from dataclasses import dataclass, replace
from functools import cached_property
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
from circuits.converters import drive, read
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
    """What the cells have, after everything that goes wrong while they are written."""
    write: int = 0
    """How many matrices were programmed on the chip before."""

    @classmethod
    def program(cls, matrix: Array, hardware: Hardware, conditioning: Conditioning, write: int = 0) -> Self:
        """Condition and encode a checked matrix, and write it."""
        conditioned = conditioning.apply(matrix, hardware.cell)
        target = encode(conditioned.programmed, hardware.cell)
        target = replace(target, g_shift=conditioned.shift * target.unit)
        return cls(hardware, conditioned, target.written(hardware, write), write)

    def during(self, call: int) -> Self:
        """The array as it is in one INV call, with that call's read noise."""
        return replace(self, conductances=self.conductances.read(self.hardware, call))

    @cached_property
    def netlist(self) -> Netlist:
        """What ngspice runs."""
        return InverseCircuit(self.conductances, self.hardware).netlist()

    @cached_property
    def linear(self) -> LinearCircuit:
        """The netlist with linear parts, as the nodal engine reads it."""
        linear = self.hardware.linear()
        same = linear == self.hardware
        netlist = self.netlist if same else InverseCircuit(self.conductances, linear).netlist()
        silent = Stimulus(np.zeros((len(self.conductances.positive), 1)), period=1.0, rise=0.5)
        return LinearCircuit.read(netlist.deck(silent))

    @cached_property
    def gain(self) -> Array:
        """(n, n) [V/V] settled output volts for a volt at each input."""
        return self.linear.transfer([f"v{node}" for node in self.netlist.inputs], list(self.netlist.outputs))

    @cached_property
    def offset(self) -> Array:
        """(n,) [V] settled output volts without any input."""
        return self.linear.settled(list(self.netlist.outputs))

    def input_scale(self, rhs: Array) -> Array:
        """(k,) [V] volts for 1 in the right-hand side, such that no input or output exceeds v_max.

        The range comes from the linear gain, as a controller finds it by one trial; the circuit is
        linear inside the range, so it does not change the answer.
        """
        inputs = self.conditioned.enter(rhs)
        largest = np.maximum(np.abs(inputs), np.abs(self.gain @ inputs)).max(axis=0)
        return self.hardware.v_max / np.where(largest > 0, largest, np.inf)

    def inputs(self, rhs: Array, scale: Array, call: int) -> Array:
        """(n, k) [V] what the DACs put on the inputs, for the INV calls from `call` on."""
        asked = self.conditioned.enter(rhs) * scale
        return drive(asked, self.hardware.converters, self.hardware.v_max, self._noise(call, purpose=0))

    def stimulus(self, volts: Array) -> Stimulus:
        """Input volts one after the other, each with the time it needs."""
        return Stimulus(volts, self.period, self.rise)

    def decode(self, volts: Array, scale: Array, rhs: Array, call: int) -> Array:
        """(n, k) the solution that settled output volts stand for, as the ADCs read them."""
        seen = read(volts, self.hardware.converters, self.hardware.v_max, self._noise(call, purpose=1))
        # A right-hand side of zeros has no scale: nothing is driven, and nothing that comes out counts.
        value = decode(seen, np.where(scale > 0, scale, np.inf), self.conductances)
        return self.conditioned.leave(value, rhs)

    def _noise(self, call: int, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.hardware.seed, 7, purpose, self.write, call])

    @property
    def limits(self) -> Limits:
        """What settled outputs are judged by; a right-hand side of zeros stays below the floor."""
        opamp = self.hardware.opamp
        swing = min(opamp.swing, opamp.model.supply) if opamp.model else opamp.swing
        return Limits(TOLERANCE, floor=0.1 * self.hardware.v_max, swing=swing, slew=opamp.slew)

    @property
    def rise(self) -> float:
        """[s] edge of the inputs: two periods of the gain-bandwidth product."""
        return 2 / self.hardware.opamp.gbw

    @property
    def period(self) -> float:
        """[s] time for a right-hand side: the slowest mode down to the tolerance, edge and slewing included."""
        slewing = 4 * self.hardware.v_max / self.hardware.opamp.slew
        return self.settling_time(TOLERANCE) + EXTRA_TIME_CONSTANTS * self.linear.time_constant + slewing

    def settling_time(self, band: float) -> float:
        """[s] from the start of the edge until the slowest mode stays within the band; infinite where unstable."""
        return self.rise + self.linear.time_constant * float(np.log(1 / band))

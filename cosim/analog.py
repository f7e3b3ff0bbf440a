"""A matrix on its array: what the nodal and the spice backend share, from matrix to netlist and back."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, Self

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
from circuits.blas import one_thread
from circuits.circuit import Circuit
from circuits.converters import drive, read
from circuits.stimulus import ACCURACIES
from cosim.settle import Limits
from cosim.solution import Array

TOLERANCE = 1e-5
"""Outputs count as settled when less than this part of the largest output is still to come."""
EXTRA_TIME_CONSTANTS = 6.5
"""Added to ln(1/tolerance) time constants, so that a settled output ends far inside the tolerance."""

RINGING = 0.6
"""Slow poles with a larger ratio of imaginary to real part than this need more time points."""


@dataclass(frozen=True)
class Reading:
    """What the linear reading of a circuit says beforehand."""

    margin: float
    """Stability margin [rad/s]: the decay rate of the slowest mode, negative where one grows."""
    time_constant: float
    """[s] of the slowest mode; infinite where the circuit is unstable."""
    ringing: float
    """Largest |imaginary / real| part among the slowest poles."""
    gain: Array
    """(outputs, inputs) [V/V] settled output volts for a volt at each input."""
    offset: Array
    """(outputs,) [V] settled output volts without any input."""

    @classmethod
    def of(cls, netlist: Netlist) -> Self:
        """Read a linear netlist. Raises InputError as the nodal engine does."""
        silent = Stimulus(np.zeros((len(netlist.inputs), 1)), period=1.0, rise=0.5)
        with one_thread():
            circuit = LinearCircuit.read(netlist.deck(silent))
            gain = circuit.transfer([f"v{node}" for node in netlist.inputs], list(netlist.outputs))
            offset = circuit.settled(list(netlist.outputs))
            return cls(circuit.margin, circuit.time_constant, circuit.ringing, gain, offset)

    @property
    def stable(self) -> bool:
        """Whether every mode decays."""
        return self.margin > 0


class Aim(NamedTuple):
    """Right-hand sides on their way into an array."""

    entered: Array
    """(n, k) [-] what enters, conditioned."""
    response: Array
    """(n, k) [-] what the linear circuit makes of it."""
    scale: Array
    """(k,) [V] volts for 1."""


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
        return self._circuit.netlist()

    @cached_property
    def reading(self) -> Reading:
        """What the nodal engine finds in the netlist with linear parts."""
        linear = self.netlist if self.hardware.is_linear else self._circuit.linear_netlist()
        return Reading.of(linear)

    @cached_property
    def _circuit(self) -> Circuit:
        return InverseCircuit(self.conductances, self.hardware)

    def prepared(self) -> Self:
        """The same array with netlist and reading made, and without what they were made from: ready to be sent."""
        fresh = replace(self)
        fresh.__dict__.update(netlist=self.netlist, reading=self.reading)
        return fresh

    def aim(self, rhs: Array) -> Aim:
        """What enters for the right-hand sides (n, k), scaled such that no input or output exceeds v_max.

        The range comes from the linear gain, as a controller finds it by one trial; the circuit is
        linear inside the range, so it does not change the answer.
        """
        return self._aimed(self.conditioned.enter(rhs))

    def _aimed(self, entered: Array) -> Aim:
        response = self.reading.gain @ entered
        largest = np.maximum(np.abs(entered).max(axis=0), np.abs(response).max(axis=0))
        if not largest.all():
            largest = np.where(largest > 0, largest, np.inf)
        return Aim(entered, response, self.hardware.v_max / largest)

    def input_scale(self, rhs: Array) -> Array:
        """(k,) [V] volts for 1 in the right-hand side, such that no input or output exceeds v_max."""
        return self.aim(rhs).scale

    def settled(self, aim: Aim, call: int) -> Array:
        """(n, k) [V] settled outputs of the INV calls from `call` on, by the linear reading."""
        asked = aim.entered * aim.scale
        inputs = self._drive(asked, call)
        response = aim.response * aim.scale if inputs is asked else self.reading.gain @ inputs
        return response + self.reading.offset[:, None]

    def inputs(self, rhs: Array, scale: Array, call: int) -> Array:
        """(n, k) [V] what the DACs put on the inputs, for the INV calls from `call` on."""
        return self._drive(self.conditioned.enter(rhs) * scale, call)

    def inputs_of(self, aim: Aim, call: int) -> Array:
        """(n, k) [V] what the DACs put on the inputs."""
        return self._drive(aim.entered * aim.scale, call)

    def _drive(self, asked: Array, call: int) -> Array:
        return drive(asked, self.hardware.converters, self.hardware.v_max, self._noise(call, purpose=0))

    def stimulus(self, volts: Array, stretch: int = 1) -> Stimulus:
        """Input volts one after the other, each with `stretch` times the time that it should need."""
        accuracy = ACCURACIES["ringing" if self.reading.ringing > RINGING else "default"]
        accuracy = replace(accuracy, steps=stretch * accuracy.steps)
        return Stimulus(volts, stretch * self.period, self.rise, accuracy)

    def decode(self, volts: Array, scale: Array, rhs: Array, call: int) -> Array:
        """(n, k) the solution that settled output volts stand for, as the ADCs read them."""
        seen = read(volts, self.hardware.converters, self.hardware.v_max, self._noise(call, purpose=1))
        # A right-hand side of zeros has no scale: nothing is driven, and nothing that comes out counts.
        value = decode(seen, np.where(scale > 0, scale, np.inf), self.conductances)
        return self.conditioned.leave(value, rhs)

    def _noise(self, call: int, purpose: int) -> np.random.Generator | None:
        """What the converters draw from in a call; None where they have no noise."""
        converters = self.hardware.converters
        if not (converters.dac_noise or converters.adc_noise):
            return None
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
        return self.settling_time(TOLERANCE) + EXTRA_TIME_CONSTANTS * self.reading.time_constant + slewing

    def settling_time(self, band: float) -> float:
        """[s] from the start of the edge until the slowest mode stays within the band; infinite where unstable."""
        return self.rise + self.reading.time_constant * float(np.log(1 / band))

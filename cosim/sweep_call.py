"""What the waveforms of one call show: overshoot, settling time and power, by either engine."""

from dataclasses import dataclass, replace

import numpy as np

from circuits import Hardware, InputError
from circuits.blas import one_thread
from circuits.deck import Deck
from circuits.load import Load
from circuits.power import Flow
from circuits.powered import PoweredCircuit
from circuits.stimulus import Stimulus
from cosim.analog import AnalogArray
from cosim.cost_constants import Constants, op_amp_of
from cosim.energy import ACCURACY, spice_calls
from cosim.job import Job, run_waveforms
from cosim.settle import BAND, Waveforms, settle, settling_time
from cosim.solution import Array, Status
from cosim.sweep_here import Here

POINTS = 300
"""Times at which the nodal engine's waveforms are looked at."""


@dataclass(frozen=True)
class Seen:
    """What a call looked like."""

    overshoot: float
    """[-] see `overshoot`."""
    flow: Flow | None
    """What went through the load until it had settled; None where that is not known."""
    settling_time: float | None = None
    """[s] by the waveforms; None where the backend has it already."""

    def power(self, hardware: Hardware) -> float:
        """[W] mean supply power at nominal constants, quiescent current included; nan where it is not known."""
        if self.flow is None or not self.flow.duration > 0:
            return float("nan")
        supply = Constants.of(op_amp_of(hardware), hardware.opamp.gbw).op_amp
        return self.flow.energy(supply).total / self.flow.duration


def overshoot(volts: Array) -> float:
    """[-] how far an output of (outputs, points) goes beyond its last value at the most, seen from its first one,
    as a part of the largest last value; 0 where all outputs end at 0.
    """
    ends, largest = volts[:, -1:], float(np.abs(volts[:, -1]).max())
    beyond = (volts - ends) * np.sign(ends - volts[:, :1])
    return max(0.0, float(beyond.max())) / largest if largest else 0.0


def see_nodal(array: AnalogArray, rhs: Array) -> Seen:
    """The call for one right-hand side (n,) on a linear, stable array, in closed form; the edge is at time 0."""
    array = _in_call(array)
    with one_thread():
        circuit = PoweredCircuit(Deck.read(array.netlist.deck(_stimulus(array, rhs))), Load.of(array.netlist))
        times = np.linspace(0, array.period, POINTS)
        volts = circuit.waveform(list(array.netlist.outputs), times)
        settled = settling_time(times, volts, BAND, array.limits.floor)
        return Seen(overshoot(volts), circuit.flow(settled), settled)


def see_spice(array: AnalogArray, rhs: Array, here: Here) -> Seen:
    """The call for one right-hand side (n,) as ngspice sees it with many time points.

    Where such a call ends otherwise, as when it needed a smaller input, it is the last job of `here` once more.
    """
    from cosim.ngspice import SimulationError

    array, seen = _in_call(array), Seen(float("nan"), None)
    try:
        seen = _look_closely(array, rhs, here.jobs[-1])
        hardware = array.hardware
        if not (hardware.opamp.model or hardware.cell.model):
            seen = replace(seen, flow=spice_calls(array, rhs.reshape(-1, 1), here)[0].flow)
    except (InputError, SimulationError):  # cells that are no resistors, or a call that does not settle so exactly
        pass
    return seen


def _look_closely(array: AnalogArray, rhs: Array, last: Job) -> Seen:
    stimulus = replace(_stimulus(array, rhs), accuracy=ACCURACY)
    waves = run_waveforms(replace(last, deck=array.netlist.deck(stimulus), ends=stimulus.ends))
    after = waves.times >= stimulus.lead * (1 - 1e-9)
    waves = Waveforms(waves.times[after] - stimulus.lead, waves.volts[:, after])
    settled = settle(waves, stimulus.ends - stimulus.lead, last.limits)
    if settled.statuses[0] is not Status.SETTLED:
        return Seen(overshoot(run_waveforms(last).volts), None)
    return Seen(overshoot(waves.volts), None, float(settled.settling_time[0]))


def _in_call(array: AnalogArray) -> AnalogArray:
    """The array as it is in its first call."""
    return array.during(0) if array.hardware.programming.read_noise else array


def _stimulus(array: AnalogArray, rhs: Array) -> Stimulus:
    columns = rhs.reshape(-1, 1)
    return array.stimulus(array.inputs(columns, array.input_scale(columns), call=0))

"""The energy of one call of an array, from the start of its edge until it has settled, by two engines.

Both start from rest one rise time before the edge, read the same load from the netlist's text and integrate the same
currents: the nodal engine in closed form, ngspice's volts by the trapezoidal rule over its own time points.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from circuits.blas import one_thread
from circuits.deck import Deck
from circuits.errors import InputError
from circuits.load import Load
from circuits.power import Flow, crosses, turning
from circuits.powered import PoweredCircuit
from circuits.stimulus import ACCURACIES, Stimulus
from cosim.analog import AnalogArray
from cosim.executor import Executor
from cosim.job import Job, run_waveforms
from cosim.settle import BAND, Waveforms, settling_time, verdict
from cosim.solution import Array, Status

ACCURACY = replace(
    ACCURACIES["tight"], options="method=trap reltol=1e-5 abstol=1e-14 vntol=1e-9 chgtol=1e-18 trtol=1", steps=400
)
"""Heat and charges to 1e-4 of the closed form: an integral needs many more time points than a settled volt."""
POINTS = 1000
"""Times at which the nodal waveform is searched for its settling time."""


@dataclass(frozen=True)
class Call:
    """What one call takes."""

    flow: Flow
    """Heat and charges, from which a supply makes joules."""
    settling_time: float
    """[s] from the start of the edge until all outputs stay within BAND of the largest."""


def nodal_call(array: AnalogArray, rhs: Array, until: float | None = None) -> Call:
    """The call for one right-hand side (n,), in closed form, up to `until` [s] or the settling time.

    InputError for hardware that is not linear (take `Hardware.linear()`) and for an unstable circuit.
    """
    if not array.hardware.is_linear:
        raise InputError("The nodal engine takes linear parts only: program the array on hardware.linear().")
    _check_stable(array)
    load = Load.of(array.netlist)
    with one_thread():
        circuit = PoweredCircuit(Deck.read(array.netlist.deck(_stimulus(array, rhs))), load)
        times = np.linspace(0, array.period, POINTS)
        volts = circuit.waveform(list(array.netlist.outputs), array.rise + times)
        settled = settling_time(times, volts, BAND, array.limits.floor)
        flow = circuit.flow(array.rise + (settled if until is None else until), start=array.rise)
        return Call(flow, settled)


def spice_calls(array: AnalogArray, rhs: Array, executor: Executor, until: float | None = None) -> list[Call]:
    """The calls for the columns of rhs (n, k), each a transient of its own, from ngspice's waveforms.

    InputError for cells that are no resistors, an unstable circuit and a call that does not settle;
    `cosim.ngspice.SimulationError` where ngspice gives no waveforms.
    """
    _check_stable(array)
    load = Load.of(array.netlist)
    jobs = [_job(array, load, column) for column in rhs.T]
    found = executor.map(run_waveforms, jobs)
    return [_call(array, load, waves, until) for waves in found]


def mean_call(calls: Sequence[Call]) -> Call:
    """The average of calls of one array. InputError without any."""
    if not calls:
        raise InputError("The average of no calls is not known: give at least one right-hand side.")
    flows = [call.flow for call in calls]
    flow = Flow(
        heat=float(np.mean([flow.heat for flow in flows])),
        charge=np.mean([flow.charge for flow in flows], axis=0),
        duration=float(np.mean([flow.duration for flow in flows])),
        opamps=flows[0].opamps,
    )
    return Call(flow, float(np.mean([call.settling_time for call in calls])))


def _check_stable(array: AnalogArray) -> None:
    if not array.reading.stable:
        raise InputError("The circuit is unstable: it does not settle, and no energy of a call can be given.")


def _stimulus(array: AnalogArray, rhs: Array) -> Stimulus:
    """One right-hand side, its edge after a lead of one rise time: ngspice's first step is a crude one."""
    columns = rhs.reshape(-1, 1)
    stimulus = array.stimulus(array.inputs(columns, array.input_scale(columns), call=0))
    return replace(stimulus, accuracy=ACCURACY)


def _job(array: AnalogArray, load: Load, rhs: Array) -> Job:
    stimulus = _stimulus(array, rhs)
    deck = replace(array.netlist, outputs=load.nodes).deck(stimulus)
    return Job(deck, load.nodes, stimulus.ends, array.limits, array.hardware.trusted)


def _call(array: AnalogArray, load: Load, waves: Waveforms, until: float | None) -> Call:
    after = waves.times >= array.rise * (1 - 1e-9)
    times, volts = waves.times[after] - array.rise, waves.volts[:, after]
    outputs = volts[[load.nodes.index(node) for node in array.netlist.outputs]]
    status = verdict(times, outputs, array.limits)
    if status is not Status.SETTLED:
        raise InputError(f"The energy of a call that ended as {status} is not known. {status.text}")
    settled = settling_time(times, outputs, BAND, array.limits.floor)
    return Call(_flow(load, times, volts, settled if until is None else until), settled)


def _flow(load: Load, times: Array, volts: Array, until: float) -> Flow:
    """Trapezoids up to `until`, where the volts are interpolated."""
    last = np.array([np.interp(until, times, row) for row in volts])
    kept = times < until
    times, volts = np.append(times[kept], until), np.column_stack([volts[:, kept], last])
    current = load.drive @ volts
    straight = (np.abs(current[:, 1:]) + np.abs(current[:, :-1])) / 2 * np.diff(times)
    charge = np.where(crosses(current), turning(current, times), straight).sum(axis=1)
    return Flow(float(np.trapezoid(load.dissipation(volts), times)), charge, until, len(load.outputs))

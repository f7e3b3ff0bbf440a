"""Calls of arrays, measured for a hardware: the settling times and energies that the cost model needs.

Which matrices: seeded symmetric positive definite ones, eigenvalues evenly spaced in logarithm, of the condition that
damped K-FAC factors have once their dominant direction is taken out, then conditioned as the trainer's are
(deflation, equilibration, shift) and written as the hardware writes. Arrays that multiply hold a block beside the
diagonal of such a matrix of twice the rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from circuits import Conditioning, Hardware
from circuits.errors import InputError, check_choice
from circuits.matrices import spd
from circuits.power import Energy, Supply
from cosim.analog import AnalogArray
from cosim.cost import Calls, Work
from cosim.cost_constants import Constant
from cosim.energy import Call, mean_call, nodal_call, spice_calls
from cosim.library import need_ngspice
from cosim.multiply import MultiplyArray
from cosim.solution import Array

BACKENDS = ("nodal", "spice")
CONDITION = Constant(
    30.0,
    "x",
    2.0,
    340.0,
    "condition number of the matrices that are measured; 18 factors of the letters CNN at steps 0, 20 and 150, after "
    "deflation and equilibration: 1.7 to 165 (median 14) at damping 0.1 of the mean diagonal, 1.8 to 336 (median 45) "
    "at 0.03; factors of larger networks were not looked at",
    True,
)
SIDES = 4
"""Right-hand sides that a call is averaged over."""

Measure = Callable[[AnalogArray], Call]


@dataclass(frozen=True)
class ArrayCalls:
    """What was measured."""

    calls: Calls
    """At the nominal condition number."""
    settling: Constant
    """[x] settling time and energy of every INV call: 1, and that of the largest array at the other conditions."""
    backend: str
    """The engine that measured."""

    def rows(self, supply: Supply) -> list[dict[str, Any]]:
        """One for each array: its kind, rows, settling time [s], energy [J] from the supply, and the energy's parts."""
        return [
            {"kind": kind, "rows": n, "settling_s": call.settling_time} | _energy(call.flow.energy(supply))
            for kind, table in (("inv", self.calls.inv), ("mvm", self.calls.mvm))
            for n, call in table.items()
        ]


def measure_calls(hardware: Hardware, works: Sequence[Work], backend: str = "nodal", sides: int = SIDES) -> ArrayCalls:
    """Every size of array that the works have, in the nodal engine on linear parts or in ngspice as it is.

    InputError for an unknown backend, for hardware whose currents neither engine integrates (a model file), and for
    an array that is unstable or does not settle.
    """
    check_choice("backend", backend, BACKENDS)
    _refuse_models(hardware)
    solving = sorted({work.operations.rows for work in works if work.operations.inv})
    multiplying = sorted({work.operations.rows for work in works if work.operations.mvm})
    with _Engine(backend, sides) as measure:
        taken = hardware.linear() if backend == "nodal" else hardware
        inv = {n: measure(_solving(n, CONDITION.value, taken)) for n in solving}
        mvm = {n: measure(_multiplying(n, taken)) for n in multiplying}
        ends = [measure(_solving(solving[-1], k, taken)).settling_time for k in (CONDITION.low, CONDITION.high)]
    low, high = (end / inv[solving[-1]].settling_time for end in ends)
    settling = Constant(
        1.0,
        "x",
        min(low, 1.0),
        max(high, 1.0),
        f"INV calls as measured at condition {CONDITION.value:g}; low and high: {solving[-1]} rows at condition "
        f"{CONDITION.low:g} and {CONDITION.high:g}",
        True,
    )
    return ArrayCalls(Calls(inv, mvm), settling, backend)


def _energy(energy: Energy) -> dict[str, Any]:
    return {"energy_J": energy.total, "power_parts_J": asdict(energy)}


def slower(calls: Calls, factor: float) -> Calls:
    """INV calls that take `factor` times the settling time and the energy; those that multiply stay."""
    return replace(calls, inv={n: _slower(call, factor) for n, call in calls.inv.items()})


def _slower(call: Call, factor: float) -> Call:
    flow = call.flow
    longer = replace(flow, heat=factor * flow.heat, charge=factor * flow.charge, duration=factor * flow.duration)
    return Call(longer, factor * call.settling_time)


class _Engine:
    """Measures arrays with one pool of ngspice, or without any."""

    def __init__(self, backend: str, sides: int) -> None:
        self._sides = sides
        self._pool = None
        if backend == "spice":
            from cosim.pool import SpicePool

            need_ngspice()
            self._pool = SpicePool()

    def __enter__(self) -> Measure:
        return self._measure

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.close()

    def _measure(self, array: AnalogArray) -> Call:
        rhs = _sides(len(array.netlist.inputs), self._sides)
        if self._pool is not None:
            return mean_call(spice_calls(array, rhs, self._pool))
        return mean_call([nodal_call(array, side) for side in rhs.T])


def _solving(n: int, condition: float, hardware: Hardware) -> AnalogArray:
    return AnalogArray.program(spd(n, condition, hardware.seed), hardware, Conditioning())


def _multiplying(n: int, hardware: Hardware) -> AnalogArray:
    return MultiplyArray.of(spd(2 * n, CONDITION.value, hardware.seed)[:n, n:], hardware)


def _sides(n: int, k: int) -> Array:
    return np.random.default_rng(n).standard_normal((n, k))


def _refuse_models(hardware: Hardware) -> None:
    for part, model in (("op-amp", hardware.opamp.model), ("cell", hardware.cell.model)):
        if model is not None:
            raise InputError(
                f"The {part} of this hardware is the model file {model.file}, whose supply current cannot be "
                f"integrated: leave its [{'opamp' if part == 'op-amp' else 'cell'}.model] out, and give the built-in "
                f"part the same figures."
            )

"""One point of a sweep: a pure function from what is simulated to what was measured, for any process."""

import hashlib
import re
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from circuits import Conditioning, Hardware, InputError
from cosim.backends import Backend, open_backend
from cosim.nodal import AnalogBackend, OnArray
from cosim.solution import Array, Solution, Status
from cosim.sweep_call import Seen, see_nodal, see_spice
from cosim.sweep_here import Here
from cosim.trial import REFUSED

CIRCUITS = ("inverse", "multiply")
NOTHING = float("nan")

COLUMNS = {
    "status": "SETTLED, or why there is no value; REFUSED where the cells cannot hold the matrix",
    "relative_error": "[-] norm(value - exact) / norm(exact), exact by float64 linear algebra",
    "residual": "[-] norm(matrix value - rhs) / norm(rhs); of a product, the relative error again",
    "settling_time_s": "[s] from the edge until all outputs stay within 1e-3 of the largest; inf where unstable",
    "overshoot": "[-] largest excursion of an output beyond its settled value, as a part of the largest settled output",
    "power_W": "[W] from the supplies, mean over the settling time, at the nominal supply and quiescent current of "
    "cosim/cost_constants.py; empty where cells are no resistors, where a model file is, and for no circuit",
    "margin_rad_per_s": "[rad/s] decay rate of the slowest mode, negative where one grows",
    "smallest_eigenvalue": "[-] smallest real part of an eigenvalue of what the array was asked to hold, shift "
    "included, as a part of its largest entry; empty for a multiply circuit",
    "op_amps": "[-] amplifiers in the netlist, inverters included",
    "time_points": "[-] of the transients that gave the value",
    "netlist": "SHA-256 of the circuit's text",
    "message": "the first words about a failure",
    "wall_s": "[s] that the point took in its process: the one column that differs from run to run",
}
"""What is measured, in the order of the columns."""
_NUMBERS = ("relative_error", "residual", "settling_time_s", "overshoot", "power_W", "margin_rad_per_s")
EMPTY: dict[str, Any] = {
    "status": str(Status.FAILED),
    **dict.fromkeys((*_NUMBERS, "smallest_eigenvalue"), NOTHING),
    **{"op_amps": 0, "time_points": 0, "netlist": "", "message": ""},
}
"""A row of which nothing is known yet."""


@dataclass(frozen=True)
class Setting:
    """What is simulated at a point; it can be sent to another process."""

    circuit: str
    """inverse or multiply."""
    backend: str
    matrix: Array
    """(n, n) [-]."""
    hardware: Hardware
    conditioning: Conditioning

    def key(self, stamp: str) -> str:
        """SHA-256 of all that decides the row; `stamp` stands for the sources and versions that make it."""
        parts = repr((self.circuit, self.backend, self.hardware, self.conditioning, self.matrix.shape, stamp))
        return hashlib.sha256(parts.encode() + self.matrix.tobytes()).hexdigest()


def measure(setting: Setting) -> dict[str, Any]:
    """A row of COLUMNS. A point that fails is a row too: its status and message say why."""
    start = time.perf_counter()
    try:
        row = _measured(setting)
    except InputError as error:
        row = {"status": REFUSED, "message": " ".join(str(error).split())}
    return {**EMPTY, **row, "wall_s": time.perf_counter() - start}


def _measured(setting: Setting) -> dict[str, Any]:
    options: dict[str, Any] = {"hardware": setting.hardware, "conditioning": setting.conditioning}
    here = Here()
    if setting.backend == "spice":
        options["executor"] = here
    with open_backend(setting.backend, **options) as backend:
        rhs = np.random.default_rng(0).standard_normal((setting.matrix.shape[1],))
        programmed, solution, exact = _run(backend, setting, rhs)
        row = _solved(solution, exact)
        if isinstance(backend, AnalogBackend) and isinstance(programmed, OnArray):
            row |= _of_array(setting, programmed)
            if solution.status is Status.SETTLED:
                seen = see_spice(programmed.array, rhs, here) if here.jobs else see_nodal(programmed.array, rhs)
                row |= _of_call(setting.hardware, seen, row)
    return row


def _run(backend: Backend, setting: Setting, rhs: Array) -> tuple[object, Solution, Array]:
    """The programmed matrix, what it gave, and what it should have given."""
    if setting.circuit == "multiply":
        multiply = backend.program_multiply(setting.matrix)
        return multiply, multiply.multiply(rhs, throw=False), np.asarray(setting.matrix @ rhs, dtype=np.float64)
    solve = backend.program(setting.matrix)
    return solve, solve.solve(rhs, throw=False), np.asarray(np.linalg.solve(setting.matrix, rhs), dtype=np.float64)


def _solved(solution: Solution, exact: Array) -> dict[str, Any]:
    stats = solution.stats
    return {
        "status": str(solution.status),
        "relative_error": float(np.linalg.norm(solution.value - exact) / np.linalg.norm(exact)),
        "residual": float(stats.residual[0]),
        "settling_time_s": float(stats.settling_time[0]),
        "margin_rad_per_s": stats.notes.get("margin", NOTHING),
        "time_points": stats.time_points,
        "netlist": stats.digest,
        "message": " ".join(stats.message.split()),
    }


def _of_array(setting: Setting, programmed: OnArray) -> dict[str, Any]:
    array = programmed.array
    found: dict[str, Any] = {"op_amps": len(re.findall(r"(?im)^x\S+ .* opamp$", array.netlist.circuit))}
    if setting.circuit == "inverse":
        held = array.conditioned.matrix
        smallest = np.linalg.eigvals(held).real.min() / np.abs(array.conditioned.programmed).max()
        found["smallest_eigenvalue"] = float(smallest)
    return found


def _of_call(hardware: Hardware, seen: Seen, row: dict[str, Any]) -> dict[str, Any]:
    settling = row["settling_time_s"] if seen.settling_time is None else seen.settling_time
    return {"settling_time_s": settling, "overshoot": seen.overshoot, "power_W": seen.power(hardware)}

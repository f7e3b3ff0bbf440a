"""What a PySpice user would write: a circuit of Python objects, and one transient for every right-hand side.

The yardstick of `ohmvert bench`. It runs in worker processes, on the library that they have loaded.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PySpice.Spice.Netlist import Circuit, Netlist, SubCircuit

from circuits.errors import InputError
from cosim.ngspice import engine
from cosim.solution import Array

STEP = 10e-9
"""[s] the step that is asked for, in the manner of the examples; ngspice bounds it by a fiftieth of the window."""
Line = tuple[str, ...]
"""The words of a netlist line; an expression of a B source is one word."""


@dataclass(frozen=True)
class NaiveTask:
    """A circuit and its right-hand sides, for one process."""

    circuit: str
    """Netlist text without what drives it: R, C, G, E, B, V, I and X lines and subcircuits of them."""
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    volts: Array
    """(n, k) [V] input voltages, one column a right-hand side."""
    rise: float
    """[s] edge of the inputs."""
    period: float
    """[s] length of each transient."""
    build_once: bool = False
    """Whether the objects of the array serve all right-hand sides, and only the sources are made anew."""


@dataclass(frozen=True)
class NaiveRun:
    """What the transients gave."""

    volts: Array
    """(n, k) [V] outputs at the end of the window."""
    build_seconds: float
    """[s] of `seconds` in which Python objects were made."""
    seconds: float
    """[s] of all transients, from the first object to the last volt; reading the netlist text is left out."""
    time_points: int


def run_naive(task: NaiveTask) -> NaiveRun:
    """Solve in this process. Raises NameError, PySpice's own, where ngspice refuses the circuit."""
    lines = [_words(line) for line in task.circuit.splitlines() if line and line[0] != "*"]
    spice = engine()
    columns, points, building = [], 0, 0.0
    started = time.perf_counter()
    circuit: Circuit | None = None
    for volts in task.volts.T.tolist():
        before = time.perf_counter()
        circuit = circuit if circuit and task.build_once else build(lines)
        _drive(circuit, task, volts)
        building += time.perf_counter() - before
        simulator = circuit.simulator(simulator="ngspice-shared", ngspice_shared=spice)
        analysis = simulator.transient(step_time=STEP, end_time=task.period)
        columns.append([float(analysis[node][-1]) for node in task.outputs])
        points += len(analysis.time)
        # Not in the examples; without it the process that is measured keeps every circuit.
        spice.exec_command("remcirc")
        for node in task.inputs:
            circuit[f"V{node}"].detach()
    return NaiveRun(np.array(columns).T, building, time.perf_counter() - started, points)


def build(lines: list[Line]) -> Circuit:
    """The objects of a circuit, a line each."""
    circuit = Circuit("naive")
    inside: Netlist = circuit
    for words in lines:
        if words[0] == ".subckt":
            inside = SubCircuit(*words[1:])
        elif words[0] == ".ends":
            circuit.subcircuit(inside)
            inside = circuit
        else:
            _MAKERS[words[0][0]](inside, words[0][1:], words[1:])
    return circuit


def _drive(circuit: Circuit, task: NaiveTask, volts: list[float]) -> None:
    for node, height in zip(task.inputs, volts, strict=True):
        circuit.PieceWiseLinearVoltageSource(node, node, "0", values=[(0, 0), (task.rise, height)])


def _behavioral(circuit: Netlist, name: str, words: Line) -> None:
    quantity, _, formula = words[2].partition("=")
    word = {"i": "current_expression", "v": "voltage_expression"}[quantity.lower()]
    circuit.BehavioralSource(name, *words[:2], **{word: formula})


_MAKERS: dict[str, Callable[[Netlist, str, Line], object]] = {
    "R": lambda circuit, name, words: circuit.R(name, *words[:2], float(words[2])),
    "C": lambda circuit, name, words: circuit.C(name, *words[:2], float(words[2])),
    "V": lambda circuit, name, words: circuit.V(name, *words[:2], float(words[-1])),
    "I": lambda circuit, name, words: circuit.I(name, *words[:2], float(words[-1])),
    "G": lambda circuit, name, words: circuit.VCCS(name, *words[:4], transconductance=float(words[4])),
    "E": lambda circuit, name, words: circuit.VCVS(name, *words[:4], voltage_gain=float(words[4])),
    "B": _behavioral,
    "X": lambda circuit, name, words: circuit.X(name, words[-1], *words[:-1]),
}
"""How a line becomes an object, by its first letter."""


def _words(line: str) -> Line:
    """InputError for a line that this file makes no object of."""
    words = line.split()
    if words[0] not in (".subckt", ".ends") and words[0][0] not in _MAKERS:
        raise InputError(f"The naive PySpice circuit has no object for the netlist line {line[:60]!r}.")
    return (*words[:3], " ".join(words[3:])) if words[0][0] == "B" else tuple(words)

"""A programmed array as complete netlist text: header comments with what to expect, .meas lines that read it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuits import Stimulus
from circuits.stimulus import Accuracy
from cosim.analog import AnalogArray
from cosim.multiply import MultiplyArray
from cosim.settle import BAND
from cosim.solution import Array

SHOWN = Accuracy("method=trap xmu=0.3 reltol=1e-3 abstol=1e-12 vntol=1e-7 chgtol=1e-15", 200, lead=False)
"""Steps close enough to draw waveforms and to measure times between them."""

MOST_PAR = 99
"""ngspice takes so many par() of a netlist."""


@dataclass(frozen=True)
class Drive:
    """Right-hand sides on their way into an array; n outputs, m inputs, k right-hand sides."""

    rhs: Array
    """(m, k) [-]"""
    expected: Array
    """(n, k) [-] the true answers."""
    scale: Array
    """(k,) [V] volts for 1."""
    inputs: Array
    """(m, k) [V]"""
    settled: Array
    """(n, k) [V] what the linear circuit settles to."""
    columns: tuple[int, ...]
    """(k,) [-] the number of each right-hand side in the call, counted from 0."""


@dataclass(frozen=True)
class Caption:
    """What the header says of the circuit beside its figures."""

    title: str
    hardware_name: str


@dataclass(frozen=True)
class Settling:
    """Where outputs end, and which of them take time; n outputs, k right-hand sides."""

    volts: Array
    """(n, k) [V] at the end of each window."""
    band: Array
    """(k,) [V] half the width of the tolerance band."""
    edges: Array
    """(n, k) the edge at which an output enters its band for good: 1 rising, -1 falling, 0 where it never does."""
    clear: NDArray[np.bool_]
    """(n, k) whether any engine crosses that edge."""

    def crossing(self, node: str, i: int, j: int, par: bool) -> str:
        """What a .meas line waits for, empty for nothing: one edge of the band or, where `par` allows it, the distance.

        Ringing may graze an edge in one engine and miss it in another; the distance takes one of few par().
        """
        edge, volts, band = self.edges[i, j], self.volts[i, j], self.band[j]
        if edge and self.clear[i, j]:
            return f"v({node})={volts - edge * band:.12g} {'rise' if edge > 0 else 'fall'}=last"
        return f"par('abs(v({node})-({volts:.12g}))')={band:.12g} fall=last" if edge and par else ""


def write_deck(array: AnalogArray, stimulus: Stimulus, drive: Drive, caption: Caption, ends: Settling) -> str:
    """Complete netlist text."""
    header = "\n".join([*_about(array, drive, caption), *_expectations(array, stimulus, drive), *_origins(array)])
    return array.netlist.deck(stimulus, header, _measures(array, stimulus, drive, ends))


def _about(array: AnalogArray, drive: Drive, caption: Caption) -> list[str]:
    k = drive.rhs.shape[1]
    rows, columns = array.conductances.positive.shape
    sides = f"{k} {_noun(array)}{'s'[: k != 1]}"
    asks = "computes A b" if isinstance(array, MultiplyArray) else "solves A x = b"
    lines = [caption.title] if caption.title else []
    return [
        *lines,
        f"{asks} for {sides}, A is {rows} x {columns}; hardware {caption.hardware_name}",
        "run it:   ngspice -b FILE",
        f"parts:    {array.hardware.cell}",
        f"          {array.hardware.opamp}",
        f"          {array.hardware.wires}",
        f"          {array.hardware.programming}",
        *(_multiplied(array) if isinstance(array, MultiplyArray) else _solved(array)),
        f"settles:  {array.settling_time(BAND):.4g} s to {BAND:g} expected, from the slowest mode",
    ]


def _noun(array: AnalogArray) -> str:
    return "vector" if isinstance(array, MultiplyArray) else "right-hand side"


def _solved(array: AnalogArray) -> list[str]:
    conductances, directions = array.conductances, array.conditioned.directions
    return [
        "mapping:  it solves A_c = D (A - deflated) D + delta I, D_i = 1/sqrt(diagonal) or 1, delta as Rshift;",
        f"          {directions.shape[1]} eigenvector(s) V deflated and solved digitally, inputs carry",
        "          D (b - V V' b) * scale",
        f"          conductance for 1: {conductances.unit:.6g} S; input conductance: {conductances.g_in:.6g} S",
        "decode:   y = - v(out) * (S per unit / input S) / scale, x = (I - V V') D y + V (V' b) / eigenvalues",
    ]


def _multiplied(array: MultiplyArray) -> list[str]:
    return [
        "mapping:  the arrays hold A as it is, inputs carry b * scale",
        f"          conductance for 1: {array.conductances.unit:.6g} S; feedback: {array.g_feedback:.6g} S",
        "decode:   x = - v(out) * (feedback S / S per unit) / scale",
    ]


def _expectations(array: AnalogArray, stimulus: Stimulus, drive: Drive) -> list[str]:
    volts, lines = _ideal_volts(array, drive), []
    for j, end in enumerate(stimulus.ends):
        number = drive.columns[j] + 1
        lines.append(f"{_noun(array)} {number}, read at {end:.6g} s, scale {drive.scale[j]:.6g} V:")
        lines += (
            [f"  b_{i} = {value:.6g}" for i, value in enumerate(drive.rhs[:, j], start=1)] if _oblong(drive) else []
        )
        for i, (x, ideal, linear) in enumerate(
            zip(drive.expected[:, j], volts[:, j], drive.settled[:, j], strict=True)
        ):
            given = "" if _oblong(drive) else f"b_{i + 1} = {drive.rhs[i, j]:.6g}, "
            lines.append(
                f"  {given}expect x_{i + 1} = {x:.6g}, v(out{i + 1}) = {ideal:.6g} V for ideal parts, "
                f"{linear:.6g} V for these"
            )
    return lines


def _oblong(drive: Drive) -> bool:
    return drive.rhs.shape != drive.expected.shape


def _ideal_volts(array: AnalogArray, drive: Drive) -> Array:
    """(n, k) [V] what the programmed matrix gives with ideal parts, for the inputs as they are."""
    conductances, conditioned = array.conductances, array.conditioned
    if isinstance(array, MultiplyArray):
        return -(conditioned.matrix @ drive.inputs) * conductances.unit / array.g_feedback
    inputs = conditioned.enter(drive.rhs) * drive.scale
    solved = np.linalg.solve(conditioned.matrix, inputs).astype(np.float64)
    return -solved * conductances.g_in / conductances.unit


def _origins(array: AnalogArray) -> list[str]:
    """Which template came from where, if any of them is the user's."""
    templates = array.hardware.templates
    return ["templates:", *(f"  {path}" for path in templates.origins().values())] if templates.texts else []


def _measures(array: AnalogArray, stimulus: Stimulus, drive: Drive, ends: Settling) -> str:
    """Volts of every output at the end of each window, then when each of them has come into its band for good."""
    stops = stimulus.ends * (1 - 1e-6)
    starts = stimulus.ends - stimulus.period
    lines = [
        f".meas tran rhs{number + 1}_{node} find v({node}) at={stop:.12g}"
        for number, stop in zip(drive.columns, stops, strict=True)
        for node in array.netlist.outputs
    ]
    doubtful = 0
    for j, number in enumerate(drive.columns):
        lines.append(f"* settling time of side {number + 1}: from its edge until within {BAND:g} of the largest output")
        for i, node in enumerate(array.netlist.outputs):
            name = f"side{number + 1}_{node}"
            doubtful += bool(ends.edges[i, j] and not ends.clear[i, j])
            passes = ends.crossing(node, i, j, doubtful <= MOST_PAR)
            if not passes:
                lines.append(f"* {name} {'grazes' if ends.edges[i, j] else 'never leaves'} its band")
                continue
            lines.append(f".meas tran at_{name} when {passes} from={starts[j]:.12g} to={stops[j]:.12g}")
            lines.append(f".meas tran settles_{name} param='at_{name}-{starts[j]:.12g}'")
    return "\n".join(lines) + "\n"

"""A matrix inverse as a netlist that a person reads and plain `ngspice -b` runs."""

from pathlib import Path

import numpy as np

from circuits import Conditioning, InputError
from circuits.hardware_file import load_hardware
from cosim.analog import AnalogArray
from cosim.check import check_matrix, check_rhs
from cosim.solution import Array


def load_array(path: Path) -> Array:
    """An .npy file; InputError where it is missing or no array of numbers."""
    try:
        loaded: Array = np.load(path, allow_pickle=False)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    except ValueError as error:
        raise InputError(f"{path} is no .npy file of numbers ({error}).") from None
    if not isinstance(loaded, np.ndarray):
        raise InputError(f"{path} holds several arrays: pass an .npy file with one.")
    return loaded


def show_inverse(matrix: Array, rhs: Array | None, hardware_name: str = "default", trust: bool = False) -> str:
    """Complete netlist of the inverse of a matrix, driven by the right-hand sides (the first unit vector if None).

    Its header says what it is and what to expect, its .meas lines read every output at the end of every
    right-hand side.
    """
    matrix = check_matrix(matrix)
    columns = check_rhs(np.eye(len(matrix))[0] if rhs is None else rhs, len(matrix))
    hardware = load_hardware(hardware_name, trust)
    array = AnalogArray.program(matrix, hardware, Conditioning())
    if not array.reading.stable:
        raise InputError(
            "The circuit of this matrix is unstable: it needs eigenvalues with positive real parts; add damping."
        )
    scale = array.input_scale(columns)
    stimulus = array.stimulus(array.inputs(columns, scale, call=0))
    expected = np.linalg.solve(matrix, columns).astype(np.float64)
    header = _header(array, scale, hardware_name, columns, expected)
    return array.netlist.deck(stimulus, header, _measures(array, stimulus.ends))


def _header(array: AnalogArray, scale: Array, hardware_name: str, rhs: Array, expected: Array) -> str:
    n, k = rhs.shape
    conductances, conditioned = array.conductances, array.conditioned
    # What the programmed matrix gives with ideal parts: v = - (S per unit)^-1 g_in A_c^-1 (inputs)
    inputs = conditioned.enter(rhs) * scale
    volts = -np.linalg.solve(conditioned.matrix, inputs) * conductances.g_in / conductances.unit
    lines = [
        f"solves A x = b for {k} right-hand side{'s'[: k != 1]}, A is {n} x {n}; hardware {hardware_name}",
        "run it:   ngspice -b FILE",
        f"parts:    {array.hardware.cell}",
        f"          {array.hardware.opamp}",
        f"          {array.hardware.wires}",
        f"          {array.hardware.programming}",
        "mapping:  it solves A_c = D (A - deflated) D + delta I, D_i = 1/sqrt(diagonal) or 1, delta as Rshift;",
        f"          {conditioned.directions.shape[1]} eigenvector(s) V deflated and solved digitally, inputs carry",
        "          D (b - V V' b) * scale",
        f"          conductance for 1: {conductances.unit:.6g} S; input conductance: {conductances.g_in:.6g} S",
        "decode:   y = - v(out) * (S per unit / input S) / scale, x = (I - V V') D y + V (V' b) / eigenvalues",
        f"settles:  {array.settling_time(1e-3):.4g} s to 1e-3 expected, from the slowest mode",
    ]
    for j in range(k):
        lines.append(f"right-hand side {j + 1}, read at {array.period * (j + 1):.6g} s, scale {scale[j]:.6g} V:")
        lines += [
            f"  b_{i + 1} = {rhs[i, j]:.6g}, expect x_{i + 1} = {expected[i, j]:.6g}, "
            f"v(out{i + 1}) = {volts[i, j]:.6g} V for ideal parts"
            for i in range(n)
        ]
    return "\n".join(lines)


def _measures(array: AnalogArray, ends: Array) -> str:
    lines = [
        f".meas tran rhs{j + 1}_{node} find v({node}) at={end:.12g}"
        for j, end in enumerate(ends * (1 - 1e-6))
        for node in array.netlist.outputs
    ]
    return "\n".join(lines) + "\n"

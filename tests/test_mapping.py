"""A matrix becomes conductances and back, and the circuit that is rendered from them obeys its equations."""

import re
from dataclasses import replace

import numpy as np
import pytest
from cases import LINEAR, Array, gain_damping
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from circuits import (
    Conditioning,
    Conductances,
    Hardware,
    InputError,
    InverseCircuit,
    LinearCircuit,
    OpAmp,
    RramCell,
    Stimulus,
    Wires,
    decode,
    encode,
)
from circuits.deck import Deck

CELL = RramCell(g_min=0.5e-6, g_max=35e-6)
SPAN = CELL.g_max - CELL.g_min

unhurried = settings(deadline=None, max_examples=60)


def matrices(low: int = 1) -> st.SearchStrategy[Array]:
    """Square, none of them zero, of any size and sign."""
    entries = st.floats(-1e3, 1e3).filter(lambda x: x == 0 or abs(x) > 1e-6)
    square = st.integers(low, 5).flatmap(lambda n: arrays(np.float64, (n, n), elements=entries))
    return square.filter(np.any)


@unhurried
@given(matrices(), st.sampled_from([1e-12, 1.0, 1e12]))
def test_round_trip_and_scale(matrix: Array, size: float) -> None:
    c = encode(size * matrix, CELL)
    largest = np.abs(size * matrix).max()
    np.testing.assert_allclose(c.matrix, size * matrix, rtol=1e-9, atol=1e-14 * largest)
    assert c.unit * largest == pytest.approx(SPAN, rel=1e-12)
    assert c.g_in == pytest.approx(SPAN, rel=1e-12)
    assert max(c.positive.max(), c.negative.max()) == pytest.approx(CELL.g_max, rel=1e-12)


@unhurried
@given(matrices())
def test_sign_chooses_the_array_and_the_other_cell_is_erased(matrix: Array) -> None:
    c = encode(matrix, CELL)
    assert (c.positive[matrix > 0] > CELL.g_min).all()
    assert (c.negative[matrix < 0] > CELL.g_min).all()
    assert (c.positive[matrix <= 0] == CELL.g_min).all()
    assert (c.negative[matrix >= 0] == CELL.g_min).all()


@unhurried
@given(matrices(), st.integers(2, 40))
def test_levels(matrix: Array, levels: int) -> None:
    largest = np.abs(matrix).max()
    rows = np.abs(matrix).max(axis=1)
    if ((rows > 0) & (rows <= largest / (levels - 1) / 2 * (1 + 1e-9))).any():
        return  # a row that vanishes is refused, below
    c = encode(matrix, replace(CELL, levels=levels))
    for array in (c.positive, c.negative):
        steps = (array - CELL.g_min) / SPAN * (levels - 1)
        np.testing.assert_allclose(steps, np.rint(steps), atol=1e-9)
        assert array.min() >= CELL.g_min
        assert array.max() <= CELL.g_max * (1 + 1e-12)
    half_step = largest / (levels - 1) / 2
    assert np.abs(c.matrix - matrix).max() <= half_step * (1 + 1e-9)
    exact = np.abs(matrix) == largest
    np.testing.assert_allclose(c.matrix[exact], matrix[exact], rtol=1e-12)
    assert not c.matrix[matrix == 0].any()


def test_a_row_that_vanishes_in_the_levels_is_refused() -> None:
    with pytest.raises(InputError, match=r"Row 1 .* 8 levels.*0\.07"):
        encode(np.array([[1, 0.3], [0.05, -0.07]]), replace(CELL, levels=8))
    encode(np.array([[1, 0.3], [0.0, 0.0]]), replace(CELL, levels=8))  # nothing to vanish


def test_eight_levels_by_hand() -> None:
    # Seven steps of 1/7: 0.3 is nearest to 2/7, and -0.8 to -6/7.
    c = encode(np.array([[1, 0.3], [-0.8, 0]]), RramCell(g_min=1e-6, g_max=8e-6, levels=8))
    np.testing.assert_allclose(c.positive, np.array([[8, 3], [1, 1]]) * 1e-6)
    np.testing.assert_allclose(c.negative, np.array([[1, 1], [7, 1]]) * 1e-6)
    assert (c.unit, c.g_in) == pytest.approx((7e-6, 7e-6))


@unhurried
@given(matrices(2), st.floats(1e-3, 1e3))
def test_decode_undoes_circuit_and_input_scale(matrix: Array, scale: float) -> None:
    matrix = matrix + (1 + np.abs(matrix).sum()) * np.eye(len(matrix))  # regular
    c, rhs = encode(matrix, CELL), np.arange(1.0, len(matrix) + 1)[:, None]
    volts = np.linalg.solve(c.positive - c.negative, -c.g_in * scale * rhs)  # G v = -g_in v_in
    np.testing.assert_allclose(decode(volts, scale, c), np.linalg.solve(matrix, rhs), rtol=1e-6, atol=1e-12)


def test_each_column_has_its_own_input_scale() -> None:
    # The largest entry, 4, stands for g_in: -1 V means a quarter.
    c = encode(np.diag([2.0, 4.0]), CELL)
    np.testing.assert_allclose(decode(-np.array([[1, 1], [1, 1.0]]), np.array([1.0, 10.0]), c), [[0.25, 0.025]] * 2)


@unhurried
@given(matrices())
def test_conditioning_leaves_the_solution(matrix: Array) -> None:
    matrix = matrix + np.diag(1 + np.abs(matrix).sum(axis=1))  # a diagonal that is positive and dominant
    conditioned = Conditioning(deflate=0).apply(matrix, CELL)
    np.testing.assert_allclose(np.diag(conditioned.matrix), 1, rtol=1e-12)
    rhs = np.arange(2.0 * len(matrix)).reshape(-1, 2)
    value = conditioned.leave(np.linalg.solve(conditioned.matrix, conditioned.enter(rhs)), rhs)
    np.testing.assert_allclose(value, np.linalg.solve(matrix, rhs), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("matrix", "equilibrate"), [([[0, 1], [2, 3]], True), ([[-1, 0], [0, 2]], True), ([[4, 1], [1, 9]], False)]
)
def test_no_conditioning(matrix: list[list[float]], equilibrate: bool) -> None:
    conditioned = Conditioning(deflate=0, equilibrate=equilibrate).apply(np.array(matrix, dtype=float), CELL)
    rhs = np.array([[5.0], [7.0]])
    left = conditioned.leave(rhs, rhs)
    for same, as_before in ((conditioned.matrix, matrix), (conditioned.enter(rhs), rhs), (left, rhs)):
        np.testing.assert_array_equal(same, as_before)


# The INV circuit. An op-amp's output x obeys x' = -w_u (row + x / A0), where its row of conductances averages
# the outputs and the input: row = (g_in v_in + sum_j G_ij x_j) / (g_in + sum_j G_ij).


def deck_of(conductances: Conductances, hardware: Hardware) -> str:
    n = len(conductances.positive)
    netlist = InverseCircuit(conductances, hardware).netlist()
    return netlist.deck(Stimulus(np.linspace(-1, 1, 2 * n).reshape(n, 2), 1e-5, 1e-6))


def outputs(n: int) -> list[str]:
    return [f"out{i + 1}" for i in range(n)]


def transfer(circuit: LinearCircuit, n: int) -> Array:
    return circuit.transfer([f"vin{i + 1}" for i in range(n)], outputs(n))


@pytest.mark.parametrize("n", [1, 2, 5])
def test_non_negative_matrix(n: int) -> None:
    matrix = np.random.default_rng(n).uniform(0, 1, (n, n)) + np.eye(n)
    gain, w_u = LINEAR.opamp.gain, 2 * np.pi * LINEAR.opamp.gbw
    circuit = LinearCircuit.read(deck_of(encode(matrix, LINEAR.cell), LINEAR))
    damped = matrix + gain_damping(matrix, gain)
    np.testing.assert_allclose(transfer(circuit, n), -matrix.max() * np.linalg.inv(damped), rtol=1e-9)
    # An inverter divides by two: it has a pole at w_u / 2, which no row sees.
    loop = np.linalg.eigvals(matrix / (matrix.max() + matrix.sum(axis=1))[:, None])
    poles = -w_u * (np.concatenate([loop, np.full(n, 0.5)]) + 1 / gain)
    np.testing.assert_allclose(np.sort_complex(circuit.eigenvalues), np.sort_complex(poles), rtol=1e-7)
    assert circuit.time_constant == pytest.approx(-1 / poles.real.max(), rel=1e-7)


@pytest.mark.parametrize("g_min", [0.0, 1e-6])
def test_signed_matrix_with_erased_cells(g_min: float) -> None:
    # An inverter of gain A0 passes on -1 / (1 + 2 / A0).
    matrix, gain = np.random.default_rng(0).normal(size=(4, 4)) + 3 * np.eye(4), LINEAR.opamp.gain
    c = encode(matrix, replace(LINEAR.cell, g_min=g_min))
    leak = c.g_in + (c.positive + c.negative).sum(axis=1)
    expected = -c.g_in * np.linalg.inv(c.positive - c.negative / (1 + 2 / gain) + np.diag(leak) / gain)
    np.testing.assert_allclose(transfer(LinearCircuit.read(deck_of(c, LINEAR)), 4), expected, rtol=1e-9)


def test_offsets_are_amplified_by_inverse_and_row_sum() -> None:
    matrix = np.random.default_rng(1).uniform(0, 1, (3, 3)) + np.eye(3)
    hardware = replace(LINEAR, opamp=replace(LINEAR.opamp, offset=1e-3, gain=1e9))
    netlist = InverseCircuit(encode(matrix, hardware.cell), hardware).netlist()
    text = netlist.deck(Stimulus(np.zeros((3, 1)), 1e-5, 1e-6))
    drawn = {source.name: source.values[0] for source in Deck.read(text).voltages}
    v_os = np.array([drawn[f"vos{i}"] for i in (1, 2, 3)])
    assert len({*v_os, *(drawn[f"vosi{i}"] for i in (1, 2, 3))}) == 6
    expected = np.linalg.solve(matrix, (matrix.max() + matrix.sum(axis=1)) * v_os)
    np.testing.assert_allclose(LinearCircuit.read(text).settled(outputs(3)), expected, rtol=1e-6)


def rename(text: str) -> str:
    """Every node but ground under another name."""
    nodes = {"R": 2, "C": 2, "V": 2, "G": 4, "E": 4}
    lines = []
    for line in text.splitlines():
        words = line.split()
        if words and (words[0][0] in "RCVGEX" or words[0] == ".subckt"):
            first = 2 if words[0] == ".subckt" else 1
            last = nodes.get(words[0][0], len(words) - (first == 1) - 1) + first
            words[first:last] = [re.sub("[a-z].*", r"q\g<0>_", word) for word in words[first:last]]
        lines.append(" ".join(words))
    return "\n".join(lines)


def test_node_names_mean_nothing() -> None:
    matrix = np.random.default_rng(2).normal(size=(3, 3)) + 3 * np.eye(3)
    hardware = Hardware.preset("rram40").linear()
    text = deck_of(encode(matrix, hardware.cell), hardware)
    before, after = LinearCircuit.read(text), LinearCircuit.read(rename(text))
    with pytest.raises(InputError, match="no node 'out1'"):
        after.settled(["out1"])
    names = [f"q{name}_" for name in outputs(3)]
    times = np.linspace(0, 2e-5, 21)
    np.testing.assert_allclose(after.waveform(names, times), before.waveform(outputs(3), times), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(after.eigenvalues, before.eigenvalues, rtol=1e-9)


def lines_of(cells: Array, r_row: float, r_col: float) -> Array:
    """(rows, columns) [S] current into row i, held at 0 V, for 1 V at column j: a Laplacian over both lines."""
    n = len(cells)
    laplacian = np.zeros((2 * n * n, 2 * n * n))
    row_ports, column_ports = np.zeros((2 * n * n, n)), np.zeros((2 * n * n, n))
    row_of, column_of = np.arange(2 * n * n).reshape(2, n, n)

    def join(a: int, b: int, g: float) -> None:
        laplacian[[a, b, a, b], [a, b, b, a]] += np.array([g, g, -g, -g])

    for i, j in np.ndindex(n, n):
        join(row_of[i, j], column_of[i, j], cells[i, j])
        if j:
            join(row_of[i, j], row_of[i, j - 1], 1 / r_row)
        if i:
            join(column_of[i, j], column_of[i - 1, j], 1 / r_col)
    for k in range(n):
        row_ports[row_of[k, 0], k], column_ports[column_of[0, k], k] = 1 / r_row, 1 / r_col
    grounded = laplacian + np.diag((row_ports + column_ports).sum(axis=1))
    return row_ports.T @ np.linalg.solve(grounded, column_ports)


def test_wires_against_a_laplacian() -> None:
    # Rows are fed from column 1, columns from row 1; a large gain holds the rows at 0 V.
    opamp, wires = OpAmp(gain=1e11).linear(), Wires(r_row=300.0, r_col=1000.0)
    matrix = np.random.default_rng(3).normal(size=(4, 4)) + 3 * np.eye(4)
    c, n = encode(matrix, CELL), len(matrix)
    effective = lines_of(c.positive, 300, 1000) - lines_of(c.negative, 300, 1000)
    circuit = LinearCircuit.read(deck_of(c, Hardware(CELL, opamp, wires)))
    np.testing.assert_allclose(transfer(circuit, n), -c.g_in * np.linalg.inv(effective), rtol=1e-7)

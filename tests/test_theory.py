"""The numbered equations of docs/theory.md, each against a calculation of its own."""

import re
from collections.abc import Callable
from dataclasses import replace
from math import pi, sqrt
from pathlib import Path

import numpy as np
import pytest
from cases import LINEAR, Array, random_spd
from scipy.linalg import expm

from circuits import Conditioning, Conductances, Hardware, InverseCircuit, LinearCircuit, RramCell, decode, encode
from circuits.matrices import spd
from circuits.stimulus import ACCURACIES, Stimulus
from circuits.wires import reduce_array
from cosim import open_backend

PAGE = Path(__file__).resolve().parents[1] / "docs" / "theory.md"
FAST = replace(LINEAR, opamp=replace(LINEAR.opamp, gain=1e12))
"""No gain error to speak of."""
W_U = 2 * pi * LINEAR.opamp.gbw
CHECKED: dict[str, Callable[..., None]] = {}

MATRIX = np.array([[2.0, 0.3, 0.1, 0.4], [0.2, 1.5, 0.5, 0.1], [0.6, 0.1, 1.0, 0.2], [0.1, 0.7, 0.2, 0.9]])
"""Asymmetric, no negative entry, so that no inverter takes part."""
INPUTS = np.array([0.1, -0.05, 0.2, 0.07])
OUTPUTS = [f"out{i}" for i in range(1, 5)]


def checks(label: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Says which equation of the page a test checks."""

    def note(test: Callable[..., None]) -> Callable[..., None]:
        CHECKED[label] = test
        return test

    return note


def test_every_equation_has_its_test() -> None:
    labels = re.findall(r"^:label: (\S+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(labels) == len(set(labels)) == PAGE.read_text(encoding="utf-8").count("```{math}")
    assert set(labels) == set(CHECKED)


def circuit(matrix: Array, hardware: Hardware = FAST) -> tuple[Conductances, LinearCircuit]:
    """The array's conductances, and its circuit driven by INPUTS as a step."""
    conductances = encode(matrix, hardware.cell)
    netlist = InverseCircuit(conductances, hardware).netlist()
    volts = np.resize(INPUTS, len(matrix))[:, None]
    stimulus = Stimulus(volts, period=1e-3, rise=1e-15, accuracy=ACCURACIES["default"])
    return conductances, LinearCircuit.read(netlist.deck(stimulus))


def normalised(conductances: Conductances) -> tuple[Array, Array]:
    """A = G / g_in, and U."""
    a = (conductances.positive - conductances.negative) / conductances.g_in
    return a, np.diag(1 / (1 + np.abs(a).sum(axis=1)))


@checks("balance")
def test_currents_into_every_row_add_to_zero() -> None:
    conductances, linear = circuit(MATRIX)
    currents = conductances.positive @ linear.settled(OUTPUTS) + conductances.g_in * INPUTS
    assert np.abs(currents).max() < 1e-9 * conductances.g_in * np.abs(INPUTS).max()


@checks("decode")
def test_settled_volts_are_decoded_to_the_solution() -> None:
    conductances, linear = circuit(MATRIX)
    scale = 0.02
    found = decode(linear.settled(OUTPUTS)[:, None], scale, conductances)[:, 0]
    np.testing.assert_allclose(found, np.linalg.solve(MATRIX, INPUTS / scale), rtol=1e-8)


@checks("loop")
def test_the_poles_are_those_of_the_loop_and_of_the_idle_inverters() -> None:
    conductances, linear = circuit(MATRIX)
    a, u = normalised(conductances)
    expected = np.concatenate([-W_U * np.linalg.eigvals(u @ a), np.full(4, -W_U / 2)])
    np.testing.assert_allclose(np.sort_complex(linear.eigenvalues), np.sort_complex(expected), rtol=1e-6)


@checks("decay")
def test_waveforms_follow_the_matrix_exponential() -> None:
    conductances, linear = circuit(MATRIX)
    a, u = normalised(conductances)
    end = -np.linalg.solve(a, INPUTS)
    times = np.array([0.2, 1.0, 3.0, 8.0]) / W_U
    expected = np.stack([end - expm(-W_U * (u @ a) * t) @ end for t in times], axis=1)
    np.testing.assert_allclose(linear.waveform(OUTPUTS, times), expected, atol=1e-6)


@checks("time-constant")
@pytest.mark.parametrize("seed", range(5))
def test_the_slowest_mode_sets_the_time_constant(seed: int) -> None:
    matrix = np.abs(random_spd(8, condition=30, seed=seed).matrix)
    matrix += np.diag(np.maximum(0.1 - np.linalg.eigvalsh(matrix)[0], 0) * np.ones(8))
    conductances, linear = circuit(matrix)
    a, u = normalised(conductances)
    expected = 1 / (W_U * np.linalg.eigvals(u @ a).real.min())
    assert linear.time_constant == pytest.approx(expected, rel=1e-6)
    assert fitted(linear, expected) == pytest.approx(expected, rel=1e-2)


@checks("time-constant")
def test_neither_the_size_nor_the_largest_eigenvalue_does() -> None:
    small, large = (circuit(spd(size, condition, seed=0))[1] for size, condition in ((8, 1000), (64, 10)))
    assert small.time_constant > 10 * large.time_constant


def fitted(linear: LinearCircuit, guess: float) -> float:
    """[s] slope of the logarithm of what is still to come, late in the waveform."""
    times = guess * np.array([12.0, 14.0])
    still = np.abs(linear.waveform(OUTPUTS, times) - linear.settled(OUTPUTS)[:, None]).max(axis=0)
    return float((times[1] - times[0]) / np.log(still[0] / still[1]))


@checks("time-constant")
@pytest.mark.ngspice
def test_ngspice_takes_as_long() -> None:
    hardware = Hardware.preset("ideal")
    with open_backend("spice", hardware=hardware, conditioning=Conditioning.off(), workers=1) as backend:
        solution = backend.program(MATRIX).solve(np.linalg.eig(MATRIX).eigenvectors[:, 2].real)
    conductances = encode(MATRIX, hardware.cell)
    a, u = normalised(conductances)
    tau = 1 / (2 * pi * hardware.opamp.gbw * np.linalg.eigvals(u @ a).real.min())
    assert solution.stats.settling_time[0] == pytest.approx(tau * np.log(1e3), rel=0.3)


@checks("stability")
def test_a_loop_is_stable_if_and_only_if_no_eigenvalue_is_left_of_zero() -> None:
    random, verdicts = np.random.default_rng(0), []
    for _ in range(60):
        matrix = random.uniform(0, 1, (3, 3)) + random.uniform(0, 1) * np.eye(3)
        conductances, linear = circuit(matrix)
        a, u = normalised(conductances)
        expected = bool((np.linalg.eigvals(u @ a).real > 0).all())
        assert linear.stable == expected
        verdicts.append(expected)
    assert 10 < sum(verdicts) < 50


@checks("finite-gain")
def test_a_finite_gain_is_damping_by_one_and_the_row_sum_over_the_gain() -> None:
    conductances, linear = circuit(MATRIX, LINEAR)
    a, _ = normalised(conductances)
    damping = np.diag((1 + a.sum(axis=1)) / LINEAR.opamp.gain)
    np.testing.assert_allclose(linear.settled(OUTPUTS), -np.linalg.solve(a + damping, INPUTS), rtol=1e-9)


@checks("offset")
def test_offsets_are_amplified_by_the_row_sums_and_the_inverse() -> None:
    hardware = replace(FAST, opamp=replace(FAST.opamp, offset=1e-3), seed=3)
    conductances, linear = circuit(MATRIX, hardware)
    text = InverseCircuit(conductances, hardware).netlist().circuit
    offsets = np.array([float(value) for value in re.findall(r"^Vos\d+ os\d+ 0 DC (\S+)$", text, flags=re.MULTILINE)])
    a, _ = normalised(conductances)
    moved = linear.settled(OUTPUTS) + np.linalg.solve(a, INPUTS)
    assert len(offsets) == 4
    np.testing.assert_allclose(moved, np.linalg.solve(a, (1 + a.sum(axis=1)) * offsets), rtol=1e-8)


def laplacian(cells: Array, r_row: float, r_col: float) -> Array:
    """Conductance matrix of an array, node by node: row ports, column ports, row nodes, column nodes."""
    rows, columns = cells.shape
    node = np.arange(rows * columns).reshape(rows, columns) + rows + columns
    below = node + rows * columns
    k = np.zeros((below.max() + 1,) * 2)
    for (i, j), siemens in np.ndenumerate(cells):
        left = node[i, j - 1] if j else i
        above = below[i - 1, j] if i else rows + j
        for a, b, g in (
            (node[i, j], below[i, j], siemens),
            (left, node[i, j], 1 / r_row),
            (above, below[i, j], 1 / r_col),
        ):
            k[[a, b], [a, b]] += g
            k[[a, b], [b, a]] -= g
    return k


@checks("ports")
def test_the_port_reduction_is_the_schur_complement_and_changes_no_port() -> None:
    cells = np.random.default_rng(5).uniform(1e-6, 35e-6, (5, 4))
    k, p = laplacian(cells, 20.0, 35.0), 9
    schur = k[:p, :p] - k[:p, p:] @ np.linalg.solve(k[p:, p:], k[p:, :p])
    reduced = reduce_array(cells, 20.0, 35.0)
    np.testing.assert_allclose(reduced, schur, atol=1e-9 * np.abs(schur).max())
    load = 1e-4
    whole = np.linalg.inv(k + load * np.diag(np.arange(len(k)) < p))[:p, :p]
    np.testing.assert_allclose(np.linalg.inv(reduced + load * np.eye(p)), whole, rtol=1e-8)


def factor(n: int = 12) -> tuple[Array, Array]:
    """A matrix like a factor of activations, all of one sign, and a right-hand side."""
    random = np.random.default_rng(1)
    samples = np.abs(random.normal(size=(4 * n, n))) * np.geomspace(0.2, 3, n)
    return samples.T @ samples / len(samples) + 0.1 * np.eye(n), random.normal(size=(n, 1))


def through(conditioning: Conditioning, matrix: Array, rhs: Array) -> Array:
    """A solve in the coordinates of the array, and back."""
    conditioned = conditioning.apply(matrix, RramCell())
    return conditioned.leave(np.linalg.solve(conditioned.matrix, conditioned.enter(rhs)), rhs)


@checks("deflation")
def test_a_direction_can_be_taken_out_and_solved_apart() -> None:
    matrix, rhs = factor()
    values, vectors = np.linalg.eigh(matrix)
    q, truth = vectors[:, -1:], np.linalg.solve(matrix, rhs)
    deflated = matrix - (values[-1] - values[-2]) * q @ q.T
    along = q @ (q.T @ rhs)
    np.testing.assert_allclose(np.linalg.solve(deflated, rhs - along) + along / values[-1], truth, rtol=1e-9)
    assert np.linalg.cond(deflated) == pytest.approx(np.linalg.cond(matrix) * values[-2] / values[-1])
    only = Conditioning(deflate=1, equilibrate=False, shift=0.0)
    np.testing.assert_allclose(only.apply(matrix, RramCell()).matrix, deflated, atol=1e-12)
    np.testing.assert_allclose(through(only, matrix, rhs), truth, rtol=1e-9)


@checks("equilibration")
def test_equilibration_puts_ones_on_the_diagonal_and_is_undone() -> None:
    matrix, rhs = factor()
    d, truth = np.diag(np.diag(matrix) ** -0.5), np.linalg.solve(matrix, rhs)
    np.testing.assert_allclose(d @ np.linalg.solve(d @ matrix @ d, d @ rhs), truth, rtol=1e-9)
    only = Conditioning(deflate=0, equilibrate=True, shift=0.0)
    np.testing.assert_allclose(only.apply(matrix, RramCell()).matrix, d @ matrix @ d, atol=1e-12)
    np.testing.assert_allclose(np.diag(d @ matrix @ d), 1)
    np.testing.assert_allclose(through(only, matrix, rhs), truth, rtol=1e-9)


@checks("shift")
@pytest.mark.parametrize("levels", [4, 8, 16])
def test_the_shift_is_the_norm_of_rounding_to_the_levels(levels: int) -> None:
    n = 64
    raw = np.random.default_rng(levels).uniform(-1, 1, (n, n))
    matrix = (raw + raw.T) / 2
    np.fill_diagonal(matrix, 1.0)
    cell = RramCell(levels=levels, g_min=0.0)
    lsb = np.abs(matrix).max() / (levels - 1)
    shift = Conditioning(deflate=0, equilibrate=False).apply(matrix, cell).shift
    assert shift == pytest.approx(2 * sqrt(n) * lsb / sqrt(12))
    rounding = encode(matrix, cell).matrix - matrix
    assert np.linalg.norm(rounding, 2) == pytest.approx(shift, rel=0.15)

"""The multiply circuit against products by hand, closed formulas and networks put together node by node."""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cases import LINEAR, TOLERANCES, Array, backend_params, relative_error

from circuits import (
    Converters,
    Hardware,
    InputError,
    LinearCircuit,
    MultiplyCircuit,
    OpAmp,
    Programming,
    RramCell,
    Stimulus,
    Wires,
    encode,
)
from circuits.hardware import SIGNED
from circuits.multiply import decode_product, feedback_conductance
from cosim import Backend, InverseError, Status, open_backend

GOLDEN = Path(__file__).parent / "golden"
IDEAL = Hardware.preset("ideal")
HAND = np.array([[1, -0.5, 0.25], [0, 2, -1]])
"""Rows and columns differ in number, entries in size and sign; the largest row sum is 3."""
HAND_VECTORS = np.array([[1, 0.5], [2, 0], [-4, 2]])
HAND_PRODUCTS = np.array([[1 - 1 - 1, 0.5 + 0.5], [4 + 4, -2]])
POSITIVE = np.array([[2, 1, 0.5], [0.25, 3, 1]])
"""Without negative entries no inverter carries any signal; row sums 3.5 and 4.25."""
BAD_MATRICES = [
    ([[1, np.nan], [0, 1]], r"entry \[0, 1\] is nan"),
    ([[1, 2, -np.inf]], r"entry \[0, 2\] is -inf"),
    ([1, 2], r"\(2,\).*\(n, m\)"),
    (np.zeros((1, 2, 2)), r"\(1, 2, 2\)"),
    (np.zeros((0, 3)), "empty"),
    (np.zeros((3, 0)), "empty"),
    (np.zeros((2, 3)), "zero"),
    ([[1, "x"]], "no real number"),
    (np.array([[1, 1j]]), "no real number"),
    ([[1, 2], [3]], "no real number"),
]
BAD_VECTORS = [
    ([1, 2], r"vector.*\(2,\).*\(3,\)"),
    (np.zeros((2, 3)), r"\(2, 3\)"),
    (np.zeros((3, 0)), r"\(3, 0\)"),
    (np.zeros((3, 1, 1)), r"\(3, 1, 1\)"),
    ([1, np.nan, np.inf], "vector is not finite: 2"),
    (["x", 1, 2], "no real number"),
    (np.array([1j, 1, 2]), "no real number"),
]


@pytest.fixture(scope="module", params=backend_params())
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def backend(name: str) -> Iterator[Backend]:
    with open_backend(name, hardware=IDEAL) as opened:
        yield opened


def numbers(rows: int, columns: int) -> Array:
    return np.random.default_rng([rows, columns]).normal(size=(rows, columns))


def circuit(matrix: Array, hardware: Hardware, g_feedback: float | None = None) -> LinearCircuit:
    netlist = MultiplyCircuit(encode(matrix, hardware.cell), hardware, g_feedback).netlist()
    return LinearCircuit.read(netlist.deck(Stimulus(np.zeros((matrix.shape[1], 1)), period=1.0, rise=0.5)))


def transfer(matrix: Array, hardware: Hardware, g_feedback: float | None = None) -> Array:
    """(n, m) [V/V] settled outputs for 1 V at each input."""
    outputs, inputs = ([f"{end}{i + 1}" for i in range(n)] for end, n in zip(("out", "vin"), matrix.shape, strict=True))
    return circuit(matrix, hardware, g_feedback).transfer(inputs, outputs)


@pytest.mark.parametrize("signed", SIGNED)
def test_volts_by_hand(signed: str) -> None:
    # Minus the matrix over its largest row sum: the second row reaches 3/3 of the inputs, and no row more.
    hardware = replace(IDEAL, signed=signed)
    np.testing.assert_allclose(transfer(HAND, hardware), -HAND / 3, atol=1e-7)
    np.testing.assert_allclose(transfer(-HAND.T, hardware), HAND.T / 2.5, atol=1e-7)


def test_scale_by_hand() -> None:
    conductances = encode(HAND, RramCell(g_min=1e-6, g_max=5e-6))
    assert conductances.unit == pytest.approx(2e-6)
    assert feedback_conductance(conductances) == pytest.approx(6e-6)
    # 0.1 V for 1: an output of -0.2 V is a product of 0.2 / 0.1 * 6e-6 / 2e-6
    assert decode_product(np.array([[-0.2]]), 0.1, 2e-6, 6e-6)[0, 0] == pytest.approx(6)


def test_product_by_hand(backend: Backend) -> None:
    solution = backend.program_multiply(HAND).multiply(HAND_VECTORS)
    assert solution.status is Status.SETTLED
    assert solution.stats.statuses == (Status.SETTLED,) * 2
    np.testing.assert_allclose(solution.value, HAND_PRODUCTS, rtol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1), (5, 9), (9, 5), (8, 8)])
def test_product_of_random_matrices(backend: Backend, name: str, shape: tuple[int, int]) -> None:
    matrix, vectors = numbers(*shape), numbers(shape[1], 7)
    solution = backend.program_multiply(matrix).multiply(vectors)
    assert solution.value.shape == (shape[0], 7)
    assert len(solution.stats.residual) == len(solution.stats.settling_time) == 7
    assert relative_error(solution.value, matrix @ vectors) <= TOLERANCES.get(name, 1e-4)
    assert solution.stats.residual.max() == pytest.approx(relative_error(solution.value, matrix @ vectors), abs=1e-15)


def test_vector_and_one_column_are_the_same_call(backend: Backend) -> None:
    programmed = backend.program_multiply(HAND)
    vector, column = programmed.multiply([1, 2, -4]), programmed.multiply([[1], [2], [-4]])
    assert vector.value.shape == (2,)
    assert column.value.shape == (2, 1)
    np.testing.assert_array_equal(vector.value, column.value[:, 0])


def test_matrices_without_an_inverse_multiply(backend: Backend) -> None:
    for matrix in ([[1.0, 2.0], [2.0, 4.0]], [[0.0, 1.0], [0.0, 0.0]], [[0.0, -1.0], [-1.0, 0.0]]):
        value = backend.program_multiply(matrix).multiply([3.0, -1.0]).value
        np.testing.assert_allclose(value, np.array(matrix) @ [3, -1], rtol=1e-5, atol=1e-5)


def test_zero_vector_and_zero_product(backend: Backend) -> None:
    solution = backend.program_multiply([[1.0, 2.0], [2.0, 4.0]]).multiply([[0.0, 2.0], [0.0, -1.0]])
    assert solution.status is Status.SETTLED
    np.testing.assert_allclose(solution.value, 0, atol=1e-6)
    np.testing.assert_allclose(solution.stats.residual, 0, atol=1e-6)


@pytest.mark.parametrize("factor", [1e-30, -1.0, 1e30])
def test_both_sides_scale_through(backend: Backend, factor: float) -> None:
    scaled = backend.program_multiply(HAND * factor).multiply(HAND_VECTORS * factor).value
    np.testing.assert_allclose(scaled, HAND_PRODUCTS * factor**2, rtol=1e-5)


def test_many_matrices_answer_in_their_order(backend: Backend, name: str) -> None:
    matrices, vectors = [numbers(3, 4), HAND, numbers(2, 1)], [numbers(4, 2), HAND_VECTORS, np.ones(1)]
    programmed = [backend.program_multiply(matrix) for matrix in matrices]
    solutions = backend.multiply_many(list(zip(programmed, vectors, strict=True)))
    for matrix, given, solution in zip(matrices, vectors, solutions, strict=True):
        assert relative_error(solution.value, matrix @ given) <= TOLERANCES.get(name, 1e-4)
    assert backend.multiply_many([]) == []


def test_inputs_are_left_as_they_were(backend: Backend) -> None:
    matrix, vectors = HAND.copy(), HAND_VECTORS.copy()
    programmed = backend.program_multiply(matrix)
    programmed.multiply(vectors)
    matrix[:] = 7
    np.testing.assert_array_equal(vectors, HAND_VECTORS)
    np.testing.assert_array_equal(programmed.matrix, HAND)


@pytest.mark.parametrize(("matrix", "words"), BAD_MATRICES)
def test_bad_matrix_is_refused(backend: Backend, matrix: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        backend.program_multiply(matrix)


@pytest.mark.parametrize(("vectors", "words"), BAD_VECTORS)
def test_bad_vectors_are_refused(backend: Backend, vectors: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        backend.program_multiply(HAND).multiply(vectors)


@pytest.mark.parametrize("name", backend_params("exact"))
def test_finite_gain(name: str) -> None:
    # out = -A0 v(row) and v(row) (S + g_f) = sum G v + g_f out, with r_f S the row sum over the largest one.
    expected = POSITIVE @ HAND_VECTORS
    expected /= 1 + (1 + POSITIVE.sum(axis=1, keepdims=True) / 4.25) / LINEAR.opamp.gain
    with open_backend(name, hardware=LINEAR) as backend:
        value = backend.program_multiply(POSITIVE).multiply(HAND_VECTORS).value
    assert relative_error(value, expected) <= (1e-9 if name == "nodal" else 1e-5)


def test_finite_gain_of_the_compensated_form() -> None:
    # Both inputs see S = sum Gp + g_f: A0 times the difference of (sum Gn v) / S and (sum Gp v + g_f out) / S.
    hardware = replace(LINEAR, signed="compensation")
    seen = np.maximum(HAND, 0).sum(axis=1, keepdims=True) / 3 + 1
    expected = -HAND / 3 / (1 + seen / hardware.opamp.gain)
    np.testing.assert_allclose(transfer(HAND, hardware), expected, rtol=1e-9, atol=1e-12)


def test_offsets() -> None:
    # A row's offset is amplified by 1 + r_f S; an inverter adds twice its own to its output. r_f S as above.
    hardware = replace(IDEAL, opamp=replace(IDEAL.opamp, offset=2e-3), seed=5)
    drawn = np.random.default_rng(5).normal(0, 2e-3, 6)
    rows, inverters = drawn[0::2][:2], drawn[1::2]
    share = POSITIVE / 4.25
    expected = rows * (1 + share.sum(axis=1)) - share @ (2 * inverters)
    np.testing.assert_allclose(circuit(-POSITIVE, hardware).settled(["out1", "out2"]), expected, rtol=1e-6)


def test_balance_on_either_side() -> None:
    # With a twentieth of the feedback the negative row outweighs the other input, and is balanced on that side.
    hardware, matrix = replace(IDEAL, signed="compensation"), np.array([[0.1, -1.0], [1.0, 0.1]])
    conductances = encode(matrix, hardware.cell)
    g_feedback = feedback_conductance(conductances) / 20
    text = MultiplyCircuit(conductances, hardware, g_feedback).netlist().circuit
    assert "Rbal1 row1 0 " in text
    assert "Rbal2 ref2 0 " in text
    np.testing.assert_allclose(transfer(matrix, hardware, g_feedback), -matrix / 1.1 * 20, rtol=1e-6)


def test_both_signed_forms_agree() -> None:
    matrix, vectors = numbers(7, 5), numbers(5, 4)
    programming = Programming(sigma=0.05, stuck_off=0.05)
    values = []
    for signed in SIGNED:
        hardware = replace(IDEAL, signed=signed, programming=programming, cell=RramCell(levels=16))
        with open_backend("nodal", hardware=hardware) as backend:
            values.append(backend.program_multiply(matrix).multiply(vectors).value)
    assert relative_error(values[0], values[1]) < 1e-7
    assert relative_error(values[0], matrix @ vectors) > 1e-3


@pytest.mark.parametrize("signed", SIGNED)
def test_poles(signed: str) -> None:
    # A row: w_u / (1 + r_f S), with r_f S the row sum over the largest; an inverter: w_u / 2; gain adds w_u / A0.
    hardware = replace(LINEAR, signed=signed)
    poles = list(1 / (1 + POSITIVE.sum(axis=1) / 4.25)) + [1 / 2] * (3 if signed == "inverters" else 0)
    w_u = 2 * np.pi * hardware.opamp.gbw
    expected = np.sort(w_u * (np.array(poles) + 1 / hardware.opamp.gain))
    found = circuit(POSITIVE, hardware).eigenvalues
    np.testing.assert_allclose(np.sort(-found.real), expected, rtol=1e-6)
    np.testing.assert_allclose(found.imag, 0, atol=1e-6 * w_u)


def port_laplacian(cells: Array, wires: Wires) -> Array:
    """(n + m, n + m) [S] of an array's ports, rows first: every node of every line, the inner ones eliminated."""
    (n, m), size = cells.shape, sum(cells.shape) + 2 * cells.size
    laplacian = np.zeros((size, size))

    def join(a: int, b: int, siemens: float) -> None:
        laplacian[[a, b, a, b], [a, b, b, a]] += [siemens, siemens, -siemens, -siemens]

    row_line = n + m + np.arange(n * m).reshape(n, m)
    column_line = row_line + n * m
    for i, j in np.ndindex(n, m):
        join(row_line[i, j], column_line[i, j], cells[i, j])
        join(row_line[i, j - 1] if j else i, row_line[i, j], 1 / wires.r_row)
        join(column_line[i - 1, j] if i else n + j, column_line[i, j], 1 / wires.r_col)
    outer, inner = slice(0, n + m), slice(n + m, None)
    through = np.linalg.solve(laplacian[inner, inner], laplacian[inner, outer])
    return laplacian[outer, outer] - laplacian[outer, inner] @ through


def wired_transfer(matrix: Array, hardware: Hardware) -> Array:
    """(n, m) [V/V] what ideal op-amps make of both arrays: rows at 0 V, or at the voltage of the other input."""
    conductances, n = encode(matrix, hardware.cell), len(matrix)
    g_feedback = feedback_conductance(conductances)
    p, q = (port_laplacian(cells, hardware.wires) for cells in (conductances.positive, conductances.negative))
    if hardware.signed == "inverters":
        return (p - q)[:n, n:] / g_feedback
    excess = (q - p)[:n, n:].sum(axis=1) + g_feedback
    common = np.linalg.solve(q[:n, :n] + np.diag(np.maximum(excess, 0)), -q[:n, n:])
    entering = p[:n, n:] + (p[:n, :n] + np.diag(np.maximum(-excess, 0))) @ common
    return common + entering / g_feedback


@pytest.mark.parametrize(
    ("signed", "reduce"), [("inverters", "always"), ("inverters", "never"), ("compensation", "always")]
)
def test_wires(signed: str, reduce: str) -> None:
    matrix = numbers(4, 6)
    wires = Wires(r_row=100.0, r_col=200.0, reduce=reduce)
    hardware = replace(IDEAL, cell=RramCell(), wires=wires, signed=signed)
    expected = wired_transfer(matrix, hardware)
    np.testing.assert_allclose(transfer(matrix, hardware), expected, atol=1e-7)
    assert relative_error(expected, -matrix / np.abs(matrix).sum(axis=1).max()) > 1e-2


@pytest.mark.parametrize("name", backend_params("exact"))
def test_four_bit_converters(name: str) -> None:
    # 4 is 0.2 V, seven steps of the DAC: inputs of 1.75, 3.85 and -7 steps become 2, 4 and -7; the outputs, minus
    # a third of -1.75 and 15 steps, are read as 1 and -5; a step is 3 * 4/7 in the product.
    hardware = replace(IDEAL, converters=Converters(dac_bits=4, adc_bits=4))
    with open_backend(name, hardware=hardware) as backend:
        value = backend.program_multiply(HAND).multiply([1, 2.2, -4]).value
    np.testing.assert_allclose(value, np.array([-1, 5]) * 12 / 7, rtol=1e-9)


def test_row_below_half_a_step_is_a_row_of_zeros() -> None:
    with open_backend("nodal", hardware=replace(IDEAL, cell=RramCell(g_min=0.0, levels=8))) as backend:
        value = backend.program_multiply([[1, 0.5], [0.01, -0.02]]).multiply([1, 1]).value
    np.testing.assert_allclose(value, [1 + 4 / 7, 0], atol=1e-6)  # 0.5 is 3.5 of 7 steps, and even wins


@pytest.mark.parametrize("name", backend_params("exact"))
def test_errors_of_writing_and_reading(name: str) -> None:
    programming = Programming(sigma=0.05, stuck_on=0.1, read_noise=0.02)
    hardware = replace(IDEAL, cell=RramCell(), programming=programming, seed=3)
    matrix, vectors = numbers(4, 6), numbers(6, 3)

    def products(hardware: Hardware) -> list[Array]:
        with open_backend(name, hardware=hardware) as backend:
            programmed = [backend.program_multiply(matrix) for _ in range(2)]
            return [p.multiply(vectors).value for p in (programmed[0], programmed[0], programmed[1])]

    first, again, rewritten = products(hardware)
    for call, value in ((0, first), (3, again)):
        written = encode(matrix, hardware.cell).written(hardware, 0)
        met = [written.read(hardware, call + j).matrix @ vectors[:, j] for j in range(3)]
        assert relative_error(value, np.column_stack(met)) < 1e-5
    np.testing.assert_array_equal([first, again, rewritten], products(hardware))
    assert min(relative_error(first, other) for other in (again, rewritten, matrix @ vectors)) > 1e-3
    assert relative_error(first, products(replace(hardware, seed=4))[0]) > 1e-3


def test_cells_that_are_all_stuck_leave_nothing() -> None:
    hardware = replace(IDEAL, programming=Programming(stuck_on=1.0))
    with open_backend("nodal", hardware=hardware) as backend:
        np.testing.assert_allclose(backend.program_multiply(HAND).multiply(HAND_VECTORS).value, 0, atol=1e-6)


def test_an_input_range_for_outputs_that_errors_enlarge() -> None:
    # A feedback for what was to be written lets some output of a faulty array grow beyond the largest input.
    hardware = replace(IDEAL, programming=Programming(stuck_on=0.5), converters=Converters(adc_bits=24))
    gains = []
    with open_backend("nodal", hardware=hardware) as backend:
        for _ in range(4):
            programmed = backend.program_multiply(numbers(1, 12))
            gains.append(np.abs(programmed.array.reading.gain).sum())
            vector = -np.sign(programmed.array.reading.gain[0])
            expected = programmed.array.conductances.matrix @ vector
            np.testing.assert_allclose(programmed.multiply(vector).value, expected, rtol=1e-5)
    assert max(gains) > 1.1


@pytest.mark.ngspice
@pytest.mark.parametrize("signed", SIGNED)
@pytest.mark.parametrize("preset", ["ideal", "rram40"])
def test_both_engines_agree(preset: str, signed: str) -> None:
    hardware, matrix = replace(Hardware.preset(preset), signed=signed), numbers(12, 7)
    solutions = {}
    for name in ("nodal", "spice"):
        with open_backend(name, hardware=hardware) as backend:
            solutions[name] = backend.program_multiply(matrix).multiply(numbers(7, 5))
    nodal, spice = solutions["nodal"], solutions["spice"]
    assert relative_error(spice.value, nodal.value) < 1e-5
    np.testing.assert_allclose(spice.stats.settling_time, nodal.stats.settling_time, rtol=0.35)
    assert spice.stats.digest
    assert spice.stats.time_points > 0


@pytest.mark.ngspice
def test_pieces_of_a_batch_come_back_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cosim.spice.CHUNK", 1)  # at least eight columns all the same
    vectors = numbers(3, 20)
    with open_backend("spice", hardware=IDEAL, workers=1) as backend:
        value = backend.program_multiply(HAND).multiply(vectors).value
    assert relative_error(value, HAND @ vectors) < 1e-4


@pytest.mark.ngspice
def test_railed_output_gives_no_number() -> None:
    # An output of 0.2 V, and of 3 mV after every smaller trial, from amplifiers that end at 1 mV.
    hardware = replace(Hardware(), opamp=OpAmp(swing=1e-3))
    with open_backend("spice", hardware=hardware, workers=1) as backend:
        programmed = backend.program_multiply([[1.0, 0.0]])
        solution = programmed.multiply([[0.0, 1.0], [0.0, 0.0]], throw=False)
        assert solution.stats.statuses == (Status.SETTLED, Status.RAILED)
        assert solution.value[0, 0] == pytest.approx(0, abs=1e-3)
        assert np.isnan(solution.value[0, 1])
        with pytest.raises(InverseError, match="RAILED"):
            programmed.multiply([1.0, 0.0])


def golden_deck(hardware: Hardware) -> str:
    netlist = MultiplyCircuit(encode(HAND, hardware.cell), hardware).netlist()
    return netlist.deck(Stimulus(0.05 * HAND_VECTORS, period=50e-9, rise=4e-9))


def test_golden_netlist(request: pytest.FixtureRequest) -> None:
    path, text = GOLDEN / "multiply_2x3.cir", golden_deck(Hardware())
    if request.config.getoption("update_golden"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8").splitlines() == text.splitlines()


def golden_volts() -> list[dict[str, str]]:
    """A row for every output and vector; without any error the outputs were minus a third of the product."""
    rows = []
    for signed in SIGNED:
        linear = LinearCircuit.read(golden_deck(replace(Hardware().linear(), signed=signed)))
        volts = linear.transfer(["vin1", "vin2", "vin3"], ["out1", "out2"]) @ HAND_VECTORS * 0.05
        for (k, i), volt in np.ndenumerate(volts.T):
            row = (signed, k + 1, i + 1, f"{volt:.9f}", f"{-0.05 * HAND_PRODUCTS[i, k] / 3:.9f}")
            rows.append(dict(zip(("signed", "vector", "output", "volts", "ideal"), map(str, row), strict=True)))
    return rows


def test_golden_volts(request: pytest.FixtureRequest) -> None:
    path, rows = GOLDEN / "multiply_2x3.csv", golden_volts()
    if request.config.getoption("update_golden"):
        text = io.StringIO()
        writer = csv.DictWriter(text, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        path.write_text(text.getvalue(), encoding="utf-8")
    with path.open(encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    assert [list(row.values())[:3] for row in written] == [list(row.values())[:3] for row in rows]
    for now, then in zip(rows, written, strict=True):
        assert float(now["volts"]) == pytest.approx(float(then["volts"]), abs=2e-9)
        assert float(then["volts"]) == pytest.approx(float(then["ideal"]), abs=1e-3)

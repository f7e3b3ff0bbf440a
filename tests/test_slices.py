"""Bit slicing and HP-MVM against integers sliced by hand and products in whole numbers."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from cases import Array, backend_params, random_spd, relative_error
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from circuits import Converters, Hardware, InputError, OpAmp, Programming, RramCell, Wires
from cosim import Backend, Status, open_backend
from cosim.hp_mvm import SlicedMatrix, multiply_sliced
from cosim.precision import Precision
from cosim.readout import Readout
from cosim.slices import Slices, planes, slices_for, whole

CHIP = Precision(converters=4).multiplying(Hardware(programming=Programming(sigma=0.02)))
"""3-bit cells of 2 % write error between 4-bit converters: a column and a bit at a time."""
OPEN = Precision(converters=0).multiplying(Hardware())
"""The same cells without error between ideal converters: whole arrays and several bits at a time."""
ENTRIES = st.floats(-1e6, 1e6, allow_subnormal=False)


@pytest.fixture(scope="module", params=[p for p in backend_params() if p.values[0] in ("exact", "nodal", "spice")])
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def multiplier(name: str) -> Iterator[Backend]:
    with open_backend(name, hardware=CHIP) as opened:
        yield opened


def numbers(rows: int, columns: int) -> Array:
    return np.random.default_rng([rows, columns]).normal(size=(rows, columns))


def sliced_on(backend: Backend, matrix: Array, count: int, hardware: Hardware = CHIP) -> SlicedMatrix:
    sliced = SlicedMatrix(Slices.of(matrix, 3, count), Readout.choose(hardware, 3, 8, matrix.shape))
    sliced.program(backend)
    return sliced


def test_slices_by_hand() -> None:
    # 0.3 is 153.6 of 512 and the others whole: 154 = 0o232, 511 = 0o777, -64 = -0o100; every slice has its sign.
    slices = Slices.of(np.array([[0.3, -0.125], [511 / 512, 0.0]]), 3, 3)
    np.testing.assert_array_equal(slices.integers, [[0o232, -0o100], [0o777, 0]])
    for i, digits in enumerate([[[2, -1], [7, 0]], [[3, 0], [7, 0]], [[2, 0], [7, 0]]], start=1):
        np.testing.assert_array_equal(slices.slice(i), digits)
    np.testing.assert_array_equal(slices.matrix, np.array([[154, -64], [511, 0]]) / 512)


@settings(max_examples=60, deadline=None)
@given(arrays(float, (3, 4), elements=ENTRIES), st.integers(1, 6), st.integers(1, 8))
def test_slices_add_up_to_the_rounded_matrix(matrix: Array, bits: int, count: int) -> None:
    slices = Slices.of(matrix, bits, count)
    added = sum(2.0 ** (bits * (count - i)) * slices.slice(i) for i in range(1, count + 1))
    np.testing.assert_array_equal(added, slices.integers)
    assert all(np.abs(slices.slice(i)).max() < 2**bits for i in range(1, count + 1))
    largest = np.abs(matrix).max()
    # Half a unit, and a whole one for what lies above the last integer; a unit is at most 2^(1 - bits) of the largest.
    assert np.abs(slices.matrix - matrix).max() <= 2.0 ** (1 - bits * count) * largest
    again = Slices.of(slices.matrix, bits, count)
    np.testing.assert_array_equal(again.matrix, slices.matrix)


@settings(max_examples=40, deadline=None)
@given(arrays(float, (4, 3), elements=ENTRIES), st.integers(2, 20), st.integers(1, 4))
def test_planes_add_up_to_the_vectors(vectors: Array, bits: int, piece: int) -> None:
    integers, unit = whole(vectors, bits, by_column=True)
    assert (np.abs(integers * unit - vectors) <= unit).all()
    parts = list(planes(integers, piece))
    assert all(np.abs(part).max() < 2**piece for _, part in parts)
    assert all(later == earlier * 2**piece or later > earlier for (earlier, _), (later, _) in pairwise(parts))
    np.testing.assert_array_equal(sum((weight * part for weight, part in parts), np.zeros((4, 3))), integers)


def test_powers_of_two_even_out_a_diagonal() -> None:
    scale = np.exp2([0, 9, -9, 4])
    matrix = random_spd(4, 3, seed=2).matrix * np.outer(scale, scale)
    slices = Slices.of(matrix, 3, 5)
    assert set(np.frexp(slices.rows)[0]) == {0.5}
    error = (slices.matrix - matrix) / np.outer(scale, scale)
    assert np.abs(error).max() < 2.0**-13


@pytest.mark.parametrize("tolerance", [1e-2, 1e-6, 1e-11])
def test_fewest_slices_for_a_residual(tolerance: float) -> None:
    matrix = random_spd(12, condition=300, seed=3).matrix
    slices = slices_for(matrix, 3, tolerance)
    inverse = np.linalg.inv(matrix)
    sizes = [np.linalg.norm((Slices.of(matrix, 3, slices.count - k).matrix - matrix) @ inverse) for k in (0, 1)]
    assert sizes[0] <= tolerance < sizes[1]
    # The solution of the sliced matrix has that residual at the most.
    rhs = numbers(12, 5)
    left = matrix @ np.linalg.solve(slices.matrix, rhs) - rhs
    assert np.linalg.norm(left) <= 1.1 * tolerance * np.linalg.norm(rhs)


def test_more_than_float64_holds_is_refused() -> None:
    with pytest.raises(InputError, match=r"17 slices of 3 bits leave .* choose a tolerance .* times as large"):
        slices_for(random_spd(8, condition=1e6, seed=3).matrix, 3, 1e-12)


@pytest.mark.parametrize("shape", [(1, 1), (4, 6), (6, 4)])
def test_product_on_arrays_is_that_of_the_sliced_matrix(multiplier: Backend, shape: tuple[int, int]) -> None:
    matrix, vectors = numbers(*shape), numbers(shape[1], 2)
    sliced = sliced_on(multiplier, matrix, 3)
    product = multiply_sliced(multiplier, [(sliced, vectors)], bits=5)[0]
    expected = sliced.slices.matrix @ sliced.slices.rounded(vectors, 5)
    np.testing.assert_allclose(product.value, expected, rtol=0, atol=1e-13 * np.abs(expected).max())
    assert product.statuses == (Status.SETTLED,) * 2
    assert relative_error(product.value, matrix @ vectors) < 0.2
    digital = multiply_sliced(None, [(sliced, vectors)], bits=5)[0]
    np.testing.assert_allclose(digital.value, product.value, rtol=0, atol=1e-13 * np.abs(expected).max())
    assert digital.drives == product.drives > 0


@settings(max_examples=15, deadline=None)
@given(arrays(float, (3, 2), elements=ENTRIES), arrays(float, (2, 2), elements=ENTRIES), st.integers(0, 2**31))
def test_whole_numbers_come_back_exactly(matrix: Array, vectors: Array, seed: int) -> None:
    for hardware in (CHIP, OPEN):
        with open_backend("nodal", hardware=replace(hardware, seed=seed)) as backend:
            sliced = sliced_on(backend, matrix, 2, hardware)
            value = multiply_sliced(backend, [(sliced, vectors)], bits=4)[0].value
        integers, unit = sliced.slices.enter(vectors, 4)
        np.testing.assert_array_equal(
            value, sliced.slices.leave((sliced.slices.integers @ integers).astype(float), unit)
        )


def test_many_products_come_back_in_their_order() -> None:
    with open_backend("nodal", hardware=OPEN) as backend:
        sliced = [sliced_on(backend, numbers(n, n), 4, OPEN) for n in (3, 1, 5)]
        requests = [(one, numbers(n, 2)) for one, n in zip(sliced, (3, 1, 5), strict=True)]
        products = multiply_sliced(backend, requests)
    for (one, vectors), product in zip(requests, products, strict=True):
        assert relative_error(product.value, one.slices.matrix @ vectors) < 0.02


def test_a_zero_vector_drives_nothing() -> None:
    with open_backend("nodal", hardware=CHIP) as backend:
        sliced = sliced_on(backend, numbers(3, 3), 2)
        product = multiply_sliced(backend, [(sliced, np.zeros((3, 1)))])[0]
    assert not product.value.any()
    assert product.drives == 0


def test_rows_and_columns_beyond_an_array_are_cut() -> None:
    # 63 rows beside the one that sets the range; 70 x 66 entries are two by two parts where columns go together.
    matrix, vectors = numbers(70, 66), numbers(66, 1)
    readout = Readout.choose(OPEN, 3, 8, matrix.shape)
    assert readout.rows == 63
    sliced = SlicedMatrix(Slices.of(matrix, 3, 2), readout)
    assert sliced.size == 2 * 2 * -(-66 // readout.columns)
    assert sliced.cells == 2 * 2 * 70 * 66
    with open_backend("nodal", hardware=OPEN) as backend:
        sliced.program(backend)
        value = multiply_sliced(backend, [(sliced, vectors)])[0].value
    np.testing.assert_allclose(value, multiply_sliced(None, [(sliced, vectors)])[0].value, rtol=1e-12)


def test_parts_of_zeros_have_no_array_and_cost_no_drive() -> None:
    matrix = np.diag([1.0, 0.5, 7 / 8])
    sliced = SlicedMatrix(Slices.of(matrix, 3, 1), Readout(digit=7, columns=1, bits=1, rows=2))
    assert sliced.slices.count * 3 == sliced.size == 3
    assert sliced.cells == 2 * (2 + 2 + 1)
    # 3 = 0b11 takes two drives of the first column, -1 one of the second, 0 none of the third.
    assert sliced.drives(np.array([[3], [-1], [0]])) == 3


def test_four_bit_converters_leave_a_column_and_a_bit_at_a_time() -> None:
    readout = Readout.choose(CHIP, 3, 8, (20, 20))
    assert (readout.columns, readout.bits, readout.rows) == (1, 1, 20)
    assert readout.steps(20, 8) == 160
    # Without write errors more bits of the converters read more columns, and ideal ones more bits of the vector.
    at_once = [
        Readout.choose(replace(OPEN, converters=Converters(b, b)), 3, 8, (20, 20)).steps(20, 8) for b in (4, 6, 8)
    ]
    assert at_once[0] > at_once[1] > at_once[2] > Readout.choose(OPEN, 3, 8, (20, 20)).steps(20, 8)


@pytest.mark.parametrize("bits", [0, 4, 5, 6, 7, 8, 12])
def test_no_reading_of_any_converters_is_wrong(bits: int) -> None:
    hardware = Precision(converters=bits).multiplying(Hardware(programming=Programming(sigma=0.01), seed=bits))
    matrix, vectors = numbers(9, 9), numbers(9, 3)
    with open_backend("nodal", hardware=hardware) as backend:
        sliced = sliced_on(backend, matrix, 3, hardware)
        value = multiply_sliced(backend, [(sliced, vectors)])[0].value
    np.testing.assert_allclose(value, multiply_sliced(None, [(sliced, vectors)])[0].value, rtol=1e-12)


def test_wires_cut_the_rows_that_are_read() -> None:
    hardware = replace(CHIP, wires=Wires(r_row=1.73, r_col=1.73))
    readout = Readout.choose(hardware, 3, 8, (64, 64))
    assert 1.73 * 35e-6 * readout.rows**2 / 2 <= 0.01 < 1.73 * 35e-6 * (readout.rows + 1) ** 2 / 2
    matrix, vectors = numbers(30, 3), numbers(3, 1)
    with open_backend("nodal", hardware=hardware) as backend:
        sliced = sliced_on(backend, matrix, 2, hardware)
        value = multiply_sliced(backend, [(sliced, vectors)])[0].value
    np.testing.assert_allclose(value, multiply_sliced(None, [(sliced, vectors)])[0].value, rtol=1e-12)


@pytest.mark.parametrize(
    ("hardware", "words"),
    [
        (replace(CHIP, converters=Converters(adc_bits=3)), "converters of more bits"),
        (replace(CHIP, programming=Programming(sigma=0.02)), "from write errors.*smaller Precision.window"),
        (replace(CHIP, programming=Programming(variation=0.05)), "from variation and noise.*less variation"),
        (replace(CHIP, programming=Programming(spread="neurram-1s")), "from variation and noise"),
        (replace(CHIP, opamp=OpAmp(gain=20.0)), "from finite gain.*larger gain"),
        (replace(CHIP, cell=RramCell(levels=8, access="resistor", r_on=5e3)), "curve.*access transistors of less"),
        (replace(CHIP, cell=RramCell(levels=8, v_sinh=0.2)), "curve.*smaller Hardware.v_max"),
        (replace(CHIP, wires=Wires(r_row=5e4)), "from wires.*less resistance"),
        (replace(CHIP, cell=RramCell(levels=8), opamp=OpAmp(offset=5e-3)), "from variation and noise.*offset"),
    ],
)
def test_what_rounding_cannot_put_right_is_refused(hardware: Hardware, words: str) -> None:
    with pytest.raises(InputError, match=f"steps off, .*{words}.*, or take slices of fewer bits"):
        Readout.choose(hardware, 3, 8, (4, 4))


def test_a_stuck_cell_is_seen_in_the_product() -> None:
    hardware = replace(CHIP, programming=replace(CHIP.programming, stuck_on=0.2))
    with open_backend("nodal", hardware=hardware) as backend:
        sliced = sliced_on(backend, numbers(5, 5), 2)
        product = multiply_sliced(backend, [(sliced, numbers(5, 1))])[0]
    assert relative_error(product.value, multiply_sliced(None, [(sliced, numbers(5, 1))])[0].value) > 0.01

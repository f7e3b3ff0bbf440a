"""What is done to a matrix before it is programmed is undone around every solve, and makes it easier to solve."""

from dataclasses import fields

import numpy as np
import pytest
from cases import Array, random_asymmetric, random_spd, relative_error

from circuits import Conditioning, InputError, RramCell

CONTINUOUS, EIGHT = RramCell(), RramCell(levels=8)
MEASURED = {
    "step000/fc/A": (635, 5),
    "step150/fc/A": (536, 30),
    "step150/conv2/A": (224, 75),
    "step000/conv1/A": (120, 42),
}
"""Condition numbers with relative damping 0.1: as it is, and with one direction taken out."""


def correlated(n: int, seed: int = 0) -> Array:
    """Like a factor of activations: all of one sign, so that the mean is one large direction."""
    samples = np.abs(np.random.default_rng(seed).normal(size=(4 * n, n))) * np.geomspace(0.1, 3, n)
    return samples.T @ samples / len(samples) + 0.1 * np.eye(n)


def rotated(values: list[float]) -> Array:
    q = np.linalg.qr(np.random.default_rng(3).normal(size=(len(values), len(values))))[0]
    return (q * values) @ q.T


def damped(factor: Array) -> Array:
    return factor + 0.1 * np.diag(factor).mean() * np.eye(len(factor))


DEFINITE = {
    "one": np.array([[4.0]]),
    "two": np.array([[2.0, -1.0], [-1.0, 3.0]]),
    "three": correlated(3),
    "four": correlated(4, seed=1),
    "spd": random_spd(12, condition=1e4, seed=1).matrix,
    "correlated": correlated(26),
    "identity": np.eye(6),
    "largest twice": rotated([5, 5, 1, 0.3, 0.2, 0.1]),
    "largest five times": rotated([5, 5, 5, 5, 5, 1]),
    "tiny": 1e-12 * correlated(5),
}
OTHERS = {
    "indefinite": rotated([3, 2, 1, -1]),
    "asymmetric": random_asymmetric(8, seed=4).matrix,
    "barely asymmetric": correlated(5) + 1e-6 * np.triu(np.ones((5, 5)), 1),
}


def solve(conditioning: Conditioning, matrix: Array, rhs: Array) -> Array:
    """A solve by way of the conditioned matrix, inverted exactly."""
    conditioned = conditioning.apply(matrix, CONTINUOUS)
    return conditioned.leave(np.linalg.solve(conditioned.matrix, conditioned.enter(rhs)), rhs)


@pytest.mark.parametrize("rank", range(5))
@pytest.mark.parametrize("equilibrate", [True, False])
@pytest.mark.parametrize("matrix", [*DEFINITE.values(), *OTHERS.values()], ids=[*DEFINITE, *OTHERS])
def test_the_original_system_is_solved_exactly(matrix: Array, equilibrate: bool, rank: int) -> None:
    rhs = np.random.default_rng(rank).normal(size=(len(matrix), 3))
    value = solve(Conditioning(rank, equilibrate, shift=0.0), matrix, rhs)
    assert relative_error(value, np.linalg.solve(matrix, rhs)) < 1e-14 * max(100, 10 * np.linalg.cond(matrix))


@pytest.mark.parametrize("rank", range(1, 5))
@pytest.mark.parametrize("matrix", DEFINITE.values(), ids=DEFINITE)
def test_the_largest_directions_are_taken_out(matrix: Array, rank: int) -> None:
    conditioned = Conditioning(rank, equilibrate=False, shift=0.0).apply(matrix, CONTINUOUS)
    values = np.sort(np.linalg.eigvalsh(matrix))[::-1]
    if len(matrix) <= rank:  # no direction would be left to the circuit
        assert conditioned.directions.shape == (len(matrix), 0)
        np.testing.assert_array_equal(conditioned.matrix, matrix)
        return
    np.testing.assert_allclose(conditioned.eigenvalues, values[:rank], rtol=1e-10)
    v = conditioned.directions
    np.testing.assert_allclose(v.T @ v, np.eye(rank), atol=1e-12)
    np.testing.assert_allclose(matrix @ v, v * values[:rank], atol=1e-10 * values[0])
    left = np.sort(np.append(values[rank:], [values[rank]] * rank))
    np.testing.assert_allclose(np.linalg.eigvalsh(conditioned.matrix), left, rtol=1e-9, atol=1e-12 * values[0])
    # What enters the circuit and what it adds to the answer has no part in the directions.
    anything = np.random.default_rng(0).normal(size=(len(matrix), 2))
    assert np.abs(v.T @ conditioned.enter(anything)).max() < 1e-12
    assert np.abs(v.T @ conditioned.leave(anything, np.zeros_like(anything))).max() < 1e-12


@pytest.mark.parametrize("matrix", OTHERS.values(), ids=OTHERS)
def test_a_matrix_that_is_not_symmetric_definite_keeps_all_directions(matrix: Array) -> None:
    conditioned = Conditioning(deflate=2, equilibrate=False).apply(matrix, CONTINUOUS)
    assert conditioned.directions.shape[1] == len(conditioned.eigenvalues) == 0
    np.testing.assert_array_equal(conditioned.matrix, matrix)


def test_deflation_by_hand() -> None:
    # [[2, 1], [1, 2]] is 3 along (1, 1) and 1 along (1, -1): with 1 in place of 3 it is the identity.
    conditioned = Conditioning().apply(np.array([[2.0, 1.0], [1.0, 2.0]]), CONTINUOUS)
    np.testing.assert_allclose(conditioned.matrix, np.eye(2), atol=1e-14)
    rhs = np.array([[5.0], [1.0]])
    np.testing.assert_allclose(conditioned.enter(rhs), [[2], [-2]], atol=1e-14)
    # (3, 3) / 3 digitally, and (2, -2) from the circuit.
    np.testing.assert_allclose(conditioned.leave(np.array([[2.0], [-2.0]]), rhs), [[3], [-1]], atol=1e-14)


def conditions(matrix: Array, equilibrate: bool, cell: RramCell) -> list[float]:
    """Condition numbers of what is programmed, with 0, 1 and 4 directions taken out."""
    shift = None if cell.levels else 0.0
    applied = [Conditioning(rank, equilibrate, shift).apply(matrix, cell) for rank in (0, 1, 4)]
    return [float(np.linalg.cond(conditioned.matrix)) for conditioned in applied]


@pytest.mark.parametrize("name", MEASURED)
def test_condition_of_real_factors_falls_as_measured(shared_factors: dict[str, Array], name: str) -> None:
    matrix = damped(shared_factors[name])
    none, one, four = conditions(matrix, equilibrate=False, cell=CONTINUOUS)
    assert (round(none), round(one)) == MEASURED[name]
    assert four < one


@pytest.mark.parametrize("cell", [CONTINUOUS, EIGHT], ids=["continuous", "shifted"])
def test_condition_of_every_real_factor_falls(shared_factors: dict[str, Array], cell: RramCell) -> None:
    for name, factor in shared_factors.items():
        none, one, four = conditions(damped(factor), equilibrate=True, cell=cell)
        assert four <= 1.01 * one <= 1.03 * none, name
        if name.endswith("/A"):
            assert four < one < 0.8 * none, name
            assert four <= 90, name


@pytest.mark.parametrize("levels", [2, 8, 16])
@pytest.mark.parametrize("matrix", [DEFINITE["correlated"], OTHERS["asymmetric"]], ids=["spd", "asymmetric"])
def test_shift_matches_the_steps(matrix: Array, levels: int) -> None:
    with_levels = Conditioning().apply(matrix, RramCell(levels=levels)).matrix
    without = Conditioning().apply(matrix, CONTINUOUS).matrix
    np.testing.assert_array_equal(without, Conditioning(shift=0.0).apply(matrix, CONTINUOUS).matrix)
    step = np.abs(without).max() / (levels - 1)
    expected = 2 * np.sqrt(len(matrix) / 12) * step * np.eye(len(matrix))
    np.testing.assert_allclose(with_levels - without, expected, atol=1e-14)


@pytest.mark.parametrize("cell", [CONTINUOUS, EIGHT])
def test_a_shift_of_the_caller_is_taken_as_it_is(cell: RramCell) -> None:
    shifted = Conditioning(deflate=0, equilibrate=False, shift=0.25).apply(np.array([[2.0, -8.0], [0.0, 2.0]]), cell)
    np.testing.assert_allclose(shifted.matrix, [[4, -8], [0, 4]])


def test_each_step_can_be_switched_off_alone() -> None:
    matrix, cell = correlated(6), EIGHT
    everything = Conditioning().apply(matrix, cell)
    no_deflation = Conditioning(deflate=0).apply(matrix, cell)
    assert everything.directions.shape == (6, 1)
    assert no_deflation.directions.shape == (6, 0)
    scaled = matrix / np.sqrt(np.outer(np.diag(matrix), np.diag(matrix)))
    shift = 2 * np.sqrt(6 / 12) / 7
    np.testing.assert_allclose(no_deflation.matrix, scaled + shift * np.eye(6), rtol=1e-12)
    unscaled = Conditioning(equilibrate=False).apply(matrix, cell)
    np.testing.assert_array_equal(unscaled.scale, np.ones(6))
    assert unscaled.directions.shape == (6, 1)
    assert np.trace(unscaled.matrix) > np.trace(Conditioning(equilibrate=False, shift=0.0).apply(matrix, cell).matrix)
    unshifted = Conditioning(shift=0.0).apply(matrix, cell)
    np.testing.assert_allclose(np.diag(unshifted.matrix), 1, rtol=1e-12)
    np.testing.assert_allclose(everything.matrix - unshifted.matrix, shift * np.eye(6), atol=1e-12)
    assert {field.name for field in fields(Conditioning)} == {"deflate", "equilibrate", "shift"}


@pytest.mark.parametrize("matrix", [*DEFINITE.values(), *OTHERS.values()], ids=[*DEFINITE, *OTHERS])
def test_off_programs_the_matrix_itself(matrix: Array) -> None:
    conditioned, rhs = Conditioning.off().apply(matrix, EIGHT), np.ones((len(matrix), 2))
    np.testing.assert_array_equal(conditioned.matrix, matrix)
    np.testing.assert_array_equal(conditioned.enter(rhs), rhs)
    np.testing.assert_array_equal(conditioned.leave(2 * rhs, rhs), 2 * rhs)


@pytest.mark.parametrize(("name", "value"), [("deflate", -1), ("deflate", 5), ("deflate", 1.0), ("shift", -0.1)])
def test_values_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(InputError, match=rf"Conditioning\.{name} = {value}"):
        Conditioning(**{name: value})

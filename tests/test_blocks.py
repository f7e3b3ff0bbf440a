"""BlockAMC and block-diagonal solves against plain linear algebra, operation by operation."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import Array, random_asymmetric, random_spd, relative_error
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from sklearn.datasets import load_digits

from circuits import Conditioning, Converters, Hardware, InputError, Programming
from cosim import Backend, InverseError, Programmed, Solution, Status, open_backend
from cosim.block_diagonal import BlockDiagonalBackend, block_diagonal
from cosim.block_table import OPERATIONS, block_table, draw_blocks, feature_factors
from cosim.blocks import BlockBackend, coupling_noise
from cosim.elimination import half, split
from cosim.exact import ExactBackend
from cosim.nodal import NodalBackend
from cosim.stability import COARSE
from cosim.table_files import write_table
from cosim.trial import damped_factors

IDEAL = Hardware.preset("ideal")
NOISY = replace(
    COARSE,
    programming=Programming(sigma=0.02, read_noise=0.01),
    converters=Converters(dac_bits=6, adc_bits=6, dac_noise=1e-3, adc_noise=1e-3),
)
HAND = np.array([[2.0, 1.0, 0.5, -1.0], [0.0, 1.0, 3.0, 1.0], [1.0, -2.0, 4.0, 0.0], [0.5, 1.0, -1.0, 5.0]])
"""Not symmetric, and no two of its blocks are alike."""


class Recorder(ExactBackend):
    """Exact arrays that note every call; a right-hand side with an entry above 1e3 rails."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, list[Array]]] = []
        self.programs = 0

    def program_many(self, matrices: Sequence[ArrayLike]) -> list[Programmed]:
        self.programs += 1
        self.writes += len(matrices)
        return super().program_many(matrices)

    def _program_multiply(self, matrix: Array) -> Any:
        self.writes += 1
        return super()._program_multiply(matrix)

    def _solve(self, requests: list[tuple[Any, Array]]) -> list[Solution]:
        self.calls.append(("inv", [p.matrix for p, _ in requests]))
        return [_railed(s, rhs) for s, (_, rhs) in zip(super()._solve(requests), requests, strict=True)]

    def _multiply(self, requests: list[tuple[Any, Array]]) -> list[Solution]:
        self.calls.append(("mvm", [p.matrix for p, _ in requests]))
        return super()._multiply(requests)


def _railed(solution: Solution, rhs: Array) -> Solution:
    railed = np.abs(rhs).max(axis=0) > 1e3
    statuses = tuple(Status.RAILED if bad else Status.SETTLED for bad in railed)
    stats = replace(solution.stats, statuses=statuses, message="Hit the rail." if railed.any() else "")
    return Solution(np.where(railed, np.nan, solution.value), max(statuses, key=lambda s: s.severity), stats)


def sides(n: int, k: int = 3) -> Array:
    return np.random.default_rng(n).normal(size=(n, k))


def digits_factor(n: int, damping: float = 0.1) -> Array:
    images = load_digits().data / 16
    return next(iter(damped_factors(feature_factors(images, [n]), damping).values()))


@settings(max_examples=120, deadline=None)
@given(n=st.integers(1, 40), max_array=st.sampled_from([2, 3, 4, 5, 8]), seed=st.integers(0, 2**16))
def test_exact_blocks_are_the_inverse(n: int, max_array: int, seed: int) -> None:
    matrix, rhs = random_asymmetric(n, seed).matrix, sides(n)
    solution = BlockBackend(ExactBackend(), max_array).program(matrix).solve(rhs)
    assert solution.status is Status.SETTLED
    assert relative_error(solution.value, np.linalg.solve(matrix, rhs)) < 1e-9 * np.linalg.cond(matrix)
    assert solution.stats.residual.max() < 1e-9 * np.linalg.cond(matrix)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 40), m=st.integers(1, 40), max_array=st.sampled_from([2, 3, 5, 8]))
def test_exact_tiles_are_the_product(n: int, m: int, max_array: int) -> None:
    matrix, vectors = np.random.default_rng([n, m]).normal(size=(n, m)), sides(m)
    solution = BlockBackend(ExactBackend(), max_array).program_multiply(matrix).multiply(vectors)
    np.testing.assert_allclose(solution.value, matrix @ vectors, atol=1e-12)


@pytest.mark.parametrize("factor", [1e-20, 1e20])
def test_scales_pass_through(factor: float) -> None:
    matrix, rhs = random_spd(13, 50, 3), sides(13)
    value = BlockBackend(ExactBackend(), 4).program(factor * matrix.matrix).solve(rhs / factor).value
    assert relative_error(value, matrix.inverse @ rhs / factor**2) < 1e-10


def test_halves_are_full_arrays() -> None:
    assert [half(n, 64) for n in (65, 128, 129, 192, 193, 785, 1024)] == [64, 64, 128, 128, 128, 448, 512]
    for n, expected in ((65, [64, 1]), (128, [64, 64]), (785, [64] * 12 + [17])):
        assert [len(leaf.matrix) for leaf in split(np.eye(n), 64).leaves] == expected


def test_five_steps_by_hand() -> None:
    recorder = Recorder()
    backend = BlockBackend(recorder, 2, Conditioning.off())
    solution = backend.program(HAND).solve(sides(4))
    a1, a2, a3, a4 = HAND[:2, :2], HAND[:2, 2:], HAND[2:, :2], HAND[2:, 2:]
    # A1^-1 = [[1, -1], [0, 2]] / 2, and A3 A1^-1 A2 = [[5.5, -1], [2.375, 1.5]] with A1^-1 A2 = [[-1.25, -1], [3, 1]]
    schur = a4 - a3 @ np.array([[-1.25, -1], [3, 1]])
    steps = [("inv", a1), ("mvm", a3), ("inv", schur), ("mvm", a2), ("inv", a1)]
    assert [kind for kind, _ in recorder.calls] == [kind for kind, _ in steps]
    for (_, (met,)), (_, expected) in zip(recorder.calls, steps, strict=True):
        np.testing.assert_allclose(met, expected, atol=1e-15)
    assert solution.stats.notes == {
        **{"levels": 1, "arrays": 4, "cells": 2 * 16},
        **{"inv": 9, "inv_level0": 9, "mvm": 6, "mvm_level0": 6},
    }
    assert backend.writes == recorder.writes == 4
    assert recorder.programs == 1


def test_operations_by_level() -> None:
    # Three solves of a half for each of a whole: 3^3 leaves; tiles: 2 x 16, 3 x 2 x 4 and 9 x 2 for 8 arrays of 2.
    notes = BlockBackend(ExactBackend(), 2).program(random_spd(16, 5, 1).matrix).solve(sides(16, 1)).stats.notes
    assert notes == {
        **{"levels": 3, "arrays": 64, "cells": 2 * 256, "inv": 27, "inv_level2": 27},
        **{"mvm": 32 + 24 + 18, "mvm_level0": 32, "mvm_level1": 24, "mvm_level2": 18},
    }


@pytest.mark.parametrize(("zero", "kinds"), [("upper", "inv mvm inv"), ("lower", "inv mvm inv"), ("both", "inv inv")])
def test_what_is_not_coupled_has_no_arrays(zero: str, kinds: str) -> None:
    matrix, rhs, recorder = HAND.copy(), sides(4), Recorder()
    if zero in ("upper", "both"):
        matrix[:2, 2:] = 0
    if zero in ("lower", "both"):
        matrix[2:, :2] = 0
    solution = BlockBackend(recorder, 2, Conditioning.off()).program(matrix).solve(rhs)
    assert [kind for kind, _ in recorder.calls] == kinds.split()
    assert relative_error(solution.value, np.linalg.solve(matrix, rhs)) < 1e-12
    assert recorder.writes == solution.stats.notes["arrays"] == len(kinds.split())


def test_tiles_of_zeros_are_left_out() -> None:
    matrix = np.zeros((5, 7))
    matrix[0, 6], matrix[4, 0] = 2, 3
    recorder = Recorder()
    solution = BlockBackend(recorder, 3).program_multiply(matrix).multiply(sides(7))
    np.testing.assert_allclose(solution.value, matrix @ sides(7))
    assert recorder.writes == 2
    assert solution.stats.notes == {"arrays": 2, "cells": 2 * (3 + 6), "mvm": 6, "mvm_level0": 6}


def test_all_requests_advance_together() -> None:
    matrices = [random_spd(n, 9, n).matrix for n in (16, 13, 3, 16, 9)]
    rhs = [sides(len(matrix), 1 + i) for i, matrix in enumerate(matrices)]
    recorder = Recorder()
    backend = BlockBackend(recorder, 4)
    programmed = backend.program_many(matrices)
    programmed[0].solve(rhs[0])
    alone = len(recorder.calls)
    recorder.calls.clear()
    solutions = backend.solve_many(list(zip(programmed, rhs, strict=True)))
    for matrix, given_rhs, solution in zip(matrices, rhs, solutions, strict=True):
        assert relative_error(solution.value, np.linalg.solve(matrix, given_rhs)) < 1e-12
    # The longest decides, and the others ride along: 16 rows need 9 INV and 8 MVM, one after the other.
    assert alone == 9 + 8
    assert Counter(kind for kind, _ in recorder.calls)["inv"] == 9
    assert len(recorder.calls) <= 2 * alone


def test_small_matrices_are_the_inner_backends() -> None:
    matrices, rhs = [random_spd(n, 9, n).matrix for n in (3, 8, 1)], [sides(n) for n in (3, 8, 1)]
    inner, backend = NodalBackend(COARSE), BlockBackend(NodalBackend(COARSE), 8)
    plain = inner.solve_many(list(zip(inner.program_many(matrices), rhs, strict=True)))
    through = backend.solve_many(list(zip(backend.program_many(matrices), rhs, strict=True)))
    for a, b in zip(plain, through, strict=True):
        np.testing.assert_array_equal(a.value, b.value)
        assert a.stats.notes == b.stats.notes
    product = backend.program_multiply(HAND).multiply(sides(4))
    inner.writes = 3
    np.testing.assert_array_equal(product.value, inner.program_multiply(HAND).multiply(sides(4)).value)


def test_vector_and_zero_columns() -> None:
    matrix, rhs = random_spd(9, 9, 1).matrix, sides(9)
    programmed = BlockBackend(NodalBackend(IDEAL), 4).program(matrix)
    assert programmed.solve(rhs[:, 0]).value.shape == (9,)
    rhs[:, 1] = 0
    solution = programmed.solve(rhs)
    assert not np.abs(solution.value[:, 1]).max() > 1e-6
    assert relative_error(solution.value[:, [0, 2]], np.linalg.solve(matrix, rhs[:, [0, 2]])) < 1e-5


@pytest.mark.parametrize(("n", "max_array"), [(48, 32), (65, 64), (130, 64)])
def test_ideal_circuits(n: int, max_array: int) -> None:
    matrix, rhs = digits_factor(n), sides(n, 2)
    solution = BlockBackend(NodalBackend(IDEAL), max_array).program(matrix).solve(rhs)
    assert relative_error(solution.value, np.linalg.solve(matrix, rhs)) < 1e-5
    assert solution.stats.settling_time.min() > 0
    assert solution.stats.digest


def test_ideal_circuits_without_symmetry() -> None:
    matrix, rhs = random_asymmetric(20, 5).matrix, sides(20)
    solution = BlockBackend(NodalBackend(IDEAL), 8).program(matrix).solve(rhs)
    assert relative_error(solution.value, np.linalg.solve(matrix, rhs)) < 1e-5


@pytest.mark.ngspice
def test_both_engines_agree() -> None:
    matrix, rhs, found = random_spd(12, 20, 2).matrix, sides(12, 2), {}
    for name in ("nodal", "spice"):
        with BlockBackend(open_backend(name, hardware=IDEAL), 4) as backend:
            found[name] = backend.program(matrix).solve(rhs)
    assert relative_error(found["spice"].value, found["nodal"].value) < 1e-4
    assert found["spice"].stats.notes == pytest.approx(found["nodal"].stats.notes)
    assert found["spice"].stats.time_points > 0


def flexible_gradients(programmed: Programmed, rhs: Array, tolerance: float, most: int) -> int:
    """Solves until the residual of flexible conjugate gradients is below the tolerance; `most` for more."""
    matrix, residual, directions = programmed.matrix, rhs.copy(), list[tuple[Array, Array]]()
    for count in range(1, most):
        direction = programmed.solve(residual).value
        for before, image in directions:
            direction = direction - before * (direction @ image) / (before @ image)
        image = matrix @ direction
        directions.append((direction, image))
        residual = residual - image * (direction @ residual) / (direction @ image)
        if np.linalg.norm(residual) < tolerance * np.linalg.norm(rhs):
            return count
    return most


def test_the_whole_is_conditioned_for_coarse_cells() -> None:
    # Three bits and 2 % of write error on the blocks of a real factor, 32 rows an array.
    matrix, rhs = digits_factor(192), sides(192, 1)[:, 0]
    solves = {}
    for name, conditioning in (("whole", None), ("blocks", Conditioning.off())):
        programmed = BlockBackend(NodalBackend(COARSE), 32, conditioning).program(matrix)
        solves[name] = flexible_gradients(programmed, rhs, 1e-3, 40)
    assert solves["whole"] <= 12
    assert solves["blocks"] > 2 * solves["whole"]


def test_coupling_noise_is_the_rounding_of_tiles() -> None:
    # Entries up to 1 in half of the tiles and up to 0.1 in the others: each tile is rounded in steps of its own.
    matrix = np.random.default_rng(1).uniform(-1, 1, (96, 96))
    matrix[:32] /= 10
    noise = np.zeros_like(matrix)
    for i, j in ((i, j) for i in (0, 32, 64) for j in (0, 32, 64) if i != j):
        tile = matrix[i : i + 32, j : j + 32]
        step = np.abs(tile).max() / 7
        noise[i : i + 32, j : j + 32] = tile - np.round(tile / step) * step
    assert coupling_noise(matrix, 32, 8) == pytest.approx(np.linalg.norm(noise) / np.sqrt(96), rel=0.05)
    assert coupling_noise(matrix, 32, 0) == 0


def test_failed_column_leaves_the_others() -> None:
    # (0, 0, 1e4, 0) rails in S, (1e4, 0, 0, 0) in A1; zeros stand in for them until the end.
    rhs = np.array([[1.0, 0, 1e4, 2], [2, 0, 0, 0], [0, 1e4, 0, 1], [1, 0, 0, 0]])
    backend = BlockBackend(Recorder(), 2, Conditioning.off())
    programmed = backend.program(HAND)
    solution = programmed.solve(rhs, throw=False)
    good, bad = Status.SETTLED, Status.RAILED
    assert solution.stats.statuses == (good, bad, bad, good)
    assert solution.status is bad
    expected = np.linalg.solve(HAND, rhs)
    np.testing.assert_allclose(solution.value[:, [0, 3]], expected[:, [0, 3]], rtol=1e-12)
    assert np.isnan(solution.value[:, [1, 2]]).all()
    np.testing.assert_array_equal(np.isnan(solution.stats.residual), [False, True, True, False])
    assert solution.stats.message == "level 0, A1 on rows 0:2: RAILED. Hit the rail."
    with pytest.raises(InverseError, match=r"right-hand sides \[0\] of 1\) level 0, S on rows 2:4: RAILED"):
        programmed.solve(rhs[:, 1])


def test_unstable_block_is_named() -> None:
    matrix = np.eye(6)
    matrix[2:4, 2:4] = [[1, 2], [2, 1]]
    solution = BlockBackend(NodalBackend(IDEAL), 2).program(matrix).solve(sides(6), throw=False)
    assert solution.stats.statuses == (Status.UNSTABLE,) * 3
    assert "level 1, S on rows 2:4: UNSTABLE. The fastest" in solution.stats.message


def test_restored_blocks_give_the_same_bits() -> None:
    matrices = [random_spd(n, 9, n).matrix for n in (7, 2, 9)]
    backend = BlockBackend(NodalBackend(NOISY), 3)
    programmed = backend.program_many(matrices)
    for one in programmed:
        one.solve(sides(len(one.matrix), 2))
    writes = backend.writes
    again = BlockBackend(NodalBackend(NOISY), 3)
    for one in programmed:
        restored = again.restore(one.matrix, one.write, one.calls)
        assert again.writes == 0
        first = one.solve(sides(len(one.matrix), 2))
        np.testing.assert_array_equal(restored.solve(sides(len(one.matrix), 2)).value, first.value)
    assert backend.writes == writes == sum(1 if len(m) == 2 else 9 for m in matrices)
    assert [one.write for one in programmed] == [0, 9, 10]
    assert relative_error(first.value, np.linalg.solve(matrices[2], sides(9, 2))) > 1e-3


@pytest.mark.parametrize(
    ("max_array", "words"),
    [(1, "max_array = 1 .*2 or more"), (0, "2 or more"), (-3, "2 or more"), (2.5, "whole"), (True, "2 or more|whole")],
)
def test_bad_max_array_is_refused(max_array: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        BlockBackend(ExactBackend(), max_array)


SINGULAR = np.ones((6, 6))
SWAP = np.kron([[0.0, 1.0], [1.0, 0.0]], np.eye(3))
NEARLY = SWAP + 1e-9 * np.eye(6)


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (SINGULAR, "singular.*damping"),
        (SWAP, r"rows 0 to 2 \(level 0\).*damping.*max_array"),
        (NEARLY, r"1e\+09 times.*limit is 1e\+06"),
        (np.ones((6, 5)), r"\(6, 5\)"),
        (np.full((6, 6), np.nan), "not finite"),
        ([1.0] * 6, r"\(6,\)"),
        (3.0, r"\(\)"),
        (np.array(3.0), r"\(\)"),
        ("matrix", "no real number"),
    ],
)
def test_bad_matrix_is_refused(matrix: Any, words: str) -> None:
    recorder = Recorder()
    with pytest.raises(InputError, match=words):
        BlockBackend(recorder, 3).program_many([np.eye(5), matrix])
    assert recorder.writes == 0


def test_block_that_levels_cannot_hold_is_named() -> None:
    matrix = np.diag([1.0, 1.0, 1.0, 1e-3])
    with (
        BlockBackend(NodalBackend(COARSE, Conditioning.off()), 2, Conditioning.off()) as backend,
        pytest.raises(InputError, match=r"level 0, S on rows 2:4 cannot be programmed\. Row 1 .* vanishes"),
    ):
        backend.program(matrix)


def test_block_diagonal_by_hand() -> None:
    expected = HAND.copy()
    expected[:3, 3] = expected[3, :3] = 0
    np.testing.assert_array_equal(block_diagonal(HAND, 3), expected)
    np.testing.assert_array_equal(block_diagonal(HAND, 4), HAND)
    np.testing.assert_array_equal(block_diagonal(HAND, 1), np.diag(np.diag(HAND)))


def test_block_diagonal_solves() -> None:
    matrices, rhs, recorder = [random_spd(n, 9, n).matrix for n in (7, 3, 8)], [sides(n) for n in (7, 3, 8)], Recorder()
    backend = BlockDiagonalBackend(recorder, 3)
    programmed = backend.program_many(matrices)
    assert recorder.programs == 1
    assert recorder.writes == 3 + 1 + 3
    solutions = backend.solve_many(list(zip(programmed, rhs, strict=True)))
    assert len(recorder.calls) == 1
    for one, matrix, given_rhs, solution in zip(programmed, matrices, rhs, solutions, strict=True):
        np.testing.assert_array_equal(one.matrix, block_diagonal(matrix, 3))
        assert relative_error(solution.value, np.linalg.solve(one.matrix, given_rhs)) < 1e-12
        assert solution.stats.residual.max() < 1e-12
    assert solutions[0].stats.notes == {"blocks": 3, "inv": 9, "inv_level0": 9}
    np.testing.assert_allclose(backend.program_multiply(HAND).multiply(sides(4)).value, HAND @ sides(4))


def test_block_diagonal_is_restored() -> None:
    matrices = [random_spd(n, 9, n).matrix for n in (7, 4)]
    backend, again = (BlockDiagonalBackend(NodalBackend(NOISY), 3) for _ in range(2))
    programmed = backend.program_many(matrices)[1]
    programmed.solve(sides(4))
    restored = again.restore(programmed.matrix, programmed.write, programmed.calls)
    np.testing.assert_array_equal(restored.solve(sides(4)).value, programmed.solve(sides(4)).value)


def test_blocks_inside_blocks() -> None:
    matrix, rhs = random_spd(30, 9, 4).matrix, sides(30)
    backend: Backend = BlockDiagonalBackend(BlockBackend(ExactBackend(), 4), 20)
    value = backend.program(matrix).solve(rhs).value
    assert relative_error(value, np.linalg.solve(block_diagonal(matrix, 20), rhs)) < 1e-12


@pytest.mark.parametrize("size", [0, 2.5])
def test_bad_block_size_is_refused(size: Any) -> None:
    with pytest.raises(InputError, match="block_size"):
        BlockDiagonalBackend(ExactBackend(), size)


def test_table(tmp_path: Path) -> None:
    factors = feature_factors(load_digits().data / 16, [8, 20])
    rows = block_table(factors, max_arrays=(8, 16), sides=2)
    assert [(row["size"], row["max_array"]) for row in rows] == [(8, 8), (8, 16), (20, 8), (20, 16)]
    assert [row["settled"] for row in rows] == [2] * 4
    assert [rows[1][key] for key in OPERATIONS] == [1, 0, 1, 2 * 8**2, 0]
    # Arrays of 8, 8 and 4: the leading block is a stage of its own. Arrays of 16 and 4: one stage.
    assert [rows[2][key] for key in OPERATIONS] == [7, 8, 9, 2 * 20**2, 2]
    assert [rows[3][key] for key in OPERATIONS] == [3, 2, 4, 2 * 20**2, 1]
    assert all(0 < row["median_error"] <= row["worst_error"] < 1 for row in rows)
    write_table(rows, tmp_path / "blocks.csv", draw_blocks)
    assert (tmp_path / "blocks.png").stat().st_size > 10_000


def test_table_counts_what_has_no_value() -> None:
    swap = {"swap/A": np.eye(4)[::-1]}
    (row,) = block_table(swap, max_arrays=(2,), damping=0.0)
    assert row["settled"] == 0
    assert "UNSTABLE" in row["message"]
    (row,) = block_table(swap, max_arrays=(2,), damping=0.0, hardware=IDEAL)
    assert row["settled"] == 0
    assert np.isnan(row["median_error"])
    assert "Block elimination" in row["message"]


def test_bad_table_is_refused() -> None:
    with pytest.raises(InputError, match=r"size = 1 "):
        feature_factors(np.ones((3, 4)), [5, 1])
    for bad, words in (({"max_arrays": (8, 1)}, "2 or more"), ({"sides": 0}, "sides"), ({"damping": -1.0}, "damping")):
        with pytest.raises(InputError, match=words):
            block_table({"eye/A": np.eye(4)}, **bad)
    with pytest.raises(InputError, match="no factors"):
        block_table({})


def test_residuals_are_measured_whichever_way_a_solution_comes() -> None:
    with BlockBackend(open_backend("nodal"), 8) as backend:
        for n in (5, 8, 20):
            matrix, rhs = np.eye(n) + 0.1, np.ones(n)
            programmed, multiply = backend.program(matrix), backend.program_multiply(matrix)
            for solution in (
                programmed.solve(rhs),
                backend.solve_many([(programmed, rhs)])[0],
                backend.restore(matrix, 0).solve(rhs),
            ):
                expected = np.linalg.norm(matrix @ solution.value - rhs) / np.linalg.norm(rhs)
                np.testing.assert_allclose(solution.stats.residual, [expected], rtol=1e-6, atol=1e-12)
            for product in (multiply.multiply(rhs), backend.multiply_many([(multiply, rhs)])[0]):
                error = np.linalg.norm(product.value - matrix @ rhs) / np.linalg.norm(matrix @ rhs)
                np.testing.assert_allclose(product.stats.residual, [error], rtol=1e-6, atol=1e-12)

"""HP-INV against numpy.linalg.solve, conjugate gradients by scipy, and refinements known by hand."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from cases import CASES, Array, backend_params, random_spd, relative_error
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import cg

from circuits import Conditioning, Hardware, InputError, Programming
from circuits.matrices import spd
from cosim import Backend, InverseError, Status
from cosim.exact import ExactBackend
from cosim.krylov import End, Refinement
from cosim.precision import Precision
from cosim.refine import RefinedBackend, RefinedProgrammed, open_precise
from cosim.trial import damped_factors

CHIP = Hardware(programming=Programming(sigma=0.01))
PUBLISHED = Precision(converters=4, tolerance=1e-9)
ROUNDED = replace(PUBLISHED, products="rounded")


@pytest.fixture(scope="module", params=[p for p in backend_params() if p.values[0] in ("exact", "nodal", "spice")])
def refined(request: pytest.FixtureRequest) -> Iterator[Backend]:
    with open_precise(request.param, replace(PUBLISHED, tolerance=1e-5), CHIP) as opened:
        yield opened


def sides(n: int, k: int) -> Array:
    return np.random.default_rng(n).normal(size=(n, k))


def test_solution_is_the_exact_one(refined: Backend) -> None:
    case, rhs = random_spd(5, condition=6, seed=1), sides(5, 2)
    programmed = refined.program(case.matrix)
    solution = programmed.solve(rhs)
    assert solution.status is Status.SETTLED
    assert relative_error(solution.value, case.inverse @ rhs) <= 6 * 1e-5
    assert solution.stats.residual.max() <= 1e-5
    expected = np.linalg.norm(case.matrix @ solution.value - rhs, axis=0) / np.linalg.norm(rhs, axis=0)
    np.testing.assert_allclose(solution.stats.residual, expected, rtol=1e-6)
    assert programmed.history.shape == (solution.stats.notes["cycles"] + 1, 2)
    np.testing.assert_array_equal(programmed.history[0], 1)
    assert programmed.history[-1].max() <= 1e-5


@pytest.mark.parametrize("method", ["richardson", "fcg"])
@pytest.mark.parametrize("case", ["identity", "one", "small_one", "diagonal", "random_spd"])
def test_known_inverses(method: str, case: str) -> None:
    matrix, inverse = CASES[case].matrix, CASES[case].inverse
    precision = Precision(method, tolerance=1e-10, products="rounded", cycles=200)
    with open_precise("nodal", precision, CHIP) as backend:
        value = backend.program(matrix).solve(np.eye(len(matrix))).value
    assert relative_error(value, inverse) <= 1e-8


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 12), st.floats(1, 100), st.integers(0, 2**31), st.sampled_from([1e-2, 1e-5, 1e-11]), st.booleans()
)
def test_every_settled_answer_has_the_residual_asked_for(
    n: int, condition: float, seed: int, tolerance: float, scaled: bool
) -> None:
    matrix, rhs = random_spd(n, condition, seed).matrix * (1e8 if scaled else 1), sides(n, 2)
    with open_precise("nodal", replace(ROUNDED, tolerance=tolerance), replace(CHIP, seed=seed)) as backend:
        solution = backend.program(matrix).solve(rhs)
    left = np.linalg.norm(matrix @ solution.value - rhs, axis=0) / np.linalg.norm(rhs, axis=0)
    assert (left <= tolerance).all()
    assert relative_error(solution.value, np.linalg.solve(matrix, rhs)) <= 1.01 * condition * tolerance


def test_orientation_of_an_asymmetric_matrix() -> None:
    matrix, rhs = CASES["random_asymmetric"].matrix, sides(8, 3)
    precision = Precision("richardson", bits=6, tolerance=1e-9, products="circuits")
    with open_precise("nodal", precision, Hardware()) as backend:
        value = backend.program(matrix).solve(rhs).value
    assert relative_error(value, np.linalg.solve(matrix, rhs)) < 1e-7
    assert relative_error(value, np.linalg.solve(matrix.T, rhs)) > 0.1


def test_flexible_conjugate_gradients_are_those_of_scipy() -> None:
    # Around M = D, exactly applied, they are conjugate gradients preconditioned by it.
    matrix, rhs = random_spd(20, condition=200, seed=3).matrix, sides(20, 1)
    jacobi = 1 / np.diag(matrix)
    theirs: list[Array] = []
    cg(matrix, rhs[:, 0], rtol=1e-13, maxiter=8, M=np.diag(jacobi), callback=lambda x: theirs.append(x.copy()))
    ours = Refinement("fcg", rhs, 1e-13)
    for x in theirs:
        step = jacobi[:, None] * ours.residual
        ours.advance(step, matrix @ step)
        assert relative_error(ours.value, x[:, None]) < 1e-9


def test_richardson_by_hand() -> None:
    # A = 1, A0^-1 = 3/4: a quarter of the residual stays in every cycle.
    ours = Refinement("richardson", np.array([[1.0, 0.0, -2.0]]), 0.05)
    for _ in range(3):
        ours.advance(0.75 * ours.residual, 0.75 * ours.residual)
    np.testing.assert_allclose(ours.value, [[63 / 64, 0, -63 / 32]])
    np.testing.assert_allclose(np.array(ours.history)[:, 0], [1, 1 / 4, 1 / 16, 1 / 64])
    assert [ours.radius(j) for j in (0, 2)] == pytest.approx([1 / 4] * 2)
    assert np.isnan(ours.radius(1))
    assert ours.cycles.tolist() == [3, 0, 3]
    assert ours.ends == [End.CONVERGED] * 3


def test_growing_and_standing_residuals_end() -> None:
    # Cycles leave 5, 1 and 0.9 of the residuals.
    ours = Refinement("richardson", np.ones((1, 3)), 1e-3)
    for _ in range(30):
        step = ours.residual * [-4, 0, 0.1]
        ours.advance(step, step)
    assert ours.ends == [End.DIVERGED, End.STALLED, End.RUNNING]


def test_published_precision_within_the_published_cycles() -> None:
    # 16 x 16, 3 bits, 4-bit converters, 1 % write error: 24 bits in about 10 cycles (Nature Electronics 2025).
    for condition, most in ((5, 10), (30, 16)):
        counts = []
        for seed in range(5):
            matrix, rhs = spd(16, condition, seed), sides(16, 1)
            exact, errors = np.linalg.solve(matrix, rhs), []
            with open_precise("nodal", ROUNDED, replace(CHIP, seed=seed), Conditioning(deflate=4)) as backend:
                programmed = backend.program(matrix)
                assert isinstance(programmed, RefinedProgrammed)
                programmed.watch = lambda x, exact=exact, errors=errors: errors.append(relative_error(x, exact))
                programmed.solve(rhs)
            counts.append(next(i for i, error in enumerate(errors, start=1) if error < 1e-7))
        assert max(counts) <= most


def test_real_factors(shared_factors: dict[str, Array]) -> None:
    for damping in (0.1, 0.3):
        factors = damped_factors({k: a for k, a in shared_factors.items() if k.startswith("step020")}, damping)
        for tolerance, most in ((1e-3, 15), (1e-6, 30)):
            chip = Hardware(programming=Programming(sigma=0.02))
            with open_precise("nodal", replace(ROUNDED, tolerance=tolerance), chip) as backend:
                programmed = backend.program_many(list(factors.values()))
                solutions = backend.solve_many([(p, sides(len(p.matrix), 2)) for p in programmed])
            assert max(solution.stats.notes["cycles"] for solution in solutions) <= most


def test_readings_of_arrays_change_no_bit_of_the_answer() -> None:
    matrix, rhs = spd(8, 20, 0), sides(8, 2)
    values = []
    for products in ("circuits", "rounded"):
        with open_precise("nodal", replace(PUBLISHED, products=products), CHIP) as backend:
            solution = backend.program(matrix).solve(rhs)
        values.append((solution.value, solution.stats.notes["mvm"], solution.stats.notes["arrays"]))
    np.testing.assert_array_equal(values[0][0], values[1][0])
    assert values[0][1:] == values[1][1:]


def test_many_matrices_advance_together() -> None:
    matrices = [spd(n, 8, n) for n in (3, 1, 6)]
    calls: list[int] = []
    with open_precise("nodal", ROUNDED, CHIP) as backend:
        assert isinstance(backend, RefinedBackend)
        programmed = backend.program_many(matrices)
        solve = backend.inner.solve_many
        backend.inner.solve_many = lambda requests, throw: (  # type: ignore[method-assign, assignment]
            calls.append(len(requests)) or solve(requests, throw=throw)
        )
        solutions = backend.solve_many([(p, sides(len(p.matrix), 2)) for p in programmed])
        assert backend.solve_many([]) == []
    for matrix, solution in zip(matrices, solutions, strict=True):
        assert relative_error(solution.value, np.linalg.solve(matrix, sides(len(matrix), 2))) < 1e-7
    assert calls[0] == 3
    assert len(calls) == max(solution.stats.notes["cycles"] for solution in solutions)
    assert calls == sorted(calls, reverse=True)


def test_counts() -> None:
    with open_precise("nodal", PUBLISHED, CHIP) as backend:
        solution = backend.program(spd(4, 5, 0)).solve(np.column_stack([sides(4, 1), np.zeros(4)]))
    notes = solution.stats.notes
    # The column of zeros is known without any solve.
    assert notes["inv"] == notes["solves"] == notes["cycles"] > 1
    assert not solution.value[:, 1].any()
    assert notes["arrays"] == 1 + 4 * notes["slices"]
    assert notes["cells"] == 2 * 16 + 2 * 16 * notes["slices"]
    # Ten bits of a vector, of which those that are set drive their column in every slice.
    assert 0 < notes["hp_mvm"] == notes["mvm"] <= notes["cycles"] * 10 * 4 * notes["slices"]
    assert notes["margin"] > 0


def test_lp_is_one_analog_solve() -> None:
    matrix, rhs = spd(6, 5, 0), sides(6, 2)
    with open_precise("nodal", Precision.parse("lp:3"), CHIP) as backend:
        solution = backend.program(matrix).solve(rhs)
    assert not isinstance(backend, RefinedBackend)
    assert 1e-3 < relative_error(solution.value, np.linalg.solve(matrix, rhs)) < 0.5


def test_refining_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="refines nothing"):
        RefinedBackend(ExactBackend(), None, Precision.parse("lp:3"), Hardware())


def test_product_of_the_full_matrix() -> None:
    matrix, vectors = sides(5, 7), sides(7, 2)
    for tolerance in (1e-2, 1e-5):
        with open_precise("nodal", replace(PUBLISHED, tolerance=tolerance), CHIP) as backend:
            solution = backend.program_multiply(matrix).multiply(vectors)
        apart = np.linalg.norm(solution.value - matrix @ vectors, axis=0)
        assert (apart <= tolerance * np.linalg.norm(matrix) * np.linalg.norm(vectors, axis=0)).all()
        assert solution.stats.notes["slices"] == (3 if tolerance == 1e-2 else 6)


def test_a_matrix_is_restored_with_all_that_it_is() -> None:
    noisy = replace(CHIP, programming=Programming(sigma=0.02, read_noise=0.002))
    matrices = [spd(2, 5, seed) for seed in range(3)]
    precision = replace(PUBLISHED, tolerance=1e-2)
    with open_precise("nodal", precision, noisy) as backend:
        programmed = backend.program_many(matrices)
        programmed[1].solve(sides(2, 1))
        calls, second = programmed[1].calls, programmed[1].solve(sides(2, 3))
        assert backend.writes == 3
        assert calls > 0
        write = programmed[1].write
    with open_precise("nodal", precision, noisy) as backend:
        backend.program(matrices[2])
        again = backend.restore(matrices[1], write, calls)
        assert backend.writes == 1
        np.testing.assert_array_equal(again.solve(sides(2, 3)).value, second.value)


@pytest.mark.parametrize("tolerance", [1e-2, 1e-6])
def test_the_step_decides_the_tolerance(tolerance: float) -> None:
    precision = replace(ROUNDED, tolerance=lambda step: {3: 1e-2, 9: 1e-6}[step])
    with open_precise("nodal", precision, CHIP) as backend:
        assert isinstance(backend, RefinedBackend)
        backend.step = 3 if tolerance == 1e-2 else 9
        programmed = backend.program(spd(8, 20, 0))
        left = programmed.solve(sides(8, 4)).stats.residual
    assert (left <= tolerance).all()
    assert left.max() > tolerance / 100


def test_plain_refinement_diverges_with_its_reasons() -> None:
    # At condition 5 without conditioning some chips grow; the reason has all three figures.
    ended = []
    for seed in range(8):
        precision = Precision("richardson", converters=4, tolerance=1e-6, products="rounded")
        with open_precise("nodal", precision, replace(CHIP, seed=seed), Conditioning.off()) as backend:
            solution = backend.program(spd(16, 8, seed)).solve(sides(16, 1), throw=False)
        if solution.status in (Status.DIVERGED, Status.STALLED):
            assert np.isnan(solution.value).all()
            ended.append(solution.stats.message)
    assert ended
    for message in ended:
        assert "the spectral radius of a cycle is about" in message
        assert "the condition number 8" in message
        assert "the stability margin of the analog inverse" in message
    assert any("diverges" in message for message in ended)


def test_limit_of_cycles_is_a_verdict() -> None:
    with open_precise("nodal", replace(ROUNDED, cycles=2), CHIP) as backend:
        programmed = backend.program(spd(8, 20, 0))
        solution = programmed.solve(sides(8, 2), throw=False)
        assert solution.stats.statuses == (Status.STALLED,) * 2
        assert "limit of cycles: after 2 cycles" in solution.stats.message
        assert "allow more cycles than Precision.cycles = 2" in solution.stats.message
        with pytest.raises(InverseError, match="limit of cycles"):
            programmed.solve(sides(8, 2))


def test_an_unstable_analog_inverse_is_passed_on() -> None:
    with open_precise("nodal", replace(ROUNDED, method="richardson"), CHIP) as backend:
        bad, good = backend.program_many([np.array([[0.0, 1], [1, 0]]), np.eye(2)])
        solutions = backend.solve_many([(bad, [1.0, 2.0]), (good, [1.0, 2.0])], throw=False)
    assert [solution.status for solution in solutions] == [Status.UNSTABLE, Status.SETTLED]
    assert np.isnan(solutions[0].value).all()
    assert "fastest-growing mode" in solutions[0].stats.message
    np.testing.assert_allclose(solutions[1].value, [1, 2], rtol=1e-8)


def test_a_wrong_reading_is_no_answer() -> None:
    # Stuck cells: what the readings converge to, if they do, is the solution of another matrix.
    stuck = replace(CHIP, programming=Programming(sigma=0.01, stuck_on=0.01))
    found = []
    for seed in range(8):
        with open_precise("nodal", replace(PUBLISHED, tolerance=1e-4), replace(stuck, seed=seed)) as backend:
            solution = backend.program(spd(6, 3, seed)).solve(sides(6, 1), throw=False)
        if solution.status is Status.SETTLED:
            assert solution.stats.residual.max() <= 1e-4
        else:
            assert np.isnan(solution.value).all()
            found.append(solution.stats.message)
    assert found
    assert all("a reading was rounded to a wrong integer" in message for message in found)


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (
            [[1.0, 2.0], [2.0, 1.0]],
            r"smallest eigenvalue of this one is -1: add damping of more than 1 to .*richardson",
        ),
        ([[2.0, 1.0], [0.5, 1.0]], r"differs from its transpose by 0.25 of its largest.*\(A \+ A.T\) / 2"),
        ([[1.0, 1.0], [1.0, 1.0]], r"smallest eigenvalue of this one is .*add damping of more than 0 "),
        ([[-2.0]], r"smallest eigenvalue of this one is -2: add damping of more than 2 "),
        ([[0.0]], "singular.*damping"),
        ([[1.0, np.nan], [0.0, 1.0]], r"entry \[0, 1\] is nan"),
        (np.ones((2, 3)), r"\(2, 3\)"),
        ([[1.0, "x"], [0.0, 1.0]], "no real number"),
        (np.array([[1j]]), "no real number"),
        (np.zeros((0, 0)), "empty"),
    ],
)
def test_conjugate_gradients_need_a_definite_matrix(matrix: object, words: str) -> None:
    with open_precise("nodal", ROUNDED, CHIP) as backend:
        with pytest.raises(InputError, match=words):
            backend.program(matrix)
        assert backend.writes == 0


def test_a_tolerance_out_of_reach_is_refused_before_writing() -> None:
    with open_precise("nodal", replace(ROUNDED, tolerance=1e-12), CHIP) as backend:
        with pytest.raises(InputError, match=r"choose a tolerance .* times as large, or add damping"):
            backend.program(spd(16, 1e6, 0))
        assert backend.writes == 0
    coarse = replace(PUBLISHED, converters=3)
    with open_precise("nodal", coarse, CHIP) as backend, pytest.raises(InputError, match="converters of more bits"):
        backend.program(np.eye(3))


def test_what_goes_around_the_analog_solves() -> None:
    seen: list[Backend] = []
    with open_precise("nodal", ROUNDED, CHIP, wrap=lambda backend: seen.append(backend) or backend) as backend:
        assert isinstance(backend, RefinedBackend)
        assert backend.inner is seen[0]

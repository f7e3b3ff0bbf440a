"""One contract, every backend: the tests run over the table of backends."""

import multiprocessing
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from cases import CASES, LINEAR, TOLERANCES, Array, backend_params, gain_damping, relative_error

from circuits import Conditioning, Hardware, InputError, OpAmp
from cosim import Backend, InverseError, Status, open_backend

UNSTABLE = {
    "swap": [[0, 1], [1, 0]],
    "negative": [[-1, 0], [0, -1]],
    "indefinite": [[1, 2, 0], [2, 1, 0], [0, 0, 1]],
}
BAD_MATRICES = [
    ([[1, np.nan], [0, 1]], r"entry \[0, 1\] is nan"),
    ([[1, 0], [-np.inf, 1]], r"entry \[1, 0\] is -inf"),
    ([[1, 2, 3], [4, 5, 6]], r"\(2, 3\)"),
    ([1, 2], r"\(2,\)"),
    (np.zeros((1, 2, 2)), r"\(1, 2, 2\)"),
    (np.zeros((0, 0)), "empty"),
    ([[1, 2], [2, 4]], "singular.*damping"),
    ([[0.0]], "singular"),
    ([[1, "x"], [0, 1]], "no real number"),
    (np.array([[1, object()], [0, 1]]), "no real number"),
    (np.array([[1, None], [0, 1]]), r"entry \[0, 1\]"),
    (np.array([[1, 0], [0, 1j]]), "no real number"),
    ([[1, 2], [3]], "no real number"),
]
BAD_RHS = [
    ([1, 2, 3], r"\(3,\)"),
    (np.zeros((3, 2)), r"\(3, 2\)"),
    (np.zeros((2, 0)), r"\(2, 0\)"),
    (np.zeros((2, 1, 1)), r"\(2, 1, 1\)"),
    ([], r"\(0,\)"),
    (1.0, r"\(\)"),
    ([np.nan, np.inf], "not finite: 2"),
    (["x", 1], "no real number"),
    (np.array([1j, 1]), "no real number"),
]


@pytest.fixture(scope="module", params=backend_params())
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def backend(name: str) -> Iterator[Backend]:
    with open_backend(name, hardware=Hardware.preset("ideal")) as opened:
        yield opened


@pytest.fixture(scope="module", params=backend_params("exact"))
def analog(request: pytest.FixtureRequest) -> Iterator[Backend]:
    with open_backend(request.param) as opened:
        yield opened


def right_hand_sides(n: int, k: int) -> Array:
    return np.random.default_rng(n).normal(size=(n, k))


@pytest.mark.parametrize("case", CASES)
def test_inverse_is_the_known_one(backend: Backend, name: str, case: str) -> None:
    matrix, inverse = CASES[case].matrix, CASES[case].inverse
    solution = backend.program(matrix).solve(np.eye(len(matrix)))
    assert solution.status is Status.SETTLED
    assert relative_error(solution.value, inverse) <= TOLERANCES.get(name, 1e-4)


def test_vector_and_one_column_are_the_same_call(backend: Backend) -> None:
    programmed = backend.program(CASES["asymmetric3"].matrix)
    vector, column = programmed.solve([1, -2, 3]), programmed.solve([[1], [-2], [3]])
    assert vector.value.shape == (3,)
    assert column.value.shape == (3, 1)
    np.testing.assert_array_equal(vector.value, column.value[:, 0])
    assert vector.stats.statuses == (Status.SETTLED,)


def test_columns_are_solved_one_by_one(backend: Backend, name: str) -> None:
    case, rhs = CASES["random_spd"], right_hand_sides(12, 7)
    solution = backend.program(case.matrix).solve(rhs)
    assert solution.value.shape == rhs.shape
    assert len(solution.stats.statuses) == len(solution.stats.residual) == len(solution.stats.settling_time) == 7
    assert relative_error(solution.value, case.inverse @ rhs) <= TOLERANCES.get(name, 1e-4)
    expected = np.linalg.norm(case.matrix @ solution.value - rhs, axis=0) / np.linalg.norm(rhs, axis=0)
    np.testing.assert_allclose(solution.stats.residual, expected, rtol=1e-9, atol=1e-15)


def test_zero_rhs_gives_zero(backend: Backend) -> None:
    rhs = np.array([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]])
    solution = backend.program(CASES["asymmetric3"].matrix).solve(rhs)
    np.testing.assert_allclose(solution.value[:, 1], 0, atol=1e-6)
    assert solution.stats.residual[1] <= 1e-6
    assert not backend.program([[2.0]]).solve([0.0]).value.any()


@pytest.mark.parametrize("factor", [1e-30, -1.0, 1e30])
def test_rhs_scales_through(backend: Backend, factor: float) -> None:
    programmed, rhs = backend.program(CASES["asymmetric3"].matrix), np.array([1.0, -2.0, 3.0])
    np.testing.assert_allclose(programmed.solve(factor * rhs).value, factor * programmed.solve(rhs).value, rtol=1e-6)


def test_matrix_scales_through(backend: Backend) -> None:
    case, rhs = CASES["signed2"], [1.0, 2.0]
    small, large = (backend.program(s * case.matrix).solve(rhs).value for s in (1e-20, 1e20))
    np.testing.assert_allclose(small, 1e40 * large, rtol=1e-6)


def test_inputs_are_left_as_they_were(backend: Backend) -> None:
    matrix, rhs = CASES["signed2"].matrix.copy(), np.array([1.0, 2.0])
    programmed = backend.program(matrix)
    programmed.solve(rhs)
    matrix[:] = 7
    np.testing.assert_array_equal(rhs, [1, 2])
    np.testing.assert_array_equal(programmed.matrix, CASES["signed2"].matrix)


def test_many_matrices_answer_in_their_order(backend: Backend, name: str) -> None:
    cases = [CASES[case] for case in ("pascal5", "one", "asymmetric3", "signed2")]
    programmed = backend.program_many([case.matrix for case in cases])
    rhs = [right_hand_sides(len(case.matrix), 2) for case in cases]
    solutions = backend.solve_many(list(zip(programmed, rhs, strict=True)))
    for case, b, solution in zip(cases, rhs, solutions, strict=True):
        assert relative_error(solution.value, case.inverse @ b) <= TOLERANCES.get(name, 1e-4)
    assert backend.solve_many([]) == []


@pytest.mark.parametrize(("matrix", "words"), BAD_MATRICES)
def test_bad_matrix_is_refused(backend: Backend, matrix: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        backend.program(matrix)


@pytest.mark.parametrize(("rhs", "words"), BAD_RHS)
def test_bad_rhs_is_refused(backend: Backend, rhs: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        backend.program(np.eye(2)).solve(rhs)


def test_unknown_backend_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'ltspice'.*exact.*nodal.*spice"):
        open_backend("ltspice")


@pytest.mark.parametrize("matrix", UNSTABLE.values(), ids=UNSTABLE)
def test_unstable_matrix_gives_no_number(analog: Backend, matrix: list[list[float]]) -> None:
    programmed = analog.program(matrix)
    solution = programmed.solve(np.ones(len(matrix)), throw=False)
    assert solution.status is Status.UNSTABLE
    assert np.isnan(solution.value).all()
    with pytest.raises(InverseError, match=r"UNSTABLE.*damping") as caught:
        programmed.solve(np.ones((len(matrix), 3)))
    assert caught.value.solution.stats.statuses == (Status.UNSTABLE,) * 3
    assert caught.value.solution.value.shape == (len(matrix), 3)


def test_unstable_matrix_has_an_inverse_all_the_same() -> None:
    with open_backend("exact") as exact:
        np.testing.assert_allclose(exact.program(UNSTABLE["swap"]).solve([1, 2]).value, [2, 1])


def test_one_unstable_matrix_spares_the_others(analog: Backend) -> None:
    good, bad = analog.program_many([[[2.0]], [[-2.0]]])
    requests = [(good, [2.0]), (bad, [2.0]), (good, [4.0])]
    solutions = analog.solve_many(requests, throw=False)
    assert [s.status for s in solutions] == [Status.SETTLED, Status.UNSTABLE, Status.SETTLED]
    np.testing.assert_allclose([solutions[0].value[0], solutions[2].value[0]], [1, 2], rtol=1e-3)
    with pytest.raises(InverseError):
        analog.solve_many(requests)


@pytest.mark.parametrize("name", backend_params("exact"))
def test_finite_gain_is_damping(name: str) -> None:
    # Non-negative matrices, unconditioned: no inverter carries any signal.
    with open_backend(name, hardware=LINEAR, conditioning=Conditioning.off()) as backend:
        for case in ("positive2", "hilbert4", "pascal5"):
            matrix = CASES[case].matrix
            expected = np.linalg.inv(matrix + gain_damping(matrix, LINEAR.opamp.gain))
            value = backend.program(matrix).solve(np.eye(len(matrix))).value
            assert relative_error(value, expected) <= (1e-9 if name == "nodal" else 1e-5)


@pytest.mark.parametrize("name", backend_params("exact"))
def test_offsets_shift_the_answer(name: str) -> None:
    hardware = replace(LINEAR, opamp=replace(LINEAR.opamp, gain=1e6, offset=2e-3), v_max=0.2)
    with open_backend(name, hardware=hardware, conditioning=Conditioning.off()) as backend:
        programmed = backend.program([[2.0, 1.0], [1.0, 2.0]])
        once, twice = (programmed.solve([b, 0.0]).value for b in (1e-3, 2e-3))
    # Offsets are volts, and the largest output, 4/3 of the right-hand side, is always 0.2 V.
    assert relative_error(2 * once, twice) < 1e-5
    drawn = np.random.default_rng(hardware.seed).normal(0, 2e-3, 4)[0::2]
    shifted = [1e-3, 0] - (2 + 3) * drawn / (2 * 0.2) * 4e-3 / 3  # (max + row sum) / max
    np.testing.assert_allclose(once, np.linalg.solve([[2, 1], [1, 2]], shifted), rtol=1e-4)


def test_inputs_are_scaled_so_that_no_output_leaves_its_range(analog: Backend) -> None:
    # An output is 100 times its input here; without the scale it would need 20 V of 4 V.
    solution = analog.program([[1, 0.99], [0.99, 1]]).solve([1, -1])
    np.testing.assert_allclose(solution.value, [100, -100], rtol=0.1)


@pytest.mark.ngspice
def test_railed_column_runs_again_with_a_smaller_input() -> None:
    # v_max asks for 0.2 V of amplifiers that end at 0.1 V; a quarter of it fits.
    with open_backend("spice", hardware=Hardware(opamp=OpAmp(swing=0.1), v_max=0.2), workers=1) as backend:
        solution = backend.program([[1.0]]).solve([[0.0, 1.0]])
    assert solution.stats.statuses == (Status.SETTLED, Status.SETTLED)
    assert solution.stats.notes["rescaled"] == 1
    assert solution.value[0, 1] == pytest.approx(1, rel=1e-2)


@pytest.mark.ngspice
def test_railed_output_gives_no_number_and_spares_the_column_before() -> None:
    # Even a 64th of 0.2 V, the last attempt, is too much for 1 mV; a column of zeros asks for nothing.
    with open_backend("spice", hardware=Hardware(opamp=OpAmp(swing=1e-3), v_max=0.2), workers=1) as backend:
        programmed = backend.program([[1.0]])
        solution = programmed.solve([[0.0, 1.0]], throw=False)
        assert "op-amp 1 at its output swing" in solution.stats.message
        assert solution.status is Status.RAILED
        assert solution.stats.statuses == (Status.SETTLED, Status.RAILED)
        assert solution.value[0, 0] == pytest.approx(0, abs=1e-3)
        assert np.isnan(solution.value[0, 1])
        with pytest.raises(InverseError, match=r"RAILED.*right-hand sides \[1\] of 2"):
            programmed.solve([[0.0, 1.0]])


@pytest.mark.ngspice
@pytest.mark.parametrize(("preset", "between", "truth"), [("ideal", 1e-5, 1e-4), ("default", 1e-3, np.inf)])
def test_real_factors(shared_factors: dict[str, Array], preset: str, between: float, truth: float) -> None:
    assert len(shared_factors) == 18
    damped = [a + 0.1 * np.diag(a).mean() * np.eye(len(a)) for a in shared_factors.values()]
    rhs = [right_hand_sides(len(a), 4) for a in damped]
    values = {}
    for name in ("nodal", "spice"):
        with open_backend(name, hardware=Hardware.preset(preset)) as backend:
            requests = list(zip(backend.program_many(damped), rhs, strict=True))
            values[name] = [solution.value for solution in backend.solve_many(requests)]
    for a, b, nodal, spice in zip(damped, rhs, values["nodal"], values["spice"], strict=True):
        assert relative_error(spice, nodal) <= between
        for value in (nodal, spice):
            assert relative_error(value, np.linalg.solve(a, b)) <= truth


@pytest.mark.parametrize("name", backend_params())
def test_closing_leaves_no_process(name: str) -> None:
    before = set(multiprocessing.active_children())
    with open_backend(name) as backend:
        backend.program([[1.0]]).solve([1.0])
    assert set(multiprocessing.active_children()) <= before


@pytest.mark.ngspice
@pytest.mark.parametrize(
    "options", [{"workers": 0}, {"workers": -1}, {"workers": 1.5}, {"timeout": 0}, {"timeout": -1}]
)
def test_bad_pool_option_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(InputError, match="|".join(options)):
        open_backend("spice", **options)

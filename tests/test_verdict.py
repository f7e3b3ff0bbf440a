"""Verdicts of whole circuits: each of them provoked, with the words it comes with and without a number."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from cases import Array

from circuits import Conditioning, Hardware, OpAmp, RramCell, Wires
from cosim import InverseError, Solution, Status, open_backend
from cosim.analog import AnalogArray
from cosim.job import Job
from cosim.settle import BAND

GOOD, RHS = np.array([[2.0, -0.5], [0.5, 1.0]]), np.array([[1.0, 0.0], [2.0, 1.0]])
SLOW = OpAmp(gbw=1e6, slew=np.inf, swing=np.inf)

TABLE = {
    "default": (Hardware(), GOOD),
    "ideal": (Hardware.preset("ideal"), GOOD),
    "compensation": (Hardware(signed="compensation"), GOOD),
    "unstable": (Hardware(), -GOOD),
    "unstable compensation": (Hardware(signed="compensation"), -GOOD),
    "indefinite": (Hardware(), np.array([[1.0, 2.0], [2.0, 1.0]])),
    "small swing": (Hardware(opamp=OpAmp(swing=1e-3)), GOOD),
    "swing just below": (Hardware(opamp=OpAmp(swing=0.19)), GOOD),
    "slow": (Hardware(opamp=SLOW), GOOD),
    "slewing": (Hardware(opamp=OpAmp(slew=1e6)), GOOD),
    "sinh": (Hardware(cell=RramCell(v_sinh=0.05)), GOOD),
    "wires": (Hardware(wires=Wires(r_row=5.0, r_col=5.0)), GOOD),
    "storing lines": (Hardware(wires=Wires(r_row=5.0, c_row=1e-15)), GOOD),
    "small capacitors ring": (Hardware(wires=Wires(c_row=1e-9)), GOOD),
}


def solve(hardware: Hardware, matrix: Array, rhs: Array = RHS, name: str = "spice") -> Solution:
    options = {"workers": 1} if name == "spice" else {}
    with open_backend(name, hardware=hardware, conditioning=Conditioning.off(), **options) as backend:
        return backend.program(matrix).solve(rhs, throw=False)


@pytest.mark.ngspice
@pytest.mark.parametrize(("hardware", "matrix"), TABLE.values(), ids=TABLE)
def test_no_verdict_but_settled_carries_a_number(hardware: Hardware, matrix: Array) -> None:
    solution = solve(hardware, matrix)
    settled = np.array([status is Status.SETTLED for status in solution.stats.statuses])
    assert (np.isfinite(solution.value).all(axis=0) == settled).all()
    assert np.isnan(solution.value[:, ~settled]).all()
    assert (np.isfinite(solution.stats.residual) == settled).all()
    assert (solution.status is Status.SETTLED) == settled.all()
    if not settled.all():
        assert solution.stats.message


@pytest.mark.ngspice
@pytest.mark.parametrize("name", ["nodal", "spice"])
@pytest.mark.parametrize("row", [name for name in TABLE if name.startswith(("unstable", "indefinite"))])
def test_unstable(name: str, row: str) -> None:
    solution = solve(*TABLE[row], name=name)
    assert solution.stats.statuses == (Status.UNSTABLE,) * 2
    assert solution.stats.notes["margin"] < 0
    rate = 1 / -solution.stats.notes["margin"]
    assert f"grows by e every {rate:.3g} s" in solution.stats.message
    assert solution.stats.time_points == 0


def test_unstable_rate_by_hand() -> None:
    # One cell of -1 on the other input, the input on the row, nothing to divide them: v' = w_u ((1 - 1/A0) v - v_in).
    hardware = Hardware(cell=RramCell(g_min=0.0), opamp=OpAmp(gain=1e4), signed="compensation")
    solution = solve(hardware, np.array([[-1.0]]), np.ones(1), name="nodal")
    assert solution.status is Status.UNSTABLE
    assert solution.stats.notes["margin"] == pytest.approx(-2 * np.pi * 5e8 * (1 - 1e-4), rel=1e-6)


@pytest.mark.ngspice
def test_railed_names_the_op_amp_and_how_long() -> None:
    # Only the second output is asked for: 0.2 V, and after three more attempts 3 mV, of 1 mV.
    hardware = replace(Hardware(), opamp=OpAmp(swing=1e-3))
    solution = solve(hardware, np.eye(2), np.array([0.0, 1.0]))
    assert solution.status is Status.RAILED
    assert solution.stats.notes["rescaled"] == 3
    assert "op-amp 2 at its output swing for " in solution.stats.message
    seconds = float(solution.stats.message.partition("swing for ")[2].split()[0])
    with open_backend("nodal", hardware=hardware, conditioning=Conditioning.off()) as backend:
        period = backend.program(np.eye(2)).array.period
    assert 0.3 * period < seconds < period + 4 * 0.2 / hardware.opamp.slew


@pytest.mark.ngspice
def test_rescaling_is_recorded_and_changes_no_answer() -> None:
    small, large = (solve(replace(Hardware(), opamp=OpAmp(swing=swing)), GOOD) for swing in (0.1, 4.0))
    assert small.stats.statuses == large.stats.statuses == (Status.SETTLED,) * 2
    assert small.stats.notes["rescaled"] == 2
    assert large.stats.notes["rescaled"] == 0
    np.testing.assert_allclose(small.value, large.value, rtol=1e-3)
    assert small.stats.message == ""


@pytest.mark.ngspice
def test_window_is_extended_until_every_column_has_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    hardware = Hardware(opamp=SLOW)
    expected = solve(hardware, GOOD)
    monkeypatch.setattr(AnalogArray, "period", property(lambda array: array.settling_time(1e-3)))
    extended = solve(hardware, GOOD)
    assert extended.stats.statuses == (Status.SETTLED,) * 2
    assert expected.stats.notes["extended"] == 0
    assert extended.stats.notes["extended"] == 2
    np.testing.assert_allclose(extended.value, expected.value, rtol=1e-4)
    assert extended.stats.message == ""


@pytest.mark.ngspice
def test_window_too_short_is_not_settled_and_says_how_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    # Far too short: an unsettled column gets twice, then four times the window.
    monkeypatch.setattr(AnalogArray, "period", property(lambda array: array.settling_time(BAND) / 40))
    hardware = Hardware(opamp=SLOW)
    solution = solve(hardware, GOOD)
    assert solution.stats.statuses == (Status.NOT_SETTLED,) * 2
    with open_backend("nodal", hardware=hardware, conditioning=Conditioning.off()) as backend:
        expected = backend.program(GOOD).array.settling_time(BAND)
    assert f"{expected:.3g} s" in solution.stats.message
    with pytest.raises(InverseError, match=r"NOT_SETTLED.*longer window.*Expected to settle"):
        raise InverseError(solution)


@pytest.mark.ngspice
def test_simulation_without_an_answer_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(deck: str, *rest: Any) -> Job:
        return Job(deck.replace("\nRin1 ", "\nDx out1 0 nowhere\nRin1 "), *rest)

    monkeypatch.setattr("cosim.spice.Job", broken)
    solution = solve(Hardware(), GOOD)
    assert solution.stats.statuses == (Status.FAILED,) * 2
    assert "missing model" in solution.stats.message
    assert np.isnan(solution.value).all()


def slowest_answer(array: AnalogArray) -> Array:
    """(n,) a right-hand side whose answer is the slowest mode of U A: the outputs rise along it, and no other."""
    held = array.conditioned.matrix
    values, vectors = np.linalg.eig(held / (1 + np.abs(held).sum(axis=1))[:, None])
    answer: Array = held @ vectors[:, values.real.argmin()].real / array.conditioned.scale
    return answer


@pytest.mark.ngspice
@pytest.mark.parametrize("excited", [True, False], ids=["slowest mode", "random"])
def test_settling_time_is_the_one_of_the_eigenvalue(shared_factors: dict[str, Array], excited: bool) -> None:
    damped = [a + 0.1 * np.diag(a).mean() * np.eye(len(a)) for a in shared_factors.values()]
    with open_backend("spice", hardware=Hardware(), workers=1) as backend:
        programmed = backend.program_many(damped)
        rng = np.random.default_rng(0)
        rhs = [slowest_answer(one.array) if excited else rng.normal(size=len(one.matrix)) for one in programmed]
        solutions = backend.solve_many(list(zip(programmed, rhs, strict=True)))
    ratios = {}
    for name, one, solution in zip(shared_factors, programmed, solutions, strict=True):
        ratios[name] = float(solution.stats.settling_time[0]) / one.array.settling_time(BAND)
    assert len(ratios) == 18
    # A right-hand side that hardly moves the slowest mode settles sooner, never later.
    lowest = 0.8 if excited else 0.5
    assert {name: ratio for name, ratio in ratios.items() if not lowest < ratio < 1.2} == {}

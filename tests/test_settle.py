"""Verdicts on waveforms whose limits are known."""

import numpy as np
import pytest
from cases import Array

from cosim import Status
from cosim.settle import BAND, Limits, Waveforms, settle, settling_time, verdict

TOLERANCE = 1e-5
LIMITS = Limits(TOLERANCE)
NEEDED = np.log(1 / TOLERANCE)
"""Time constants until an exponential is within the tolerance."""


def rising(times: Array, final: float = 1.0, tau: float = 1.0) -> Array:
    return final * (1 - np.exp(-times / tau))


def judge(times: Array, *outputs: Array, limits: Limits = LIMITS) -> Status:
    return verdict(times, np.stack(outputs), limits)


@pytest.mark.parametrize("final", [1.0, -3.0, 1e-6])
@pytest.mark.parametrize(("share", "status"), [(0.98, Status.NOT_SETTLED), (1.02, Status.SETTLED), (3, Status.SETTLED)])
def test_exponential_settles_once_what_is_left_is_below_the_tolerance(
    share: float, status: Status, final: float
) -> None:
    times = np.linspace(0, share * NEEDED, 81)
    assert judge(times, rising(times, final)) is status


def test_halfway_is_not_settled() -> None:
    times = np.linspace(0, 1, 41)
    assert judge(times, rising(times)) is Status.NOT_SETTLED
    assert judge(times, times) is Status.NOT_SETTLED


def test_the_slowest_output_decides_against_the_largest_one() -> None:
    times = np.linspace(0, 20, 81)
    slow = rising(times, 0.5, tau=10)
    assert judge(times, rising(times), slow) is Status.NOT_SETTLED
    # What it has left is 0.07 of itself, and 0.7 of a millionth of the largest.
    assert judge(times, rising(times), 1e-6 * slow) is Status.SETTLED


def test_a_fast_output_does_not_hide_a_slow_one() -> None:
    # Both moved by about 2e-5 in the last quarter, but the slow one has 5e-4 to go.
    times = np.linspace(0, 14, 81)
    assert judge(times, rising(times)) is Status.SETTLED
    assert judge(times, rising(times), rising(times, 6e-4, tau=100)) is Status.NOT_SETTLED


def test_growth_is_unstable_whatever_its_sign() -> None:
    times = np.linspace(0, 8, 65)
    for sign in (1, -1):
        assert judge(times, sign * 1e-9 * np.exp(times)) is Status.UNSTABLE
        assert judge(times, rising(times), sign * 1e-9 * np.exp(2 * times)) is Status.UNSTABLE
    assert judge(times, 1e-9 * np.exp(times) * np.cos(9 * times)) is Status.UNSTABLE
    assert judge(times, 1e270 * np.exp(times)) is Status.UNSTABLE


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [0, 20, 40])
def test_not_a_number_is_unstable(bad: float, where: int) -> None:
    times = np.linspace(0, 30, 41)
    broken = rising(times)
    broken[where] = bad
    assert judge(times, rising(times), broken) is Status.UNSTABLE


@pytest.mark.parametrize("cycles", [4, 8, 40])
def test_an_oscillation_that_lasts_is_never_settled(cycles: int) -> None:
    # A whole number of cycles in a quarter: its value is the same at every quarter.
    times = np.linspace(0, 1, 1001)
    assert judge(times, 1 + np.sin(2 * np.pi * cycles * times)) is not Status.SETTLED
    assert judge(times, np.ones(1001), 1e-3 * np.sin(2 * np.pi * cycles * times)) is not Status.SETTLED


def test_output_at_the_swing_is_railed() -> None:
    times = np.linspace(0, 30, 61)
    limits = Limits(TOLERANCE, swing=4.0)
    for final in (4.0, -4.0, 3.9):
        assert judge(times, rising(times), rising(times, final), limits=limits) is Status.RAILED
    assert judge(times, rising(times, 3.5), limits=limits) is Status.SETTLED
    assert judge(times, np.minimum(0.1 * times, 4), limits=limits) is Status.NOT_SETTLED


def test_silence_is_settled() -> None:
    times = np.linspace(0, 1, 9)
    assert judge(times, np.zeros(9), np.zeros(9)) is Status.SETTLED
    assert settling_time(times, np.zeros((2, 9)), BAND) == 0


def test_noise_below_the_floor_is_settled() -> None:
    times = np.linspace(0, 1, 9)
    noise = 1e-10 * (-1.0) ** np.arange(9)
    noise[::4] = [0, 1e-10, 3e-10]
    assert judge(times, noise) is not Status.SETTLED
    assert judge(times, noise, limits=Limits(TOLERANCE, floor=1e-3)) is Status.SETTLED


@pytest.mark.parametrize("points", [12, 25, 200])
@pytest.mark.parametrize(("tau", "band"), [(1.0, 1e-3), (0.7, 1e-2), (1.3, 1e-4)])
def test_settling_time_of_an_exponential(tau: float, band: float, points: int) -> None:
    times = np.linspace(0, 25, points)
    measured = settling_time(times, np.stack([rising(times, 2, tau), rising(times, 1, tau / 3)]), band)
    assert measured == pytest.approx(tau * np.log(1 / band), rel=0.03)


def test_settling_time_waits_for_the_last_crossing() -> None:
    times = np.linspace(0, 20, 4001)
    ringing = 1 - np.exp(-times) * np.cos(5 * times)
    outside = times[np.abs(ringing - 1) > BAND]
    assert settling_time(times, ringing[None], BAND) == pytest.approx(outside[-1], abs=0.01)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", [3, -1])
def test_settling_time_of_no_number_is_unknown(bad: float, where: int) -> None:
    volts = np.ones((1, 9))
    volts[0, where] = bad
    assert np.isnan(settling_time(np.arange(9.0), volts, BAND))


def test_windows_are_judged_one_by_one_on_uneven_points() -> None:
    # Dense after each edge, as a simulator steps: settled, half-way, silent, growing.
    ends = np.array([20.0, 22.0, 52.0, 60.0])
    local = [np.geomspace(1e-3, width, 50) for width in (20, 2, 30, 8)]
    starts = [0, 20, 22, 52]
    pieces = [rising(local[0]), 1 - rising(local[1], 3), np.full(50, 1 - rising(np.array([2.0]), 3)[0]), None]
    pieces[3] = pieces[2] + 1e-3 * np.expm1(local[3])
    times = np.concatenate([[0], *(start + t for start, t in zip(starts, local, strict=True))])
    volts = np.concatenate([[0], *pieces])
    settled = settle(Waveforms(times, np.stack([volts, -volts])), ends, LIMITS)
    assert settled.statuses == (Status.SETTLED, Status.NOT_SETTLED, Status.SETTLED, Status.UNSTABLE)
    np.testing.assert_allclose(settled.volts[0], [p[-1] for p in pieces])
    np.testing.assert_array_equal(settled.volts[1], -settled.volts[0])
    assert settled.settling_time[0] == pytest.approx(np.log(1 / BAND), rel=0.03)
    assert settled.settling_time[2] == 0


def test_a_late_window_does_not_see_the_one_before() -> None:
    # The edge at 10 takes the output from 1 to 1.01, and a third of that in the window.
    times = np.linspace(0, 20, 401)
    volts = np.where(times <= 10, rising(times, tau=0.3), 1 + 1e-2 * rising(times - 10, tau=20))
    first, second = settle(Waveforms(times, volts[None]), np.array([10.0, 20.0]), LIMITS).statuses
    assert (first, second) == (Status.SETTLED, Status.NOT_SETTLED)

"""What the cells have is what was asked for, but for errors that follow their published formulas and their seed."""

import ast
import math
from dataclasses import fields, replace
from inspect import getsource
from time import perf_counter

import numpy as np
import pytest
from cases import Array
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.stats import norm, truncnorm

from circuits import InputError, programming
from circuits.programming import Programming, Purpose, program_cells, read_cells, truncated_normal
from circuits.spreads import SPREADS

DAY = 86400.0
G_MIN, G_MAX = RANGE = (0.5e-6, 35e-6)
SIZE = 400
CELLS = SIZE * SIZE
EVERYTHING = Programming(0.02, "neurram-1s", 0.3e-6, 0.1, 0.02, 0.03, 0.01, 60.0)
ALONE = {
    "sigma": Programming(sigma=0.02),
    "window": Programming(sigma=0.02, window=0.3e-6),
    "spread": Programming(spread="neurram-1s"),
    "age": Programming(spread="neurram-1s", age=3600.0),
    "variation": Programming(variation=0.1),
    "stuck_on": Programming(stuck_on=0.05),
    "stuck_off": Programming(stuck_off=0.05),
}

unhurried = settings(deadline=None, max_examples=40)
seeds = st.integers(0, 2**63)


def targets(n_rows: int, n_columns: int, seed: int = 5) -> Array:
    return np.random.default_rng(seed).uniform(*RANGE, (n_rows, n_columns))


def program(
    target: Array, setting: Programming, seed: int = 1, write: int = 0, array: int = 0, g_max: float = G_MAX
) -> Array:
    return program_cells(target, (G_MIN, g_max), setting, seed, write, array)


def uniform_cells(setting: Programming, conductance: float, g_max: float = G_MAX, seed: int = 1) -> Array:
    return program(np.full((SIZE, SIZE), conductance), setting, seed=seed, g_max=g_max)


def assert_moments(values: Array, mean: float, std: float, kurtosis: float = 3.0) -> None:
    """Mean and variance within four of their own standard errors."""
    assert abs(values.mean() - mean) < 4 * std / math.sqrt(values.size)
    assert abs(((values - mean) ** 2).mean() - std**2) < 4 * std**2 * math.sqrt((kurtosis - 1) / values.size)


# --- the same seed, the same chip ---


@pytest.mark.parametrize("setting", [*ALONE.values(), EVERYTHING], ids=[*ALONE, "everything"])
def test_same_numbers_same_conductances_bit_for_bit(setting: Programming) -> None:
    target = targets(20, 30)
    asked = target.copy()
    np.testing.assert_array_equal(program(target, setting), program(target, setting))
    np.testing.assert_array_equal(target, asked)


def test_draws_are_those_of_every_other_machine_and_release() -> None:
    # A change of these numbers changes every published result: it needs a line in the change log.
    target = np.full((2, 2), 20e-6)
    written = program(target, replace(EVERYTHING, stuck_on=0.0, stuck_off=0.0), seed=3, write=4, array=1) * 1e6
    np.testing.assert_allclose(written, [[17.5536326546, 18.0927208645], [21.0455442782, 15.2739847284]], rtol=1e-9)
    read = read_cells(target, EVERYTHING, 3, 4, array=1) * 1e6
    np.testing.assert_allclose(read, [[20.0549410044, 20.0390405449], [20.2756460848, 20.0714769235]], rtol=1e-9)


@unhurried
@given(array_shapes(min_dims=2, max_dims=2, max_side=60), seeds, st.sampled_from([*ALONE.values(), EVERYTHING]))
def test_a_position_has_the_same_draw_whatever_the_size(
    shape: tuple[int, int], seed: int, setting: Programming
) -> None:
    rows, columns = shape
    target = targets(60, 60)
    part = program(target[:rows, :columns], setting, seed=seed, write=3)
    np.testing.assert_array_equal(part, program(target, setting, seed=seed, write=3)[:rows, :columns])
    part = read_cells(target[:rows, :columns], EVERYTHING, seed, 7)
    np.testing.assert_array_equal(part, read_cells(target, EVERYTHING, seed, 7)[:rows, :columns])


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (17, 50)])
def test_no_two_cells_share_a_draw(shape: tuple[int, int]) -> None:
    errors = program(np.full(shape, 20e-6), Programming(sigma=0.02))
    assert len(np.unique(errors)) == errors.size


@unhurried
@given(seeds, st.integers(0, 2**40), st.integers(0, 2**40))
def test_a_chip_keeps_its_devices_and_faults_whatever_is_written(seed: int, write: int, later: int) -> None:
    one, other = targets(30, 20, seed=1), targets(25, 40, seed=2)
    both = np.s_[:25, :20]
    setting = Programming(variation=0.1)
    factor = program(one, setting, seed, write) / one
    np.testing.assert_allclose(factor[both], (program(other, setting, seed, later) / other)[both], rtol=1e-13)
    for setting, value in ((Programming(stuck_on=0.1), G_MAX), (Programming(stuck_off=0.1), G_MIN)):
        stuck = program(one, setting, seed, write) == value
        np.testing.assert_array_equal(stuck[both], (program(other, setting, seed, later) == value)[both])


@pytest.mark.parametrize("name", ALONE)
def test_another_chip_or_array_has_other_draws(name: str) -> None:
    target = targets(60, 60)
    first = program(target, ALONE[name])
    assert not np.array_equal(first, program(target, ALONE[name], seed=2))
    assert not np.array_equal(first, program(target, ALONE[name], array=1))
    fixed = name in ("variation", "stuck_on", "stuck_off")
    assert np.array_equal(first, program(target, ALONE[name], write=1)) == fixed


def test_no_two_streams_are_the_same() -> None:
    # 2**32 and its like are where the words of one number could be taken for those of the next.
    numbers = [0, 1, 2, 6, 2**32, 2**32 + 1, 2**33, 3 * 2**32, 2**63]
    draws = [
        programming._stream(purpose, seed, array, count).random()
        for purpose in Purpose
        for seed in numbers
        for array in numbers
        for count in numbers
    ]
    assert len(set(draws)) == len(draws)
    assert np.random.default_rng(1).random() not in draws


def test_streams_are_uncorrelated() -> None:
    target = np.full((SIZE, SIZE), 20e-6)
    draws = [uniform_cells(Programming(sigma=0.02), 20e-6, seed=seed) for seed in (1, 2)]
    draws += [program(target, Programming(sigma=0.02), write=1), program(target, Programming(sigma=0.02), array=1)]
    draws += [uniform_cells(Programming(spread="neurram-1s"), 20e-6), np.log(uniform_cells(ALONE["variation"], 20e-6))]
    draws += [read_cells(target, EVERYTHING, 1, call) for call in (0, 1)]
    correlation = np.corrcoef([draw.ravel() for draw in draws])
    assert np.abs(correlation - np.eye(len(draws))).max() < 5 / math.sqrt(CELLS)  # 28 pairs


# --- every effect by its formula ---


def test_write_error_is_normal_and_relative() -> None:
    for conductance in (1e-6, 20e-6):
        errors = uniform_cells(Programming(sigma=0.02), conductance) / conductance - 1
        assert_moments(errors, 0.0, 0.02)
        assert abs((np.abs(errors) < 0.02).mean() - 0.682689) < 4 * math.sqrt(0.6827 * 0.3173 / CELLS)


@pytest.mark.parametrize("limit", [0.05, 0.5, 1.0, 2.0, 3.5])
def test_window_truncates_the_write_error(limit: float) -> None:
    sigma, conductance = 0.02, 20e-6
    window = limit * sigma * conductance
    errors = (uniform_cells(Programming(sigma=sigma, window=window), conductance) - conductance) / (sigma * conductance)
    inside = math.erf(limit / math.sqrt(2))
    density = math.exp(-(limit**2) / 2) / math.sqrt(2 * math.pi)
    variance = 1 - 2 * limit * density / inside
    fourth = 3 - 2 * (limit**3 + 3 * limit) * density / inside
    assert_moments(errors, 0.0, math.sqrt(variance), kurtosis=fourth / variance**2)


@unhurried
@given(seeds, st.floats(1e-4, 1.0), st.floats(1e-12, 1e-4))
def test_write_error_never_leaves_the_window(seed: int, sigma: float, window: float) -> None:
    target = targets(12, 12)
    errors = program(target, Programming(sigma=sigma, window=window), seed=seed) - target
    assert np.abs(errors).max() <= window + 1e-15 * G_MAX


@pytest.mark.parametrize("limit", [1e-3, 0.3, 1.0, 4.0, 9.0])
def test_truncated_normal_inverts_its_distribution(limit: float) -> None:
    uniform = np.array([0.0, 1e-9, 1e-3, 0.25, 0.5, 0.8, 0.999, 1 - 1e-6])
    expected = truncnorm.ppf(uniform, -limit, limit)
    np.testing.assert_allclose(truncated_normal(uniform, np.full(8, limit)), expected, rtol=1e-9, atol=1e-12)


def test_truncated_normal_without_limit_is_normal_and_finite() -> None:
    uniform = np.array([1e-12, 0.1, 0.5, 0.9])
    np.testing.assert_allclose(truncated_normal(uniform, np.full(4, np.inf)), norm.ppf(uniform), rtol=1e-12, atol=1e-15)
    ends = np.array([0.0, 1 - 2.0**-53])
    for limit in (8.0, 9.0, 30.0, 38.0, np.inf):
        assert np.isfinite(truncated_normal(ends, np.full(2, limit))).all()


@pytest.mark.parametrize("relative", [0.05, 0.3])
def test_variation_is_lognormal_with_mean_one(relative: float) -> None:
    factors = uniform_cells(Programming(variation=relative), 5e-6) / 5e-6
    grown = 1 + relative**2
    assert_moments(np.log(factors), -math.log(grown) / 2, math.sqrt(math.log(grown)))
    assert_moments(factors, 1.0, relative, kurtosis=grown**4 + 2 * grown**3 + 3 * grown**2 - 3)


@pytest.mark.parametrize(("on", "off"), [(0.01, 0.0), (0.0, 0.01), (0.03, 0.002), (0.4, 0.6)])
def test_share_and_value_of_stuck_cells(on: float, off: float) -> None:
    cells = uniform_cells(Programming(stuck_on=on, stuck_off=off), 20e-6)
    counts = [(cells == value).sum() for value in (G_MAX, G_MIN)]
    for count, share in zip(counts, (on, off), strict=True):
        assert abs(count - share * CELLS) <= 4 * math.sqrt(share * (1 - share) * CELLS)
    assert (cells == 20e-6).sum() == CELLS - sum(counts)


def test_more_faults_are_the_same_faults_and_others() -> None:
    few, many = (uniform_cells(Programming(stuck_on=share), 20e-6) == G_MAX for share in (0.01, 0.02))
    assert (many >= few).all()
    assert many.sum() > few.sum()


def test_all_cells_can_be_stuck() -> None:
    assert (uniform_cells(Programming(stuck_on=1.0), 20e-6) == G_MAX).all()
    assert (uniform_cells(Programming(stuck_off=1.0), 20e-6) == G_MIN).all()


def test_read_noise_is_normal_relative_and_new_at_every_call() -> None:
    conductance = np.full((SIZE, SIZE), 20e-6)
    for call in (0, 1):
        assert_moments(read_cells(conductance, Programming(read_noise=0.01), 1, call) / 20e-6 - 1, 0.0, 0.01)
    first, same, other = (read_cells(conductance, Programming(read_noise=0.01), 1, call) for call in (0, 0, 1))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)
    assert (conductance == 20e-6).all()
    assert read_cells(conductance, Programming(read_noise=1.0), 1, 0).min() == 0


# --- published spreads; in uS, copied by hand ---

NEURRAM = [0.0, 4.0, 10.0, 20.0, 30.0, 40.0]
NEURRAM_1S = [0.35, 1.56, 2.26, 2.02, 1.53, 1.10]
NEURRAM_1D = [0.70, 2.45, 3.72, 3.91, 3.37, 2.65]
FITS = [
    ("neurram-1s", 0.0, NEURRAM, NEURRAM_1S),
    ("neurram-1s", 1.0, NEURRAM, NEURRAM_1S),
    ("neurram-1s", DAY, NEURRAM, NEURRAM_1D),
    ("neurram-1s", math.sqrt(DAY), NEURRAM, (np.array(NEURRAM_1S) + NEURRAM_1D) / 2),
    ("neurram-1s", DAY**0.25, NEURRAM, 0.75 * np.array(NEURRAM_1S) + 0.25 * np.array(NEURRAM_1D)),
    ("neurram-1d", 0.0, NEURRAM, NEURRAM_1D),
    ("neurram-wan", 0.0, [0.0, 10.0, 20.0, 39.26], [1.053, 2.4136, 2.3618, 1.6806]),
    ("milo-igvva", 0.0, [50.0, 100.0, 225.0], [4.327, 3.872, 2.733]),
    ("cmo-2pct", 0.0, [10.0, 50.0, 88.0], [0.1241, 0.5757, 1.0047]),
    ("cmo-2pct", 3600.0, [10.0, 50.0, 88.0], [0.1241, 0.5757, 1.0047]),
    ("cmo-0.2pct", 0.0, [10.0, 50.0, 88.0], [0.0115, 0.0543, 0.0950]),
    ("none", 0.0, [0.0, 1.0, 1e3], [0.0, 0.0, 0.0]),
]


@pytest.mark.parametrize(("name", "age", "conductance", "sigma"), FITS)
def test_spread_has_the_published_standard_deviation(
    name: str, age: float, conductance: list[float], sigma: list[float]
) -> None:
    np.testing.assert_allclose(SPREADS[name].sigma(np.array(conductance) * 1e-6, age) * 1e6, sigma, atol=0.0051)


def test_every_spread_is_checked_and_never_negative() -> None:
    assert {name for name, *_ in FITS} == set(SPREADS)
    for name, spread in SPREADS.items():
        assert spread.name == name
        low, high = spread.low, min(spread.high, 1.0)
        for age in {0.0, spread.oldest}:
            assert (spread.sigma(np.linspace(low, high, 999), age) > 0).all() == (name != "none")


@pytest.mark.parametrize("age", [1.0, math.e, 3600.0, 3650 * DAY])
def test_cmo_cells_decay_as_published(age: float) -> None:
    mean, sigma = SPREADS["cmo-2pct"].moved(age)
    assert mean * 1e6 == pytest.approx(-0.089 * math.log(age), rel=1e-3)
    assert sigma * 1e6 == pytest.approx(0.042 * math.log(age) + 0.412, rel=1e-3)
    assert SPREADS["cmo-0.2pct"].moved(age) == (mean, sigma)


def test_cells_without_published_decay_do_not_move() -> None:
    assert {spread.moved(0.0) for spread in SPREADS.values()} == {(0.0, 0.0)}
    assert SPREADS["neurram-1s"].moved(DAY) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("name", "age", "conductance", "mean", "sigma"),
    [
        ("neurram-1s", 0.0, 20e-6, 0.0, 2.021063),
        ("neurram-1s", DAY, 20e-6, 0.0, 3.909000),
        ("neurram-1d", 0.0, 20e-6, 0.0, 3.909000),
        ("neurram-wan", 0.0, 20e-6, 0.0, 2.361800),
        ("milo-igvva", 0.0, 100e-6, 0.0, 3.871621),
        ("cmo-2pct", 0.0, 50e-6, 0.0, 0.575732),
        ("cmo-0.2pct", 0.0, 50e-6, 0.0, 0.054251),
        # 1 hour: ln 3600 = 8.188689; -0.08900206 and 0.04201137 times it, + 0.41183342, and the write's own spread.
        ("cmo-2pct", 3600.0, 50e-6, -0.728810, math.hypot(0.575732, 0.755852)),
        ("cmo-0.2pct", 3600.0, 50e-6, -0.728810, math.hypot(0.054251, 0.755852)),
    ],
)
def test_cells_spread_as_published(name: str, age: float, conductance: float, mean: float, sigma: float) -> None:
    cells = uniform_cells(Programming(spread=name, age=age), conductance, g_max=2 * conductance)
    assert_moments((cells - conductance) * 1e6, mean, sigma)


def test_a_cell_goes_on_in_its_own_direction() -> None:
    errors = [uniform_cells(Programming(spread="neurram-1s", age=age), 20e-6) - 20e-6 for age in (1.0, 3600.0, DAY)]
    assert (np.diff(np.abs(errors), axis=0) >= 0).all()


@pytest.mark.parametrize(("name", "conductance"), [("milo-igvva", 49e-6), ("milo-igvva", 226e-6), ("cmo-2pct", 8e-6)])
def test_spread_refuses_what_was_never_measured(name: str, conductance: float) -> None:
    inside = np.full((3, 3), 60e-6)
    assert program(inside, Programming(spread=name), g_max=300e-6).shape == (3, 3)
    inside[1, 2] = conductance
    low, high = SPREADS[name].low, SPREADS[name].high
    with pytest.raises(InputError, match=rf"'{name}' was measured from {low:g} to {high:g} S.* {conductance:g} S"):
        program(inside, Programming(spread=name), g_max=300e-6)


def test_spread_takes_the_ends_of_its_range_give_or_take_rounding() -> None:
    for spread in SPREADS.values():
        ends = np.array([[spread.low, min(spread.high, 1.0)]])
        assert np.isfinite(spread.sigma(np.nextafter(ends, [0, 1]))).all()


# --- cells that are left out, limits, and effects side by side ---


@unhurried
@given(arrays(bool, (15, 15)), seeds, st.sampled_from(sorted(SPREADS)))
def test_a_cell_that_is_left_out_stays_so(empty: Array, seed: int, spread: str) -> None:
    target = np.where(empty, 0.0, 60e-6 if "neurram" not in spread else 30e-6)
    setting = Programming(0.1, spread, 1e-6, 0.2, stuck_off=0.3, read_noise=0.1, age=SPREADS[spread].oldest)
    conductance = program_cells(target, (0.0, 225e-6), setting, seed, 0)
    assert (conductance[empty] == 0).all()
    assert (read_cells(conductance, setting, seed, 0)[empty] == 0).all()


def test_a_cell_that_is_left_out_can_be_stuck_on_and_not_off() -> None:
    nothing = np.zeros((60, 60))
    stuck_on = program(nothing, Programming(stuck_on=0.1))
    np.testing.assert_array_equal(stuck_on == G_MAX, program(targets(60, 60), Programming(stuck_on=0.1)) == G_MAX)
    assert set(np.unique(stuck_on)) == {0.0, G_MAX}
    assert not program(nothing, Programming(stuck_off=1.0)).any()


def test_conductance_stays_between_zero_and_the_ceiling() -> None:
    cells = uniform_cells(Programming(sigma=1.0, variation=1.0), 30e-6)
    assert cells.min() == 0
    assert cells.max() == 1.5 * G_MAX


@unhurried
@given(
    arrays(float, array_shapes(min_dims=2, max_dims=2), elements=st.floats(0, G_MAX, allow_subnormal=False)),
    seeds,
    st.floats(0, 1),
)
def test_all_off_is_the_identity_bit_for_bit(target: Array, seed: int, window: float) -> None:
    cells = program(target, Programming(window=window), seed=seed)
    assert cells.tobytes() == np.abs(target).tobytes()  # a target of -0.0 becomes 0.0
    assert not np.shares_memory(cells, target)
    read = read_cells(target, Programming(), seed, 0)
    assert read.tobytes() == target.tobytes()
    assert not np.shares_memory(read, target)


def test_effects_join_and_leave_each_other_untouched() -> None:
    target = targets(50, 50)
    written = program(target, ALONE["window"])
    factor = program(target, ALONE["variation"]) / target
    relaxed = program(target, ALONE["age"]) - target
    relaxed_freely = (program(target, ALONE["age"]) > 0) & (program(target, ALONE["age"]) < 1.5 * G_MAX)
    joined = program(target, replace(ALONE["age"], sigma=0.02, window=0.3e-6, variation=0.1))
    expected = np.clip(written * factor + relaxed, 0, 1.5 * G_MAX)
    np.testing.assert_allclose(joined[relaxed_freely], expected[relaxed_freely], rtol=1e-11, atol=1e-18)
    stuck_on = program(target, ALONE["stuck_on"]) == G_MAX
    stuck_off = program(target, ALONE["stuck_off"]) == G_MIN
    assert not (stuck_on & stuck_off).any()
    everything = program(target, replace(ALONE["age"], variation=0.1, stuck_on=0.05, stuck_off=0.05))
    unstuck = program(target, replace(ALONE["age"], variation=0.1))
    np.testing.assert_array_equal(everything, np.where(stuck_on, G_MAX, np.where(stuck_off, G_MIN, unstuck)))


def test_reading_and_writing_are_separate() -> None:
    target = targets(20, 20)
    np.testing.assert_array_equal(program(target, Programming(read_noise=0.5)), target)
    deaf = replace(EVERYTHING, read_noise=0.0)
    np.testing.assert_array_equal(program(target, EVERYTHING), program(target, deaf))
    np.testing.assert_array_equal(read_cells(target, deaf, 1, 0), target)
    quiet = read_cells(target, Programming(read_noise=0.01), 1, 0)
    np.testing.assert_array_equal(read_cells(target, EVERYTHING, 1, 0), quiet)


def test_a_decayed_cell_keeps_its_write() -> None:
    fresh, old = (uniform_cells(Programming(spread="cmo-2pct", age=age), 30e-6, g_max=88e-6) for age in (0.0, 3600.0))
    assert_moments((old - fresh) * 1e6, -0.728810, 0.755852)
    assert abs(np.corrcoef((old - fresh).ravel(), fresh.ravel())[0, 1]) < 4 / math.sqrt(CELLS)


def test_a_large_array_takes_milliseconds() -> None:
    target, seconds = targets(128, 128), []
    for write in range(5):
        start = perf_counter()
        read_cells(program(target, EVERYTHING, write=write), EVERYTHING, 1, write)
        seconds.append(perf_counter() - start)
    assert min(seconds) < 0.1  # 5 ms on an idle core


# --- what is refused ---

SHARE = "0 to 1"
BAD = [
    ("sigma", [-0.01, 1.01, math.nan, math.inf, "2%", None], SHARE, "S/S"),
    ("window", [-1e-9, 1.5, math.nan, math.inf, "1u"], SHARE, "S"),
    ("variation", [-0.01, 1.01, math.nan, math.inf, 1j], SHARE, "S/S"),
    ("stuck_on", [-0.01, 1.01, math.nan, math.inf], SHARE, "cells/cell"),
    ("stuck_off", [-0.01, 1.01, math.nan, math.inf], SHARE, "cells/cell"),
    ("read_noise", [-0.01, 1.01, math.nan, math.inf], SHARE, "S/S"),
    ("age", [-1.0, 4e8, math.nan, math.inf, "1h"], "0 to 3.1536e+08", "s"),
]


@pytest.mark.parametrize(
    ("name", "value", "limits", "unit"), [(name, value, *rest) for name, values, *rest in BAD for value in values]
)
def test_bad_value_is_refused_with_field_value_range_and_unit(name: str, value: object, limits: str, unit: str) -> None:
    with pytest.raises(InputError) as refusal:
        Programming(**{"spread": "cmo-2pct", name: value})
    assert str(refusal.value).startswith(f"Programming.{name} = {value!r} is outside ")
    assert str(refusal.value).endswith(f"{limits} {unit}.")


def test_every_field_is_refused_somewhere() -> None:
    assert {name for name, *_ in BAD} | {"spread"} == {field.name for field in fields(Programming)}


@pytest.mark.parametrize("spread", ["neurram", "", None, 1, ["none"]])
def test_unknown_spread_lists_the_known_ones(spread: object) -> None:
    with pytest.raises(InputError, match=r"Programming\.spread = .* known ones are none, neurram-1s, .*cmo-0\.2pct"):
        Programming(spread=spread)


def test_more_than_all_cells_cannot_be_stuck() -> None:
    with pytest.raises(InputError, match=r"stuck_on \+ Programming\.stuck_off = 1\.2 is outside 0 to 1 cells/cell"):
        Programming(stuck_on=0.6, stuck_off=0.6)


@pytest.mark.parametrize("spread", ["none", "neurram-1d", "neurram-wan", "milo-igvva"])
def test_age_is_refused_where_no_growth_is_published(spread: str) -> None:
    assert Programming(spread=spread, age=0.0).age == 0
    with pytest.raises(InputError, match=rf"Programming\.age = 2\.0 is outside 0 to 0 s.*'{spread}'.*neurram-1s"):
        Programming(spread=spread, age=2.0)


@pytest.mark.parametrize(("spread", "age"), [("neurram-1s", 0.5), ("neurram-1s", 1.1 * DAY), ("cmo-2pct", 1e-3)])
def test_age_is_refused_outside_what_was_published(spread: str, age: float) -> None:
    with pytest.raises(InputError, match=rf"Programming\.age.*'{spread}' = {age!r} is outside 1 to .* s\."):
        Programming(spread=spread, age=age)


@pytest.mark.parametrize("value", [-1e-9, G_MAX * 1.001, np.nan, np.inf])
def test_target_that_no_cell_can_have_is_refused(value: float) -> None:
    target = targets(3, 3)
    target[1, 1] = value
    with pytest.raises(InputError, match=r"from 0 to 3\.5e-05 S \(g_max\)"):
        program(target, Programming())


def test_target_that_is_no_matrix_is_refused() -> None:
    with pytest.raises(InputError, match="matrix"):
        program(np.full(3, 1e-6), Programming())


def test_target_above_the_range_by_rounding_is_taken() -> None:
    target = np.full((1, 1), np.nextafter(G_MAX, 1))
    np.testing.assert_array_equal(program(target, Programming()), target)


def test_range_the_wrong_way_round_is_refused() -> None:
    with pytest.raises(InputError, match=r"cell_range\[0\] = 3\.5e-05 is outside 0 to 5e-07 S"):
        program_cells(np.zeros((1, 1)), (G_MAX, G_MIN), Programming(), 1, 0)


@pytest.mark.parametrize("numbers", [(-1, 0, 0), (0, -1, 0), (0, 0, -1), (2**64, 0, 0)])
def test_negative_or_huge_seed_write_or_array_is_refused(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(InputError, match=r"= -1 is outside 0|chip_seed = 18446744073709551616 is outside 0"):
        program(targets(2, 2), Programming(), *numbers)
    with pytest.raises(InputError, match=r"= -1 is outside 0|chip_seed = 18446744073709551616 is outside 0"):
        read_cells(targets(2, 2), EVERYTHING, *numbers)


def test_numpy_integers_are_numbers_too() -> None:
    target = targets(4, 4)
    counted = program(target, EVERYTHING, seed=np.int64(3), write=np.int64(2), array=np.uint8(1))
    np.testing.assert_array_equal(counted, program(target, EVERYTHING, seed=3, write=2, array=1))


def test_every_field_says_what_it_is_and_its_unit() -> None:
    node = next(n for n in ast.parse(getsource(programming)).body if getattr(n, "name", "") == "Programming")
    for item, after in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(item, ast.AnnAssign):
            text = ast.literal_eval(after.value)
            unit = text.partition("[")[2].partition("]")[0]
            assert text.endswith((".", "`")), ast.unparse(item)
            assert ast.unparse(item.annotation) == "str" or unit in {"S", "S/S", "s", "cells/cell"}, ast.unparse(item)

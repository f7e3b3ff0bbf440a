"""Digital processors: kernels against linear algebra, times against sums by hand; nothing here depends on a clock."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from circuits import InputError
from cosim import digital
from cosim.cost_constants import CORE_POWER, GPUS, LAUNCH_TIME, ROW_TIME, STRETCH, Constant
from cosim.digital import (
    Baseline,
    Kernels,
    Library,
    Run,
    Singles,
    measure_scipy,
    measured,
    published,
    scipy_kernels,
)
from training.digital_torch import measure_torch, torch_kernels

FACTORS = [("a/A", 100, 20), ("a/G", 20, 100), ("b/A", 100, 40)]
RUN = Run("fake", Constant(5.0, "W", 2.0, 10.0, "none"))


def told(seconds: float) -> Callable[[], object]:
    return lambda: seconds


def fake(matrix: Singles) -> Kernels:
    """Calls that say what they take: n^3 and n^2 k, invert 2, multiply 1, solve 3 times as much, in ns."""
    n = float(len(matrix))
    return Kernels(
        told(n**3 * 1e-9),
        told(2 * n**3 * 1e-9),
        lambda rhs: {"multiply": told(n**2 * rhs.shape[1] * 1e-9), "solve": told(3 * n**2 * rhs.shape[1] * 1e-9)},
    )


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digital, "_clock", lambda call: call())


CUBES = 1e-9 * (2 * 100**3 + 20**3)
SQUARES = 1e-9 * (100**2 * 60 + 20**2 * 100)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("refresh", [1, 10, 1000])
def test_a_step_is_its_part_of_a_refresh_and_its_right_hand_sides_by_the_faster_method(refresh: int) -> None:
    (found,) = measured([RUN], FACTORS, fake)
    inverse, solve = 3 * CUBES / refresh + SQUARES, CUBES / refresh + 3 * SQUARES
    assert found.time(refresh) == pytest.approx(min(inverse, solve))
    assert found.energy(refresh) == pytest.approx(5.0 * min(inverse, solve))
    assert found.energy(refresh, "low") == pytest.approx(2.0 * min(inverse, solve))


@pytest.mark.usefixtures("clock")
def test_larger_factors_are_taken_in_proportion_and_named() -> None:
    whole, cut = (measured([RUN], FACTORS, fake, rows=rows)[0] for rows in (1000, 50))
    assert cut.time(7) == pytest.approx(whole.time(7))
    assert cut.details["in_proportion"] == [100]
    assert whole.details["in_proportion"] == []


@pytest.mark.usefixtures("clock")
def test_every_distinct_size_is_prepared_once() -> None:
    sizes: list[int] = []

    def counted(matrix: Singles) -> Kernels:
        sizes.append(len(matrix))
        return fake(matrix)

    measured([RUN], FACTORS, counted)
    assert sizes == [20, 100]


@pytest.mark.usefixtures("clock")
def test_more_threads_are_never_slower() -> None:
    factor = 1.0

    @contextmanager
    def waiting() -> Iterator[None]:
        nonlocal factor
        factor = 100.0
        yield

    def disturbed(matrix: Singles) -> Kernels:
        calls = fake(matrix)
        return calls._replace(decompose=told(factor * len(matrix) ** 3 * 1e-9))

    one, more = measured([RUN, Run("more", CORE_POWER.scaled(2), waiting)], FACTORS, disturbed)
    assert more.time(10) == pytest.approx(one.time(10))
    assert more.constants["power"].value == 2 * CORE_POWER.value


def test_the_median_counts_and_the_spread_of_the_repeats_is_the_range(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([9.0e-3, 1e-3, 2e-3, 4e-3] * 4)
    monkeypatch.setattr(digital, "_clock", lambda call: next(times))
    (found,) = measured([RUN], [("a/A", 3, 1)], fake, repeats=3)
    # Of every call the first is not counted; the method 'solve' makes two calls, 'inverse' three.
    assert found.time(1) == pytest.approx(2 * 2e-3)
    stretch = found.constants["stretch"]
    assert (stretch.low, stretch.high) == (pytest.approx(0.5), pytest.approx(2.0))


@pytest.mark.parametrize("library", [scipy_kernels, partial(torch_kernels, "cpu")])
def test_kernels_invert_and_solve(library: Library) -> None:
    rng = np.random.default_rng(0)
    matrix = rng.random((7, 7), dtype=np.float32)
    matrix = np.asfortranarray(matrix + matrix.T + 14 * np.eye(7, dtype=np.float32))
    rhs = np.asfortranarray(rng.random((7, 3), dtype=np.float32))
    true = np.linalg.solve(matrix.astype(float), rhs)
    calls = library(matrix).take(rhs)
    assert np.asarray(calls["multiply"]()) == pytest.approx(true, abs=1e-5)
    solved = calls["solve"]()
    assert np.asarray(solved[0] if isinstance(solved, tuple) else solved) == pytest.approx(true, abs=1e-5)


@pytest.mark.parametrize("measure", [measure_scipy, measure_torch])
def test_the_cpu_is_timed(measure: Callable[..., list[Baseline]]) -> None:
    (found,) = measure(FACTORS, [1], rows=16, repeats=1)
    assert 0 < found.time(10) < 60
    assert found.constants["power"] == CORE_POWER
    assert found.details["in_proportion"] == [20, 100]


def test_a_published_gpu_by_hand() -> None:
    found = published("H100", [("a/A", 100, 20)])
    peak = GPUS["H100"].flops
    once = STRETCH.value * 100**3 / peak + 100 * ROW_TIME.value + 2 * LAUNCH_TIME.value
    each = STRETCH.value * 2 * 100**2 * 20 / peak + LAUNCH_TIME.value
    assert found.time(5) == pytest.approx(once / 5 + each)
    assert found.energy(5) == pytest.approx(700 * (once / 5 + each))


def test_every_constant_of_a_processor_costs_more_when_it_is_larger() -> None:
    for processor in (published(name, FACTORS) for name in GPUS):
        for name, constant in processor.constants.items():
            dearer = replace(processor, constants={**processor.constants, name: constant.scaled(2)})
            assert dearer.energy(10) > processor.energy(10)
            assert (dearer.time(10) > processor.time(10)) is (name != "power")
        assert processor.time(10, "low") < processor.time(10) < processor.time(10, "high")


def test_every_processor_says_where_its_figures_come_from() -> None:
    for processor in (published(name, FACTORS) for name in GPUS):
        assert all(constant.source and constant.unit for constant in processor.constants.values())
        assert processor.details["source"]


def test_nothing_to_time_is_refused() -> None:
    with pytest.raises(InputError, match="0, 5 and 6144"):
        measured([RUN], [], fake)
    with pytest.raises(InputError, match="repeats"):
        measured([RUN], FACTORS, fake, repeats=0)

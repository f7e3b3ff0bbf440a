"""Ratios against their definition, break-even values put back, and what copies of an array change."""

from dataclasses import astuple, replace

import numpy as np
import pytest

from circuits import InputError
from circuits.power import Flow
from cosim.array_calls import slower
from cosim.cost import Calls, CostModel, Work, works_of
from cosim.cost_constants import Constant, Constants
from cosim.digital import Baseline, Need
from cosim.energy import Call
from cosim.operations import Operations
from cosim.ratios import TARGETS, Arrays, Comparison, Finding, Knob, findings, knobs
from cosim.workloads import workload

CALLS = Calls(
    inv={64: Call(Flow(1e-14, np.array([4e-12]), 1e-7, 128), 1e-7)},
    mvm={64: Call(Flow(1e-15, np.array([1e-12]), 2e-8, 64), 2e-8)},
)
SETTLING = Constant(1.0, "x", 0.25, 4.0, "none")
ARRAYS = Arrays(tuple(works_of(workload("resnet18").factors, 64)), CALLS, SETTLING)
PROCESSOR = Baseline(
    "fake",
    {"inverse": (Need(6.0), Need(0.2)), "solve": (Need(2.0), Need(0.7))},
    {"stretch": Constant(1.0, "x", 0.5, 3.0, "none"), "power": Constant(4.0, "W", 2.0, 8.0, "none")},
)
BOTH = [Comparison(ARRAYS, PROCESSOR, quantity) for quantity in TARGETS]


def test_a_ratio_is_what_the_processor_takes_over_what_the_arrays_take() -> None:
    cost = CostModel(CALLS).step(ARRAYS.works)
    speed, efficiency = (comparison.ratio() for comparison in BOTH)
    assert speed == pytest.approx((6.0 / 10 + 0.2) / cost.time.total)
    assert efficiency == pytest.approx(4.0 * (6.0 / 10 + 0.2) / cost.energy.total)


@pytest.mark.parametrize("comparison", BOTH, ids=list(TARGETS))
def test_the_range_is_dear_against_cheap(comparison: Comparison) -> None:
    found = comparison.range()
    low = CostModel(slower(CALLS, 4.0), Constants().at("high")).step(ARRAYS.works)
    dear = low.time if comparison.quantity == "throughput" else low.energy
    processor = 0.5 * 0.8 * (1 if comparison.quantity == "throughput" else 2.0)
    assert found["low"] == pytest.approx(processor / dear.total)
    assert found["low"] < found["value"] < found["high"]


@pytest.mark.parametrize("comparison", BOTH, ids=list(TARGETS))
def test_the_value_that_is_needed_gives_exactly_the_ratio(comparison: Comparison) -> None:
    target = TARGETS[comparison.quantity]
    found = [one for one in findings(comparison) if one.needed is not None and not one.knob.whole]
    assert len(found) >= 5
    for finding in found:
        assert finding.needed is not None
        assert finding.knob.ratio(finding.needed) == pytest.approx(target, rel=1e-9)


@pytest.mark.parametrize("comparison", BOTH, ids=list(TARGETS))
def test_never_means_that_neither_end_reaches_it(comparison: Comparison) -> None:
    for finding in findings(comparison):
        if finding.verdict == "never":
            ratios = [finding.knob.ratio(value) for value in finding.knob.grid()]
            assert max(ratios) < finding.target or min(ratios) > finding.target


@pytest.mark.parametrize("name", ["refresh", "copies"])
def test_of_whole_numbers_the_nearest_is_taken(name: str) -> None:
    found = [one for one in knobs(BOTH[0]) if one.name == name]
    target = found[0].ratio(37.0) * 1.0001
    needed = found[0].needed(target)
    assert needed is not None
    assert needed == int(needed)
    gaps = [abs(np.log(found[0].ratio(value) / target)) for value in (needed - 1, needed, needed + 1)]
    assert gaps[1] == min(gaps)


def test_what_does_not_move_a_ratio_is_left_out() -> None:
    speed, efficiency = ({one.knob.name for one in findings(comparison)} for comparison in BOTH)
    assert not speed & {"supply", "quiescent", "dac_step", "write_energy", "byte_energy", "processor power"}
    assert not efficiency & {"dac_time", "write_time", "mac_time"}
    assert {"settling", "adc_time", "refresh", "copies", "processor stretch"} <= speed & efficiency


@pytest.mark.parametrize("comparison", BOTH, ids=list(TARGETS))
def test_a_dearer_array_lowers_the_ratio_and_a_dearer_processor_raises_it(comparison: Comparison) -> None:
    for finding in findings(comparison):
        if finding.knob.name.startswith("processor"):
            assert finding.at_low < finding.nominal < finding.at_high
        elif not finding.knob.whole:
            assert finding.at_low >= finding.nominal >= finding.at_high


@pytest.mark.parametrize(
    ("needed", "verdict"), [(None, "never"), (2.0, "reproduces"), (1.0, "reproduces"), (4.1, "outside")]
)
def test_the_verdict_is_where_the_value_lies(needed: float | None, verdict: str) -> None:
    knob = Knob("x", Constant(2.0, "s", 1.0, 4.0, "none"), lambda value: BOTH[0])
    assert Finding(knob, 3.0, 0.5, 2.0, 5.88, needed).verdict == verdict


def test_a_number_breaks_a_ratio_that_it_takes_below_one() -> None:
    knob = Knob("x", Constant(2.0, "s", 1.0, 4.0, "none"), lambda value: BOTH[0])
    assert Finding(knob, 3.0, 0.5, 2.0, 5.88, None).breaks
    assert not Finding(knob, 3.0, 1.5, 2.0, 5.88, None).breaks
    assert not Finding(knob, 0.9, 0.5, 0.7, 5.88, None).breaks  # below 1 already


def test_copies_share_right_hand_sides_and_are_all_written() -> None:
    work = Work(Operations.on_arrays(64, 64), solves=10)
    one, four = (CostModel(CALLS, copies=copies).factor(work) for copies in (1, 4))
    # 10 right-hand sides on 4 arrays: 3 on the busiest
    assert four.time.settling == pytest.approx(0.3 * one.time.settling)
    assert four.time.adc == pytest.approx(0.3 * one.time.adc)
    assert four.time.programming == one.time.programming
    assert four.energy.settling == pytest.approx(one.energy.settling)
    assert four.energy.programming == pytest.approx(4 * one.energy.programming)
    with pytest.raises(InputError, match="copies"):
        CostModel(CALLS, copies=0)


def test_longer_calls_scale_settling_alone() -> None:
    doubled = replace(ARRAYS, works=(Work(Operations.on_arrays(64, 64), 5),))
    once, twice = doubled.cost(), replace(doubled, calls=slower(CALLS, 2.0)).cost()
    assert twice.time.settling == pytest.approx(2 * once.time.settling)
    # Energy of the call doubles; what is taken while it is read is at the mean power, which stays.
    assert astuple(twice.energy)[1:] == pytest.approx(astuple(once.energy)[1:])
    assert once.energy.settling < twice.energy.settling < 2 * once.energy.settling


def test_a_row_holds_all_that_a_report_needs() -> None:
    row = BOTH[0].row()
    assert row["one_by_one"] < row["value"]
    assert row["target"] == 5.88
    names = {number["name"] for number in row["numbers"]}
    assert "mac_time" in names
    for number in row["numbers"]:
        assert number["low"] <= number["value"] <= number["high"]
        if number["needed"] is None:
            assert number["ratio_at_needed"] is None


def test_an_unknown_quantity_is_refused() -> None:
    with pytest.raises(InputError, match="throughput"):
        Comparison(ARRAYS, PROCESSOR, "speed")

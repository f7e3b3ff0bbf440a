"""The cost model against sums by hand, and its constants one by one."""

from dataclasses import astuple, fields, replace

import numpy as np
import pytest

from circuits import Conditioning, Converters, Hardware, InputError
from circuits.power import Flow, Supply
from cosim import open_backend
from cosim.analog import AnalogArray
from cosim.blocks import BlockBackend
from cosim.cost import Calls, Cost, CostModel, Parts, Work, works_of
from cosim.cost_constants import ESTIMATES, OP_AMPS, Constant, Constants
from cosim.energy import Call, nodal_call, spice_calls
from cosim.operations import DEFLATION_MACS, VECTOR_MACS, Operations
from cosim.pool import SpicePool
from cosim.precision import Precision
from cosim.refine import open_precise
from cosim.workloads import WORKLOADS, workload

TIME, CHARGE, OPAMPS = 1e-7, 4e-12, 16


def call(rows: int) -> Call:
    """A call whose op-amps and inputs move CHARGE in all, in TIME."""
    return Call(Flow(1e-14, np.array([CHARGE]), TIME, OPAMPS), settling_time=TIME * rows / 8)


CALLS = Calls(inv={8: call(8), 64: call(64)}, mvm={64: call(64)})


def nominal(name: str) -> float:
    return float(getattr(Constants(), name).value)


def doubled(name: str) -> Constants:
    return replace(Constants(), **{name: getattr(Constants(), name).scaled(2)})


def step(constants: Constants, converters: Converters | None = None) -> Cost:
    works = [Work(Operations.on_arrays(100, 64), solves=7), Work(Operations.on_arrays(8, 64), solves=3, second=True)]
    return CostModel(CALLS, constants, converters or Converters()).step(works)


def test_a_factor_on_one_array_by_hand() -> None:
    model = CostModel(CALLS, converters=Converters(dac_bits=4, adc_bits=6), refresh=5)
    found = model.factor(Work(Operations.on_arrays(8, 64), solves=3))
    c = Constants()
    reading = 8 * c.adc_time.value
    drawn = c.supply.value * (CHARGE + 2 * c.quiescent.value * OPAMPS * TIME)
    macs = 3 * VECTOR_MACS * 8 + DEFLATION_MACS * 64 / 5
    assert astuple(found.time) == pytest.approx(
        (
            3 * TIME,
            3 * c.dac_time.value,
            3 * reading,
            8 * 8 * c.write_pulses.value * c.write_time.value / 5,
            macs * c.mac_time.value,
        )
    )
    assert astuple(found.energy) == pytest.approx(
        (
            3 * drawn * (1 + reading / TIME),
            3 * 8 * c.dac_step.value * 2**4,
            3 * 8 * c.adc_step.value * 2**6,
            2 * 64 * c.write_pulses.value * c.write_energy.value / 5,
            macs * c.mac_energy.value + 4 * (2 * 8 * 3 + 64 / 5) * c.byte_energy.value,
        )
    )


@pytest.mark.parametrize("estimate", list(ESTIMATES))
def test_the_breakdown_adds_up(estimate: str) -> None:
    cost = step(Constants().at(estimate))
    for parts in (cost.time, cost.energy):
        assert parts.total == pytest.approx(sum(getattr(parts, one.name) for one in fields(Parts)))
        assert all(part > 0 for part in astuple(parts))


ONLY = {
    # constant: (parts of the time, parts of the energy) that grow with it
    "supply": ((), ("settling",)),
    "quiescent": ((), ("settling",)),
    "dac_step": ((), ("dac",)),
    "dac_time": (("dac",), ()),
    "adc_step": ((), ("adc",)),
    "adc_time": (("adc",), ("settling",)),
    "adc_share": (("adc",), ("settling",)),
    "ideal_bits": ((), ("dac", "adc")),
    "write_pulses": (("programming",), ("programming",)),
    "write_time": (("programming",), ()),
    "write_energy": ((), ("programming",)),
    "write_share": (("programming",), ()),
    "mac_energy": ((), ("digital",)),
    "mac_time": (("digital",), ()),
    "byte_energy": ((), ("digital",)),
}


@pytest.mark.parametrize("name", list(Constants().items()))
def test_a_doubled_constant_raises_its_parts_and_no_other(name: str) -> None:
    before, after = step(Constants()), step(doubled(name))
    for old, new, grows in ((before.time, after.time, ONLY[name][0]), (before.energy, after.energy, ONLY[name][1])):
        for part in fields(Parts):
            if part.name in grows:
                assert getattr(new, part.name) > getattr(old, part.name)
            else:
                assert getattr(new, part.name) == pytest.approx(getattr(old, part.name), rel=1e-12)


@pytest.mark.parametrize("name", ["supply", "dac_step", "adc_step", "write_energy", "write_pulses"])
def test_what_is_proportional_doubles(name: str) -> None:
    (part,) = ONLY[name][1]
    assert getattr(step(doubled(name)).energy, part) == pytest.approx(2 * getattr(step(Constants()).energy, part))


def test_known_bits_leave_the_ideal_ones_out() -> None:
    bits = Converters(dac_bits=4, adc_bits=4)
    assert step(doubled("ideal_bits"), bits) == step(Constants(), bits)


def test_low_nominal_high_are_in_order() -> None:
    found = CostModel(CALLS).range(works_of(workload("cnn").factors, max_array=64))
    times, energies = [c.time.total for c in found.values()], [c.energy.total for c in found.values()]
    assert list(found) == ["low", "nominal", "high"]
    assert times == sorted(times)
    assert energies == sorted(energies)


def test_programming_is_spread_over_the_refresh_interval() -> None:
    works = [Work(Operations.on_arrays(64, 64), solves=4)]
    often, seldom = (CostModel(CALLS, refresh=refresh).step(works) for refresh in (1, 100))
    assert often.energy.programming == pytest.approx(100 * seldom.energy.programming)
    assert often.time.programming == pytest.approx(100 * seldom.time.programming)
    assert often.energy.settling == seldom.energy.settling


def test_factors_together_take_the_slowest_and_all_the_energy() -> None:
    model = CostModel(CALLS)
    first, other = Work(Operations.on_arrays(64, 64), 10), Work(Operations.on_arrays(8, 64), 10)
    second = replace(other, second=True)
    together, apart = model.step([first, other, second]), model.step([first, other, second], together=False)
    slow, fast = model.factor(first), model.factor(other)
    assert together.time.settling == pytest.approx(slow.time.settling + fast.time.settling)
    assert apart.time.settling == pytest.approx(slow.time.settling + 2 * fast.time.settling)
    assert together.time.digital == pytest.approx(apart.time.digital)
    assert together.energy == apart.energy


def test_an_array_that_was_not_measured_is_refused() -> None:
    with pytest.raises(InputError, match="65 rows"):
        CostModel(CALLS).step([Work(Operations.on_arrays(65, 128), 1)])
    still = Call(call(8).flow, settling_time=0.0)
    with pytest.raises(InputError, match="outputs move"):
        CostModel(Calls({8: still})).step([Work(Operations.on_arrays(8, 64), 1)])
    with pytest.raises(InputError, match="without any factor"):
        CostModel(CALLS).step([])
    with pytest.raises(InputError, match="refresh"):
        CostModel(CALLS, refresh=0)


def test_a_smaller_array_takes_its_part_of_the_energy() -> None:
    supply = Supply(1.0, 0.0)
    assert CALLS.at("inv", 32, supply) == pytest.approx((TIME * 8, CHARGE / 2))


@pytest.mark.parametrize(("n", "max_array"), [(4, 8), (8, 4), (10, 4), (23, 5)])
def test_closed_form_counts_are_those_of_a_run(n: int, max_array: int) -> None:
    matrix = np.eye(n) + np.random.default_rng(n).uniform(0.05, 0.1, (n, n)) / n
    hardware = Hardware.preset("ideal")
    with BlockBackend(open_backend("nodal", hardware=hardware), max_array) as backend:
        notes = backend.program(matrix).solve(np.ones((n, 3))).stats.notes
    closed = Operations.on_arrays(n, max_array)
    counted = closed.counted(notes, columns=3)
    assert (counted.inv, counted.mvm) == (closed.inv, closed.mvm)
    assert (counted.cells, counted.arrays) == (closed.cells, closed.arrays)


def test_one_stage_is_three_solves_and_two_products() -> None:
    found = Operations.on_arrays(8, 4)
    assert (found.inv_steps, found.mvm_steps, found.inv, found.mvm) == (3, 2, 3, 2)
    # A1 and S of 4 x 4 solve, A2 and A3 multiply: an LU of 4^3 / 3, and two products of 4^3
    assert (found.cells, found.arrays) == (4 * 2 * 16, 4)
    assert found.refresh_macs == pytest.approx(DEFLATION_MACS * 64 + 64 / 3 + 2 * 64)


def test_a_refined_solve_is_counted_from_its_notes() -> None:
    notes = {"inv": 12.0, "mvm": 96.0, "cells": 1000.0, "arrays": 9.0, "solves": 12.0, "cycles": 4.0}
    found = Operations.on_arrays(8, 64).counted(notes, columns=3)
    assert (found.inv, found.mvm, found.cells, found.arrays) == (4, 32, 1000, 9)
    assert found.vector_macs == 4 * VECTOR_MACS * 8 + 32 * 8
    with pytest.raises(InputError, match="right-hand sides"):
        Operations.on_arrays(8, 64).counted(notes, columns=0)


def test_the_notes_of_a_refined_run_give_its_counts() -> None:
    matrix = np.eye(6) + 0.1 * np.ones((6, 6))
    with open_precise("nodal", Precision.parse("hp:1e-3"), Hardware.preset("rram40").linear()) as backend:
        notes = backend.program(matrix).solve(np.eye(6)[:, :2]).stats.notes
    found = Operations.on_arrays(6, 64).counted(notes, columns=2)
    assert found.inv == notes["solves"] / 2 >= 1
    assert found.mvm > found.inv
    assert found.cells > 2 * 36


@pytest.mark.parametrize("name", list(WORKLOADS))
def test_every_network_has_a_cost(name: str) -> None:
    cost = CostModel(CALLS).step(works_of(workload(name).factors, max_array=64))
    assert np.isfinite(cost.time.total)
    assert np.isfinite(cost.energy.total)


@pytest.mark.ngspice
def test_both_engines_lead_to_the_same_cost() -> None:
    matrix, rhs = np.array([[1.0, -0.3, 0.1], [0.2, 0.8, 0.0], [0.1, 0.3, 1.2]]), np.array([1.0, -0.4, 0.2])
    work = Work(Operations.on_arrays(3, 64), solves=5)
    linear, whole = (AnalogArray.program(matrix, h, Conditioning()) for h in (Hardware().linear(), Hardware()))
    with SpicePool(1) as pool:
        (spice,) = spice_calls(whole, rhs[:, None], pool)
    one, other = (CostModel(Calls({3: call})).factor(work) for call in (spice, nodal_call(linear, rhs)))
    assert astuple(one.time) == pytest.approx(astuple(other.time), rel=0.01)
    assert astuple(one.energy) == pytest.approx(astuple(other.energy), rel=0.01)


@pytest.mark.parametrize("op_amp", list(OP_AMPS))
def test_every_constant_has_a_source_a_unit_and_a_range(op_amp: str) -> None:
    for constant in Constants.of(op_amp).items().values():
        assert constant.low <= constant.value <= constant.high
        assert constant.unit
        assert constant.source


def test_constants_out_of_order_and_unknown_names_are_refused() -> None:
    with pytest.raises(InputError, match="low"):
        Constant(1.0, "V", 2.0, 3.0, "none")
    with pytest.raises(InputError, match="on-chip"):
        Constants.of("lm741")
    with pytest.raises(InputError, match="nominal"):
        Constants().at("best")

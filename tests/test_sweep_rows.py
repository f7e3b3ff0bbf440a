"""Rows: what is measured at a point, failed ones included, and taken over from a run that was stopped."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_sweep import read

from circuits import Conditioning, Hardware, InputError, OpAmp
from circuits.power import Flow
from cosim import sweep_rows
from cosim.executor import TaskError
from cosim.pool import SpicePool
from cosim.sweep import with_field
from cosim.sweep_call import Seen, overshoot
from cosim.sweep_here import Here
from cosim.sweep_part import Part
from cosim.sweep_point import COLUMNS, EMPTY, Setting, measure
from cosim.sweep_rows import check_count, run_rows

IDEAL = Hardware.preset("ideal")
ROTATION = np.array([[1.0, -1.0], [1.0, 1.0]])
"""Its loop rings."""


def setting(
    matrix: np.ndarray, circuit: str = "inverse", backend: str = "nodal", hardware: Hardware = IDEAL
) -> Setting:
    return Setting(circuit, backend, matrix, hardware, Conditioning.off())


def test_the_overshoot_of_a_damped_oscillation_is_the_textbook_one() -> None:
    # A second-order step response with damping ratio z overshoots by exp(-pi z / sqrt(1 - z^2)).
    z, times = 0.3, np.linspace(0, 40, 40_001)
    w = math.sqrt(1 - z**2)
    rising = 1 - np.exp(-z * times) * (np.cos(w * times) + z / w * np.sin(w * times))
    assert overshoot(-2 * rising[None]) == pytest.approx(math.exp(-math.pi * z / w), rel=1e-4)


def test_overshoot_counts_what_is_beyond_the_end_in_the_direction_of_the_way_there() -> None:
    volts = np.array([[0.0, 0.5, 1.0], [0.0, -0.4, -0.25], [0.2, 0.1, 0.2]])
    assert overshoot(volts) == pytest.approx(0.15)  # only the second output, as a part of the first one
    assert overshoot(np.array([[0.0, 0.3, 0.0]])) == 0.0


def test_power_is_what_the_supplies_give_over_the_time() -> None:
    # on-chip op-amps: 0.9 V, 85 uA each; 3 of them, and 2 nC out of outputs and inputs in 1 us
    seen = Seen(0.0, Flow(heat=0.0, charge=np.array([1e-9, 0.0, 0.0, 1e-9]), duration=1e-6, opamps=3))
    assert seen.power(Hardware()) == pytest.approx(2 * 0.9 * 85e-6 * 3 + 0.9 * 2e-9 / 1e-6)
    assert math.isnan(Seen(0.0, None).power(Hardware()))


def test_a_row_has_every_column_and_the_value_of_a_scalar_by_hand() -> None:
    row = measure(setting(np.array([[4.0]]), hardware=replace(IDEAL, opamp=OpAmp(gain=100.0, gbw=1e6).linear())))
    assert set(row) == set(COLUMNS)
    # G v = -g_in v_in, and the finite gain adds (1 + 1) / 100 to the 1 that the cell stands for
    assert row["relative_error"] == pytest.approx(0.02 / 1.02, rel=1e-6)
    # one pole at 2 pi GBW (1 + 0.02) / 2; a step of two periods' rise before it
    tau = 2 / (2 * math.pi * 1e6 * 1.02)
    assert tau * math.log(1000) < row["settling_time_s"] < tau * math.log(1000) + 2e-6
    assert row["margin_rad_per_s"] == pytest.approx(1 / tau, rel=1e-6)
    assert row["overshoot"] == pytest.approx(0.0, abs=1e-9)
    assert row["op_amps"] == 2
    assert row["smallest_eigenvalue"] == 1.0
    assert row["power_W"] > 2 * 0.9 * 85e-6 / 500 * row["op_amps"]  # a GBW of 1 MHz takes a 500th of the current


def test_a_product_and_the_exact_backend_have_rows_too() -> None:
    row = measure(replace(setting(ROTATION), circuit="multiply"))
    assert (row["status"], row["op_amps"]) == ("SETTLED", 4)
    assert row["relative_error"] < 1e-6
    row = measure(setting(ROTATION, backend="exact"))
    assert (row["op_amps"], row["settling_time_s"], row["netlist"]) == (0, 0.0, "")
    assert row["relative_error"] < 1e-12


def test_points_that_fail_are_rows_with_their_reason() -> None:
    unstable = measure(setting(-np.eye(2)))
    assert unstable["status"] == "UNSTABLE"
    assert unstable["margin_rad_per_s"] < 0
    assert unstable["settling_time_s"] == math.inf
    assert "grows" in unstable["message"]
    lost = measure(setting(np.diag([1.0, 0.01]), hardware=with_field(IDEAL, "cell.levels", 4)))
    assert lost["status"] == "REFUSED"
    assert "vanishes" in lost["message"]
    assert measure(setting(np.ones((2, 2))))["status"] == "REFUSED"


@pytest.mark.ngspice
def test_ngspice_and_the_nodal_engine_see_the_same_call() -> None:
    settings = [
        setting(ROTATION, backend=name, hardware=with_field(IDEAL, "opamp.gain", 1e4)) for name in ("nodal", "spice")
    ]
    bent = setting(ROTATION, backend="spice", hardware=with_field(IDEAL, "cell.v_sinh", 0.25))
    limited = setting(ROTATION, backend="spice", hardware=Hardware())
    with SpicePool(1) as pool:
        nodal, spice, bent_row, limited_row = pool.map(measure, [*settings, bent, limited])
    assert nodal["netlist"] == spice["netlist"]
    for name, limit in (("relative_error", 0.01), ("settling_time_s", 0.01), ("overshoot", 0.01), ("power_W", 0.01)):
        assert spice[name] == pytest.approx(nodal[name], rel=limit), name
    assert nodal["overshoot"] > 0.01
    assert math.isnan(bent_row["power_W"])
    assert bent_row["status"] == "SETTLED"
    assert limited_row["power_W"] > 0


def test_a_stopped_run_goes_on_and_ends_with_the_same_rows(tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    def stop(done: int) -> None:
        if done == 6:
            raise Stopped

    sweep = read(tmp_path, ("seed = [0, 1]", "seed = [0, 1, 2, 3]"))
    whole = run_rows(sweep, Here(), Part(tmp_path / "whole"), "stamp")
    sweep_rows_first, sweep_rows.FIRST = sweep_rows.FIRST, 4
    try:
        with pytest.raises(Stopped):
            run_rows(sweep, Here(), Part(tmp_path / "part"), "stamp", stop)
    finally:
        sweep_rows.FIRST = sweep_rows_first
    kept = Part(tmp_path / "part").rows
    assert len(kept) == 4
    # what a kill leaves: a line that ends in its middle
    with (tmp_path / "part").open("a") as stream:
        stream.write('\n["abc", {"status": "SET')
    told: list[int] = []
    resumed = run_rows(sweep, Here(), Part(tmp_path / "part"), "stamp", told.append)
    assert told[0] == 4
    assert [row["wall_s"] for row in resumed[:4]] == [row["wall_s"] for row in kept.values()]
    assert without_wall(resumed) == without_wall(whole)
    assert len(Part(tmp_path / "part").rows) == 16


def without_wall(rows: list[dict]) -> str:
    return json.dumps([{name: value for name, value in row.items() if name != "wall_s"} for row in rows])


def test_rows_of_other_sources_are_not_taken_over(tmp_path: Path) -> None:
    sweep = read(tmp_path)
    run_rows(sweep, Here(), Part(tmp_path / "part"), "old")
    told: list[int] = []
    run_rows(sweep, Here(), Part(tmp_path / "part"), "new", told.append)
    assert told[0] == 0


def test_numbers_come_back_from_the_part_as_they_went(tmp_path: Path) -> None:
    row = {"a": 0.1 + 0.2, "b": math.inf, "c": 3, "d": "x\ny", "e": True}
    Part(tmp_path / "deep/part").add({"key": row})
    assert Part(tmp_path / "deep/part").rows == {"key": row}


class Dying(Here):
    """Loses the points whose gain is 1e9, or all of them."""

    def __init__(self, everything: bool = False) -> None:
        super().__init__()
        self.everything = everything

    def _execute(self, function, items, costs, progress):  # type: ignore[no-untyped-def]
        found = super()._execute(function, items, costs, progress)
        lost = [self.everything or item.hardware.opamp.gain == 1e9 for item in items]
        return [TaskError("The worker died.") if bad else row for row, bad in zip(found, lost, strict=True)]


def test_a_point_that_takes_its_process_with_it_is_a_failed_row(tmp_path: Path) -> None:
    rows = run_rows(read(tmp_path), Dying(), Part(tmp_path / "part"), "stamp")
    assert [row["status"] for row in rows] == ["SETTLED", "FAILED"] * 4
    assert {row["message"] for row in rows} == {"", "The worker died."}
    assert set(rows[1]) >= set(EMPTY)
    with pytest.raises(TaskError):
        run_rows(read(tmp_path), Dying(everything=True), Part(tmp_path / "other"), "stamp")


def test_a_sweep_of_a_million_points_says_how_long_it_would_take(tmp_path: Path) -> None:
    sweep = read(tmp_path, ("[1e3, 1e9]", '{from = 1e3, to = 1e9, points = 250_000, scale = "log"}'))
    assert sweep.count == 1_000_000
    with pytest.raises(InputError, match=r"1,000,000 points, more than 10,000: .* take .* on one core. Add --yes"):
        check_count(sweep, Here())
    check_count(read(tmp_path), Here())


@pytest.mark.parametrize(("hours", "words"), [(100, "4 days"), (30, "30 hours"), (1, "60 minutes"), (0.01, "36 s")])
def test_a_time_is_said_in_its_unit(hours: float, words: str) -> None:
    assert sweep_rows._span(hours) == words

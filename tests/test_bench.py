"""The bench measures right numbers only, its report has what it promises, and the soak tells growth from none."""

import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from cases import CASES, Array

from circuits import Conditioning, Hardware, InputError, Wires
from cosim import open_backend
from cosim.analog import AnalogArray
from cosim.bench import Case, Row, cases, measure, measure_ceiling, open_pools
from cosim.bench_table import AGREE, Target, disagreements, growth, lines, report, side_costs, targets
from cosim.pool import SpicePool
from cosim.soak import Part, Soak, soak
from training.bench import bench, time_training
from training.bench import soak as soak_command

WIRED = Wires(r_row=1.73, r_col=1.73)


@pytest.fixture(scope="module")
def pools() -> Iterator[dict[int, SpicePool]]:
    with open_pools() as opened:
        yield opened


def naive_solution(matrix: Array, rhs: Array, hardware: Hardware, pool: SpicePool, once: bool) -> Array:
    from cosim.naive import NaiveTask, run_naive

    array = AnalogArray.program(matrix, hardware, Conditioning())
    scale, netlist = array.input_scale(rhs), array.netlist
    volts = array.inputs(rhs, scale, call=0)
    task = NaiveTask(netlist.circuit, netlist.inputs, netlist.outputs, volts, array.rise, array.period, once)
    (run,) = pool.map(run_naive, [task])
    assert 0 < run.build_seconds < run.seconds
    assert run.time_points > 50 * rhs.shape[1]
    return array.decode(run.volts, scale, rhs, call=0)


@pytest.mark.ngspice
@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize("wired", [False, True])
def test_naive_circuits_are_ours(pools: dict[int, SpicePool], wired: bool, once: bool) -> None:
    rng = np.random.default_rng(3)
    matrix = rng.uniform(-0.3, 0.3, (4, 4)) + np.eye(4) if wired else CASES["asymmetric3"].matrix
    rhs = rng.standard_normal((len(matrix), 2))
    hardware = Hardware(wires=replace(WIRED, reduce="never") if wired else Wires())
    naive = naive_solution(matrix, rhs, hardware, pools[1], once)
    reduced = replace(hardware, wires=WIRED) if wired else hardware
    for name, options in (("nodal", {}), ("spice", {"executor": pools[1]})):
        ours = open_backend(name, hardware=reduced, **options).program(matrix).solve(rhs).value
        np.testing.assert_allclose(naive, ours, atol=1e-4 * np.abs(ours).max())


@pytest.mark.ngspice
def test_a_line_that_naive_has_no_object_for_is_refused() -> None:
    from cosim.naive import NaiveTask, run_naive

    task = NaiveTask("* title\nD1 in1 0 diode", ("in1",), ("in1",), np.ones((1, 1)), 1e-9, 1e-8)
    with pytest.raises(InputError, match=r"no object for the netlist line 'D1 in1 0 diode'"):
        run_naive(task)


@pytest.fixture(scope="module")
def rows(pools: dict[int, SpicePool]) -> list[Row]:
    kinds = [("default", False, 2), ("default", False, 4), ("default", True, 4), ("ideal", False, 3)]
    return [measure(Case(*kind, sides=2, naive_sides=2), pools, budget=0) for kind in kinds]


@pytest.mark.ngspice
@pytest.mark.ngspice_cli
def test_a_row_holds_every_method(rows: list[Row]) -> None:
    methods = {"ours", "naive", "naive, built once", "ngspice -b", "nodal", "numpy"}
    for row in rows:
        wired = row["wires"] == "wired"
        assert set(row["seconds_per_call"]) == methods - ({"naive, built once"} if wired else set())
        assert all(seconds > 0 for one in row["seconds_per_call"].values() for seconds in one.values())
        assert set(row["seconds_per_call"]["ours"]) == set(row["seconds_per_call"]["naive"]) == {"1", "2"}
        assert set(row["further_seconds_per_call"]) == {"ours", "nodal", "numpy"}
        assert 0 < row["outside_share"] < 1
        assert 0 < row["building_share"]["naive"] < 1
        assert row["time_points_per_call"]["naive"] > row["time_points_per_call"]["ours"] > 5
        assert set(row["by_sides_s"]) == {"1"}
        assert row["repeats"] == 1
        assert row["calls"]["naive"] == {"1": 2, "2": 4}


@pytest.mark.ngspice
@pytest.mark.ngspice_cli
def test_methods_agree_and_numpy_shows_the_analog_error(rows: list[Row]) -> None:
    assert disagreements(rows) == []
    for row in rows:
        assert max(apart for name, apart in row["differences"].items() if name != "numpy") <= AGREE
        assert 0 < row["differences"]["numpy"] < 0.1


@pytest.mark.ngspice
@pytest.mark.ngspice_cli
def test_the_report_is_json_with_its_parts(rows: list[Row]) -> None:
    found = json.loads(json.dumps(report(rows)))
    assert set(found) == {"rows", "growth_with_n", "targets", "disagreements", "notes"}
    assert len(lines(rows)) == len(rows)
    assert {line["method"] for line in found["growth_with_n"]} >= {"ours", "naive", "nodal", "numpy"}


@pytest.mark.ngspice
def test_the_ceiling_is_a_ratio_of_its_times(pools: dict[int, SpicePool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cosim.bench.CEILING_JOBS", 2)
    found = measure_ceiling(pools, repeats=1)
    assert found["ratio"] == found["1"] / found["2"] > 0


def made_row(size: int, wires: str = "ideal", **differences: float) -> Row:
    """A row as `measure` makes it; ours takes n ms, twice as fast on two processes, naive 21 times as long."""
    return {
        "hardware": "default",
        "wires": wires,
        "size": size,
        "sides": 64,
        "seconds_per_call": {
            "ours": {"1": 1e-3 * size, "2": 0.5e-3 * size},
            "naive": {"1": 21e-3 * size, "2": 10.5e-3 * size},
            "nodal": {"1": 1e-5 * size},
        },
        "further_seconds_per_call": {"ours": 1e-3 * size, "nodal": 2e-6 * size},
        "outside_share": 0.2,
        "by_sides_s": {"1": 4e-3 * size},
        "differences": {"ours": 1e-6, "numpy": 0.5, **differences},
    }


def test_targets_compare_the_right_ratios() -> None:
    found = {target.name: target for target in targets([made_row(8), made_row(32), made_row(64)])}
    wanted = {
        "naive / ours, n=8, ideal wires": (21, True),
        "naive / ours, n=32, ideal wires": (21, True),
        "naive on one process / ours on two, n=32, ideal wires": (42, True),
        "time outside ngspice, n=32, ideal wires": (0.2, False),
        "ours / nodal, further right-hand side, n=64, ideal wires": (500, False),
        "ours / nodal, with programming, n=64, ideal wires": (100, True),
        "time outside ngspice, n=64, ideal wires": (0.2, False),
    }
    assert {name: (pytest.approx(target.found), target.met) for name, target in found.items()} == wanted
    (wired, _) = targets([made_row(32, wires="wired")])
    assert (wired.wanted, wired.met) == (500, False)
    assert not Target("not run", float("nan"), 1).met


def test_growth_is_the_exponent_and_a_call_is_told_from_a_matrix() -> None:
    rows = [made_row(8), made_row(32)]
    assert [line["exponent"] for line in growth(rows)] == pytest.approx([1, 1, 1])
    costs = side_costs(rows[0])
    assert costs["matrix_s"] + costs["each_s"] == pytest.approx(rows[0]["by_sides_s"]["1"])
    assert costs["matrix_s"] + 64 * costs["each_s"] == pytest.approx(64 * 8e-3)


@pytest.mark.parametrize("apart", [0.01, float("nan")])
def test_what_differs_or_has_no_value_disagrees(apart: float) -> None:
    assert disagreements([made_row(8)]) == []
    (sentence,) = disagreements([made_row(8, naive=apart)])
    assert sentence.startswith("naive is ")


def test_a_case_checks_its_numbers_and_the_default_bench_covers_the_sizes() -> None:
    with pytest.raises(InputError, match="naive_sides = 5"):
        Case("default", False, 8, sides=4, naive_sides=5)
    assert {(case.preset, case.wired, case.size) for case in cases()} >= {("default", True, 64), ("ideal", False, 8)}
    assert not Case("default", True, 48, naive_sides=1).has_naive


def test_the_bench_refuses_a_file_that_is_not_json_before_it_measures(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must end in \.json"):
        bench(tmp_path / "bench.csv")


@pytest.mark.ngspice
@pytest.mark.ngspice_cli
@pytest.mark.parametrize(("agree", "code"), [(AGREE, 0), (1e-14, 1)])
def test_the_command_writes_json_and_fails_for_wrong_numbers(
    pools: dict[int, SpicePool],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    agree: float,
    code: int,
) -> None:
    tiny = [Case("default", False, size, sides=2, naive_sides=1) for size in (2, 3)]
    monkeypatch.setattr("cosim.bench_table.AGREE", agree)
    monkeypatch.setattr("cosim.bench.open_pools", lambda: nullcontext(pools))
    monkeypatch.setattr("cosim.bench.cases", lambda quick: tiny)
    monkeypatch.setattr("cosim.bench.BUDGET", 0)
    monkeypatch.setattr("cosim.bench.CEILING_JOBS", 2)
    with pytest.raises(typer.Exit) as ended:
        bench(tmp_path / "new" / "bench.json", quick=True, training=False, progress=False)
    assert ended.value.exit_code == code
    assert ("DISAGREE" in capsys.readouterr().out) == bool(code)
    found = json.loads((tmp_path / "new" / "bench.json").read_text())
    assert [row["size"] for row in found["rows"]] == [2, 3]
    assert {"ceiling", "training", "machine", "targets"} <= set(found)
    assert found["machine"]["ngspice"]


def test_training_on_one_and_on_two_workers_becomes_a_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []
    monkeypatch.setattr(
        "training.bench._train", lambda workers, seed: seeds.append(seed) or (12 / workers, 9 / workers)
    )
    assert time_training() == {"epoch_s": {"1": 12, "2": 6}, "ratio": 2, "outside_share": 0.25}
    assert len(set(seeds)) == 4


@pytest.mark.ngspice
def test_a_short_soak_runs_every_call_on_workers_that_stay() -> None:
    heard: list[int] = []
    found = soak(60, workers=1, done=lambda done, total: heard.append(done))
    assert heard[-1] == 60
    assert (found.bad, found.replaced, found.transients) == (0, 0, 60)
    assert [part.first for part in found.parts] == [1, 13, 25, 37, 49]
    assert all(1e6 < mean < part.largest * 1.001 < 1e10 for part in found.parts for mean in part.mean.values())


def soaked(means: list[dict[int, float]], **changed: int) -> Soak:
    parts = [Part(first=1 + 10 * i, calls=10, mean=mean) for i, mean in enumerate(means)]
    values = {"workers": 1, "seen": 1, "bad": 0, **changed}
    return Soak(parts, transients=50, seconds=1.0, own=(1.0, 1.0), **values)


def test_a_soak_fails_for_growth_replaced_workers_and_calls_that_did_not_settle() -> None:
    flat = [{7: 50.0}, {7: 100.0}, {7: 101.0}, {7: 102.0}, {7: 104.0}]
    assert soaked(flat).passed
    assert soaked(flat).growth == pytest.approx(0.04)
    assert not soaked([*flat[:-1], {7: 106.0}]).passed
    assert not soaked(flat, seen=2).passed
    assert not soaked(flat, bad=1).passed
    assert not soaked([{7: 50.0}, {7: 50.0}, {}, {}, {8: 50.0}]).passed


@pytest.mark.parametrize(("last", "code", "word"), [(101.0, 0, "Flat"), (120.0, 1, "NOT FLAT")])
def test_the_soak_command_ends_with_its_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], last: float, code: int, word: str
) -> None:
    found = soaked([{7: 100.0}, {7: 100.0}, {7: 100.0}, {7: 100.0}, {7: last}])
    monkeypatch.setattr("cosim.soak.soak", lambda *_: found)
    with pytest.raises(typer.Exit) as ended:
        soak_command(calls=50, workers=1, progress=False)
    assert ended.value.exit_code == code
    assert f"\n{word}: " in capsys.readouterr().out


def test_without_ngspice_both_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cosim.library.find_ngspice", lambda: None)
    with pytest.raises(InputError, match="was not found"), open_pools():
        pass
    with pytest.raises(InputError, match="was not found"):
        soak(60)


def test_a_soak_needs_some_calls() -> None:
    with pytest.raises(InputError, match="calls = 5"):
        soak(5)

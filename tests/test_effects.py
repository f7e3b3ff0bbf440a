"""Tables of the non-idealities: what each row changes, that bad circuits show, and what the files hold."""

import csv
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from circuits import Hardware, InputError
from cosim.comparison import comparison_table, count_op_amps, one_of_each_size
from cosim.effects import EFFECTS, effects_table, find_effects, full_table
from cosim.stability import COARSE, VARIANTS, matched_shift, stability_table, stable_shares
from cosim.table_files import draw_comparison, draw_effects, draw_stability, write_table
from cosim.tasks import map_tasks
from cosim.trial import VERDICTS, damped_factors
from training.cli import app, run
from training.example_factors import read_factors, train_factors

Array = NDArray[np.float64]

EFFECT_COLUMNS = ["effect", "factor", "size", "conditioning", "backend", "damping", "seeds", "sides"]
MEASURED = ["median_error", "worst_error", "settling_time_s", *VERDICTS, "message"]


def correlated_factor(n: int, seed: int) -> Array:
    """An uncentred A factor: activations that share a large positive mean, so that one direction outweighs all."""
    activations = 1 + 0.3 * np.random.default_rng(seed).standard_normal((4 * n, n))
    return activations.T @ activations / len(activations)


def flat(hardware: object, prefix: str = "") -> dict[str, Any]:
    """Every field by its dotted name."""
    found: dict[str, Any] = {}
    for field in fields(hardware):  # type: ignore[arg-type]
        value = getattr(hardware, field.name)
        found |= flat(value, f"{field.name}.") if is_dataclass(value) else {prefix + field.name: value}
    return found


@pytest.fixture(scope="module")
def small() -> dict[str, Array]:
    return {"conv/A": correlated_factor(5, seed=0), "conv/G": np.diag([1.0, 2.0, 3.0])}


@pytest.mark.parametrize("effect", [e for e in EFFECTS if e.base == "ideal"], ids=lambda e: e.name)
def test_an_effect_changes_the_fields_that_it_names_and_no_other(effect: Any) -> None:
    ideal, found = flat(Hardware.preset("ideal")), flat(effect.hardware)
    assert {name: found[name] for name in found if found[name] != ideal[name]} == effect.changes


def test_effects_together_are_those_of_the_chip() -> None:
    chip, found = flat(Hardware.preset("rram40")), flat(find_effects(["all with limits"])[0].hardware)
    changed = {name for name in found if found[name] != chip[name]}
    assert changed == {"converters.dac_bits", "converters.adc_bits"}
    assert find_effects(["all together"])[0].hardware.is_linear


def test_every_effect_has_a_name_of_its_own_and_a_line_about_it() -> None:
    assert len({effect.name for effect in EFFECTS}) == len(EFFECTS)
    assert all(effect.text.endswith(".") and "\n" not in effect.text for effect in EFFECTS)


def test_ideal_hardware_is_exact_with_and_without_conditioning(small: dict[str, Array]) -> None:
    rows = effects_table(small, "nodal", damping=0.1, seeds=2, effects=find_effects(["ideal"]), workers=1)
    assert [(row["factor"], row["conditioning"]) for row in rows] == [
        (factor, word) for word in ("on", "off") for factor in small
    ]
    for row in rows:
        assert row["SETTLED"] == 2 * 4
        assert row["worst_error"] < 1e-6


def test_the_error_of_a_finite_gain_is_the_formula() -> None:
    matrix = np.diag([1.0, 2.0, 4.0])
    (row,) = [
        row
        for row in effects_table({"G": matrix}, damping=0.0, seeds=1, sides=1, effects=find_effects(["gain 1e4"]))
        if row["conditioning"] == "off"
    ]
    rhs = np.random.default_rng(0).standard_normal((3, 1))
    # every row op-amp sees its cell and the input, whose conductance is that of the largest entry
    value, exact = rhs[:, 0] / (np.diag(matrix) + (4 + np.diag(matrix)) / 1e4), rhs[:, 0] / np.diag(matrix)
    assert row["median_error"] == pytest.approx(np.linalg.norm(value - exact) / np.linalg.norm(exact), rel=1e-5)


def test_nodal_has_no_row_for_non_linear_parts(small: dict[str, Array]) -> None:
    names = ("ideal", "sinh cell 0.25 V", "slew 1800 V/us", "swing 4 V", "all with limits")
    rows = effects_table(small, "nodal", seeds=1, effects=find_effects(names), workers=1)
    assert {row["effect"] for row in rows} == {"ideal"}
    with pytest.raises(InputError, match="spice"):
        effects_table(small, "nodal", effects=find_effects(names[1:]))


def test_a_matrix_that_vanishes_in_the_levels_is_a_refused_row() -> None:
    factors = {"faint": np.diag([1.0, 0.01]), "plain": np.eye(2)}
    rows = effects_table(factors, damping=0.0, seeds=1, effects=find_effects(["levels 8"]), workers=1)
    verdicts = {(row["factor"], row["conditioning"]): (row["REFUSED"], row["SETTLED"]) for row in rows}
    assert verdicts["faint", "off"] == (4, 0)
    assert verdicts["plain", "off"] == (0, 4)
    (refused,) = [row for row in rows if row["REFUSED"]]
    assert np.isnan(refused["median_error"])
    assert "vanishes in 8 levels" in refused["message"]


def test_conditioning_makes_a_strongly_correlated_factor_stable_in_8_levels() -> None:
    factors = {"A": correlated_factor(26, seed=0)}
    rows = stability_table(factors, dampings=(0.1,), seeds=5, workers=1)
    shares = {share["variant"]: share for share in stable_shares(rows)}
    assert list(shares) == list(VARIANTS)
    assert shares["default"]["stable"] == shares["default"]["stable at 0.1"] == 1
    assert shares["none"]["stable"] == 0
    assert all(row["margin_rad_per_s"] > 0 for row in rows if row["status"] == "stable")
    assert all(row["margin_rad_per_s"] < 0 for row in rows if row["status"] == "unstable")
    off = [r for r in effects_table(factors, seeds=5, sides=1, effects=find_effects(["levels 8"]), workers=1)]
    assert {row["conditioning"]: row["SETTLED"] for row in off} == {"on": 5, "off": 0}


def test_the_matched_shift_is_twice_the_norm_of_the_quantisation_noise() -> None:
    assert matched_shift(12, COARSE.cell) == pytest.approx(2 / 7)


@pytest.mark.filterwarnings("error")
def test_files_hold_every_row_and_nothing_half_written(small: dict[str, Array], tmp_path: Path) -> None:
    rows = effects_table(small, seeds=1, effects=find_effects(["ideal", "levels 8"]), workers=1)
    write_table(rows, tmp_path / "new/effects.csv", draw_effects)
    write_table(stability_table(small, (0.1,), 1, workers=1), tmp_path / "new/stability.csv", draw_stability)
    write_table(comparison_table(small, seeds=1, spice=False, workers=1), tmp_path / "new/c.csv", draw_comparison)
    with (tmp_path / "new/effects.csv").open() as stream:
        reader = csv.DictReader(stream)
        assert len(list(reader)) == len(rows) == 2 * 2 * 2
        assert reader.fieldnames == [*EFFECT_COLUMNS, *MEASURED]
    names = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert names == ["c.csv", "c.png", "effects.csv", "effects.png", "stability.csv", "stability.png"]


def test_a_plot_that_fails_leaves_the_old_table(tmp_path: Path) -> None:
    out = tmp_path / "table.csv"
    out.write_text("old")
    with pytest.raises(ZeroDivisionError):
        write_table([{"a": 1}], out, lambda rows: 1 / 0)  # type: ignore[arg-type, return-value]
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]
    assert out.read_text() == "old"


def test_compensation_takes_half_the_op_amps_of_inverters(small: dict[str, Array]) -> None:
    rows = comparison_table(small, seeds=1, sides=1, spice=False, workers=1)
    counts = {(row["signed"], row["size"]): row["op_amps"] for row in rows}
    assert counts == {(s, n): n * (2 if s == "inverters" else 1) for s in ("inverters", "compensation") for n in (3, 5)}
    ideal = [row for row in rows if row["effect"] == "ideal"]
    assert all(row["worst_error"] < 1e-6 for row in ideal)
    assert count_op_amps("Xop1 a b c opamp\nRx 1 2 3\nXcell 1 2 mycell\n.subckt opamp\nXinv1 0 s i opamp\n") == 2


def test_a_sample_has_the_last_factor_of_each_size() -> None:
    factors = {"a": np.eye(2), "b": np.eye(3), "c": np.eye(2)}
    assert list(one_of_each_size(factors)) == ["b", "c"]


@pytest.mark.ngspice
def test_the_full_table_has_a_sinh_cell_from_spice_and_it_errs_more_than_an_ideal_one() -> None:
    effects = find_effects(["ideal", "sinh cell 0.25 V"])
    rows = full_table({"A": correlated_factor(3, seed=0)}, seeds=2, effects=effects)
    assert [(row["effect"], row["backend"], row["SETTLED"]) for row in rows] == [
        ("ideal", "nodal", 8),
        ("ideal", "nodal", 8),
        ("sinh cell 0.25 V", "spice", 4),
        ("sinh cell 0.25 V", "spice", 4),
    ]
    ideal, _, sinh, _ = (row["worst_error"] for row in rows)
    assert ideal < 1e-6
    assert 1e-4 < sinh < 1


def square(number: int) -> int:
    return number**2


def test_tasks_come_back_in_order_and_every_one_is_heard_of() -> None:
    heard: list[tuple[int, int]] = []
    assert map_tasks(square, [3, 1, 2], workers=1, done=lambda *counts: heard.append(counts)) == [9, 1, 4]
    assert heard == [(1, 3), (2, 3), (3, 3)]


def test_processes_give_what_one_process_gives(small: dict[str, Array]) -> None:
    alone = stability_table(small, (0.1,), 2, workers=1)
    assert str(stability_table(small, (0.1,), 2, workers=2)) == str(alone)


def test_factors_of_a_file_and_of_a_small_run(tmp_path: Path) -> None:
    np.savez(tmp_path / "f.npz", **{"a/A": np.eye(2), "a/grad": np.ones((2, 3))})
    assert list(read_factors(tmp_path / "f.npz")) == ["a/A"]
    factors = train_factors(steps=1)
    sizes = {"conv1/A": 10, "conv1/G": 8, "conv2/A": 73, "conv2/G": 16, "fc/A": 65, "fc/G": 10}
    assert {name: len(factor) for name, factor in factors.items()} == sizes
    again = train_factors(steps=1)
    assert all(np.allclose(factor, again[name]) for name, factor in factors.items())


def test_damping_is_relative_to_the_mean_diagonal() -> None:
    (damped,) = damped_factors({"A": np.diag([1.0, 3.0])}, 0.5).values()
    assert np.array_equal(damped, np.diag([2.0, 4.0]))


def test_a_singular_factor_can_be_tried_once_it_is_damped() -> None:
    (damped,) = damped_factors({"A": np.diag([1.0, 0.0])}, 0.2).values()
    assert np.allclose(damped, np.diag([1.1, 0.1]))
    with pytest.raises(InputError, match="singular"):
        damped_factors({"A": np.diag([1.0, 0.0])}, 0.0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda a: effects_table(a, "magic"), "exact, nodal, spice"),
        (lambda a: full_table(a, "magic"), "exact, nodal, spice"),
        (lambda a: full_table(a, seeds=0), "seeds"),
        (lambda a: effects_table({}), "no factors"),
        (lambda a: effects_table({"A": np.ones((2, 3))}), "square"),
        (lambda a: effects_table(a, damping=-1), "damping"),
        (lambda a: effects_table(a, seeds=0), "seeds"),
        (lambda a: effects_table(a, sides=0), "sides"),
        (lambda a: find_effects(["levels"]), "levels 8"),
        (lambda a: stability_table(a, dampings=()), "damping"),
        (lambda a: stability_table(a, seeds=0), "seeds"),
        (lambda a: comparison_table(a, seeds=0), "seeds"),
        (lambda a: comparison_table(a, sides=0), "sides"),
        (lambda a: write_table([], Path("table.txt"), draw_effects), "csv"),
        (lambda a: read_factors(Path("none.npz")), "none.npz"),
    ],
)
def test_a_bad_argument_is_refused(call: Any, words: str, small: dict[str, Array]) -> None:
    with pytest.raises(InputError, match=words):
        call(small)


def test_the_commands_write_tables_and_stability_fails_unless_the_default_is_stable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "good.npz", **{"a/A": correlated_factor(4, seed=0)})
    common = ["--factors", str(tmp_path / "good.npz"), "--no-progress", "--seeds", "1"]

    def command(*words: str) -> int:
        return run(lambda standalone_mode: app([*words, *common], standalone_mode=standalone_mode))

    assert command("effects", "-o", f"{tmp_path}/e.csv", "--only", "ideal", "--no-spice") == 0
    assert command("stability", "-o", f"{tmp_path}/s.csv") == 0
    assert command("compare", "-o", f"{tmp_path}/c.csv", "--no-spice") == 0
    assert {path.name for path in tmp_path.glob("?.*")} == {f"{n}.{e}" for n in "esc" for e in ("csv", "png")}
    monkeypatch.setitem(VARIANTS, "default", VARIANTS["none"])
    bad = -correlated_factor(4, seed=0)
    np.savez(tmp_path / "good.npz", **{"a/A": bad})
    assert command("stability", "-o", f"{tmp_path}/s.csv") == 1
    printed = capsys.readouterr().out
    assert "a/A" in printed
    assert "settling time [s]" in printed
    assert "smallest margin [rad/s]" in printed

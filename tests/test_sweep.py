"""Sweeps: every combination is a row, the file says what varies, nothing half-written stays."""

import csv
from pathlib import Path

import numpy as np
import pytest

from circuits import Hardware, InputError
from circuits.matrices import spd
from cosim.sweep import Sweep, with_field
from cosim.sweep_command import run_sweep_file

TEXT = """
title = "small"
backend = "nodal"
[matrix]
kind = "spd"
size = 4
condition = [2, 20]
seed = [0, 1]
[hardware]
preset = "ideal"
"opamp.gain" = [1e3, 1e9]
[plot]
x = "condition"
y = ["relative_error"]
series = "opamp.gain"
"""


def written(folder: Path, text: str = TEXT) -> Path:
    path = folder / "small.toml"
    path.write_text(text)
    return path


def test_every_combination_becomes_a_row_in_grid_order(tmp_path: Path) -> None:
    run_sweep_file(written(tmp_path), tmp_path / "out/small.csv", progress=False)
    with (tmp_path / "out/small.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    keys = [(float(r["condition"]), int(r["seed"]), float(r["opamp.gain"])) for r in rows]
    assert keys == [(c, s, g) for c in (2, 20) for s in (0, 1) for g in (1e3, 1e9)]
    assert {r["status"] for r in rows} == {"SETTLED"}
    assert (tmp_path / "out/small.png").stat().st_size > 1000
    assert not list((tmp_path / "out").glob("*.part"))


def test_the_error_of_a_row_is_the_finite_gain_formula(tmp_path: Path) -> None:
    rows = Sweep.read(written(tmp_path)).run()
    for row in rows:
        matrix = spd(4, row["condition"], row["seed"])
        # the largest eigenvalue is solved digitally; the circuit has the next one in its place
        values, vectors = np.linalg.eigh(matrix)
        top = vectors[:, -1:]
        rest = np.eye(4) - top @ top.T
        deflated = matrix - (values[-1] - values[-2]) * top @ top.T
        scale = 1 / np.sqrt(np.diag(deflated))
        programmed = deflated * np.outer(scale, scale)
        rhs = np.random.default_rng(0).standard_normal(4)
        gain = row["opamp.gain"]
        # a column's inverter has gain -1/(1 + 2/A0), a row sees 1 + sum |A| of conductance
        held = np.maximum(programmed, 0) + np.minimum(programmed, 0) / (1 + 2 / gain)
        loaded = held + np.diag(1 + np.abs(programmed).sum(1)) / gain
        value = (
            rest @ (scale * np.linalg.solve(loaded, scale * (rest @ rhs))) + top[:, 0] * (top[:, 0] @ rhs) / values[-1]
        )
        exact = np.linalg.solve(matrix, rhs)
        error = np.linalg.norm(value - exact) / np.linalg.norm(exact)
        assert row["relative_error"] == pytest.approx(error, rel=1e-6, abs=1e-10)  # twelve digits in the text


def test_spd_has_the_condition_that_is_asked_for() -> None:
    matrix = spd(7, 50.0, 3)
    assert np.linalg.cond(matrix) == pytest.approx(50)
    assert np.array_equal(matrix, matrix.T)
    assert np.array_equal(matrix, spd(7, 50.0, 3))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[matrix]", "[matrixx]", "matrix"),
        ('kind = "spd"', 'kind = "spd2"', "spd"),
        ("condition = [2, 20]", "condition = []", "empty"),
        ("condition = [2, 20]", "cond = 2", "cond"),
        ('"opamp.gain"', '"opamp.gian"', "gain"),
        ('"opamp.gain"', '"opam.gain"', "opamp"),
        ('backend = "nodal"', 'backend = "magic"', "exact, nodal, spice"),
        ('title = "small"', "", "title"),
        ("size = 4", "size = ", "TOML"),
        ("size = 4", "size = 0", "size"),
        ("x = ", "z = ", "did you mean"),
    ],
)
def test_a_bad_sweep_file_is_refused_by_name(old: str, new: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        run_sweep_file(written(tmp_path, TEXT.replace(old, new)), tmp_path / "small.csv", progress=False)
    assert not (tmp_path / "small.csv").exists()


def test_a_missing_file_and_a_wrong_ending_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        run_sweep_file(tmp_path / "none.toml", tmp_path / "small.csv")
    with pytest.raises(InputError, match=r"\.csv"):
        run_sweep_file(written(tmp_path), tmp_path / "small.txt")


def test_one_field_of_the_hardware_changes_and_the_rest_stays() -> None:
    changed = with_field(Hardware(), "opamp.gbw", 1e6)
    assert changed.opamp.gbw == 1e6
    assert changed.opamp.gain == Hardware().opamp.gain
    assert with_field(Hardware(), "v_max", 0.1).v_max == 0.1


def test_every_shipped_sweep_can_be_read() -> None:
    files = sorted(Path(__file__).parents[1].glob("circuits/sweeps/*.toml"))
    assert files
    for file in files:
        assert Sweep.read(file).points()

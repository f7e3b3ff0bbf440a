"""Sweeps: every combination is a row, the file says what varies, bad files are refused by name."""

from pathlib import Path

import numpy as np
import pytest

from circuits import Conditioning, Hardware, InputError
from circuits.matrices import spd
from cosim.sweep import Sweep, with_field
from cosim.sweep_here import Here
from cosim.sweep_part import Part
from cosim.sweep_rows import run_rows

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
[conditioning]
use = "on"
[plot]
x = "condition"
y = ["relative_error"]
series = "opamp.gain"
"""


def read(folder: Path, *changes: tuple[str, str]) -> Sweep:
    """The small sweep with some of its text changed."""
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "small.toml").write_text(text)
    return Sweep.read(folder / "small.toml")


def rows_of(sweep: Sweep, folder: Path) -> list[dict]:
    return run_rows(sweep, Here(), Part(folder / "part.jsonl"), "stamp")


def test_every_combination_becomes_a_row_in_grid_order(tmp_path: Path) -> None:
    rows = rows_of(read(tmp_path), tmp_path)
    keys = [(r["condition"], r["seed"], r["opamp.gain"]) for r in rows]
    assert keys == [(c, s, g) for c in (2, 20) for s in (0, 1) for g in (1e3, 1e9)]
    assert {r["status"] for r in rows} == {"SETTLED"}
    assert {r["op_amps"] for r in rows} == {8}  # a row op-amp and an inverter for each of four rows
    assert len({r["netlist"] for r in rows}) == len(rows)


def test_the_error_of_a_row_is_the_finite_gain_formula(tmp_path: Path) -> None:
    for row in rows_of(read(tmp_path), tmp_path):
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
        assert row["smallest_eigenvalue"] == pytest.approx(np.linalg.eigvalsh(programmed)[0])  # its diagonal is 1


def test_the_points_of_a_full_file_are_the_product_counted_by_hand(tmp_path: Path) -> None:
    sweep = read(
        tmp_path,
        ('backend = "nodal"', 'backend = ["nodal", "exact"]\ncircuit = ["inverse", "multiply"]'),
        ("condition = [2, 20]", 'condition = {from = 1, to = 100, points = 3, scale = "log"}'),
        ('"opamp.gain" = [1e3, 1e9]', '"wires.r_row+wires.r_col" = [1, 2.5]\n"opamp.gain" = 10'),
        ("[conditioning]", '[corners]\na = {}\nb = {"opamp.gbw" = 1e6}\n[monte_carlo]\nseeds = 5\n[conditioning]'),
        ('use = "on"', 'use = ["on", "off"]\ndeflate = [0, 1, 2]'),
    )
    points = list(sweep.points())
    # backends x circuits x conditions x seeds x wires x corners x chips x use x deflate
    assert sweep.count == len(points) == 2 * 2 * 3 * 2 * 2 * 2 * 5 * 2 * 3
    assert [p["condition"] for p in points if p["seed"] == 0][:1] == [1.0]
    assert sorted({p["condition"] for p in points}) == [1, 10, 100]
    last = sweep.setting(points[-1])
    assert (last.circuit, last.backend, last.hardware.seed) == ("multiply", "exact", 4)
    assert (last.hardware.wires.r_row, last.hardware.wires.r_col, last.hardware.opamp.gbw) == (2.5, 2.5, 1e6)
    assert last.conditioning == Conditioning(deflate=2, equilibrate=False, shift=0.0)
    assert points[-1] in sweep.ends()


def test_chips_differ_and_the_same_chip_is_the_same_in_any_sweep(tmp_path: Path) -> None:
    changes = (('"opamp.gain" = [1e3, 1e9]', '"programming.sigma" = 0.05'), ("series = ", "# "))
    monte_carlo = ("[conditioning]", "[monte_carlo]\nseeds = 3\n[conditioning]")
    first = rows_of(read(tmp_path, *changes, monte_carlo), tmp_path)
    errors = [row["relative_error"] for row in first]
    assert len(set(errors)) == len(errors) == 12
    alone = rows_of(read(tmp_path, *changes, ("condition = [2, 20]", "condition = 20")), tmp_path)
    chip0 = [row["relative_error"] for row in first if row["chip"] == 0 and row["condition"] == 20]
    assert [row["relative_error"] for row in alone] == chip0


def test_only_what_decides_the_rows_decides_the_digest(tmp_path: Path) -> None:
    digest = read(tmp_path).digest
    assert read(tmp_path, ("small", "other"), ('y = ["relative_error"]', 'y = ["power_W"]')).digest == digest
    assert read(tmp_path, ("[2, 20]", "[2, 21]")).digest != digest


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[matrix]", "[matrixx]", "did you mean matrix"),
        ('kind = "spd"', 'kind = "spd2"', "spd"),
        ("condition = [2, 20]", "condition = []", "condition is empty"),
        ("condition = [2, 20]", "condition = {from = 1, to = 2, points = 0}", "condition is empty"),
        ("condition = [2, 20]", "condition = {from = 1, too = 2, points = 2}", "did you mean to"),
        ("condition = [2, 20]", "condition = {from = 1, to = 2}", "lacks points"),
        ("condition = [2, 20]", 'condition = {from = 0, to = 2, points = 2, scale = "log"}', "from = 0"),
        ("condition = [2, 20]", 'condition = [2, "x"]', "all of one type"),
        ("condition = [2, 20]", "cond = 2", "cond"),
        ("condition = [2, 20]", "condition = [2, 0.5]", "0.5"),
        ('"opamp.gain"', '"opamp.gian"', "gain"),
        ('"opamp.gain"', '"opam.gain"', "opamp"),
        ('"opamp.gain"', '"v_max.gain"', "v_max"),
        ('"opamp.gain"', '"opamp"', "name a field of it"),
        ('"opamp.gain"', '"seed"', "monte_carlo"),
        ("1e9]", "1e13]", r"OpAmp.gain = 10{13}.0 is outside"),
        ('preset = "ideal"', 'preset = "ideel"', "ideal"),
        ('backend = "nodal"', 'backend = "magic"', "exact, nodal, spice"),
        ('backend = "nodal"', 'backend = "nodal"\ncircuit = "add"', "inverse, multiply"),
        ('title = "small"', "", "lacks title"),
        ("size = 4", "size = ", "TOML"),
        ("size = 4", "size = 0", "size"),
        ("x = ", "z = ", "did you mean"),
        ('x = "condition"', 'x = "conditon"', "did you mean condition"),
        ('y = ["relative_error"]', "y = []", "y is empty"),
        ('y = ["relative_error"]', 'y = ["relativ_error"]', "did you mean relative_error"),
        ('use = "on"', 'use = "yes"', "on, off"),
        ('use = "on"', "deflat = 1", "did you mean deflate"),
        ("[conditioning]", "[monte_carlo]\nseeds = 0\n[conditioning]", "seeds = 0"),
        ("[conditioning]", "[monte_carlo]\nseds = 1\n[conditioning]", "did you mean seeds"),
        ("[conditioning]", "[corners]\n[conditioning]", "corners. is empty"),
        ("[conditioning]", '[corners]\na = {"opamp.gian" = 1}\n[conditioning]', "gain"),
        ('use = "on"\n[plot]', 'use = "on"\n[[plot]]', "must be a table"),
    ],
)
def test_a_bad_sweep_file_is_refused_by_name(old: str, new: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        read(tmp_path, (old, new))


def test_a_bad_value_in_the_middle_of_a_list_is_refused_before_any_work(tmp_path: Path) -> None:
    sweep = read(tmp_path, ("[1e3, 1e9]", "[1e3, 0.5, 1e9]"))
    with pytest.raises(InputError, match=r"OpAmp.gain = 0.5 .*\(at .*opamp.gain = 0.5\)"):
        rows_of(sweep, tmp_path)
    assert not (tmp_path / "part.jsonl").exists()


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        Sweep.read(tmp_path / "none.toml")


def test_one_field_of_the_hardware_changes_and_the_rest_stays() -> None:
    changed = with_field(Hardware(), "opamp.gbw", 1e6)
    assert changed.opamp.gbw == 1e6
    assert changed.opamp.gain == Hardware().opamp.gain
    assert with_field(Hardware(), "v_max", 0.1).v_max == 0.1


def test_every_shipped_sweep_can_be_read_and_needs_no_other_file() -> None:
    files = sorted(Path(__file__).parents[1].glob("circuits/sweeps/*.toml"))
    assert len(files) >= 8
    for file in files:
        sweep = Sweep.read(file)
        assert 1 < sweep.count <= 500
        assert "factor" not in sweep.matrix["kind"]

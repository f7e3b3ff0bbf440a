"""`ohmvert precision`: its tables, and what it says of a promise that is missed."""

import csv
from pathlib import Path

import numpy as np
import pytest

from circuits import InputError
from circuits.matrices import spd
from training import precision as command
from training.cli import app, run


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_tables_have_every_method_bits_and_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "f.npz", **{"one/A": spd(6, 20.0, 0), "one/G": spd(4, 5.0, 1)})
    out = tmp_path / "p.csv"
    words = [
        "precision",
        "--factors",
        str(tmp_path / "f.npz"),
        "-o",
        str(out),
        "--no-spice",
        "--no-progress",
        "--seeds=1",
    ]
    monkeypatch.setattr("sys.argv", ["ohmvert", *words])
    assert run(app) == 0
    cycles, blocks = rows_of(out), rows_of(tmp_path / "p-blocks.csv")
    assert {(row["method"], row["bits"]) for row in cycles} == {(m, b) for m in ("richardson", "fcg") for b in "346"}
    assert {row["matrix"] for row in cycles} == {"one/A", "one/G"}
    assert {row["max_array"] for row in blocks} == {"16", "32", "64"}
    assert out.with_suffix(".png").exists()
    # The last cycle of flexible conjugate gradients is below what was asked for.
    for bits in "346":
        last = [row for row in cycles if row["method"] == "fcg" and row["bits"] == bits][-1]
        assert float(last["worst_residual"]) < 1e-8


def case(errors: list[float], matrix: str) -> list[dict[str, object]]:
    key = {"backend": "spice", "method": "fcg", "conditioning": "rank 4", "bits": 3, "matrix": matrix}
    return [{**key, "cycle": i, "median_error": e, "worst_error": e} for i, e in enumerate(errors)]


@pytest.mark.parametrize(("cycles", "missed"), [(10, 0), (11, 1)])
def test_a_missed_promise_is_said(cycles: int, missed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [*case([1.0] * cycles + [1e-8], "spd 5"), *case([1.0] * 12 + [1e-8], "spd 30")]
    monkeypatch.setattr("cosim.precision_table.random_table", lambda *_, **__: rows)
    assert len(command._prove(True, False)) == missed


def test_the_largest_count_of_all_factors_is_printed() -> None:
    rows = [*case([1, 1e-4, 1e-7], "a"), *case([1, 1, 1e-4], "b")]
    for row in rows:
        row["worst_residual"] = row["worst_error"]
    (line,) = command._needed(rows, "worst_residual", (1e-3, 1e-6))
    assert line["0.001"] == "2"
    assert line["1e-06"] == "not all"


def test_a_table_that_cannot_be_written_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.csv"):
        command.precision(tmp_path / "p.txt")

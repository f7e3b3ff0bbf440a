"""Files of a sweep: table, plot and metadata are whole or not there, and belong to one sweep."""

import csv
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from test_sweep import TEXT, read

from circuits import InputError
from cosim import sweep_files
from cosim.sweep import Sweep
from cosim.sweep_command import SweepRun, run_sweep_file
from cosim.sweep_drawing import _said, draw
from cosim.sweep_files import check_files, metadata_of, write_files
from cosim.sweep_here import Here
from cosim.sweep_part import Part
from cosim.sweep_plot import Plot
from cosim.sweep_rows import run_rows

QUIET = SweepRun(workers=1, progress=False)


def written(folder: Path, *changes: tuple[str, str]) -> tuple[Sweep, list[dict], Path]:
    """The small sweep, its rows and its table, without processes."""
    sweep, out = read(folder, *changes), folder / "small.csv"
    rows = run_rows(sweep, Here(), Part.of(out), "stamp")
    write_files(rows, out, sweep, metadata_of(sweep, "ohmvert sweep", {"numpy": "2"}), parquet=True)
    return sweep, rows, out


def test_csv_and_parquet_hold_the_same_rows_and_say_what_they_are(tmp_path: Path) -> None:
    sweep, rows, out = written(tmp_path)
    with out.open(newline="") as stream:
        table = list(csv.DictReader(stream))
    assert [{name: str(value) for name, value in row.items()} for row in rows] == table
    parquet = pq.read_table(out.with_suffix(".parquet"))
    assert json.dumps(parquet.to_pylist()) == json.dumps(rows)  # nan among them
    inside = {key.decode(): value.decode() for key, value in parquet.schema.metadata.items()}
    beside = json.loads(out.with_suffix(".meta.json").read_text())
    assert inside["digest"] == beside["digest"] == sweep.digest
    assert inside["sweep"] == beside["sweep"] == TEXT
    assert beside["versions"] == json.loads(inside["versions"]) == {"numpy": "2"}
    assert out.with_suffix(".png").stat().st_size > 1000
    assert not list(tmp_path.glob("*.part"))


def test_rows_of_another_sweep_are_not_overwritten(tmp_path: Path) -> None:
    sweep, _, out = written(tmp_path)
    other = read(tmp_path, ("[2, 20]", "[2, 21]"), ("small", "other"))
    check_files(out, sweep, parquet=True, overwrite=False)
    check_files(out, other, parquet=True, overwrite=True)
    with pytest.raises(InputError, match=r"small.csv holds rows of another sweep, 'small': .*--overwrite"):
        check_files(out, other, parquet=False, overwrite=False)
    with pytest.raises(InputError, match=r"small\.parquet holds rows of another sweep"):
        check_files(out.with_suffix(".parquet"), other, parquet=False, overwrite=False)
    out.with_suffix(".meta.json").write_text("[]")
    with pytest.raises(InputError, match="of unknown origin"):
        check_files(out, sweep, parquet=False, overwrite=False)


def test_a_wrong_ending_and_a_missing_pyarrow_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = read(tmp_path)
    with pytest.raises(InputError, match=r"\.csv or \.parquet"):
        check_files(tmp_path / "small.txt", sweep, parquet=False, overwrite=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    check_files(tmp_path / "small.csv", sweep, parquet=False, overwrite=False)
    for out, parquet in (("small.csv", True), ("small.parquet", False)):
        with pytest.raises(InputError, match="needs pyarrow, which is not installed"):
            check_files(tmp_path / out, sweep, parquet=parquet, overwrite=False)


def test_a_table_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sweep_files, "_write_csv", full)
    with pytest.raises(InputError, match="No space left"):
        written(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small.csv.part.jsonl", "small.toml"]


def test_the_command_writes_everything_and_removes_what_it_kept(tmp_path: Path) -> None:
    read(tmp_path)
    run_sweep_file(tmp_path / "small.toml", tmp_path / "out/small.csv", QUIET)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["small.csv", "small.meta.json", "small.png"]
    told = json.loads((tmp_path / "out/small.meta.json").read_text())
    assert {"ohmvert", "numpy", "scipy", "python", "sources"} <= set(told["versions"])
    assert told["command"].startswith("ohmvert sweep ")


def test_a_run_that_is_killed_ends_with_the_same_files_when_started_again(tmp_path: Path) -> None:
    read(tmp_path, ("size = 4", "size = 16"), ("seed = [0, 1]", "seed = {from = 0, to = 24, points = 25}"))
    command = [
        sys.executable,
        "-c",
        "from training.cli import main; main()",
        "sweep",
        str(tmp_path / "small.toml"),
        "--no-progress",
        "--workers=1",
    ]
    part = tmp_path / "killed.csv.part.jsonl"
    run = subprocess.Popen([*command, "-o", str(tmp_path / "killed.csv")], stderr=(tmp_path / "said").open("w"))
    while run.poll() is None and not Part(part).rows:
        time.sleep(0.02)
    assert run.poll() is None, (tmp_path / "said").read_text()
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert not (tmp_path / "killed.csv").exists()
    kept = Part(part).rows
    assert 0 < len(kept) < 100
    for name in ("killed", "whole"):
        subprocess.run([*command, "-o", str(tmp_path / f"{name}.csv")], check=True, capture_output=True)
    killed, whole = (_table(tmp_path / f"{name}.csv") for name in ("killed", "whole"))
    assert _without_wall(killed) == _without_wall(whole)
    assert {row["wall_s"] for row in killed} >= {str(row["wall_s"]) for row in kept.values()}
    assert (tmp_path / "killed.png").read_bytes() == (tmp_path / "whole.png").read_bytes()
    assert not part.exists()


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def _without_wall(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{name: value for name, value in row.items() if name != "wall_s"} for row in rows]


def plot_of(**table: object) -> Plot:
    return Plot.of({"y": "relative_error", **table}, ["condition", "seed", "opamp.gain"])


@pytest.mark.parametrize(
    "plot",
    [
        plot_of(x="condition", y=["relative_error", "settled"], series=["opamp.gain", "seed"]),
        plot_of(x="smallest_eigenvalue", y=["settling_time_s"], series="opamp.gain"),
        plot_of(kind="yield", series="opamp.gain"),
        plot_of(x="condition", y="margin_rad_per_s", y_scales={"margin_rad_per_s": "symlog"}, x_scale="linear"),
    ],
    ids=["lines", "dots", "yield", "symlog"],
)
def test_every_kind_of_plot_is_drawn_with_failed_rows_and_without_any(plot: Plot, tmp_path: Path) -> None:
    sweep = replace(read(tmp_path), plot=plot)
    rows = run_rows(sweep, Here(), Part(tmp_path / "part"), "stamp")
    failed = [{**row, "status": "UNSTABLE", "relative_error": float("nan")} for row in rows]
    for some in (rows, [*rows[:3], *failed[3:]], failed):
        draw(sweep, some).savefig(tmp_path / "plot.png")


def test_lines_are_medians_and_shares_are_means(tmp_path: Path) -> None:
    sweep = replace(read(tmp_path), plot=plot_of(x="condition", y=["relative_error", "settled"]))
    errors = {2: [1.0, 2.0, 10.0, None], 20: [5.0, 5.0, 7.0, 9.0]}
    rows = [
        {"condition": at, "relative_error": value or float("nan"), "status": "SETTLED" if value else "RAILED"}
        for at, values in errors.items()
        for value in values
    ]
    left, right = draw(sweep, rows).axes
    assert left.lines[0].get_xydata().tolist() == [[2, 2.0], [20, 6.0]]
    assert right.lines[0].get_xydata().tolist() == [[2, 0.75], [20, 1.0]]


def test_a_yield_counts_failed_chips_as_never_good_enough(tmp_path: Path) -> None:
    sweep = replace(read(tmp_path), plot=plot_of(kind="yield"))
    rows = [{"relative_error": e, "status": "SETTLED"} for e in (0.3, 0.1)] + [
        {"relative_error": 0.2, "status": "RAILED"}
    ]
    (panel,) = draw(sweep, rows).axes
    assert panel.lines[0].get_xydata()[-1].tolist() == pytest.approx([0.3, 2 / 3])
    assert panel.lines[0].get_xydata()[1].tolist() == pytest.approx([0.1, 1 / 3])


def test_legends_carry_units_with_their_prefix() -> None:
    assert _said("GBW [Hz]", 50e6) == "GBW 50 MHz"
    assert _said("write error", 0.02) == "write error 0.02"
    assert _said("", "typical") == "typical"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({}, "lacks x"),
        ({"x": "condition", "series": ["seed", "opamp.gain", "condition"]}, "more than two"),
        ({"x": "condition", "kind": "line"}, "lines, yield"),
        ({"x": "condition", "x_scale": "cubic"}, "log, linear"),
        ({"x": "condition", "y": 3}, "name of a column"),
        ({"x": "condition", "labels": "GBW"}, "must be a table"),
        ({"x": "condition", "labels": {"conditon": "GBW"}}, "did you mean condition"),
        ({"x": "condition", "y_scales": {"relative_error": "cubic"}}, "symlog"),
    ],
)
def test_a_bad_plot_is_refused_by_name(table: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        plot_of(**table)

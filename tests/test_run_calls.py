"""A run's INV calls as columns, the ones that stand out, and the page of a run from the command line."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from cases import random_spd
from small_run import SIDES, write_run

from circuits import InputError, Programming
from cosim.page import CallTable
from cosim.page.calls import Words
from training import inspect_command
from training.cli import run as run_app
from training.record import COLUMNS
from training.run_calls import choose_notable, read_calls, read_run_config
from training.run_page import Asked, page_of_run

OPTIONS: dict[str, Any] = {"reduce": None, "templates": None, "backend": "nodal", "trust": False}
FACTORS = {"conv/A": random_spd(5, 20, 1).matrix, "<script>/G": random_spd(3, 20, 2).matrix}
STEPS = 3
MATRICES = [{key: matrix * step for key, matrix in FACTORS.items()} for step in range(1, STEPS + 1)]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a short nodal run, as the training loop writes it."""
    return write_run(tmp_path / "a run", MATRICES)


@pytest.fixture
def inspect(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs the command; exit code and what was printed."""
    app = typer.Typer()
    app.command()(inspect_command.inspect)

    def call(*words: object) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["inspect", *map(str, words)])
        code = run_app(app)
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return call


def table_of(
    step: list[int], layer: list[str], status: list[str], times: list[float], residual: list[float]
) -> CallTable:
    def words(values: list[str]) -> Words:
        names = tuple(dict.fromkeys(values))
        return Words(names, np.array([names.index(value) for value in values]))

    n = len(step)
    netlist = words([f"{one}" for one in step])
    n_rows = np.full(n, 4)
    numbers = np.array(times), np.array(residual)
    return CallTable(np.array(step), words(layer), words(["A"] * n), n_rows, words(status), *numbers, netlist)


def test_columns_are_those_of_the_file(run: Path) -> None:
    table = read_calls(run)
    rows = [line.split(",") for line in (run / "inv_calls.csv").read_text().splitlines()[1:]]
    assert len(table) == len(rows) == STEPS * len(FACTORS) * SIDES
    assert table.step.tolist() == [int(row[0]) for row in rows]
    assert [table.layer.names[i] for i in table.layer.index] == [row[1] for row in rows]
    assert table.settling_time.tolist() == [float(row[5]) for row in rows]
    assert [table.netlist.names[i] for i in table.netlist.index] == [row[7] for row in rows]
    assert table.columns.tolist() == [0, 1, 2, 3] * STEPS * len(FACTORS)
    assert table.where(2, "conv", "A").tolist() == [8, 9, 10, 11]


def test_solves_are_numbered_in_order() -> None:
    table = table_of([5, 5, 5, 2, 2], ["b", "b", "a", "a", "a"], ["SETTLED"] * 5, [1e-8] * 5, [0.1] * 5)
    assert table.solves.tolist() == [0, 0, 1, 2, 2]
    assert table.columns.tolist() == [0, 1, 0, 0, 1]


def test_failed_calls_come_first_and_every_layer_has_its_turn() -> None:
    status = ["SETTLED", "RAILED", "UNSTABLE", "RAILED", "SETTLED", "SETTLED"]
    layer = ["a", "a", "a", "b", "b", "b"]
    table = table_of(
        [1, 2, 3, 4, 5, 6],
        layer,
        status,
        [9.0, np.nan, np.nan, np.nan, 7.0, 1.0],
        [0.1, np.nan, np.nan, np.nan, 0.2, 0.9],
    )
    chosen = choose_notable(table, 6, range(1, 7))
    assert [one.row for one in chosen] == [2, 3, 1, 0, 5, 4]
    assert [one.row for one in choose_notable(table, 3, range(1, 7))] == [2, 3, 0]
    assert [one.row for one in choose_notable(table, 6, [1, 6])] == [0, 5]
    assert not choose_notable(table, 0, [1])


def test_notable_calls_are_of_different_solves(run: Path) -> None:
    table = read_calls(run)
    chosen = choose_notable(table, 100, [1, 2, 3])
    assert len(chosen) == len({table.solves[one.row] for one in chosen}) == STEPS * len(FACTORS)


def test_a_row_that_is_being_written_is_left_out(run: Path) -> None:
    with (run / "inv_calls.csv").open("a") as file:
        file.write("4,conv,A,5,SETT")
    assert len(read_calls(run)) == STEPS * len(FACTORS) * SIDES


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("step,layer\n1,a\n", "another version of ohmvert.*no column 'factor'"),
        (",".join([*COLUMNS, "energy"]) + "\n", "another version.*column 'energy', which this one does not know"),
        (",".join(COLUMNS) + "\n1,a\n", "line 2 has 2 columns and not 8"),
        (",".join(COLUMNS) + "\n1,a,A,4,MOLTEN,1e-8,0.1,ff\n", "damaged: 'MOLTEN'"),
        (",".join(COLUMNS) + "\none,a,A,4,SETTLED,1e-8,0.1,ff\n", "damaged: .*'one'"),
        (",".join(COLUMNS) + "\n", "no INV calls.*--optimizer=kfac"),
    ],
)
def test_foreign_and_damaged_tables_are_told(run: Path, text: str, words: str) -> None:
    (run / "inv_calls.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        read_calls(run)


def test_foreign_configs_are_told(run: Path) -> None:
    path = run / "config.json"
    config = json.loads(path.read_text())
    for changed, words in (
        ({**config, "quantum": True}, "another version.*field 'quantum', which this one does not know"),
        ({name: value for name, value in config.items() if name != "parts"}, "no field 'parts'"),
        (["a list"], "not what a run writes"),
    ):
        path.write_text(json.dumps(changed))
        with pytest.raises(InputError, match=words):
            read_run_config(run)


def test_a_page_opens_with_the_asked_solve(run: Path) -> None:
    page = page_of_run(run, Asked(2, "<script>", "G", None), 6, OPTIONS)
    assert page.views[0].call == (2, "<script>", "G")
    assert len(page.views) == STEPS * len(FACTORS)  # the asked one is not there twice
    assert all(len(view.inspection.answer.errors) == 1 for view in page.views[1:])
    assert "the page carries the circuits of 9 of them" in page.notes[0]


def test_a_run_without_inputs_has_its_table(tmp_path: Path) -> None:
    page = page_of_run(write_run(tmp_path / "run", MATRICES, "none"), None, 12, OPTIONS)
    assert page.calls is not None
    assert not page.views
    assert "kept no inputs" in page.notes[1]


def test_circuits_that_cannot_be_drawn_are_counted(run: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "block_size": 2}))
    page = page_of_run(run, None, 3, OPTIONS)
    assert not page.views
    assert any("cannot be drawn again" in note for note in page.notes)


def test_read_noise_takes_one_column(run: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    config["parts"]["programming"] = vars(replace(Programming(), read_noise=0.01))
    (run / "config.json").write_text(json.dumps(config))
    page = page_of_run(run, None, 3, OPTIONS)
    assert len(page.views) == 3
    assert page.command[-2:] == ("--column", "{column}")


def test_command_writes_pages(inspect: Callable[..., Any], run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.html"
    code, said = inspect("--run", run, "--html", out)
    assert (code, "24 INV calls, 6 circuits" in said) == (0, True)
    np.save(tmp_path / "m.npy", random_spd(4, 5, 0).matrix)
    code, said = inspect("--matrix", tmp_path / "m.npy", "--html", out)
    assert (code, "1 circuit," in said) == (0, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--html", "page.txt"], "must end in .html"),
        (["--html", "o.html"], "nothing to inspect"),
        (["--html", "o.html", "--matrix", "m.npy", "--step", "1"], "--step is for --run"),
        (["--html", "o.html", "--run", "r", "--hardware", "ideal"], "--hardware comes from --run"),
        (["--html", "o.html", "--run", "RUN", "--step", "1"], "give all three"),
        (
            ["--html", "o.html", "--run", "RUN", "--step", "9", "--layer", "conv", "--factor", "A"],
            "Step 9 was not kept",
        ),
        (["--html", "o.html", "--run", "RUN", "--views", "-1"], "views = -1"),
        (["--html", "o.html", "--run", "nowhere"], "no run folder"),
        (["--html", "no/such/folder/o.html", "--run", "RUN"], "cannot be written"),
    ],
)
def test_bad_input_is_one_sentence(
    inspect: Callable[..., Any], run: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.chdir(run.parent)
    code, printed = inspect(*[str(run) if word == "RUN" else word for word in words])
    assert code == 2
    assert said in printed

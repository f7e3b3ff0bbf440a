"""`ohmvert show`: every shipped example in plain ngspice, in Gnucap where linear; pictures, JSON, waveforms."""

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from spicelib import RawRead
from test_ngspice import spoken
from test_replay import HARDWARE, write_run

from circuits import Hardware, InputError, LinearCircuit, Wires
from circuits.hardware import PRESETS
from cosim.inspection import Inspection
from cosim.inspector import inspect_inverse, inspect_multiply
from cosim.svg_array import draw_array
from training.cli import run as run_app
from training.show_command import show

MATRIX = np.array([[2.0, -0.5, 0.1], [0.25, 1.0, 0.3], [-0.2, 0.4, 1.5]])
RHS = np.array([[1.0, 0.0], [2.0, -1.0], [0.5, 3.0]])
KINDS: dict[str, Callable[..., Inspection]] = {"inverse": inspect_inverse, "multiply": inspect_multiply}
NUMBER = r"(\S+)"


def ngspice(folder: Path, text: str) -> dict[str, float]:
    """What plain `ngspice -b` measures, by name."""
    (folder / "m.cir").write_text(text)
    run = ["ngspice", "-n", "-b", "m.cir"]
    done = subprocess.run(run, cwd=folder, capture_output=True, text=True, timeout=60, check=True)
    found = re.findall(rf"^((?:rhs|settles)\w+) += +{NUMBER}", done.stdout, re.MULTILINE)
    return {name: float(value) for name, value in found}


def expected(text: str) -> dict[str, float]:
    """The volts that the header promises of these parts, by the name of their .meas line."""
    found, number = {}, 0
    for line in text.splitlines():
        number = int(side[1]) if (side := re.match(r"\* (?:right-hand side|vector) (\d+), read at", line)) else number
        if promise := re.search(rf"v\((out\d+)\) = .* ideal parts, {NUMBER} V for these", line):
            found[f"rhs{number}_{promise[1]}"] = float(promise[2])
    return found


def examples() -> Iterator[Any]:
    for kind in KINDS:
        for preset in PRESETS:
            wired = not Hardware.preset(preset).wires.ideal
            for reduce in ("auto", "never") if wired else ("auto",):
                yield pytest.param(kind, preset, reduce, id=f"{kind}-{preset}-{reduce}")


@pytest.mark.ngspice_cli
@pytest.mark.parametrize(("kind", "preset", "reduce"), list(examples()))
def test_every_shipped_example_runs_in_plain_ngspice(kind: str, preset: str, reduce: str, tmp_path: Path) -> None:
    hardware = Hardware.preset(preset)
    hardware = replace(hardware, wires=replace(hardware.wires, reduce=reduce))
    found = KINDS[kind](MATRIX, RHS, hardware)
    measured, promised = ngspice(tmp_path, found.netlist.text), expected(found.netlist.text)
    assert len(promised) == 6
    for name, volts in promised.items():
        assert measured[name] == pytest.approx(volts, abs=1e-4 * 0.2)
    for (i, j), seconds in np.ndenumerate(found.traces.settling_times):
        # Slew-limited op-amps are slower than the linear reading, and one that just grazes its band may be faster.
        assert 0 < measured[f"settles_side{j + 1}_out{i + 1}"] < 1.5 * seconds + 4e-9


def linear_examples() -> dict[str, tuple[str, Hardware]]:
    ideal = Hardware.preset("ideal")
    chip = replace(Hardware.preset("rram40").linear(), signed="compensation")
    wired = replace(ideal, wires=Wires(r_row=1.73, r_col=1.73))
    segments = replace(ideal, wires=Wires(r_row=1.73, r_col=1.73, c_row=1e-16, reduce="never"))
    found = {"ideal": ideal, "wired, reduced": wired, "wired, segments": segments, "compensation": chip}
    return {f"{kind}, {name}": (kind, hardware) for kind in KINDS for name, hardware in found.items()}


@pytest.mark.gnucap
@pytest.mark.parametrize(("kind", "hardware"), linear_examples().values(), ids=linear_examples())
def test_linear_examples_give_the_same_in_gnucap(
    kind: str, hardware: Hardware, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    found = KINDS[kind](MATRIX, RHS, hardware)
    end, outputs = found.traces.windows[-1, 1], " ".join(f"v({node})" for node in found.netlist.outputs)
    circuit = re.sub(r"^\.(options|save|tran|meas|end\b).*\n", "", found.netlist.text, flags=re.MULTILINE)
    steps = 200
    tail = f".options reltol=1e-5\n.print tran {outputs}\n.tran {end / steps} {end} 0 uic\n.end\n"
    (tmp_path / "m.cir").write_text(circuit + tail)
    done = subprocess.run(
        ["gnucap", "-b", "m.cir"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    if "plugin not found" in done.stdout + done.stderr:
        report = pytest.fail if request.config.getoption("ngspice") == "required" else pytest.skip
        report("gnucap lacks its plugins: install gnucap-default-plugins0")
    rows = [line.split() for line in done.stdout.partition("#Time")[2].splitlines()[1:]]
    volts = np.array([spoken(word) for word in rows[-1]])[1:]
    np.testing.assert_allclose(volts, found.answer.volts[:, -1], atol=1e-4 * 0.2)


def test_the_header_promises_the_true_answer() -> None:
    text = inspect_inverse(MATRIX, RHS, Hardware.preset("ideal")).netlist.text
    solution = np.linalg.solve(MATRIX, RHS)
    for (i, j), value in np.ndenumerate(solution):
        side = text.split(f"right-hand side {j + 1}, read")[1].split("right-hand side")[0]
        assert f"b_{i + 1} = {RHS[i, j]:.6g}, expect x_{i + 1} = {value:.6g}, " in side


def test_an_oblong_product_names_every_input_and_output() -> None:
    text = inspect_multiply(MATRIX[:2], RHS).netlist.text
    assert "computes A b for 2 vectors, A is 2 x 3" in text
    for words in ("b_3 = 0.5", "b_3 = 3", f"expect x_2 = {(MATRIX @ RHS)[1, 0]:.6g}"):
        assert words in text
    assert LinearCircuit.read(inspect_multiply(MATRIX[:2], RHS, Hardware.preset("ideal")).netlist.text).stable


def test_an_output_that_never_leaves_its_band_is_not_measured(tmp_path: Path) -> None:
    text = inspect_inverse(np.eye(2), [1.0, 0.0], Hardware.preset("ideal")).netlist.text
    assert "* side1_out2 never leaves its band" in text
    assert "settles_side1_out1" in text


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command; exit code, stdout and stderr."""

    def command(*words: str) -> tuple[int, str, str]:
        app = typer.Typer()
        app.command()(show)
        monkeypatch.setattr(sys, "argv", ["show", *words])
        code = run_app(app)
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


@pytest.fixture
def matrix(tmp_path: Path) -> str:
    np.save(tmp_path / "M.npy", MATRIX)
    return f"--matrix={tmp_path / 'M.npy'}"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", HARDWARE, "nodal")


def test_json_is_the_inspection(call: Callable[..., Any], matrix: str) -> None:
    code, out, _ = call(matrix, "--format=json", "--hardware=rram40", "--reduce=never")
    assert code == 0
    found = inspect_inverse(MATRIX, None, replace(Hardware.preset("rram40"), wires=Wires(1.73, 1.73, reduce="never")))
    read = json.loads(out)
    assert read["netlist"]["digest"] == found.netlist.digest
    assert read["arrays"][0]["programmed"] == found.arrays[0].programmed.tolist()
    assert read["subject"]["title"] == "M.npy"


def test_any_call_of_a_run_is_shown(call: Callable[..., Any], run: Path) -> None:
    place = ("--step=5", "--layer=conv.1", "--factor=G", "--column=1")
    code, out, _ = call(f"--run={run}", *place)
    assert code == 0
    assert f"* {run}, step 5, layer conv.1, factor G, write 3\n" in out
    assert "right-hand side 2, read at" in out
    assert ".meas tran rhs2_out3" in out
    assert call(f"--run={run}", *place, "--format=svg")[1].startswith("<?xml")


WRONG = {
    "nothing": ([], "give --matrix FILE.npy, or --run"),
    "format": (["--format=pdf"], "format = 'pdf' is unknown: the known ones are cir, svg, json"),
    "kind": (["M", "--kind=divide"], "kind = 'divide' is unknown: the known ones are inverse, multiply"),
    "backend": (["M", "--backend=abacus"], "backend = 'abacus' is unknown: the known ones are nodal, spice"),
    "reduce": (["M", "--reduce=often"], "auto, always, never"),
    "step alone": (["M", "--step=3"], "--step is for --run: leave it out"),
    "run alone": (["R"], "--run needs --step, --layer and --factor"),
    "run and matrix": (["R", "M"], "--matrix comes from --run: leave it out"),
    "run and kind": (["R", "--kind=multiply"], "--kind is for --matrix"),
    "cell": (["M", "--format=svg", "--cell=two"], "cell = 'two' must be ROW,COLUMN"),
    "cell outside": (["M", "--format=svg", "--cell=4,1"], "cell 4,1 is outside the array: it has (3, 3)"),
    "cell zero": (["M", "--format=svg", "--cell=0,1"], "cell 0,1 is outside"),
    "step": (["R", "--step=9", "--layer=conv.1", "--factor=A"], "Step 9 was not kept"),
    "layer": (["R", "--step=1", "--layer=fc", "--factor=A"], "it has conv.1/A, conv.1/G"),
    "no run": (["--run=nowhere", "--step=1", "--layer=a", "--factor=A"], "nowhere is no run folder"),
    "templates": (["M", "--templates=nowhere"], "nowhere is no folder"),
    "waveforms": (["M", "--waveforms=a.vcd"], "must end with .raw or .csv"),
}


@pytest.mark.parametrize(("words", "told"), WRONG.values(), ids=WRONG)
def test_a_mistake_is_one_line(
    words: list[str], told: str, call: Callable[..., Any], matrix: str, run: Path, request: pytest.FixtureRequest
) -> None:
    given = {"M": matrix, "R": f"--run={run}"}
    code, out, errors = call(*[given.get(word, word) for word in words])
    assert (code, out, errors.count("\n")) == (2, "", 1)
    assert told in errors


def test_an_unstable_circuit_has_no_netlist_and_a_picture(call: Callable[..., Any], tmp_path: Path) -> None:
    np.save(tmp_path / "M.npy", [[0.0, 1.0], [1.0, 0.0]])
    code, _, errors = call(f"--matrix={tmp_path}/M.npy")
    assert (code, "--format=svg" in errors) == (2, True)
    assert call(f"--matrix={tmp_path}/M.npy", "--format=svg")[0] == 0


@pytest.mark.parametrize("backend", ["nodal", pytest.param("spice", marks=pytest.mark.ngspice)])
def test_waveforms_of_either_engine_go_into_a_file(
    backend: str, call: Callable[..., Any], matrix: str, tmp_path: Path
) -> None:
    path = tmp_path / "w.raw"
    assert call(matrix, f"--waveforms={path}", f"--backend={backend}", "--hardware=ideal")[0] == 0
    read = RawRead(str(path), dialect="ngspice", verbose=False)
    volts = np.array([read.get_wave(f"v(out{i})")[-1] for i in (1, 2, 3)])
    found = inspect_inverse(MATRIX, None, Hardware.preset("ideal"))
    np.testing.assert_allclose(volts, found.traces.settled[:, 0], atol=1e-4 * 0.2)
    np.testing.assert_allclose(read.get_axis()[-1], found.traces.windows[0, 1], rtol=1e-9)


def elements(svg: str, tag: str) -> list[ElementTree.Element]:
    return ElementTree.fromstring(svg).findall(f".//{{http://www.w3.org/2000/svg}}{tag}")


def test_the_picture_has_every_cell_with_its_conductance_and_every_fault() -> None:
    chip = Hardware.preset("rram40")
    chip = replace(chip, programming=replace(chip.programming, stuck_on=0.1, stuck_off=0.1), seed=4)
    found = inspect_multiply(np.arange(12.0).reshape(3, 4) - 5, None, chip, title="<a & b>")
    svg = draw_array(found, (2, 3))
    tips = [title.text for title in elements(svg, "title")]
    assert len(tips) == 2 * 12
    positive = found.arrays[0]
    assert f"cell 2,3 of Gp: target {positive.target[1, 2] * 1e6:.4g} uS (level" in " ".join(map(str, tips))
    stuck = sum(int((array.stuck != 0).sum()) for array in found.arrays)
    assert stuck > 0
    assert sum("stuck" in str(tip) for tip in tips) == stuck
    words = [text.text or "" for text in elements(svg, "text")]
    assert {"in1", "inv4", "out3", "<a & b>"} <= set(words)
    assert any("--reduce=never" in one for one in words)
    assert len(elements(svg, "path")) == 3  # an op-amp a row


def test_the_annotated_cell_quotes_its_lines() -> None:
    found = inspect_inverse(MATRIX, None, Hardware())
    words = [text.text or "" for text in elements(draw_array(found, (1, 2)), "text")]
    (number,) = found.arrays[1].lines[0][1]  # a negative entry stands in the negative array
    line = found.netlist.text.splitlines()[number - 1]
    assert line.startswith("Rn1_2 row1 inv2 ")
    assert f"{number:6d}  {line}" in words
    with pytest.raises(InputError, match="outside the array"):
        draw_array(found, (1, 4))

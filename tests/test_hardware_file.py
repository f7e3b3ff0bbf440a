"""Hardware from a file: a preset with fields changed, a model beside the file, mistakes named."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from circuits import Hardware, InputError
from circuits.hardware_file import load_hardware
from cosim import Status, open_backend
from training.config import RunConfig

OPAMP = """* a single pole of 80 dB and 100 MHz that stops at {headroom} of its rails
.subckt THREE plus minus pos neg o
G1 0 a plus minus 1m
R1 a 0 10meg
C1 a 0 1.5915p
B1 o 0 V={headroom}*V(pos)*tanh(V(a)/({headroom}*V(pos)))
.ends
"""


def written(folder: Path, text: str, headroom: float = 1.0) -> str:
    (folder / "three.lib").write_text(OPAMP.format(headroom=headroom))
    path = folder / "mine.toml"
    path.write_text(text)
    return str(path)


MODEL = """
v_max = {v_max}
[opamp]
gbw = 100e6
[opamp.model]
file = "three.lib"
subckt = "THREE"
pins = ["inp", "inn", "vp", "vn", "out"]
supply = {supply}
"""


def test_a_name_is_a_preset() -> None:
    assert load_hardware("rram40") == Hardware.preset("rram40")
    with pytest.raises(InputError, match="default, ideal, rram40"):
        load_hardware("gold")


def test_a_file_changes_fields_of_a_preset_and_leaves_the_rest(tmp_path: Path) -> None:
    path = written(tmp_path, 'preset = "rram40"\nsigned = "compensation"\n[opamp]\ngain = 1e5\n[wires]\nr_row = 3.0\n')
    chip = Hardware.preset("rram40")
    expected = replace(
        chip, signed="compensation", opamp=replace(chip.opamp, gain=1e5), wires=replace(chip.wires, r_row=3.0)
    )
    assert load_hardware(path) == expected


def test_a_model_is_looked_for_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    model = load_hardware(written(tmp_path, MODEL.format(v_max=0.2, supply=5.0))).opamp.model
    assert model is not None
    assert (model.subckt, model.pins[-1], model.supply) == ("THREE", "out", 5.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[opamp]\ngian = 1e5\n", "did you mean gain"),
        ("[opam]\ngain = 1e5\n", "did you mean opamp"),
        ("[opamp]\ngain = -1.0\n", r"OpAmp\.gain = -1"),
        ("[opamp\n", "no TOML"),
        ('[opamp.model]\nfile = "three.lib"\n', "subckt"),
        ('[opamp.model]\nfile = "none.lib"\nsubckt = "A"\npins = []\n', "cannot be read"),
        ('[opamp.model]\nfile = "three.lib"\nsubckt = "FOUR"\npins = []\n', "three"),
    ],
)
def test_mistakes_are_named(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        load_hardware(written(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml cannot be read"):
        load_hardware(str(tmp_path / "none.toml"))


def test_a_run_writes_down_every_field_of_its_hardware(tmp_path: Path) -> None:
    config = RunConfig(hardware=written(tmp_path, MODEL.format(v_max=0.1, supply=5.0)))
    config.write(tmp_path / "config.json")
    parts = json.loads((tmp_path / "config.json").read_text())["parts"]
    assert (parts["v_max"], parts["opamp"]["gbw"], parts["opamp"]["model"]["subckt"]) == (0.1, 100e6, "THREE")


@pytest.mark.ngspice
def test_a_model_that_stops_short_of_its_rails_runs_again_with_less(tmp_path: Path) -> None:
    # 0.2 V asked of outputs that end at 0.075 V, which nothing but the linear reading can know.
    hardware = load_hardware(written(tmp_path, MODEL.format(v_max=0.2, supply=0.3), headroom=0.25))
    with open_backend("spice", hardware=hardware, workers=1) as backend:
        solution = backend.program([[2.0, -0.5], [0.25, 1.0]]).solve([1.0, 2.0])
    assert solution.status is Status.SETTLED
    assert solution.stats.notes["rescaled"] >= 1
    np.testing.assert_allclose(solution.value, np.linalg.solve([[2.0, -0.5], [0.25, 1.0]], [1, 2]), rtol=2e-2)


@pytest.mark.ngspice
def test_a_model_that_ngspice_refuses_stops_the_run_before_it_starts(tmp_path: Path) -> None:
    path = written(tmp_path, MODEL.format(v_max=0.2, supply=5.0))
    (tmp_path / "three.lib").write_text(OPAMP.format(headroom=1).replace("R1 a 0 10meg", "D1 a 0 nowhere"))
    with pytest.raises(InputError, match=r"does not run.*missing model"):
        open_backend("spice", hardware=load_hardware(path), workers=1)

"""`ohmvert cost`: its report, a torch model of the user's own, and one sentence for every mistake."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from circuits import Hardware, InputError, OpAmp
from cosim.array_calls import measure_calls
from cosim.cost import works_of
from cosim.cost_constants import Constants, op_amp_of
from cosim.workloads import workload
from training.cli import app, run
from training.model_workload import find_workload, workload_of

FAST = ["cost", "--model=cnn", "--max-array=16", "--quick"]


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["ohmvert", *words])
    return run(app)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("cost") / "new" / "cost.json"
    with pytest.MonkeyPatch.context() as patch:
        assert call(patch, *FAST, "--json", f"--out={out}") == 0
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def test_parts_add_up_at_every_estimate(report: dict[str, Any]) -> None:
    for estimate in ("low", "nominal", "high"):
        for parts in report["arrays"][estimate].values():
            assert sum(value for name, value in parts.items() if name != "total") == pytest.approx(parts["total"])


def test_ratios_are_those_of_the_times_and_energies_beside_them(report: dict[str, Any]) -> None:
    processors = {processor["name"]: processor for processor in report["processors"]}
    assert len(report["ratios"]) == 2 * len(processors) >= 2 * 6
    for row in report["ratios"]:
        word = "time_s" if row["quantity"] == "throughput" else "energy_J"
        theirs, ours = processors[row["processor"]][word], {e: c[word]["total"] for e, c in report["arrays"].items()}
        assert row["value"] == pytest.approx(theirs["nominal"] / ours["nominal"])
        assert row["low"] == pytest.approx(theirs["low"] / ours["high"])
        assert row["high"] == pytest.approx(theirs["high"] / ours["low"])


def test_a_report_can_be_written_from_the_file_alone(report: dict[str, Any]) -> None:
    for constant in report["constants"].values():
        assert set(constant) == {"value", "unit", "low", "high", "source", "assumption"}
    assert {"condition", "settling", "quiescent", "mac_time"} <= set(report["constants"])
    assert {"ohmvert", "numpy", "scipy", "torch"} <= set(report["versions"])
    assert report["command"][:2] == ["ohmvert", "cost"]
    assert report["setting"]["max_array"] == 16
    assert {(row["kind"], row["rows"]) for row in report["calls"]} == {("inv", 8), ("inv", 16), ("mvm", 16)}
    assert any(
        "2512.05342" in sentence and "nothing here is its setting" in sentence for sentence in report["assumptions"]
    )


def test_what_was_not_timed_is_said(report: dict[str, Any]) -> None:
    assert all(processor["details"].get("in_proportion", []) == [] for processor in report["processors"])
    assert report["workload"]["without_factors"] == 0
    assert "0 of 3,066 parameters have no factors" in " ".join(report["assumptions"])


def test_json_on_stdout_is_one_object(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, *FAST, "--json", "--refresh=3", "--copies=2", "--one-by-one") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["setting"]["refresh"], found["setting"]["copies"]) == (3, 2)
    assert found["setting"]["together"] is False
    for row in found["ratios"]:
        assert row["one_by_one"] == pytest.approx(row["value"])


def test_tables_never_come_without_the_assumptions(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, *FAST) == 0
    said = " ".join(capsys.readouterr().out.split())
    for words in ("settling", "programming", "throughput", "5.88x", "6.9x", "nothing here is its setting", "float32"):
        assert words in said


MINE = """
import torch
from training.models import TwoLayerCNN

def cnn():
    return TwoLayerCNN((28, 28), 26)

built = cnn()
none = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.BatchNorm1d(3))

def broken():
    raise RuntimeError("no weights here")
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_of_cost.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "mine_of_cost", raising=False)


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize("path", ["mine_of_cost:cnn", "mine_of_cost:built"])
def test_a_torch_model_like_ours_has_the_work_of_the_named_one(path: str) -> None:
    found = find_workload(path)
    assert found.factors == workload("cnn").factors
    assert (found.parameters, found.rest) == (3066, 0)
    assert str(Path.cwd()) not in sys.path


def block(layers: list[nn.Module], before: int, width: int, stride: int) -> None:
    layers += [nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)]
    layers += [nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)]
    if before != width:
        layers += [nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width)]


def test_the_layers_of_a_resnet18_in_torch_have_the_work_of_the_named_one() -> None:
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64)]
    before = 64
    for width in (64, 128, 256, 512):
        for _ in range(2):
            block(layers, before, width, 1 if before == width else 2)
            before = width
    with torch.device("meta"):
        layers.append(nn.Linear(512, 10))
    found, named = workload_of(nn.Sequential(*layers), "mine"), workload("resnet18")
    assert [(n, k) for _, n, k in found.factors] == [(n, k) for _, n, k in named.factors]
    assert (found.parameters, found.rest) == (11_173_962, named.rest)
    assert "20 BatchNorm2d" in found.description


def test_what_kfac_leaves_out_counts_as_rest() -> None:
    model = nn.Sequential(nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(4, 2, 3), nn.Linear(5, 3), nn.Linear(3, 2))
    model[3].requires_grad_(False)
    found = workload_of(model, "mine", skip_layers=["^2$"])
    assert [layer.name for layer in found.layers] == ["1"]
    assert found.rest == (4 * 2 * 9 + 4) + (5 * 3 + 3) + (3 * 2 + 2)
    assert not any(module._forward_hooks for module in model)


def test_skipped_layers_of_a_named_network_are_refused() -> None:
    with pytest.raises(InputError, match=r"package\.module:factory"):
        find_workload("cnn", ["fc"])


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model=resnet19"], "did you mean resnet18"),
        (["--model=transformer"], "cnn, resnet18, vit-small, gpt2-small"),
        (["--model=nowhere.at_all:model"], "nowhere.at_all:model cannot be imported"),
        (["--model=mine_of_cost:gone"], "mine_of_cost:gone cannot be imported"),
        (["--model=math:pi"], "is a float"),
        (["--model=builtins:dict"], "returns a dict"),
        (["--model=mine_of_cost:broken"], "no weights here"),
        (["--model=torch.nn:Linear"], "without arguments"),
        (["--model=mine_of_cost:none"], "no Linear or Conv2d layer"),
        (["--preset=gold"], "default, ideal, rram40"),
        (["--preset=vendor.toml"], "model file"),
        (["--refresh=0"], "--refresh 0 is below 1"),
        (["--copies=0"], "--copies 0 is below 1"),
        (["--max-array=1"], "max_array = 1"),
        (["--max-array=0"], "max_array = 0"),
        (["--op-amp=lm741"], "on-chip, ad823, opa690"),
        (["--backend=exact"], "nodal, spice"),
        (["--out=cost.txt"], "must end in .json"),
        (["--gpu"], "No CUDA device"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_2(
    words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    Path("op.lib").write_text(".subckt op a b c\nR1 a c 1k\n.ends\n")
    model = '[opamp.model]\nfile = "op.lib"\nsubckt = "op"\npins = ["inp", "inn", "out"]\n'
    Path("vendor.toml").write_text(f'preset = "rram40"\n{model}')
    assert call(monkeypatch, "cost", "--model=cnn", *words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error


def test_an_on_chip_op_amp_takes_current_in_proportion_to_its_bandwidth() -> None:
    slow, fast = Constants.of(gbw=250e6), Constants.of(gbw=500e6)
    assert 2 * slow.quiescent.value == pytest.approx(fast.quiescent.value)
    assert fast == Constants()
    assert Constants.of("ad823", gbw=1e6) == Constants.of("ad823")


@pytest.mark.parametrize("name", ["ad823", "opa690", "on-chip"])
def test_the_op_amp_of_a_preset_is_known_under_any_name_of_the_hardware(name: str) -> None:
    preset = Hardware.preset("rram40" if name == "on-chip" else name)
    assert op_amp_of(replace(preset, seed=7)) == name
    assert op_amp_of(replace(preset, opamp=OpAmp(gbw=1e8))) == "on-chip"


def test_harder_matrices_settle_later() -> None:
    found = measure_calls(Hardware(), works_of([("a/A", 8, 3)], 16), sides=1)
    assert found.settling.low < 1 < found.settling.high
    assert list(found.calls.inv) == [8]
    assert not found.calls.mvm


@pytest.mark.ngspice
def test_both_engines_measure_the_same_calls() -> None:
    works = works_of([("a/A", 8, 3)], 4)
    nodal, spice = (measure_calls(Hardware.preset("rram40"), works, name, sides=1) for name in ("nodal", "spice"))
    supply = Constants().op_amp
    for ours, theirs in zip(nodal.rows(supply), spice.rows(supply), strict=True):
        assert theirs["settling_s"] == pytest.approx(ours["settling_s"], rel=0.01)
        assert theirs["energy_J"] == pytest.approx(ours["energy_J"], rel=0.01)

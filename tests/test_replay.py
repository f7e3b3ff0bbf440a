"""The inputs of INV calls on disk, and any call run again from them."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from cases import Array, random_spd
from small_run import Solved

from circuits import Conditioning, Converters, Hardware, InputError, OpAmp, Programming
from cosim import Backend, Programmed, Status, open_backend
from training import replay as command
from training.calls import CallStore, describe_engine
from training.cli import run as run_app

HARDWARE = replace(
    Hardware(seed=7),
    programming=Programming(sigma=0.02, read_noise=0.01),
    converters=Converters(dac_bits=8, adc_noise=1e-4),
)
MATRICES = {"conv.1/A": random_spd(5, 20, 1).matrix, "conv.1/G": random_spd(3, 20, 2).matrix}
STEPS = 6
REFRESH = 3
"""Steps between programmings."""


def train(store: CallStore, backend: Backend, first: int = 1, programmed: dict[str, Programmed] | None = None) -> Any:
    """Steps on K-FAC's pattern: program now and then, solve transposed right-hand sides in every step."""
    programmed = programmed or {}
    for step in range(first, STEPS + 1):
        if (step - 1) % REFRESH == 0:
            matrices = [matrix * step for matrix in MATRICES.values()]
            programmed = dict(zip(MATRICES, backend.program_many(matrices), strict=True))
        solved = []
        for key, one in programmed.items():
            calls, rhs = one.calls, right_hand_sides(step, len(one.matrix))
            solution = one.solve(rhs, throw=False)
            solved.append(Solved(*key.split("/"), one, calls, rhs, solution))
        store.add(step, solved)
    return programmed


def test_a_run_without_conditioning_is_replayed_without(tmp_path: Path) -> None:
    hardware = Hardware(cell=replace(Hardware().cell, levels=64))
    folder = tmp_path / "run"
    folder.mkdir()
    described = {"backend": "nodal", "parts": asdict(hardware), "conditioning": False}
    (folder / "config.json").write_text(json.dumps(described))
    with open_backend("nodal", hardware=hardware, conditioning=Conditioning.off()) as backend:
        train(CallStore(folder / "inputs"), backend)
    call = CallStore(folder / "inputs").find(2, "conv.1", "A")
    config = command.read_config(folder)
    again, _ = command.solve_again(call, hardware, "nodal", config)
    assert np.array_equal(again.value, call.value)
    other, _ = command.solve_again(call, hardware, "nodal", {**config, "conditioning": True})
    assert np.abs(other.value - call.value).max() > 1e-3


def right_hand_sides(step: int, n: int) -> Array:
    return np.random.default_rng([step, n]).normal(size=(4, n)).T


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a nodal run."""
    return write_run(tmp_path / "run", HARDWARE, "nodal")


def write_run(folder: Path, hardware: Hardware, name: str, **options: Any) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"backend": name, "parts": asdict(hardware)}))
    with open_backend(name, hardware=hardware, **({"workers": 1} if name == "spice" else {})) as backend:
        train(CallStore(folder / "inputs", engine=describe_engine(backend), **options), backend)
    return folder


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Any]]:
    """Runs the command; exit code and what was printed."""

    def replay(folder: Path, *words: str) -> tuple[int, str]:
        app = typer.Typer()
        app.command()(command.replay)
        monkeypatch.setattr(sys, "argv", ["replay", str(folder), *words])
        code = run_app(app)
        said = capsys.readouterr()
        return code, " ".join((said.out + said.err).split())

    return replay


def at(step: int, factor: str = "A") -> tuple[str, ...]:
    return f"--step={step}", "--layer=conv.1", f"--factor={factor}"


@pytest.mark.parametrize("step", [1, 2, 6])
@pytest.mark.parametrize("factor", ["A", "G"])
def test_a_replay_gives_the_same_bits(run: Path, call: Callable[..., Any], step: int, factor: str) -> None:
    code, said = call(run, *at(step, factor))
    assert (code, said.count("SETTLED")) == (0, 8)
    assert said.endswith("Identical: the same verdicts and the same bits.")


def test_another_value_is_different_and_told(run: Path, call: Callable[..., Any]) -> None:
    path = run / "inputs" / "step-00000002.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["conv.1/G/value"][:, 3] *= 1 + 1e-15
    np.savez(path, **arrays)
    code, said = call(run, *at(2, "G"))
    assert code == 1
    assert re.search(r"Different: by 1\.\d+e-15 of the value in column 3; 0 is allowed", said)
    assert call(run, *at(2, "G"), "--column=0")[0] == 0
    assert call(run, *at(2, "A"))[0] == 0


@pytest.mark.parametrize("field", ["write", "calls"])
def test_write_and_calls_decide_the_draws(run: Path, field: str) -> None:
    stored = CallStore(run / "inputs").find(2, "conv.1", "A")
    assert (stored.write, stored.calls) == (0, 4)
    moved = replace(stored, **{field: getattr(stored, field) + 1})
    solution, _ = command.solve_again(moved, HARDWARE, "nodal")
    assert command.compare(stored, solution).max() > 1e-4


def test_the_hardware_is_that_of_the_run(tmp_path: Path) -> None:
    hardware = replace(Hardware.preset("rram40"), opamp=OpAmp(slew=float("inf")), seed=3)
    folder = write_run(tmp_path / "run", hardware, "nodal")
    assert command.build_hardware(command.read_config(folder)["parts"]) == hardware


def test_a_model_file_is_trusted_by_the_caller_only(tmp_path: Path) -> None:
    text = ".subckt amp inp inn vp vn out\nE1 out 0 inp inn 1e4\n.ends\n"
    (tmp_path / "amp.lib").write_text(text)
    model = {"file": str(tmp_path / "amp.lib"), "subckt": "amp", "pins": ["inp", "inn", "vp", "vn", "out"]}
    parts = {"opamp": {"gain": 500.0, "model": {**model, "supply": 3.0, "trust": True}}}
    for trust in (False, True):
        opamp = command.build_hardware(parts, trust).opamp
        assert opamp.model is not None
        assert (opamp.gain, opamp.model.supply, opamp.model.trust) == (500.0, 3.0, trust)
    (tmp_path / "amp.lib").write_text(".control\nshell touch x\n.endc\n" + text)
    with pytest.raises(InputError, match="--trust"):
        command.build_hardware(parts)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (at(7), "Step 7 was not kept: 6 steps from 1 to 6 were"),
        (("--step=1", "--layer=fc", "--factor=A"), "no layer 'fc' with factor 'A': it has conv.1/A, conv.1/G"),
        (at(1, "B"), "factor 'B': it has conv.1/A, conv.1/G"),
        ((*at(1), "--column=4"), "column = 4 is outside 0 to 3"),
        ((*at(1), "--backend=abacus"), "exact, nodal, spice"),
        ((*at(1), "--backend=exact", "--tolerance=-1"), "tolerance = -1.0"),
        ((*at(1), "--deck=nowhere/m.cir", "--column=0"), "nowhere/m.cir cannot be written"),
        ((*at(1), "--deck=m.cir"), "choose one with --column"),
    ],
)
def test_what_there_is_not_is_named_and_exit_2(
    run: Path, call: Callable[..., Any], words: tuple[str, ...], told: str
) -> None:
    code, said = call(run, *words)
    assert code == 2
    assert told in said


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (None, "is no run folder"),
        ("{", "is not what a run writes"),
        ('{"backend": "nodal"}', "is not what a run writes"),
        ('{"backend": "nodal", "parts": {"flux": {}}}', "not one of this version"),
        ('{"backend": "nodal", "parts": {"opamp": {"flux": 1}}}', "not one of this version"),
        ('{"backend": "nodal", "parts": {}}', "holds no inputs"),
    ],
)
def test_a_folder_that_cannot_be_replayed_says_why(
    tmp_path: Path, call: Callable[..., Any], config: str | None, told: str
) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    code, said = call(tmp_path, *at(1))
    assert code == 2
    assert told in said


def test_another_backend_is_compared_to_a_tolerance(tmp_path: Path, call: Callable[..., Any]) -> None:
    folder = write_run(tmp_path / "run", Hardware.preset("ideal"), "nodal")
    code, said = call(folder, *at(1), "--backend=exact")
    assert (code, "The same to" in said) == (0, True)
    code, said = call(folder, *at(1), "--backend=exact", "--tolerance=1e-15")
    assert (code, "Different: by" in said) == (1, True)


@pytest.mark.ngspice
def test_spice_is_replayed_to_the_bit_and_another_version_to_a_tolerance(
    tmp_path: Path, call: Callable[..., Any]
) -> None:
    folder = write_run(tmp_path / "run", Hardware(), "spice")
    code, said = call(folder, *at(5))
    assert (code, "Identical" in said) == (0, True)
    code, said = call(folder, *at(5), "--backend=nodal")
    assert (code, "The same to" in said) == (0, True)
    path = folder / "inputs" / "step-00000005.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["conv.1/A/engine"] = "ngspice 12"
    arrays["conv.1/A/value"] *= 1 + 1e-7
    np.savez(path, **arrays)
    code, said = call(folder, *at(5))
    assert code == 0
    assert "The run used ngspice 12, this is ngspice" in said
    assert "The same to 1e-07 of each value; 1e-06 is allowed" in said


@pytest.mark.ngspice_cli
def test_the_deck_runs_in_plain_ngspice(run: Path, call: Callable[..., Any], tmp_path: Path) -> None:
    deck = tmp_path / "call.cir"
    assert call(run, *at(5), "--column=2", f"--deck={deck}")[0] == 0
    text = deck.read_text()
    done = subprocess.run(["ngspice", "-b", deck], cwd=tmp_path, capture_output=True, text=True, check=False)
    number = r"(column2_out\d+)\s*=\s*(\S+)"
    expected = {name: float(value) for name, value in re.findall(r"^\*\s+" + number, text, re.MULTILINE)}
    measured = {name: float(value) for name, value in re.findall("^" + number, done.stdout, re.MULTILINE)}
    assert len(expected) == 5
    assert measured == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_a_matrix_stands_in_the_file_of_its_refresh_only(run: Path) -> None:
    found = {}
    for path in sorted((run / "inputs").iterdir()):
        with np.load(path, allow_pickle=False) as archive:
            found[path.name] = sum(name.endswith("/matrix") for name in archive)
    assert list(found.values()) == [2, 0, 0, 2, 0, 0]
    store = CallStore(run / "inputs")
    for step in range(1, STEPS + 1):
        stored = store.find(step, "conv.1", "G")
        assert (stored.matrix == MATRICES["conv.1/G"] * (1 if step <= REFRESH else 4)).all()
        assert (stored.rhs == right_hand_sides(step, 3)).all()
        assert (stored.write, stored.calls) == ((1, 3)[step > REFRESH], 4 * ((step - 1) % REFRESH))
        assert stored.statuses == (Status.SETTLED,) * 4


@pytest.mark.parametrize(("keep", "kept"), [("all", [1, 2, 3, 4, 5, 6]), ("2", [2, 4, 6]), ("5", [5]), ("none", [])])
@pytest.mark.parametrize("compress", [False, True])
def test_kept_steps_can_all_be_found(tmp_path: Path, keep: str, kept: list[int], compress: bool) -> None:
    store = CallStore(tmp_path / "inputs", keep, compress)
    train(store, open_backend("nodal"))
    assert CallStore(tmp_path / "inputs").steps() == kept
    for step in kept:
        assert (store.find(step, "conv.1", "A").matrix == MATRICES["conv.1/A"] * (1 if step <= REFRESH else 4)).all()


def test_a_step_that_failed_is_always_kept(tmp_path: Path) -> None:
    store = CallStore(tmp_path, "100")
    programmed = open_backend("nodal").program(np.eye(2))
    solved = [Solved("fc", "G", programmed, 0, np.eye(2), programmed.solve(np.eye(2)))]
    store.add(3, solved)
    store.add(4, solved, failed=True)
    store.add(100, solved)
    assert store.steps() == [4, 100]


def test_a_step_that_did_not_settle_is_always_kept(tmp_path: Path, call: Callable[..., Any]) -> None:
    store = CallStore(tmp_path / "inputs", "100")
    (tmp_path / "config.json").write_text(json.dumps({"backend": "nodal", "parts": asdict(Hardware())}))
    programmed = open_backend("nodal").program(-np.eye(2))
    store.add(3, [Solved("fc", "G", programmed, 0, np.eye(2), programmed.solve(np.eye(2), throw=False))])
    assert store.steps() == [3]
    code, said = call(tmp_path, "--step=3", "--layer=fc", "--factor=G")
    assert (code, said.count("UNSTABLE"), "Identical" in said) == (0, 4, True)


@pytest.mark.parametrize("first", [2, 3, 4])
def test_a_resumed_run_writes_the_same_steps_again(run: Path, first: int) -> None:
    store = CallStore(run / "inputs")
    before = {step: store.find(step, "conv.1", "A") for step in store.steps()}
    with open_backend("nodal", hardware=HARDWARE) as backend:
        programmed = {}
        if first <= REFRESH:
            for key, write in (("conv.1/A", 0), ("conv.1/G", 1)):
                programmed[key] = backend.restore(MATRICES[key], write, 4 * (first - 1))
        backend.writes = 2
        train(CallStore(run / "inputs"), backend, first, programmed)
    for step, stored in before.items():
        now = store.find(step, "conv.1", "A")
        assert (now.value == stored.value).all()
        assert (now.matrix == stored.matrix).all()
        assert (now.write, now.calls) == (stored.write, stored.calls)


@pytest.mark.parametrize("size", [0, 10, 700, -1])
def test_a_torn_file_is_told(run: Path, call: Callable[..., Any], size: int) -> None:
    path = run / "inputs" / "step-00000006.npz"
    path.write_bytes(path.read_bytes()[:size])
    code, said = call(run, *at(6))
    assert code == 2
    assert "step-00000006.npz is torn and cannot be read" in said
    assert call(run, *at(5))[0] == 0


def test_a_flipped_bit_is_told(run: Path, call: Callable[..., Any]) -> None:
    path = run / "inputs" / "step-00000006.npz"
    content = bytearray(path.read_bytes())
    content[content.index(CallStore(run / "inputs").find(6, "conv.1", "A").rhs.T.tobytes()[:8])] ^= 1
    path.write_bytes(content)
    code, said = call(run, *at(6))
    assert (code, "torn" in said) == (2, True)


def test_a_step_that_was_being_written_is_told(run: Path, call: Callable[..., Any]) -> None:
    (run / "inputs" / "step-00000007.tmp").write_bytes(b"PK")
    assert "It was being written when the run stopped" in call(run, *at(7))[1]
    CallStore(run / "inputs").clear()
    assert list((run / "inputs").iterdir()) == []


def test_a_lost_file_with_a_matrix_is_told(run: Path, call: Callable[..., Any]) -> None:
    (run / "inputs" / "step-00000004.npz").unlink()
    code, said = call(run, *at(5))
    assert code == 2
    assert "No file up to step 5" in said


def test_a_pickle_is_not_read(run: Path, call: Callable[..., Any]) -> None:
    np.savez(run / "inputs" / "step-00000006.npz", **{"conv.1/A/rhs": np.array([{}], dtype=object)})
    assert call(run, *at(6))[0] == 2


def test_inputs_that_cannot_be_written_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "inputs").write_text("in the way")
    with pytest.raises(InputError, match=r"inputs of step 1 cannot be written into .*--inputs=none"):
        train(CallStore(tmp_path / "inputs"), open_backend("nodal"))


@pytest.mark.parametrize("keep", ["some", "0", "-3", "1.5", ""])
def test_a_policy_that_makes_no_sense_is_refused(tmp_path: Path, keep: str) -> None:
    with pytest.raises(InputError, match=f"inputs = '{keep}' must be 'all', 'none'"):
        CallStore(tmp_path, keep)

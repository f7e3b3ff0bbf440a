"""Checkpoints: a run that was stopped and resumed is the run that never stopped, and no damage passes unseen."""

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from circuits import InputError
from training import display, loop
from training.__main__ import app
from training.chaos import differing
from training.checkpoint import Checkpoints
from training.cli import run as run_command
from training.config import RunConfig
from training.data import Dataset, load_dataset
from training.execution import Execution
from training.loop import Training
from training.record import EpochMetrics, RunFolder
from training.state_file import read_state, write_state

ROOT = Path(__file__).resolve().parents[1]
SMALL = {"epochs": 2, "batch_size": 16, "kl_clip": 0.1}
STEPS = 4
"""Steps in an epoch of the small data."""


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = load_dataset("digits")
    few = Dataset(
        "digits", whole.train_images[:60], whole.train_labels[:60], whole.test_images[:40], whole.test_labels[:40], 10
    )
    monkeypatch.setattr(loop, "load_dataset", lambda *_: few)


class StopAfter:
    """Presses Ctrl-C once so many steps are done."""

    def __init__(self, steps: int | None = None) -> None:
        self.left = steps

    def start(self, steps: int, calls: int) -> None: ...

    def advance(self, calls: int) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt

    def epoch(self, metrics: EpochMetrics) -> None: ...


def go(
    folder: Path, stop: int | None = None, resume: bool = False, execution: Execution | None = None, **choices: Any
) -> Training:
    config = RunConfig(**{**SMALL, **choices}).resolved()
    with RunFolder(folder, config, resume=resume) as record:
        training = Training(config, record, StopAfter(stop), execution or Execution())
        if stop is None:
            training.run()
        else:
            with pytest.raises(KeyboardInterrupt):
                training.run()
    return training


NOISY = """
preset = "rram40"
seed = 3
[wires]
r_row = 0.0
r_col = 0.0
[converters]
dac_noise = 1e-5
adc_noise = 1e-5
"""
CHOICES = {
    "sgd": {"optimizer": "sgd"},
    "adam": {"optimizer": "adam"},
    "exact": {"backend": "exact", "inv_update_steps": 3},
    "nodal": {"backend": "nodal", "inv_update_steps": 3},
    "noisy": {"backend": "nodal", "hardware": "noisy.toml", "inv_update_steps": 3},
    "stale": {"backend": "nodal", "stale_ok": True, "inv_update_steps": 2},
    "explicit": {"backend": "nodal", "apply": "explicit", "inv_update_steps": 3},
    "spice": {"backend": "spice", "hardware": "noisy.toml", "inv_update_steps": 2, "epochs": 1, "batch_size": 30},
}


@pytest.mark.parametrize(
    ("name", "stops"),
    [
        ("sgd", (1, STEPS, STEPS + 2)),
        ("adam", (1, STEPS, STEPS + 2)),
        ("exact", (1, 3, STEPS + 1)),
        ("nodal", (1,)),
        ("noisy", (2,)),
        ("stale", (2, 3)),
        ("explicit", (2, 3)),
        pytest.param("spice", (1,), marks=[pytest.mark.ngspice, pytest.mark.slow]),
    ],
)
def test_a_stopped_and_resumed_run_is_the_run_that_never_stopped(
    name: str, stops: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("noisy.toml").write_text(NOISY)
    go(Path("whole"), **CHOICES[name])
    for stop in stops:
        stopped = Path(f"stopped{stop}")
        go(stopped, stop, **CHOICES[name])
        assert differing(Path("whole"), stopped)
        go(stopped, resume=True, **CHOICES[name])
        assert differing(Path("whole"), stopped) == []


def test_a_run_can_be_stopped_again_and_again(tmp_path: Path) -> None:
    go(tmp_path / "whole", optimizer="adam")
    go(tmp_path / "run", 1, optimizer="adam")
    for _ in range(2 * STEPS - 2):
        go(tmp_path / "run", 1, resume=True, optimizer="adam")
    go(tmp_path / "run", resume=True, optimizer="adam")
    assert differing(tmp_path / "whole", tmp_path / "run") == []


def test_the_global_random_states_go_on(tmp_path: Path) -> None:
    def draw() -> list[float]:
        return [float(torch.rand(1)), np.random.rand(), np.random.randn(), random.random(), random.gauss()]  # noqa: NPY002

    go(tmp_path / "run", 2, optimizer="sgd")
    draw()
    first, second = tmp_path / "run", tmp_path / "copy"
    shutil.copytree(first, second)
    drawn = []
    for folder in (first, second):
        go(folder, resume=True, optimizer="sgd")
        drawn.append(draw())
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize(("every", "expected"), [(0, [4, 8]), (1, [6, 7, 8]), (3, [3, 6, 8])])
def test_checkpoints_come_when_asked_and_the_last_ones_stay(every: int, expected: list[int], tmp_path: Path) -> None:
    go(tmp_path, execution=Execution(checkpoint_every=every), optimizer="sgd")
    found = sorted(int(path.stem.removeprefix("step")) for path in Checkpoints(tmp_path).files())
    assert found[-len(expected) :] == expected
    assert len(found) == 3
    assert not list(tmp_path.rglob("*.partial"))


def test_what_is_no_part_of_the_trajectory_may_differ(tmp_path: Path) -> None:
    go(tmp_path / "whole", optimizer="sgd")
    go(tmp_path / "run", 3, optimizer="sgd")
    other = Execution(workers=1, timeout=9.0, checkpoint_every=2, keep_checkpoints=1)
    go(tmp_path / "run", resume=True, execution=other, optimizer="sgd")
    assert differing(tmp_path / "whole", tmp_path / "run") == []
    assert len(Checkpoints(tmp_path / "run").files()) == 1


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def bit_in_a_tensor(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-9] ^= 4
    path.write_bytes(bytes(content))


def bit_in_a_number(path: Path) -> None:
    content = path.read_bytes()
    assert b'\\"batches\\": 3' in content
    path.write_bytes(content.replace(b'\\"batches\\": 3', b'\\"batches\\": 2'))


def not_safetensors(path: Path) -> None:
    path.write_text("a checkpoint, said the poet")


def weights_only(path: Path) -> None:
    save_file({"fc.weight": torch.zeros(3)}, path)


def changed(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    state = read_state(path)
    change(state)
    write_state(path, state)


def of_another_config(path: Path) -> None:
    changed(path, lambda state: state["config"].update(damping=0.5))


def of_another_network(path: Path) -> None:
    def rename(state: dict[str, Any]) -> None:
        model = state["trajectory"]["model"]
        model["conv9.weight"] = model.pop("conv1.weight")

    changed(path, rename)


def of_longer_records(path: Path) -> None:
    changed(path, lambda state: state["files"].update({"inv_calls.csv": 10**6}))


DAMAGE = {
    cut_short: "no whole safetensors file",
    emptied: "no whole safetensors file",
    not_safetensors: "no whole safetensors file",
    bit_in_a_tensor: "checksum",
    bit_in_a_number: "checksum",
    weights_only: "format",
    of_another_config: "damping = 0.5 against 0.03",
    of_another_network: "conv9.weight",
    of_longer_records: "inv_calls.csv",
}


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_a_damaged_or_foreign_checkpoint_is_refused_and_the_one_before_is_used(
    damage: Callable[[Path], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    go(tmp_path / "whole", optimizer="sgd")
    go(tmp_path / "run", 3, execution=Execution(checkpoint_every=1), optimizer="sgd")
    files = Checkpoints(tmp_path / "run").files()
    damage(files[0])
    go(tmp_path / "run", resume=True, optimizer="sgd")
    warning = capsys.readouterr().err
    assert warning.count("\n") == 1
    assert files[0].name in warning
    assert DAMAGE[damage] in warning
    assert differing(tmp_path / "whole", tmp_path / "run") == []


def test_where_every_checkpoint_is_refused_the_error_lists_why(tmp_path: Path) -> None:
    go(tmp_path, 3, execution=Execution(checkpoint_every=1), optimizer="sgd")
    files = Checkpoints(tmp_path).files()
    for path, damage in zip(files, (bit_in_a_tensor, cut_short, of_another_config), strict=True):
        damage(path)
    with pytest.raises(InputError) as caught:
        go(tmp_path, resume=True, optimizer="sgd")
    for path, words in zip(files, ("checksum", "safetensors", "damping"), strict=True):
        assert path.name in str(caught.value)
        assert words in str(caught.value)


def test_newer_checkpoints_that_were_refused_do_not_outlive_good_ones(tmp_path: Path) -> None:
    one = Execution(checkpoint_every=1, keep_checkpoints=2)
    go(tmp_path, 5, execution=one, optimizer="sgd")
    bit_in_a_tensor(Checkpoints(tmp_path).files()[0])
    go(tmp_path, 1, resume=True, execution=replace(one, checkpoint_every=0), optimizer="sgd")
    go(tmp_path, resume=True, execution=one, optimizer="sgd")
    assert [path.name for path in Checkpoints(tmp_path).files()] == [
        "step00000008.safetensors",
        "step00000007.safetensors",
    ]


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_full_disk_stops_the_run_with_the_checkpoint_before_intact(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training import atomic_file

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    class Filling(StopAfter):
        def advance(self, calls: int) -> None:
            where = {"write": (atomic_file, "_write"), "fsync": (os, "fsync"), "replace": (os, "replace")}
            monkeypatch.setattr(*where[call], full)

    config = RunConfig(**SMALL, optimizer="sgd").resolved()
    with RunFolder(tmp_path / "run", config) as record:
        training = Training(config, record, Filling(), Execution(checkpoint_every=2))
        with pytest.raises(InputError, match="No space left on device"):
            training.run()
    monkeypatch.undo()
    assert [path.name for path in Checkpoints(tmp_path / "run").files()] == ["step00000000.safetensors"]
    assert not list((tmp_path / "run").rglob("*.partial"))
    read_state(Checkpoints(tmp_path / "run").files()[0])


MOUNTS = (
    subprocess.run(
        ["unshare", "-rm", "sh", "-c", "mount -t tmpfs -o size=64k none /mnt"], capture_output=True, check=False
    ).returncode
    if shutil.which("unshare")
    else 1
)


@pytest.mark.slow
@pytest.mark.skipif(MOUNTS != 0, reason="no small file system can be mounted here")
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    train = f"{sys.executable} -m training --optimizer=sgd --batch-size=480 --checkpoint-every=1 --keep-checkpoints=99"
    script = f"""mount -t tmpfs -o size=256k none {tmp_path} && {train} --json --out={tmp_path}/run; code=$?
        find {tmp_path} -name '*.partial'; {train} --resume={tmp_path}/run > /dev/null; exit $code"""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], env=env, capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("No space left on device") == 2
    assert "is intact" in done.stderr
    assert "Traceback" not in done.stderr


def command(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Exit code of `ohmvert train`, in this process."""
    monkeypatch.setattr(sys, "argv", ["ohmvert", "--no-progress", *words])
    return run_command(app)


GIVEN = ("--optimizer=sgd", "--epochs=2", "--batch-size=16", "--kl-clip=0.1")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_the_last_step_and_says_how_to_go_on(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    go(tmp_path / "whole", optimizer="sgd")
    with monkeypatch.context() as patch:
        patch.setattr(display.Bars, "advance", lambda *_: os.kill(os.getpid(), number))
        assert command(patch, *GIVEN, f"--out={tmp_path}/run") == 130
    assert f"--resume {tmp_path}/run" in capsys.readouterr().out
    assert Checkpoints(tmp_path / "run").files()[0].name == "step00000001.safetensors"
    assert command(monkeypatch, f"--resume={tmp_path}/run") == 0
    assert differing(tmp_path / "whole", tmp_path / "run") == []
    assert command(monkeypatch, f"--resume={tmp_path}/run") == 0
    assert "was complete" in capsys.readouterr().out
    assert differing(tmp_path / "whole", tmp_path / "run") == []


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--epochs=9"], "epochs = 2 against 9"),
        (["--lr=0.1"], "lr = 0.05 against 0.1"),
        (["--optimizer=adam", "--seed=1"], "optimizer = 'sgd' against 'adam', seed = 0 against 1"),
        (["--hardware=rram40"], "hardware = 'default' against 'rram40'"),
        (["--out=elsewhere"], "--out"),
        (["--overwrite"], "--overwrite"),
        (["--timeout=0"], "timeout = 0"),
    ],
)
def test_an_option_that_would_change_the_run_is_refused_by_name(
    words: list[str], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    go(tmp_path / "run", 3, optimizer="sgd")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert command(monkeypatch, f"--resume={tmp_path}/run", *words) == 2
    message = capsys.readouterr().err
    assert named in message
    assert message.count("\n") == 1
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_options_that_say_the_same_or_do_not_count_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go(tmp_path / "run", 3, optimizer="sgd")
    same = (*GIVEN, "--lr=0.05", "--workers=1", "--timeout=9", "--keep-checkpoints=1")
    assert command(monkeypatch, f"--resume={tmp_path}/run", *same) == 0
    assert len(Checkpoints(tmp_path / "run").files()) == 1


def test_hardware_that_has_changed_is_refused_by_its_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[opamp]\ngain = 2e4\n")
    go(tmp_path / "run", 3, hardware=str(file), backend="exact")
    file.write_text("[opamp]\ngain = 3e4\n")
    assert command(monkeypatch, f"--resume={tmp_path}/run") == 2
    assert "parts.opamp.gain = 20000.0 against 30000.0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--checkpoint-every=-1", "checkpoint_every = -1"),
        ("--keep-checkpoints=0", "keep_checkpoints = 0"),
        ("--timeout=0", "timeout = 0"),
        ("--timeout=nan", "timeout = nan"),
        ("--resume=nowhere", "nowhere holds no checkpoint"),
    ],
)
def test_values_that_make_no_sense_are_one_line(
    option: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command(monkeypatch, option) == 2
    message = capsys.readouterr().err
    assert words in message
    assert message.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_folder_in_which_another_trains_is_left_alone(tmp_path: Path) -> None:
    go(tmp_path / "run", 3, optimizer="sgd")
    config = RunConfig(**SMALL, optimizer="sgd").resolved()
    with RunFolder(tmp_path / "run", config, resume=True), pytest.raises(InputError, match="Another process"):
        RunFolder(tmp_path / "run", config, resume=True).__enter__()


def test_trust_comes_from_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go(tmp_path / "run", 3, optimizer="sgd", trust=True)
    seen = []
    monkeypatch.setattr(Training, "run", lambda self: seen.append(self.config.trust))
    command(monkeypatch, f"--resume={tmp_path}/run")
    command(monkeypatch, f"--resume={tmp_path}/run", "--trust")
    assert seen == [False, True]


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    odd = torch.arange(6.0).reshape(2, 3).T
    state = {"a": {"b": odd, "c": [torch.tensor(1.5), {"d": torch.zeros(0, dtype=torch.int64)}]}, "e": None, "f": 0.1}
    write_state(tmp_path / "state", state)
    found = read_state(tmp_path / "state")
    assert torch.equal(found["a"]["b"], odd)
    assert found["a"]["c"][0].dim() == 0
    assert found["a"]["c"][1]["d"].dtype == torch.int64
    assert json.dumps([found["e"], found["f"]]) == "[null, 0.1]"

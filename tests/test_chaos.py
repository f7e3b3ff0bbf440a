"""Workers killed, a worker that hangs, the trainer killed: the small scale of `make chaos`."""

import json
from pathlib import Path

import pytest
import typer

from circuits import InputError
from training.chaos import chaos, differing
from training.processes import survivors, workers_of

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found by /proc")
SMALL = {"epochs": 1, "batch_size": 720, "inv_update_steps": 1, "hardware": "default", "workers": 2, "seed": 0}


def run(out: Path, **choices: object) -> int:
    nothing = {"worker_kills": 0, "trainer_kills": 0, "hangs": 0, "timeout": 600.0, "backend": "spice"}
    with pytest.raises(typer.Exit) as ended:
        chaos(**{"out": out, **nothing, **SMALL, **choices})
    return ended.value.exit_code


@pytest.mark.slow
@pytest.mark.ngspice
def test_workers_killed_and_hanging_change_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, worker_kills=1, hangs=1, timeout=3.0) == 0
    shown = capsys.readouterr().out
    assert "workers killed" in shown
    assert "workers stopped" in shown  # at a moment when it may hold no task; test_pool has the one that times out


@pytest.mark.slow
def test_a_trainer_killed_and_resumed_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, trainer_kills=1, backend="exact", batch_size=128) == 0
    assert "trainers killed" in capsys.readouterr().out


def written(folder: Path, loss: float, seconds: float, calls: str, weights: bytes) -> Path:
    folder.mkdir()
    (folder / "metrics.jsonl").write_text(json.dumps({"train_loss": loss, "seconds_total": seconds}) + "\n")
    (folder / "inv_calls.csv").write_text(calls)
    (folder / "weights.safetensors").write_bytes(weights)
    return folder


def test_a_difference_is_named_by_its_file_and_wall_times_are_none(tmp_path: Path) -> None:
    first = written(tmp_path / "a", 0.5, 1.0, "1", b"w")
    assert differing(first, written(tmp_path / "b", 0.5, 9.0, "1", b"w")) == []
    assert differing(first, written(tmp_path / "c", 0.25, 1.0, "1", b"w")) == ["metrics.jsonl"]
    assert differing(first, written(tmp_path / "d", 0.5, 1.0, "2", b"v")) == ["inv_calls.csv", "weights.safetensors"]
    (tmp_path / "b/weights.safetensors").unlink()
    assert differing(first, tmp_path / "b") == ["weights.safetensors"]


def test_counts_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--hangs = -1"):
        run(tmp_path, hangs=-1)


def test_what_is_no_worker_is_not_found() -> None:
    assert workers_of(1) == []
    assert survivors([1], 0) == []

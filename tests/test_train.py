"""Training runs with the same seed on different backends: the circuit in the loop changes nothing it should not."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from training.config import RunConfig
from training.loop import Training
from training.record import EpochMetrics, RunFolder


class Silent:
    def start(self, steps: int, calls: int) -> None: ...

    def advance(self, calls: int) -> None: ...

    def epoch(self, metrics: EpochMetrics) -> None: ...


def trained(folder: Path, **choices: object) -> tuple[Training, dict[str, torch.Tensor]]:
    config = RunConfig(**{"epochs": 1, "batch_size": 480, **choices}).resolved()
    with RunFolder(folder, config) as record:
        training = Training(config, record, Silent())
        training.run()
    return training, load_file(folder / "weights.safetensors")


def apart(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    """Largest relative difference of any weight tensor."""
    return max(float((first[name] - second[name]).norm() / second[name].norm()) for name in second)


@pytest.mark.parametrize("backend", ["nodal", pytest.param("spice", marks=pytest.mark.ngspice)])
def test_ideal_circuits_train_the_weights_of_exact_inverses(backend: str, tmp_path: Path) -> None:
    training, weights = trained(tmp_path / backend, backend=backend, hardware="ideal")
    _, exact = trained(tmp_path / "exact", backend="exact")
    assert apart(weights, exact) < 1e-5
    assert training.folder.statuses == {"SETTLED": training.folder.inv_calls}
    assert (training.metrics[0].seconds_ngspice > 0) == (backend == "spice")


@pytest.mark.ngspice
def test_default_circuits_in_ngspice_train_the_weights_of_the_nodal_engine(tmp_path: Path) -> None:
    _, spice = trained(tmp_path / "spice", backend="spice")
    _, nodal = trained(tmp_path / "nodal", backend="nodal")
    assert apart(spice, nodal) < 1e-4


def test_the_same_seed_gives_the_same_run_bit_for_bit_and_another_does_not(tmp_path: Path) -> None:
    first, weights = trained(tmp_path / "a", backend="nodal")
    again, same = trained(tmp_path / "b", backend="nodal")
    _, other = trained(tmp_path / "c", backend="nodal", seed=1)
    assert apart(weights, same) == 0
    assert first.metrics[0].train_loss == again.metrics[0].train_loss
    assert (tmp_path / "a/inv_calls.csv").read_text() == (tmp_path / "b/inv_calls.csv").read_text()
    assert apart(weights, other) > 1e-3


def test_exact_kfac_learns_the_digits(tmp_path: Path) -> None:
    training, _ = trained(tmp_path / "run", backend="exact", epochs=4, batch_size=128)
    assert training.metrics[-1].test_accuracy >= 0.93

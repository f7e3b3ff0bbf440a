"""The training loop: one for every optimizer and backend."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from circuits.hardware_file import load_hardware
from cosim import Backend, InverseError, open_backend
from training.config import RunConfig
from training.data import Dataset, load_dataset
from training.kfac import KFAC
from training.models import build_model
from training.record import EpochMetrics, RunFolder

MOMENTUM = 0.9


class Progress(Protocol):
    """What the loop tells while it runs."""

    def start(self, steps: int, calls: int) -> None:
        """The steps and INV calls to come."""

    def advance(self, calls: int) -> None:
        """One step done, with so many INV calls."""

    def epoch(self, metrics: EpochMetrics) -> None:
        """An epoch done."""


@dataclass
class Training:
    """The parts of a run, built from its config; `run` trains, and what is done stays in `metrics`."""

    config: RunConfig
    folder: RunFolder
    progress: Progress
    workers: int | None = None
    metrics: list[EpochMetrics] = field(default_factory=list)

    def run(self) -> None:
        """Train for all epochs. The weights are saved at the end, and also when it is interrupted or fails."""
        config = self.config
        dataset = load_dataset(config.dataset, config.data_dir)
        torch.manual_seed(config.seed)
        self.model = build_model(dataset.image_size, dataset.classes)
        optimizer = build_optimizer(config, self.model)
        order = torch.Generator().manual_seed(config.seed)
        with self._open_backend() as backend:
            kfac = self._build_kfac(backend, optimizer)
            batches = -(-len(dataset.train_labels) // config.batch_size)
            self.progress.start(config.epochs * batches, config.epochs * batches * _calls_per_step(kfac))
            self.started = time.monotonic()
            try:
                for epoch in range(1, config.epochs + 1):
                    loss = self._train_epoch(dataset, optimizer, kfac, order)
                    self._finish_epoch(epoch, loss, dataset, backend)
            finally:
                self.folder.save_weights(self.model)

    def summary(self) -> dict[str, object]:
        """What `--json` prints."""
        last = self.metrics[-1] if self.metrics else None
        return {
            "test_accuracy": [m.test_accuracy for m in self.metrics],
            "train_loss": [m.train_loss for m in self.metrics],
            "inv_calls": self.folder.inv_calls,
            "statuses": self.folder.statuses,
            "run_dir": str(self.folder.path),
            "seconds": {
                "total": last.seconds_total if last else 0.0,
                "ngspice": last.seconds_ngspice if last else 0.0,
            },
        }

    def _open_backend(self) -> "AbstractContextManager[Backend | None]":
        if self.config.optimizer != "kfac":
            return nullcontext()
        options = {"workers": self.workers} if self.config.backend == "spice" else {}
        hardware = load_hardware(self.config.hardware, self.config.trust)
        return open_backend(self.config.backend, hardware=hardware, **options)

    def _build_kfac(self, backend: Backend | None, optimizer: torch.optim.Optimizer) -> KFAC | None:
        if backend is None:
            return None
        return KFAC(
            self.model,
            backend,
            damping=self.config.damping,
            kl_clip=self.config.kl_clip,
            lr=lambda _: optimizer.param_groups[0]["lr"],
            inv_update_steps=self.config.inv_update_steps,
        )

    def _train_epoch(
        self, dataset: Dataset, optimizer: torch.optim.Optimizer, kfac: KFAC | None, order: torch.Generator
    ) -> float:
        """Mean loss of the epoch's batches."""
        self.model.train()
        total = 0.0
        for images, labels in shuffled_batches(dataset, self.config.batch_size, order):
            optimizer.zero_grad()
            loss = functional.cross_entropy(self.model(images), labels)
            loss.backward()
            calls = self._precondition(kfac) if kfac else 0
            optimizer.step()
            total += float(loss.detach()) * len(labels)
            self.progress.advance(calls)
        return total / len(dataset.train_labels)

    def _precondition(self, kfac: KFAC) -> int:
        """INV calls of the step; they are recorded also where one of them fails."""
        before, step = self.folder.inv_calls, kfac.steps + 1
        try:
            kfac.step()
        except InverseError as error:
            error.add_note(f"step {step}")
            raise
        finally:
            self.folder.add_step(step, kfac.solutions)
        return self.folder.inv_calls - before

    def _finish_epoch(self, epoch: int, loss: float, dataset: Dataset, backend: Backend | None) -> None:
        metrics = EpochMetrics(
            epoch=epoch,
            train_loss=loss,
            test_accuracy=accuracy(self.model, dataset.test_images, dataset.test_labels),
            inv_calls=self.folder.inv_calls - sum(m.inv_calls for m in self.metrics),
            statuses=dict(self.folder.statuses),
            seconds_total=time.monotonic() - self.started,
            seconds_ngspice=backend.engine_seconds if backend else 0.0,
        )
        self.metrics.append(metrics)
        self.folder.add_epoch(metrics)
        self.progress.epoch(metrics)


def build_optimizer(config: RunConfig, model: nn.Module) -> torch.optim.Optimizer:
    """The torch optimizer of a resolved config; K-FAC preconditions what SGD with momentum then steps along."""
    assert config.lr is not None
    if config.optimizer == "adam":
        return torch.optim.Adam(model.parameters(), lr=config.lr)
    return torch.optim.SGD(model.parameters(), lr=config.lr, momentum=MOMENTUM)


def shuffled_batches(dataset: Dataset, size: int, order: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """All training images once, in a new order."""
    for chosen in torch.randperm(len(dataset.train_labels), generator=order).split(size):
        yield dataset.train_images[chosen], dataset.train_labels[chosen]


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Share of images, 0 to 1, whose largest logit is their label."""
    model.eval()
    right = sum(
        int((model(i).argmax(1) == t).sum()) for i, t in zip(images.split(1000), labels.split(1000), strict=True)
    )
    return right / len(labels)


def _calls_per_step(kfac: KFAC | None) -> int:
    """Every layer solves its outputs on A and its inputs on G."""
    layers = kfac.layers if kfac else []
    return sum(
        layer.layer.weight.shape[0] + layer.layer.weight[0].numel() + (layer.layer.bias is not None) for layer in layers
    )

"""The training loop: one for every optimizer and backend."""

import math
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from circuits import InputError
from cosim import Backend, InverseError
from cosim.audit import AuditedBackend, AuditError, AuditRecord
from training.batches import accuracy, shuffled_batches
from training.calls import INPUTS, CallStore, describe_engine
from training.checkpoint import Checkpoints
from training.config import RunConfig, differences
from training.data import Dataset, hold_out, load_dataset
from training.engine import innermost, open_engine
from training.environment import environment, warn_of_another
from training.execution import Execution
from training.kfac import KFAC
from training.models import build_model
from training.optimizer import build_optimizer, set_learning_rate
from training.progress import Progress
from training.record import EpochMetrics, RunFolder
from training.state_file import State
from training.trajectory import Trajectory


class DivergedError(InputError):
    """The loss is no longer a finite number."""


@dataclass
class Training:
    """The parts of a run, built from its config; `run` trains, and what is done stays in `metrics`.

    Where the folder resumes, the run goes on from the newest of `checkpoints` that fits.
    """

    config: RunConfig
    folder: RunFolder
    progress: Progress
    execution: Execution = field(default_factory=Execution)
    checkpoints: Checkpoints | None = None
    metrics: list[EpochMetrics] = field(default_factory=list)
    mended: dict[str, int] = field(default_factory=dict)
    """What went wrong with worker processes and was tried again, by kind."""
    engine: str = ""
    """The simulator that runs the circuits; empty for none."""
    was_complete: bool = False
    """Whether there was nothing left to do."""

    def run(self) -> None:
        """Train for all epochs. Weights and a checkpoint are also kept when it is interrupted or fails.

        They are those after the last step that was completed. Raises InputError where the disk is full.
        """
        dataset = load_dataset(self.config.dataset, self.config.data_dir)
        dataset = hold_out(dataset) if self.config.held_out else dataset
        with self._open_backend() as backend:
            self.backend = backend
            self.engine = describe_engine(backend) if backend else ""
            self.inputs = CallStore(self.folder.path / INPUTS, self.execution.inputs, engine=self.engine)
            self._begin(dataset)
            try:
                while not self.is_complete:
                    self._train_epoch(dataset)
                    self._finish_epoch(dataset)
            except InputError:
                raise
            except BaseException:
                self._save()
                raise
            finally:
                executor = getattr(innermost(backend), "executor", None) if backend else None
                self.mended = dict(executor.counts) if executor else {}
            self._save()

    @property
    def is_complete(self) -> bool:
        """Whether all epochs are done, or the target is reached."""
        target, last = self.config.target, self.metrics[-1] if self.metrics else None
        reached = target is not None and last is not None and last.test_accuracy >= target
        return reached or self.trajectory.epoch > self.config.epochs

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
            "mended": self.mended,
        }

    def _open_backend(self) -> "AbstractContextManager[Backend | None]":
        return open_engine(self.config, self.execution) if self.config.optimizer == "kfac" else nullcontext()

    def _begin(self, dataset: Dataset) -> None:
        """Stand at the first step of the run, or where it is resumed, with a checkpoint of that on the disk."""
        self._fixed = {
            "config": self.config.described(),
            "execution": asdict(self.execution),
            "environment": environment(),
        }
        torch.manual_seed(self.config.seed)
        model = build_model(dataset.image_size, dataset.classes, self.config.model)
        optimizer = build_optimizer(self.config, model)
        order = torch.Generator().manual_seed(self.config.seed)
        kfac = self._build_kfac(model, optimizer)
        self.trajectory = Trajectory(model, optimizer, order, kfac)
        self.checkpoints = self.checkpoints or Checkpoints(self.folder.path, self.execution.keep_checkpoints)
        self.started, self._ngspice_before = time.monotonic(), 0.0
        if self.folder.resume:
            self.checkpoints.newest(self._load)
            self.was_complete = self.is_complete
        self._latest = self._written = self._state()
        if not self.folder.resume:
            self.folder.sync()
            self.checkpoints.write(0, self._latest)
        self.batches = -(-len(dataset.train_labels) // self.config.batch_size)
        left = self.config.epochs * self.batches - self.trajectory.steps
        self.progress.start(left, kfac.calls_in(left) if kfac else 0)

    def _build_kfac(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> KFAC | None:
        if self.backend is None:
            return None
        return KFAC(
            model,
            self.backend,
            damping=self.config.damping,
            kl_clip=self.config.kl_clip,
            lr=lambda _: optimizer.param_groups[0]["lr"],
            inv_update_steps=self.config.inv_update_steps,
            block_size=self.config.block_size,
            apply=self.config.apply,
            stale_ok=self.config.stale_ok,
        )

    def _train_epoch(self, dataset: Dataset) -> None:
        """The batches of the epoch that are left."""
        now = self.trajectory
        now.model.train()
        for images, labels in shuffled_batches(dataset, self.config.batch_size, now.rewind_order(), now.batches):
            now.optimizer.zero_grad()
            loss = functional.cross_entropy(now.model(images), labels)
            self._check_finite(float(loss.detach()))
            loss.backward()
            set_learning_rate(now.optimizer, self.config, now.steps / self.batches)
            calls = self._precondition(now.kfac) if now.kfac else 0
            now.optimizer.step()
            now.finish_step(float(loss.detach()) * len(labels))
            self._latest = self._state()
            if self.execution.checkpoint_every and now.steps % self.execution.checkpoint_every == 0:
                self._checkpoint()
            self.progress.advance(calls)

    def _check_finite(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise DivergedError(
                f"The loss is {loss} at step {self.trajectory.steps + 1}: the training diverged with lr = "
                f"{self.config.lr:g}; take a smaller one."
            )

    def _precondition(self, kfac: KFAC) -> int:
        """INV calls of the step; they are recorded also where one of them fails."""
        before, step = self.folder.inv_calls, kfac.steps + 1
        failed = True
        try:
            kfac.step()
            failed = False
        except (InverseError, AuditError) as error:
            error.add_note(f"step {step}")
            raise
        finally:
            self.folder.add_step(step, kfac.solutions)
            self.inputs.add(step, kfac.solutions, failed)
        return self.folder.inv_calls - before

    def _finish_epoch(self, dataset: Dataset) -> None:
        seconds = self._seconds()
        metrics = EpochMetrics(
            epoch=self.trajectory.epoch,
            train_loss=self.trajectory.loss / len(dataset.train_labels),
            test_accuracy=accuracy(self.trajectory.model, dataset.test_images, dataset.test_labels),
            inv_calls=self.folder.inv_calls - sum(m.inv_calls for m in self.metrics),
            statuses=dict(self.folder.statuses),
            seconds_total=seconds["total"],
            seconds_ngspice=seconds["ngspice"],
            audit=self._audit(),
        )
        self.metrics.append(metrics)
        self.folder.add_epoch(metrics)
        self.trajectory.finish_epoch()
        self._latest = self._state()
        if not self.execution.checkpoint_every or self.is_complete:
            self._checkpoint()
        self.progress.epoch(metrics)

    def _seconds(self) -> dict[str, float]:
        """[s] since the start of the run, not counting the time that it was stopped."""
        ngspice = self._ngspice_before + (self.backend.engine_seconds if self.backend else 0.0)
        return {"total": time.monotonic() - self.started, "ngspice": ngspice}

    def _audit(self) -> dict[str, Any] | None:
        return self.backend.record.described() if isinstance(self.backend, AuditedBackend) else None

    def _state(self) -> State:
        """What a checkpoint holds."""
        return {
            **self._fixed,
            "trajectory": self.trajectory.state_dict(),
            "metrics": [asdict(m) for m in self.metrics],
            "files": self.folder.sizes(),
            "inv_calls": self.folder.inv_calls,
            "seconds": self._seconds(),
            "audit": self._audit(),
        }

    def _load(self, state: State) -> None:
        """Stand where a checkpoint was taken; InputError where it is of another run."""
        apart = differences(state["config"], self._fixed["config"])
        if apart:
            raise InputError(f"it is of another run: {', '.join(apart)}")
        self.trajectory.load_state_dict(state["trajectory"])
        self.folder.cut(state["files"], state["inv_calls"])
        self.metrics[:] = [EpochMetrics(**metrics) for metrics in state["metrics"]]
        if isinstance(self.backend, AuditedBackend) and state.get("audit"):
            self.backend.record = AuditRecord.restored(state["audit"])
        self.started -= state["seconds"]["total"]
        self._ngspice_before = state["seconds"]["ngspice"]
        warn_of_another(state["environment"])

    def _checkpoint(self) -> None:
        """The latest state on the disk."""
        assert self.checkpoints is not None
        if self._written is not self._latest:
            self.folder.sync()
            self.checkpoints.write(self._latest["trajectory"]["position"]["steps"], self._latest)
            self._written = self._latest

    def _save(self) -> None:
        self._checkpoint()
        self.folder.save_weights(self._latest["trajectory"]["model"])

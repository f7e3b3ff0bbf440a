"""The run folder: config, metrics, INV calls and weights, written as the run goes."""

import csv
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from safetensors.torch import save_file
from torch import nn

from circuits import InputError
from training.config import RunConfig
from training.inverse import FactorSolution

FILES = ("config.json", "metrics.jsonl", "inv_calls.csv", "weights.safetensors")
COLUMNS = ("step", "layer", "factor", "size", "status", "settling_time_s", "residual", "netlist")


@dataclass(frozen=True)
class EpochMetrics:
    """What an epoch came to."""

    epoch: int
    train_loss: float
    """Mean cross-entropy over the epoch's batches, each before its step."""
    test_accuracy: float
    """Share of the test images, 0 to 1."""
    inv_calls: int
    """INV calls of the epoch."""
    statuses: dict[str, int]
    """INV calls by verdict."""
    seconds_total: float
    """Wall time since the start of the run [s]."""
    seconds_ngspice: float
    """Wall time since the start of the run with ngspice running [s]."""


@dataclass
class RunFolder:
    """Writes a run's files; `overwrite` replaces the files of an earlier run, otherwise that is refused."""

    path: Path
    config: RunConfig
    overwrite: bool = False
    inv_calls: int = 0
    """Rows written so far."""
    settling_times: list[float] = field(default_factory=list)
    """[s] of every call."""
    worst_residual: float = 0.0
    statuses: dict[str, int] = field(default_factory=dict)

    def __enter__(self) -> Self:
        found = [name for name in FILES if (self.path / name).exists()]
        if found and not self.overwrite:
            raise InputError(
                f"{self.path} already holds a run ({', '.join(found)}): choose another --out, or pass --overwrite."
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for name in found:
                (self.path / name).unlink()
            self.config.write(self.path / "config.json")
            self._metrics = (self.path / "metrics.jsonl").open("w")
            self._calls = (self.path / "inv_calls.csv").open("w", newline="")
        except OSError as error:
            raise InputError(f"The run folder {self.path} cannot be written: {error.strerror}.") from None
        self._rows = csv.writer(self._calls)
        self._rows.writerow(COLUMNS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._metrics.close()
        self._calls.close()

    def add_step(self, step: int, solutions: list[FactorSolution]) -> None:
        """A row for each INV call of a step."""
        for solved in solutions:
            stats = solved.solution.stats
            size = len(solved.solution.value)
            for k, status in enumerate(stats.statuses):
                time, residual = float(stats.settling_time[k]), float(stats.residual[k])
                row = (
                    step,
                    solved.layer,
                    solved.factor,
                    size,
                    status,
                    f"{time:.6g}",
                    f"{residual:.3e}",
                    stats.digest,
                )
                self._rows.writerow(row)
                self.settling_times.append(time)
                self.worst_residual = max(self.worst_residual, residual)
                self.statuses[status] = self.statuses.get(status, 0) + 1
            self.inv_calls += len(stats.statuses)

    def add_epoch(self, metrics: EpochMetrics) -> None:
        """A line of metrics.jsonl, and everything so far on disk."""
        self._metrics.write(json.dumps(asdict(metrics)) + "\n")
        self._metrics.flush()
        self._calls.flush()

    def save_weights(self, model: nn.Module) -> None:
        """The weights as they are now."""
        save_file(model.state_dict(), self.path / "weights.safetensors")

"""The run folder: config, metrics, INV calls and weights, written as the run goes."""

import csv
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from safetensors.torch import save
from torch import Tensor

from circuits import InputError
from training.atomic_file import replace_file
from training.calls import INPUTS, CallStore
from training.checkpoint import Checkpoints
from training.config import RunConfig
from training.inverse import FactorSolution

GROWING = ("metrics.jsonl", "inv_calls.csv")
FILES = ("config.json", *GROWING, "weights.safetensors")
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
    audit: dict[str, Any] | None = None
    """What the audited calls came to since the start of the run; None where nothing is audited."""


@dataclass
class RunFolder:
    """Writes a run's files, alone: a second process is refused as long as this one writes.

    `overwrite` replaces the files of an earlier run, otherwise that is refused. `resume` goes on with them, from
    where `cut` says.
    """

    path: Path
    config: RunConfig
    overwrite: bool = False
    resume: bool = False
    inv_calls: int = 0
    """Rows written so far."""
    settling_times: list[float] = field(default_factory=list)
    """[s] of every call."""
    worst_residual: float = 0.0
    statuses: dict[str, int] = field(default_factory=dict)

    def __enter__(self) -> Self:
        found = [name for name in (*FILES, "checkpoints") if (self.path / name).exists()]
        if found and not self.overwrite and not self.resume:
            raise InputError(
                f"{self.path} already holds a run ({', '.join(found)}): choose another --out, go on with it by "
                f"--resume {self.path}, or pass --overwrite."
            )
        with self._writing():
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(self.path)
            try:
                self._open()
            except BaseException:
                os.close(self._lock)
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in (self._metrics, self._calls):
            with suppress(OSError):  # on a full disk; the run has stopped for that already
                file.close()
        os.close(self._lock)

    def add_step(self, step: int, solutions: list[FactorSolution]) -> None:
        """A row for each INV call of a step."""
        with self._writing():
            for solved in solutions:
                stats = solved.solution.stats
                for k, status in enumerate(stats.statuses):
                    time, residual = float(stats.settling_time[k]), float(stats.residual[k])
                    numbers = f"{time:.6g}", f"{residual:.3e}"
                    size = len(solved.solution.value)
                    self._rows.writerow((step, solved.layer, solved.factor, size, status, *numbers, stats.digest))
                    self._count(status, time, residual)

    def add_epoch(self, metrics: EpochMetrics) -> None:
        """A line of metrics.jsonl, and everything so far in the files."""
        with self._writing():
            self._metrics.write(json.dumps(asdict(metrics)) + "\n")
        self.sizes()

    def save_weights(self, weights: dict[str, Tensor]) -> None:
        """The weights, in the place of those that were saved before."""
        replace_file(self.path / "weights.safetensors", save(weights))

    def sizes(self) -> dict[str, int]:
        """[bytes] of the files that grow, with everything written so far."""
        with self._writing():
            for file in (self._metrics, self._calls):
                file.flush()
            return {name: (self.path / name).stat().st_size for name in GROWING}

    def sync(self) -> None:
        """Everything written so far on the disk, so that a checkpoint can count on it."""
        with self._writing():
            for file in (self._metrics, self._calls):
                file.flush()
                os.fsync(file.fileno())

    def cut(self, sizes: Mapping[str, int], inv_calls: int) -> None:
        """Take back what was written after `sizes` [bytes]; InputError where the files hold less than that."""
        for name in GROWING:
            found = (self.path / name).stat().st_size
            if found < sizes[name]:
                raise InputError(f"{name} has {found} bytes, {sizes[name]} were there at the checkpoint")
        with self._writing():
            for name in GROWING:
                os.truncate(self.path / name, sizes[name])
            self._count_rows()
        if self.inv_calls != inv_calls:
            raise InputError(f"inv_calls.csv has {self.inv_calls} rows, {inv_calls} were there at the checkpoint")

    def _open(self) -> None:
        if not self.resume:
            for name in FILES:
                (self.path / name).unlink(missing_ok=True)
            Checkpoints(self.path).clear()
            CallStore(self.path / INPUTS).clear()
        if not (self.path / "config.json").exists():
            self.config.write(self.path / "config.json")
        self._metrics = (self.path / "metrics.jsonl").open("a")
        self._calls = (self.path / "inv_calls.csv").open("a", newline="")
        self._rows = csv.writer(self._calls)
        if not self.resume:
            self._rows.writerow(COLUMNS)

    def _count(self, status: str, time: float, residual: float) -> None:
        self.inv_calls += 1
        self.settling_times.append(time)
        self.worst_residual = max(self.worst_residual, residual)
        self.statuses[str(status)] = self.statuses.get(status, 0) + 1

    def _count_rows(self) -> None:
        self.inv_calls, self.worst_residual = 0, 0.0
        self.settling_times.clear()
        self.statuses.clear()
        with (self.path / "inv_calls.csv").open(newline="") as file:
            try:
                for row in csv.DictReader(file):
                    self._count(row["status"], float(row["settling_time_s"]), float(row["residual"]))
            except (KeyError, TypeError, ValueError):
                raise InputError("inv_calls.csv is damaged") from None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InputError(f"The run folder {self.path} cannot be written: {error.strerror or error}.") from error


def _lock(folder: Path) -> int:
    """The folder's handle, locked until it is closed; not every network file system can."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise InputError(f"Another process is training in {folder}: wait for it, or stop it.") from None
    except OSError:
        pass
    return handle

"""What a run is: every choice that its result depends on, checked once at the edge."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

from circuits import InputError
from circuits.hardware_file import load_hardware
from cosim import BACKENDS
from training.data import DATASETS

LEARNING_RATES = {"kfac": 0.05, "sgd": 0.05, "adam": 0.003}
"""Default learning rate of each optimizer on the small networks here; sgd and kfac have momentum 0.9."""


@dataclass(frozen=True)
class RunConfig:
    """One training run. Raises InputError, naming the field, for a value that makes no sense."""

    backend: str = "exact"
    """What computes the inverses of K-FAC: exact, nodal or spice."""
    optimizer: str = "kfac"
    """kfac, sgd or adam."""
    dataset: str = "digits"
    """digits, emnist-letters or mnist."""
    data_dir: str | None = None
    """Folder of the idx files; downloaded into the user's cache where it is None."""
    epochs: int = 4
    """Passes over the training images, at least 1."""
    batch_size: int = 128
    """Images in a step, at least 1; the last, smaller batch of an epoch is used too."""
    lr: float | None = None
    """Learning rate above 0; None for the optimizer's default."""
    damping: float = 0.03
    """Tikhonov damping of K-FAC, above 0."""
    kl_clip: float = 0.001
    """Bound on the squared size of a K-FAC step in the Fisher metric, above 0."""
    seed: int = 0
    """Seed of the weights and of the order of the images."""
    hardware: str = "default"
    """The circuits: the name of a preset, or a .toml file that changes fields of one."""
    trust: bool = False
    """Whether model files that ngspice would run as programs are let through."""
    inv_update_steps: int = 1
    """Steps between programmings of the arrays."""

    def __post_init__(self) -> None:
        _known("backend", self.backend, BACKENDS)
        _known("optimizer", self.optimizer, LEARNING_RATES)
        _known("dataset", self.dataset, DATASETS)
        load_hardware(self.hardware, self.trust)
        for name in ("epochs", "batch_size", "inv_update_steps"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} = {getattr(self, name)} must be 1 or more.")
        for name in ("lr", "damping", "kl_clip"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"{name} = {value} must be a finite number above 0.")
        if not 0 <= self.seed < 2**63:
            raise InputError(f"seed = {self.seed} must be 0 or more.")

    def resolved(self) -> Self:
        """The same run with every default written out."""
        return replace(self, lr=LEARNING_RATES[self.optimizer] if self.lr is None else self.lr)

    def write(self, path: Path) -> None:
        """Write the fields as JSON, and under `parts` every field of the hardware."""
        parts = asdict(load_hardware(self.hardware, self.trust))
        path.write_text(json.dumps({**asdict(self), "parts": parts}, indent=2) + "\n")


def _known(what: str, name: str, table: object) -> None:
    names = list(table)  # type: ignore[call-overload]
    if name not in names:
        raise InputError(f"Unknown {what} {name!r}: the known ones are {', '.join(names)}.")

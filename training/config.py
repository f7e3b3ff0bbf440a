"""What a run is: every choice that its result depends on, checked once at the edge."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

from circuits import InputError
from circuits.errors import check_range, check_whole
from circuits.hardware_file import load_hardware
from cosim import BACKENDS
from cosim.blocks import check_max_array
from cosim.precision import Precision
from training.atomic_file import replace_file
from training.data import DATASETS
from training.inverse import APPLY
from training.models import MODELS
from training.schedule import SCHEDULES

LEARNING_RATES = {"kfac": 0.05, "sgd": 0.05, "adam": 0.003}
"""Default learning rate of each optimizer on the small networks here."""


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
    schedule: str = "constant"
    """How the learning rate falls: constant, linear or cosine, the last two down to a hundredth."""
    decay_epochs: float | None = None
    """Epochs after which it has fallen, above 0; None for all of the run's."""
    momentum: float = 0.9
    """Weight of the past in the direction of sgd and kfac, and in the first moment of adam (beta 1), 0 to below 1."""
    beta2: float = 0.999
    """Weight of the past in the second moment of adam, 0 to below 1."""
    weight_decay: float = 0.0
    """Pull of the weights to 0, relative to the learning rate: of all of them, 0 or more. It never passes through
    adam's moments (AdamW) nor through the inverses of K-FAC."""
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
    precision: str | None = None
    """How precise the inverses are: lp:BITS for one analog solve, hp:TOLERANCE for HP-INV; None for cells as in the
    hardware, solved once."""
    products: str = "rounded"
    """Where HP-INV takes its products from: circuits (every slice simulated) or rounded (what right readings give)."""
    max_array: int | None = None
    """Rows of an array, above which BlockAMC takes over; None for that of the hardware."""
    block_size: int | None = None
    """Rows of the blocks that factors are cut down to; None leaves them whole."""
    model: str = "cnn"
    """The network: cnn, or flat, which ends in a linear layer of 784 inputs."""
    apply: str = "solve"
    """How inverses reach gradients: solve (through the arrays) or explicit (read once, multiplied digitally)."""
    stale_ok: bool = False
    """Whether arrays are programmed in the background, while those of before answer one step more."""
    conditioning: bool = True
    """Whether matrices are conditioned before they are programmed; False to see what happens without."""
    held_out: bool = False
    """Whether every fifth training image of a class is left out of training and takes the place of the test images."""
    target: float | None = None
    """Test accuracy, 0 to 1, that ends the run with the epoch in which it is reached; None trains for all epochs."""

    def __post_init__(self) -> None:
        _known("backend", self.backend, BACKENDS)
        _known("optimizer", self.optimizer, LEARNING_RATES)
        _known("dataset", self.dataset, DATASETS)
        _known("apply", self.apply, APPLY)
        _known("schedule", self.schedule, SCHEDULES)
        _known("model", self.model, MODELS)
        self._check_precision()
        load_hardware(self.hardware, self.trust)
        for name in ("epochs", "batch_size", "inv_update_steps"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} = {getattr(self, name)} must be 1 or more.")
        self._check_moments()
        for name in ("lr", "damping", "kl_clip", "decay_epochs"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"{name} = {value} must be a finite number above 0.")
        if not 0 <= self.seed < 2**63:
            raise InputError(f"seed = {self.seed} must be 0 or more.")

    def _check_moments(self) -> None:
        for name in ("momentum", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} = {getattr(self, name)} is outside 0 to below 1.")
        check_range("weight_decay", self.weight_decay, 0.0, 1e6)
        if self.target is not None:
            check_range("target", self.target, 0.0, 1.0)

    def _check_precision(self) -> None:
        if self.precision is not None:
            Precision.parse(self.precision, products=self.products).solving(load_hardware(self.hardware, self.trust))
        if self.max_array is not None:
            check_max_array(self.max_array)
        if self.block_size is not None:
            check_whole("block_size", self.block_size, 1, 2**20)

    def resolved(self) -> Self:
        """The same run with every default written out."""
        return replace(self, lr=LEARNING_RATES[self.optimizer] if self.lr is None else self.lr)

    def described(self) -> dict[str, Any]:
        """The fields as JSON holds them, and under `parts` every field of the hardware."""
        parts = asdict(load_hardware(self.hardware, self.trust))
        described: dict[str, Any] = json.loads(json.dumps({**asdict(self), "parts": parts}))
        return described

    @classmethod
    def restored(cls, described: Mapping[str, Any], trust: bool) -> Self:
        """The run that was `described`; trust is given by the person at the terminal and by no file."""
        known = {field.name for field in fields(cls)}
        unknown = [name for name in described if name not in {*known, "parts"}]
        if unknown:
            raise InputError(f"The checkpoint's config has the field {unknown[0]!r}, which this version does not know.")
        return cls(**{**{name: described[name] for name in known & set(described)}, "trust": trust})

    def write(self, path: Path) -> None:
        """Write the description as JSON; InputError where that is not possible."""
        replace_file(path, (json.dumps(self.described(), indent=2) + "\n").encode())


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """'name = value against value' for every field in which two descriptions differ; trust does not count."""
    one, other = dict(_flat(first, "")), dict(_flat(second, ""))
    return [
        f"{name} = {one.get(name)!r} against {other.get(name)!r}"
        for name in {**one, **other}
        if one.get(name) != other.get(name)
    ]


def _flat(described: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for name, value in described.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}{name}.")
        elif name != "trust":
            yield path + name, value


def _known(what: str, name: str, table: object) -> None:
    names = list(table)  # type: ignore[call-overload]
    if name not in names:
        raise InputError(f"Unknown {what} {name!r}: the known ones are {', '.join(names)}.")

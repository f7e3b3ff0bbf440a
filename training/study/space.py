"""What is tuned for each optimizer, and between which values."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Draw = Callable[[np.random.Generator], Any]


@dataclass(frozen=True)
class Log:
    """Uniform in the logarithm from low to high."""

    low: float
    high: float

    def __call__(self, rng: np.random.Generator) -> float:
        """One value, to four digits, so that a table holds it whole."""
        return float(f"{self.low * (self.high / self.low) ** rng.random():.4g}")


@dataclass(frozen=True)
class Choice:
    """One of some values, all as likely."""

    values: tuple[Any, ...]

    def __call__(self, rng: np.random.Generator) -> Any:
        """One of them."""
        return self.values[rng.integers(len(self.values))]


SHARED: dict[str, Draw] = {
    "schedule": Choice(("constant", "linear", "cosine")),
    "decay_epochs": Choice((5.0, 8.0, 12.0, 16.0, 20.0)),
    "weight_decay": Choice((0.0, 1e-4, 1e-3)),
}

SPACES: dict[str, dict[str, Draw]] = {
    "sgd": {"lr": Log(0.02, 0.5), "momentum": Choice((0.8, 0.9, 0.95)), **SHARED},
    "adam": {
        "lr": Log(1e-3, 3e-2),
        "momentum": Choice((0.8, 0.9, 0.95)),
        "beta2": Choice((0.95, 0.99, 0.999)),
        **SHARED,
    },
    "kfac": {
        "lr": Log(0.02, 0.5),
        "momentum": Choice((0.8, 0.9, 0.95)),
        "damping": Log(3e-3, 0.3),
        "kl_clip": Log(1e-4, 1e-2),
        **SHARED,
    },
}
"""What is drawn for each optimizer, by the field of a RunConfig."""


def draw(optimizer: str, trial: int, seed: int = 0) -> dict[str, Any]:
    """The values of a numbered trial of a search: the same for the same numbers, whatever else was drawn."""
    rng = np.random.default_rng([seed, trial])
    return {name: pick(rng) for name, pick in SPACES[optimizer].items()}

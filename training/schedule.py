"""How the learning rate falls over a run."""

import math
from collections.abc import Callable

FLOOR = 0.01
"""[-] of the learning rate that is left at the end of a schedule."""

SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "linear": lambda done: 1 - (1 - FLOOR) * done,
    "cosine": lambda done: FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * done)) / 2,
}
"""Factor on the learning rate by the share of the schedule, 0 to 1, that is done (cosine: Loshchilov & Hutter 2017)."""


def scheduled(schedule: str, lr: float, epochs: float, horizon: float) -> float:
    """The learning rate after so many `epochs`, where the schedule ends at `horizon`; it stays there afterwards."""
    return lr * SCHEDULES[schedule](min(epochs / horizon, 1.0))

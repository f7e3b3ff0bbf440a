"""What the last bits of a run depend on besides its config: versions, and how many threads add up."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import torch

from training.checkpoint import warn


def environment() -> dict[str, Any]:
    """Versions of ohmvert, torch and numpy, and torch's threads, which decide in what order sums are taken."""
    return {**{name: version(name) for name in ("ohmvert", "torch", "numpy")}, "threads": torch.get_num_threads()}


def warn_of_another(saved: Mapping[str, Any]) -> None:
    """Say where this machine is not what a run began on: the results may then differ in their last bits."""
    here = environment()
    apart = [f"{name} {saved.get(name)} there, {here[name]} here" for name in here if here[name] != saved.get(name)]
    if apart:
        warn(f"the run was begun with {', '.join(apart)}: it goes on, and its last bits may be others.")

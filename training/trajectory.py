"""Everything that the rest of a run depends on besides its config: what a checkpoint must bring back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from circuits import InputError
from training.kfac import KFAC
from training.random_state import random_state, set_random_state


@dataclass
class Trajectory:
    """A network under training and how far it is."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    order: torch.Generator
    """Draws the order of the images, once an epoch."""
    kfac: KFAC | None = None
    epoch: int = 1
    """The epoch at work, counted from 1; above the last where the run is complete."""
    batches: int = 0
    """Batches of the epoch that are done."""
    steps: int = 0
    """Steps of the run that are done."""
    loss: float = 0.0
    """Sum of the losses of the epoch's images so far."""
    _drawn_from: Tensor = field(init=False)
    """State of `order` when the epoch began."""

    def __post_init__(self) -> None:
        self._drawn_from = self.order.get_state()

    def rewind_order(self) -> torch.Generator:
        """The generator of the images' order as it was when the epoch began."""
        self.order.set_state(self._drawn_from)
        return self.order

    def finish_step(self, loss: float) -> None:
        """Count a step, `loss` summed over its images."""
        self.batches += 1
        self.steps += 1
        self.loss += loss

    def finish_epoch(self) -> None:
        """Count an epoch, and stand at the start of the next one."""
        self.epoch += 1
        self.batches, self.loss = 0, 0.0
        self._drawn_from = self.order.get_state()

    def state_dict(self) -> dict[str, Any]:
        """A copy that later steps do not change: names as keys, tensors and plain values."""
        optimizer = self.optimizer.state_dict()
        return {
            "position": {"epoch": self.epoch, "batches": self.batches, "steps": self.steps, "loss": self.loss},
            "order": self._drawn_from,
            "model": _copy(self.model.state_dict()),
            "optimizer": {**optimizer, "state": {str(k): _copy(v) for k, v in optimizer["state"].items()}},
            "kfac": self.kfac.state_dict() if self.kfac else None,
            "random": random_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a `state_dict`; InputError where it is of another network."""
        _check_same(state["model"], self.model.state_dict())
        self.model.load_state_dict(state["model"])
        optimizer = state["optimizer"]
        self.optimizer.load_state_dict({**optimizer, "state": {int(k): v for k, v in optimizer["state"].items()}})
        if self.kfac:
            self.kfac.load_state_dict(state["kfac"])
        for name, value in state["position"].items():
            setattr(self, name, value)
        self._drawn_from = state["order"]
        set_random_state(state["random"])


def _copy(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: v.detach().clone() if isinstance(v, Tensor) else v for name, v in values.items()}


def _check_same(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    shapes = [{name: tuple(tensor.shape) for name, tensor in each.items()} for each in (found, expected)]
    apart = [name for name in {**shapes[0], **shapes[1]} if shapes[0].get(name) != shapes[1].get(name)]
    if apart:
        has, needs = (f"of shape {each[apart[0]]}" if apart[0] in each else "absent" for each in shapes)
        raise InputError(f"its layers are those of another network: {apart[0]} is {has}, and {needs} in this one")

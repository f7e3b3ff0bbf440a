"""The torch optimizers of a run."""

import torch
from torch import nn

from training.config import RunConfig

MOMENTUM = 0.9


def build_optimizer(config: RunConfig, model: nn.Module) -> torch.optim.Optimizer:
    """The torch optimizer of a resolved config; K-FAC preconditions what SGD with momentum then steps along."""
    assert config.lr is not None
    if config.optimizer == "adam":
        return torch.optim.Adam(model.parameters(), lr=config.lr)
    return torch.optim.SGD(model.parameters(), lr=config.lr, momentum=MOMENTUM)

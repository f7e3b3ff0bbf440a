"""The torch optimizers of a run."""

import torch
from torch import nn

from training.config import RunConfig
from training.schedule import scheduled


def build_optimizer(config: RunConfig, model: nn.Module) -> torch.optim.Optimizer:
    """The torch optimizer of a resolved config; K-FAC preconditions what SGD with momentum then steps along.

    Adam is AdamW (Loshchilov & Hutter 2019), which without weight decay is Adam.
    """
    assert config.lr is not None
    if config.optimizer == "adam":
        betas = config.momentum, config.beta2
        return torch.optim.AdamW(model.parameters(), lr=config.lr, betas=betas, weight_decay=config.weight_decay)
    return torch.optim.SGD(model.parameters(), lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay)


def set_learning_rate(optimizer: torch.optim.Optimizer, config: RunConfig, epochs: float) -> None:
    """Give the next step the learning rate of a resolved config's schedule after so many epochs."""
    assert config.lr is not None
    lr = scheduled(config.schedule, config.lr, epochs, config.decay_epochs or config.epochs)
    for group in optimizer.param_groups:
        group["lr"] = lr

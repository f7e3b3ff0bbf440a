"""Tikhonov damping split over the two factors."""

import math

import torch
from torch import Tensor


def factored_damping(activation: Tensor, gradient: Tensor, damping: float) -> tuple[Tensor, Tensor]:
    """A + pi sqrt(damping) I and G + sqrt(damping) / pi I, as new tensors.

    pi^2 = mean diagonal of A / mean diagonal of G minimises a bound on the difference to damping the product
    (Martens & Grosse 2015, arXiv:1503.05671, section 6.3); pi is 1 where a factor is zero.
    """
    means = float(activation.diagonal().mean()), float(gradient.diagonal().mean())
    pi = math.sqrt(means[0] / means[1]) if min(means) > 0 else 1.0
    root = math.sqrt(damping)
    return (
        activation + pi * root * torch.eye(len(activation), dtype=activation.dtype, device=activation.device),
        gradient + root / pi * torch.eye(len(gradient), dtype=gradient.dtype, device=gradient.device),
    )

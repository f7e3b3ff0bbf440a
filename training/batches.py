"""Images batch by batch: to train on, and to count what a network gets right."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from training.data import Dataset


def shuffled_batches(
    dataset: Dataset, size: int, order: torch.Generator, first: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """All training images once, in a new order, from batch `first` on."""
    for chosen in torch.randperm(len(dataset.train_labels), generator=order).split(size)[first:]:
        yield dataset.train_images[chosen], dataset.train_labels[chosen]


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Share of images, 0 to 1, whose largest logit is their label."""
    model.eval()
    right = sum(
        int((model(i).argmax(1) == t).sum()) for i, t in zip(images.split(1000), labels.split(1000), strict=True)
    )
    return right / len(labels)

"""Factors to try circuits on: from a file, or from a small training run whose inverses are exact."""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from circuits import InputError
from training.batches import shuffled_batches
from training.data import load_dataset
from training.kfac import KFAC
from training.models import build_model

Array = NDArray[np.float64]

STEPS = 20
"""Steps [-] after which the factors are taken: the running averages have settled, the network still learns."""


def get_factors(file: Path | None) -> dict[str, Array]:
    """Factors of a file, or of the small run where there is none."""
    return read_factors(file) if file else train_factors()


def read_factors(file: Path) -> dict[str, Array]:
    """(n, n) [-] every array of an .npz file whose name ends in /A or /G; InputError for what cannot be used."""
    try:
        with np.load(file) as archive:
            factors = {name: archive[name] for name in archive.files if name.endswith(("/A", "/G"))}
    except (OSError, ValueError, BadZipFile, AttributeError, TypeError):
        raise InputError(f"{file} cannot be read: expected an .npz file of matrices.") from None
    if not factors:
        raise InputError(f"{file} holds no factor: its names must end in /A or /G.")
    return factors


def train_factors(steps: int = STEPS, seed: int = 0) -> dict[str, Array]:
    """(n, n) [-] 'layer/A' and 'layer/G' after so many K-FAC steps with exact inverses on scikit-learn's digits."""
    dataset = load_dataset("digits")
    torch.manual_seed(seed)
    model = build_model(dataset.image_size, dataset.classes)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    kfac = KFAC(model, "exact", damping=0.03, lr=0.05)
    order = torch.Generator().manual_seed(seed)
    while kfac.steps < steps:
        for images, labels in list(shuffled_batches(dataset, 128, order))[: steps - kfac.steps]:
            optimizer.zero_grad()
            functional.cross_entropy(model(images), labels).backward()
            kfac.step()
            optimizer.step()
    factors = {name: pair for name, pair in kfac.state_dict()["factors"].items()}
    kfac.remove_hooks()
    return {f"{name}/{key}": pair[key].cpu().numpy() for name, pair in factors.items() for key in "AG"}

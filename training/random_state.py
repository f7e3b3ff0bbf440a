"""The random states of torch, NumPy and Python, taken and given back."""

import random
from typing import Any

import numpy as np
import torch


def random_state() -> dict[str, Any]:
    """The states of all three global generators, as tensors and plain values."""
    numpy: Any = np.random.get_state(legacy=False)  # noqa: NPY002 - the state that a caller's own draws go on from
    version, words, gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "numpy": {**numpy, "state": {**numpy["state"], "key": torch.tensor(numpy["state"]["key"].astype(np.int64))}},
        "python": {"version": version, "words": torch.tensor(words), "gauss": gauss},
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Go on drawing from where `random_state` was taken."""
    numpy, python = state["numpy"], state["python"]
    key = numpy["state"]["key"].numpy().astype(np.uint32)
    torch.set_rng_state(state["torch"])
    np.random.set_state({**numpy, "state": {**numpy["state"], "key": key}})  # noqa: NPY002 - as above
    random.setstate((python["version"], tuple(python["words"].tolist()), python["gauss"]))

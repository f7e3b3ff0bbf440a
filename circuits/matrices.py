"""Named kinds of matrices to sweep over."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from circuits.errors import InputError

Array = NDArray[np.float64]


def spd(size: int, condition: float, seed: int) -> Array:
    """(size, size) symmetric positive definite: eigenvalues evenly spaced in logarithm from 1 to 1/condition,
    eigenvectors a random rotation.
    """
    if size < 1 or not condition >= 1:
        raise InputError(f"An spd matrix needs size >= 1 and condition >= 1, not {size} and {condition}.")
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((size, size)))
    eigenvalues = np.geomspace(1, 1 / condition, size)
    matrix: Array = (rotation * eigenvalues) @ rotation.T
    return (matrix + matrix.T) / 2


KINDS: dict[str, Callable[..., Array]] = {"spd": spd}
"""Maker of each kind by name; its arguments are the keys of a sweep's [matrix] table."""


def make_matrix(kind: str, **arguments: float) -> Array:
    """A matrix of a named kind; InputError for an unknown kind or wrong arguments."""
    if kind not in KINDS:
        raise InputError(f"Unknown matrix kind {kind!r}: the known ones are {', '.join(KINDS)}.")
    try:
        return KINDS[kind](**arguments)
    except TypeError as error:
        raise InputError(f"Matrix kind {kind!r}: {error}.") from None

"""Named kinds of matrices to sweep over."""

import zipfile
from collections.abc import Callable
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuits.errors import InputError, check_range, check_whole
from circuits.toml_file import check_names

Array = NDArray[np.float64]

LARGEST = 4096
"""Rows [-] of a matrix at the most."""


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


def wishart(size: int, samples: int, seed: int, mean: float = 0.0) -> Array:
    """(size, size) X X' / samples of normal entries with standard deviation 1 and the given mean.

    A mean other than 0 gives it one dominant direction, as the activations' mean gives a K-FAC factor A.
    It is singular for fewer samples than rows: add damping.
    """
    check_whole("samples", samples, 1, 2**24)
    check_range("mean", mean, -1e6, 1e6)
    columns = mean + np.random.default_rng(seed).standard_normal((size, samples))
    return columns @ columns.T / samples


def toeplitz(size: int, decay: float) -> Array:
    """(size, size) decay^|i - j|: what neighbours in a row have in common; eigenvalues between
    (1 - |decay|) / (1 + |decay|) and its inverse, determinant (1 - decay^2)^(size - 1).
    """
    check_range("decay", decay, -1 + 1e-9, 1 - 1e-9)
    steps = np.arange(size)
    matrix: Array = float(decay) ** np.abs(steps[:, None] - steps)
    return matrix


def ones(size: int, weight: float) -> Array:
    """(size, size) the identity plus weight in every entry: eigenvalues 1 and, once, 1 + weight size."""
    check_range("weight", weight, -1 / size + 1e-9, 1e9)
    return np.eye(size) + weight


def factor(file: str, name: str, folder: Path = Path()) -> Array:
    """(n, n) the array `name` of an .npz file, whose path counts from `folder`: a K-FAC factor that was saved."""
    path = folder / file
    try:
        with np.load(path, allow_pickle=False) as archive:
            check_names(f"{path}", [name], archive.files)
            matrix: Array = np.asarray(archive[name], dtype=np.float64)
    except (OSError, ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} cannot be read as an .npz file of matrices: {error}.") from None
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise InputError(f"{name!r} of {path} has the shape {matrix.shape}: a factor must be square, (n, n).")
    return matrix


KINDS: dict[str, Callable[..., Array]] = {
    "spd": spd,
    "wishart": wishart,
    "toeplitz": toeplitz,
    "ones": ones,
    "factor": factor,
}
"""Maker of each kind by name; its arguments, but for `folder`, are keys of a sweep's [matrix] table."""


def make_matrix(kind: str, damping: float = 0.0, folder: Path = Path(), **arguments: Any) -> Array:
    """A matrix of a named kind, damping [-] times its mean diagonal added to its diagonal.

    InputError for an unknown kind and wrong arguments.
    """
    if kind not in KINDS:
        raise InputError(f"Unknown matrix kind {kind!r}: the known ones are {', '.join(KINDS)}.")
    parameters = dict(signature(KINDS[kind]).parameters)
    takes_folder = parameters.pop("folder", None) is not None
    check_names(f"matrix kind {kind!r}", arguments, [*parameters, "damping"])
    missing = [p.name for p in parameters.values() if p.default is Parameter.empty and p.name not in arguments]
    if missing:
        raise InputError(f"Matrix kind {kind!r} needs {', '.join(missing)}: add it to the matrix's arguments.")
    if "size" in arguments:
        check_whole("size", arguments["size"], 1, LARGEST)
    check_range("damping", damping, 0.0, 1e6)
    try:
        matrix = KINDS[kind](**arguments, **({"folder": folder} if takes_folder else {}))
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"Matrix kind {kind!r}: {error}.") from None
    return matrix + damping * matrix.diagonal().mean() * np.eye(len(matrix)) if damping else matrix

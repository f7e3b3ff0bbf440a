"""Whether a matrix is one that conjugate gradients can solve with."""

import numpy as np
from numpy.typing import ArrayLike

from circuits.errors import InputError
from cosim.check import check_matrix
from cosim.solution import Array

ASYMMETRY = 1e-6
"""[-] of the largest entry: what rounding in float32 leaves of a symmetric matrix."""


def check_definite(matrix: ArrayLike) -> Array:
    """The matrix as (n, n) float64; InputError, with what would mend it, unless it is symmetric positive definite."""
    checked = _plain(matrix)
    if checked is None:
        return check_matrix(matrix)
    _check_symmetric(checked)
    values = np.linalg.eigvalsh((checked + checked.T) / 2)
    # What is definite beyond rounding is regular: no need of the singular values, which cost ten times as much.
    if values[0] <= len(values) * np.finfo(float).eps * values[-1]:
        raise InputError(
            f"The method 'fcg' needs a positive definite matrix, and the smallest eigenvalue of this one is "
            f"{values[0]:.3g}: add damping of more than {max(0.0, -values[0]):.3g} to its diagonal, or use the method "
            f"'richardson'."
        )
    return checked


def _plain(matrix: ArrayLike) -> Array | None:
    """A copy of a square matrix of finite numbers that is not all zeros; None for anything else."""
    try:
        checked = np.array(matrix, dtype=np.float64) if not np.iscomplexobj(matrix) else np.zeros(0)
    except (TypeError, ValueError):
        return None
    square = checked.ndim == 2 and checked.shape[0] == checked.shape[1]
    return checked if square and np.isfinite(checked).all() and checked.any() else None


def _check_symmetric(matrix: Array) -> None:
    apart = float(np.abs(matrix - matrix.T).max() / np.abs(matrix).max())
    if apart > ASYMMETRY:
        raise InputError(
            f"The method 'fcg' needs a symmetric matrix, and this one differs from its transpose by {apart:.2g} of its "
            f"largest entry: use the method 'richardson', or its symmetric part (A + A.T) / 2."
        )

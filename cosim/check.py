"""Bad matrices and right-hand sides are refused before anything is programmed."""

import numpy as np
from numpy.typing import ArrayLike

from circuits.errors import InputError
from cosim.solution import Array


def _real(values: ArrayLike) -> Array:
    """A copy in float64; TypeError for complex numbers, whose imaginary part NumPy would drop."""
    if np.iscomplexobj(values):
        raise TypeError
    return np.array(values, dtype=np.float64)


def check_matrix(matrix: ArrayLike) -> Array:
    """The matrix as (n, n) float64; InputError where it is empty, not square, not finite or singular."""
    checked = _real_matrix(matrix)
    if checked.ndim != 2 or checked.shape[0] != checked.shape[1]:
        raise InputError(f"The matrix has the shape {checked.shape}: it must be square, (n, n).")
    _check_entries(checked)
    _check_regular(checked)
    return checked


def check_multiply_matrix(matrix: ArrayLike) -> Array:
    """The matrix to multiply by as (n, m) float64, of whatever rank; InputError where it is empty, not finite or zero.

    A matrix of zeros has no largest entry to give the range of the cells to, and its product needs no circuit.
    """
    checked = _real_matrix(matrix)
    if checked.ndim != 2:
        raise InputError(f"The matrix has the shape {checked.shape}: it must be (n, m).")
    _check_entries(checked)
    if not checked.any():
        raise InputError("The matrix is all zeros: its product is zero, and there is nothing to program.")
    return checked


def _real_matrix(matrix: ArrayLike) -> Array:
    try:
        return _real(matrix)
    except (TypeError, ValueError):
        raise InputError("The matrix holds something that is no real number.") from None


def _check_entries(matrix: Array) -> None:
    if matrix.size == 0:
        raise InputError("The matrix is empty: it must have at least one row and one column.")
    if not np.isfinite(matrix).all():
        row, column = np.argwhere(~np.isfinite(matrix))[0]
        raise InputError(f"The matrix is not finite: entry [{row}, {column}] is {matrix[row, column]}.")


def _check_regular(matrix: Array) -> None:
    singular_values = np.linalg.svd(matrix, compute_uv=False)
    limit = len(matrix) * np.finfo(float).eps * singular_values[0]
    if singular_values[-1] <= limit:
        raise InputError(
            f"The matrix is singular: its smallest singular value {singular_values[-1]:.3g} is at most "
            f"{limit:.3g}, rounding of its largest; add damping to its diagonal."
        )


def check_rhs(rhs: ArrayLike, n: int, name: str = "right-hand side") -> Array:
    """The right-hand sides as (n, k) float64; InputError where length or values do not fit. `name` is for its text."""
    try:
        checked = _real(rhs)
    except (TypeError, ValueError):
        raise InputError(f"The {name} holds something that is no real number.") from None
    if checked.ndim not in (1, 2) or checked.shape[0] != n or checked.size == 0:
        raise InputError(f"The {name} has the shape {checked.shape}: it must be ({n},) or ({n}, k) to fit the matrix.")
    if not np.isfinite(checked).all():
        raise InputError(f"The {name} is not finite: {int((~np.isfinite(checked)).sum())} bad entries.")
    return checked.reshape(n, -1)

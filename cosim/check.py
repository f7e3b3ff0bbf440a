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
    try:
        checked = _real(matrix)
    except (TypeError, ValueError):
        raise InputError("The matrix holds something that is no real number.") from None
    if checked.ndim != 2 or checked.shape[0] != checked.shape[1]:
        raise InputError(f"The matrix has the shape {checked.shape}: it must be square, (n, n).")
    if checked.size == 0:
        raise InputError("The matrix is empty: it must have at least one row.")
    if not np.isfinite(checked).all():
        row, column = np.argwhere(~np.isfinite(checked))[0]
        raise InputError(f"The matrix is not finite: entry [{row}, {column}] is {checked[row, column]}.")
    _check_regular(checked)
    return checked


def _check_regular(matrix: Array) -> None:
    singular_values = np.linalg.svd(matrix, compute_uv=False)
    limit = len(matrix) * np.finfo(float).eps * singular_values[0]
    if singular_values[-1] <= limit:
        raise InputError(
            f"The matrix is singular: its smallest singular value {singular_values[-1]:.3g} is at most "
            f"{limit:.3g}, rounding of its largest; add damping to its diagonal."
        )


def check_rhs(rhs: ArrayLike, n: int) -> Array:
    """The right-hand sides as (n, k) float64; InputError where length or values do not fit."""
    try:
        checked = _real(rhs)
    except (TypeError, ValueError):
        raise InputError("The right-hand side holds something that is no real number.") from None
    if checked.ndim not in (1, 2) or checked.shape[0] != n or checked.size == 0:
        raise InputError(
            f"The right-hand side has the shape {checked.shape}: it must be ({n},) or ({n}, k) to fit the matrix."
        )
    if not np.isfinite(checked).all():
        raise InputError(f"The right-hand side is not finite: {int((~np.isfinite(checked)).sum())} bad entries.")
    return checked.reshape(n, -1)

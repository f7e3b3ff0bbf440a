"""Matrices with inverses that are known by hand, and the backends that have to find them."""

from dataclasses import dataclass

import numpy as np
import pytest
from _pytest.mark import ParameterSet
from numpy.typing import NDArray
from scipy.linalg import hilbert, invhilbert, invpascal, pascal

from circuits import Hardware, OpAmp, RramCell
from cosim import BACKENDS

Array = NDArray[np.float64]

LINEAR = Hardware(cell=RramCell(g_min=0.0), opamp=OpAmp(gain=100.0, gbw=1e6).linear())
"""Erased cells leave no trace and a gain of 40 dB leaves a large one: formulas in A0 show."""

TOLERANCES = {"exact": 1e-12, "nodal": 1e-4, "spice": 1e-4}
"""Relative error against the true inverse, hardware preset ideal. The gain of 1e9 leaves 1e-5 on hilbert4."""


@dataclass(frozen=True)
class Case:
    """A matrix and its inverse."""

    matrix: Array
    inverse: Array


def _case(matrix: object, inverse: object) -> Case:
    return Case(np.array(matrix, dtype=float), np.array(inverse, dtype=float))


def random_spd(n: int, condition: float, seed: int) -> Case:
    """Eigenvectors at random, eigenvalues from 1 to `condition`."""
    vectors = np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0]
    values = np.geomspace(1, condition, n)
    return _case(vectors * values @ vectors.T, vectors / values @ vectors.T)


def random_asymmetric(n: int, seed: int) -> Case:
    """Eigenvalues scattered around 1.2, half as far as that: stable, and most of them complex."""
    matrix = 1.2 * np.eye(n) + np.random.default_rng(seed).normal(0, 0.6 / np.sqrt(n), (n, n))
    return _case(matrix, np.linalg.inv(matrix))


CASES = {
    "identity": _case(np.eye(3), np.eye(3)),
    "one": _case([[4]], [[0.25]]),
    "small_one": _case([[1e-9]], [[1e9]]),
    # det = 2 * 1 - 1 * 0.5 = 1.5
    "positive2": _case([[2, 1], [0.5, 1]], np.array([[1, -1], [-0.5, 2]]) / 1.5),
    # det = 2 * 1 + 1 * 1 = 3
    "signed2": _case([[2, -1], [1, 1]], np.array([[1, 1], [-1, 2]]) / 3),
    # The loop rings: complex eigenvalues
    "rotation": _case([[1, -1], [1, 1]], np.array([[1, 1], [-1, 1]]) / 2),
    "random_asymmetric": random_asymmetric(8, seed=4),
    "diagonal": _case(np.diag([1e-3, 1, 1e3]), np.diag([1e3, 1, 1e-3])),
    # [[B, c], [0, 1]] has the inverse [[B^-1, -B^-1 c], [0, 1]]; six different sizes and signs off the diagonal
    "asymmetric3": _case([[2, -1, 0], [1, 2, 0.5], [0, 0, 1]], [[0.4, 0.2, -0.1], [-0.2, 0.4, -0.2], [0, 0, 1]]),
    # Symmetric, positive definite, with integer inverses: condition 15,514 and 8,518
    "hilbert4": _case(hilbert(4), invhilbert(4)),
    "pascal5": _case(pascal(5), invpascal(5)),
    "random_spd": random_spd(12, condition=50, seed=1),
}

NUMBERS = {
    "1": 1.0,
    "-2.5": -2.5,
    "+.5": 0.5,
    "5.": 5.0,
    "1e-6": 1e-6,
    "1E+3": 1e3,
    "1k": 1e3,
    "10kOhm": 1e4,
    "10meg": 1e7,
    "10MEGohm": 1e7,
    "1M": 1e-3,
    "2g": 2e9,
    "2t": 2e12,
    "5u": 5e-6,
    "3n": 3e-9,
    "3.3nF": 3.3e-9,
    "7p": 7e-12,
    "7f": 7e-15,
    "100mil": 2.54e-3,
    "5V": 5.0,
    "1e3k": 1e6,
}
"""SPICE numbers and what they mean."""


def backend_params(*without: str) -> list[ParameterSet]:
    """Every backend of the table but those named; whatever is or extends the spice backend needs ngspice."""
    return [
        pytest.param(name, marks=[pytest.mark.ngspice] if "spice" in name else [])
        for name in BACKENDS
        if name not in without
    ]


def relative_error(value: Array, truth: Array) -> float:
    """Largest norm(value - truth) / norm(truth) over the columns."""
    return float((np.linalg.norm(value - truth, axis=0) / np.linalg.norm(truth, axis=0)).max())


def gain_damping(matrix: Array, gain: float) -> Array:
    """What a finite gain adds to a non-negative matrix: (max + row sum) / A0 on the diagonal."""
    return np.diag(matrix.max() + matrix.sum(axis=1)) / gain

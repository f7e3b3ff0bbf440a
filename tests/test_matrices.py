"""Named matrices: eigenvalues and determinants that are known in closed form, and bad arguments by name."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuits import InputError
from circuits.matrices import KINDS, make_matrix, spd


def test_spd_has_the_condition_that_is_asked_for() -> None:
    matrix = spd(7, 50.0, 3)
    assert np.linalg.cond(matrix) == pytest.approx(50)
    assert np.array_equal(matrix, matrix.T)
    assert np.array_equal(matrix, spd(7, 50.0, 3))


@given(n=st.integers(1, 12), weight=st.floats(0.0, 5.0))
def test_ones_has_one_eigenvalue_of_its_own(n: int, weight: float) -> None:
    values = np.linalg.eigvalsh(make_matrix("ones", size=n, weight=weight))
    assert values == pytest.approx([1.0] * (n - 1) + [1 + weight * n])


@given(n=st.integers(1, 12), decay=st.floats(-0.9, 0.9))
def test_toeplitz_has_the_determinant_and_the_bounds_of_the_ar1_covariance(n: int, decay: float) -> None:
    matrix = make_matrix("toeplitz", size=n, decay=decay)
    assert np.linalg.det(matrix) == pytest.approx((1 - decay**2) ** (n - 1))
    values = np.linalg.eigvalsh(matrix)
    bound = (1 - abs(decay)) / (1 + abs(decay))
    assert bound - 1e-12 <= values[0] <= values[-1] <= 1 / bound + 1e-12
    assert (np.diag(matrix, 1) == decay).all()


def test_the_toeplitz_of_three_by_hand() -> None:
    assert make_matrix("toeplitz", size=3, decay=0.5).tolist() == [[1, 0.5, 0.25], [0.5, 1, 0.5], [0.25, 0.5, 1]]


def test_wishart_approaches_the_covariance_of_its_columns() -> None:
    matrix = make_matrix("wishart", size=4, samples=200_000, seed=1, mean=2.0)
    assert matrix == pytest.approx(np.eye(4) + 4.0, abs=0.05)
    assert np.linalg.matrix_rank(make_matrix("wishart", size=6, samples=4, seed=0)) == 4


def test_damping_is_a_part_of_the_mean_diagonal() -> None:
    plain = make_matrix("wishart", size=5, samples=3, seed=2)
    damped = make_matrix("wishart", size=5, samples=3, seed=2, damping=0.1)
    assert damped - plain == pytest.approx(0.1 * np.trace(plain) / 5 * np.eye(5))


def test_a_factor_comes_from_its_file_beside_the_sweep(tmp_path: Path) -> None:
    np.savez(tmp_path / "factors.npz", **{"conv1/A": np.diag([1.0, 2.0]), "wide": np.ones((2, 3))})
    matrix = make_matrix("factor", folder=tmp_path, file="factors.npz", name="conv1/A", damping=1.0)
    assert matrix.tolist() == [[2.5, 0], [0, 3.5]]
    with pytest.raises(InputError, match="did you mean conv1/A"):
        make_matrix("factor", folder=tmp_path, file="factors.npz", name="conv1/B")
    with pytest.raises(InputError, match="square"):
        make_matrix("factor", folder=tmp_path, file="factors.npz", name="wide")
    with pytest.raises(InputError, match=r"none\.npz cannot be read"):
        make_matrix("factor", folder=tmp_path, file="none.npz", name="A")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 torn"])
def test_a_file_that_is_no_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad.npz").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        make_matrix("factor", folder=tmp_path, file="bad.npz", name="A")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"kind": "spdd"}, "known ones are spd, wishart"),
        ({"kind": "spd", "size": 4, "seed": 0}, "needs condition"),
        ({"kind": "spd", "size": 4, "seed": 0, "conditon": 3}, "did you mean condition"),
        ({"kind": "spd", "size": 4, "seed": 0, "condition": 0.5}, "condition >= 1"),
        ({"kind": "spd", "size": 4, "seed": -1, "condition": 2}, "spd"),
        ({"kind": "ones", "size": 0, "weight": 1.0}, "size = 0"),
        ({"kind": "ones", "size": 100_000, "weight": 1.0}, "1 to 4096"),
        ({"kind": "ones", "size": 2, "weight": -0.5}, "weight"),
        ({"kind": "toeplitz", "size": 2, "decay": 1.0}, "decay"),
        ({"kind": "wishart", "size": 2, "samples": 0, "seed": 0}, "samples"),
        ({"kind": "ones", "size": 2, "weight": 1.0, "damping": -1.0}, "damping"),
        ({"kind": "ones", "size": 2, "weight": "x"}, "weight"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        make_matrix(**arguments)


def test_no_kind_takes_what_all_share() -> None:
    assert not any({"damping", "kind"} & set(maker.__code__.co_varnames) for maker in KINDS.values())

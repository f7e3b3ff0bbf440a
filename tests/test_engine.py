"""The backend that a run's options ask for, and what it makes of factors larger than an array."""

from dataclasses import replace

import numpy as np
import pytest
from dense import backward, gradients, net

from circuits import Hardware, InputError
from circuits.matrices import spd
from cosim.blocks import BlockBackend
from cosim.refine import RefinedBackend
from training.config import RunConfig
from training.engine import build_backend, innermost, open_engine
from training.execution import Execution
from training.kfac import KFAC
from training.models import FlatCNN

IDEAL = Hardware.preset("ideal")


@pytest.mark.parametrize("name", ["exact", "nodal"])
@pytest.mark.parametrize("precision", [None, "hp:1e-6"])
def test_a_factor_larger_than_an_array_is_solved_all_the_same(name: str, precision: str | None) -> None:
    matrix, rhs = spd(40, 10.0, 0), np.random.default_rng(0).normal(size=(40, 3))
    with build_backend(name, IDEAL, precision, max_array=16) as backend:
        solution = backend.program(matrix).solve(rhs)
    np.testing.assert_allclose(solution.value, np.linalg.solve(matrix, rhs), rtol=1e-4, atol=1e-5)


def test_what_no_limit_is_given_for_stands_on_one_array() -> None:
    with build_backend("nodal", IDEAL) as backend:
        assert isinstance(backend, BlockBackend)
        assert backend.max_array == 128
        assert "levels" not in backend.program(spd(80, 5.0, 0)).solve(np.ones(80)).stats.notes
    with build_backend("nodal", replace(IDEAL, max_array=300)) as backend:
        assert backend.max_array == 300


def test_precision_stands_around_blocks_around_arrays() -> None:
    with build_backend("nodal", Hardware(), "hp:1e-3", max_array=8) as backend:
        assert isinstance(backend, RefinedBackend)
        assert isinstance(backend.inner, BlockBackend)
        assert innermost(backend).hardware.cell.levels == 8  # type: ignore[attr-defined]
    with build_backend("nodal", Hardware(), "lp:4") as backend:
        assert innermost(backend).hardware.cell.levels == 16  # type: ignore[attr-defined]


REFUSED = {
    "precision": ({"precision": "hp"}, {}, "lp:BITS"),
    "levels": ({"precision": "lp:4", "hardware": "rram40"}, {}, "bits = 3"),
    "array": ({"max_array": 1}, {}, "max_array = 1"),
    "block": ({"block_size": 0}, {}, "block_size = 0"),
    "audit": ({"precision": "hp:1e-3", "backend": "nodal"}, {"audit": 0.1}, "precision makes many of one"),
    "backend": ({"backend": "exact"}, {"audit": 0.1}, "--backend=exact"),
    "executor": ({"backend": "nodal"}, {"executor": "dask"}, "is for SPICE jobs"),
    "cache": ({"backend": "exact"}, {"cache": True}, "is for SPICE jobs"),
    "address": ({"backend": "spice"}, {"dask_address": "tcp://x:1"}, "--executor=dask"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_options_that_do_not_go_together_are_refused(name: str) -> None:
    config, execution, words = REFUSED[name]
    with pytest.raises(InputError, match=words):
        open_engine(RunConfig(**config).resolved(), Execution(**execution))  # type: ignore[arg-type]


def test_blocks_of_the_whole_size_change_nothing_and_smaller_ones_cut() -> None:
    found = []
    for size in (None, 1000, 2):
        model = net()
        kfac = KFAC(model, "exact", damping=0.01, kl_clip=None, block_size=size)
        backward(model)
        kfac.step()
        found.append(gradients(model))
        cut = [p.matrix for p in kfac._inverses._programmed.values()]
        assert all((m[0, 2:] == 0).all() for m in cut if len(m) > 2) is (size == 2)
    for layer in found[0]:
        np.testing.assert_array_equal(found[0][layer], found[1][layer])
    assert any(not np.allclose(found[0][layer], found[2][layer]) for layer in found[0])


def test_a_tolerance_may_be_a_function_of_the_step() -> None:
    from cosim.precision import Precision
    from cosim.refine import open_precise

    precision = Precision(tolerance=lambda step: 1e-2 if step < 2 else 1e-6, products="rounded")
    with open_precise("nodal", precision, Hardware()) as backend:
        model = net()
        kfac = KFAC(model, backend, damping=0.1)
        worst = []
        for step in range(3):
            backward(model, step)
            kfac.step()
            worst.append(max(one.solution.stats.residual.max() for one in kfac.solutions))
    assert worst[0] > 1e-5
    assert worst[2] <= 1e-6


def test_the_flat_network_has_784_inputs() -> None:
    assert FlatCNN((28, 28), 13).fc.weight.shape == (13, 784)
    with pytest.raises(InputError, match="model 'cnn'"):
        FlatCNN((8, 8), 10)

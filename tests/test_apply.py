"""How inverses reach gradients: through the arrays or read once, up to date or one step behind."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from dense import LAYERS, backward, directions, factors, gradients, net
from torch.testing import assert_close

from circuits import Conditioning, Hardware, InputError, OpAmp
from circuits.parts import Converters, RramCell
from circuits.programming import Programming
from cosim import Backend, open_backend
from cosim.exact import ExactBackend
from training.kfac import KFAC

torch.set_num_threads(1)
NAMES = ["exact", "nodal", pytest.param("spice", marks=pytest.mark.ngspice)]


@pytest.fixture(scope="module", params=NAMES)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    with open_backend(request.param, hardware=Hardware.preset("ideal")) as opened:
        yield opened


def steps(backend: Backend, count: int, **options: object) -> tuple[list[dict[str, torch.Tensor]], KFAC]:
    """The preconditioned gradients of each step, every one from the same weights."""
    model = net()
    kfac = KFAC(model, backend, damping=0.01, kl_clip=None, **options)  # type: ignore[arg-type]
    found = []
    for step in range(count):
        backward(model, step)
        kfac.step()
        found.append({name: gradient.clone() for name, gradient in gradients(model).items()})
    return found, kfac


def test_reading_the_inverses_once_gives_what_solving_gives(backend: Backend) -> None:
    solved, _ = steps(backend, 4, inv_update_steps=2)
    read, kfac = steps(backend, 4, inv_update_steps=2, apply="explicit")
    for one, other in zip(solved, read, strict=True):
        for name in LAYERS:
            assert_close(one[name], other[name], rtol=1e-3, atol=1e-5)
    assert kfac.solutions == []  # the fourth step multiplied digitally


def test_an_inverse_is_read_by_unit_vectors_at_each_refresh() -> None:
    model = net()
    kfac = KFAC(model, "exact", damping=0.01, inv_update_steps=3, apply="explicit")
    columns = []
    for step in range(4):
        backward(model, step)
        kfac.step()
        columns.append([len(one.solution.stats.statuses) for one in kfac.solutions])
    sizes = [len(p.matrix) for p in kfac._inverses._programmed.values()]
    assert columns == [sizes, [], [], sizes]


BENT = {
    "cells have read noise": Hardware(programming=Programming(read_noise=0.01)),
    "converters round": Hardware(converters=Converters(adc_bits=4)),
    "converters have noise": Hardware(converters=Converters(dac_noise=1e-3)),
    "the cells bend": Hardware(cell=RramCell(v_sinh=0.25)),
    "op-amps have offsets": Hardware(opamp=OpAmp(offset=1e-3)),
}


@pytest.mark.parametrize("why", BENT)
def test_calls_that_do_not_add_up_are_not_read_once(why: str) -> None:
    class Bent(ExactBackend):
        superposes = BENT[why].nonlinearity

    with pytest.raises(InputError, match=f"explicit.*{why}"):
        KFAC(net(), Bent(), apply="explicit")


def test_hardware_in_its_linear_region_adds_up() -> None:
    assert Hardware().nonlinearity == Hardware.preset("ideal").nonlinearity == ""


@pytest.mark.parametrize("name", ["exact", "nodal"])
def test_stale_inverses_are_those_of_the_refresh_before(name: str) -> None:
    options = {"hardware": replace(Hardware.preset("ideal")), "conditioning": Conditioning.off()}
    with open_backend(name, **options) as backend:
        found, _ = steps(backend, 3, stale_ok=True, factor_decay=0.0)
    for step, before in ((0, 0), (1, 0), (2, 1)):
        model = net()
        expected = directions(factors(before), backward(model, step))
        for layer in LAYERS:
            assert_close(found[step][layer], expected[layer], rtol=1e-3, atol=1e-4)


def test_programming_in_the_background_does_not_wait_for_the_step() -> None:
    entered, go_on = threading.Event(), threading.Event()

    class Slow(ExactBackend):
        def program_many(self, matrices):  # type: ignore[no-untyped-def]
            if threading.current_thread() is not threading.main_thread():
                entered.set()
                assert go_on.wait(60)
            return super().program_many(matrices)

    model = net()
    kfac = KFAC(model, Slow(), stale_ok=True)
    for step in range(2):
        backward(model, step)
        kfac.step()  # the second one ends although its programming has not
    assert entered.wait(60)
    go_on.set()
    kfac.remove_hooks()


@pytest.mark.parametrize(
    "options", [{"stale_ok": True}, {"apply": "explicit"}, {"stale_ok": True, "apply": "explicit"}]
)
@pytest.mark.parametrize("stop", [1, 2, 3, 4])
def test_a_saved_state_goes_on_bit_for_bit(options: dict[str, object], stop: int) -> None:
    make = partial(KFAC, damping=0.01, inv_update_steps=2, **options)
    noisy = Hardware(programming=Programming(sigma=0.02))
    with open_backend("nodal", hardware=noisy) as one, open_backend("nodal", hardware=noisy) as other:
        model = net()
        kfac = make(model, one)
        state, expected = {}, {}
        for step in range(6):
            if step == stop:
                state = kfac.state_dict()
            backward(model, step)
            kfac.step()
            expected[step] = gradients(model)
        resumed = net()
        kfac = make(resumed, other)
        kfac.load_state_dict(state)
        for step in range(stop, 6):
            backward(resumed, step)
            kfac.step()
            for layer in LAYERS:
                assert torch.equal(gradients(resumed)[layer], expected[step][layer]), step


@pytest.mark.parametrize("apply", ["", "inverse", None])
def test_unknown_ways_are_refused(apply: object) -> None:
    with pytest.raises(InputError, match=r"apply.*solve, explicit"):
        KFAC(net(), "exact", apply=apply)  # type: ignore[arg-type]


def test_a_programming_that_fails_in_the_background_is_told_at_the_next_step() -> None:
    model = net()
    kfac = KFAC(model, "exact", stale_ok=True)
    backward(model, 0)
    kfac.step()
    backward(model, 1)
    kfac.layers[0].activation = torch.full_like(kfac.layers[0].activation, np.nan)  # type: ignore[arg-type]
    kfac.layers[0].update = lambda: None  # type: ignore[method-assign]
    kfac.step()
    backward(model, 2)
    with pytest.raises(InputError, match="finite"):
        kfac.step()

"""The K-FAC preconditioner, against one dense solve with the full Kronecker product of each layer."""

import io
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from dense import dense_direction, dense_factors, homogeneous
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.testing import assert_close

from circuits import Hardware, InputError
from cosim import InverseError, Solution, Status, open_backend
from cosim.exact import ExactBackend
from training.kfac import KFAC

torch.set_num_threads(1)
nearly = partial(assert_close, rtol=1e-9, atol=1e-9)

Matrices = dict[str, Tensor]
"""(o, d) by layer name."""
Factors = dict[str, tuple[Tensor, Tensor]]
"""A, G by layer name."""
LAYERS = "0", "3"
"""The covered layers of `net`."""
Exact = partial(KFAC, backend="exact", damping=0.01, kl_clip=None)


def net() -> nn.Sequential:
    """A convolution (d = 10, o = 2) and a linear layer (d = 9, o = 3); always the same weights."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(8, 3)
    ).double()


def batch(seed: int) -> tuple[Tensor, Tensor]:
    """Six images (6, 1, 4, 4) and their labels."""
    random = torch.Generator().manual_seed(seed)
    images = torch.randn(6, 1, 4, 4, generator=random, dtype=torch.double)
    return images, torch.randint(3, (6,), generator=random)


def backward(model: nn.Module, seed: int = 0) -> Matrices:
    """Leave the gradients of one batch in the model, and return them."""
    model.zero_grad()
    images, labels = batch(seed)
    cross_entropy(model(images), labels).backward()
    return gradients(model)


def gradients(model: nn.Module) -> Matrices:
    layers = {name: model.get_submodule(name) for name in LAYERS}
    return {name: homogeneous(layer.weight.grad, layer.bias.grad) for name, layer in layers.items()}


def factors(seed: int = 0) -> Factors:
    """Dense factors of one batch, from a model that K-FAC never saw."""
    return {name: dense_factors(net(), name, *batch(seed), cross_entropy) for name in LAYERS}


def mix(*terms: tuple[float, Factors]) -> Factors:
    """A weighted sum of factors."""
    return {
        name: (sum(w * f[name][0] for w, f in terms), sum(w * f[name][1] for w, f in terms)) for name in LAYERS
    }


def directions(known: Factors, given: Matrices, damping: float = 0.01) -> Matrices:
    return {name: dense_direction(known[name], given[name], damping) for name in LAYERS}


@pytest.mark.parametrize("damping", [1e-4, 0.01, 3.0])
def test_step_solves_with_the_full_kronecker_product(damping: float) -> None:
    model = net()
    kfac = Exact(model, damping=damping)
    given = backward(model)
    kfac.step()
    nearly(gradients(model), directions(factors(), given, damping))


@pytest.mark.parametrize("kl_clip", [1e-6, 1e-3, 1e6])
def test_kl_clip_bounds_the_step_in_the_fisher_metric(kl_clip: float) -> None:
    model = net()
    kfac = Exact(model, kl_clip=kl_clip, lr=0.3)
    given = backward(model)
    kfac.step()
    expected = directions(factors(), given)
    size = sum(0.3**2 * float((expected[name] * given[name]).sum()) for name in LAYERS)
    scale = min(1.0, math.sqrt(kl_clip / size))
    assert (scale < 1) is (kl_clip < 1)
    nearly(gradients(model), {name: scale * expected[name] for name in LAYERS})


def test_factors_are_running_averages() -> None:
    """Three batches: d^2 F0 + d (1 - d) F1 + (1 - d) F2."""
    model = net()
    kfac = Exact(model, factor_decay=0.8)
    for seed in range(3):
        given = backward(model, seed)
        kfac.step()
    expected = mix((0.64, factors(0)), (0.16, factors(1)), (0.2, factors(2)))
    nearly(gradients(model), directions(expected, given))
    found = {name: (pair["A"], pair["G"]) for name, pair in kfac.state_dict()["factors"].items()}
    nearly(found, expected)


@pytest.mark.parametrize(
    ("factor_update_steps", "inv_update_steps", "sources", "programmed"),
    [
        (1, 3, [(0,), (0,), (0,), (0, 1, 2, 3)], [0, 0, 0, 3]),  # inverses wait
        (2, 1, [(0,), (0,), (0, 2), (0, 2)], [0, 1, 2, 3]),  # factors wait, the damping does not
        (2, 3, [(0,), (0,), (0,), (0, 2)], [0, 0, 0, 3]),
    ],
)
def test_updates_happen_at_their_steps_only(
    factor_update_steps: int, inv_update_steps: int, sources: list[tuple[int, ...]], programmed: list[int]
) -> None:
    """The batches inside the inverse that each step uses, and the step it was programmed at."""
    model = net()
    steps = {"factor_update_steps": factor_update_steps, "inv_update_steps": inv_update_steps}
    kfac = Exact(model, factor_decay=0.5, damping=lambda step: 0.01 * (step + 1), **steps)
    for step in range(4):
        assert all(layer.recording is (step % factor_update_steps == 0) for layer in kfac.layers)
        given = backward(model, step)
        kfac.step()
        first, *rest = sources[step]
        weights = [(0.5 ** len(rest), factors(first))]
        weights += [(0.5 ** (len(rest) - i), factors(seed)) for i, seed in enumerate(rest)]
        nearly(gradients(model), directions(mix(*weights), given, 0.01 * (programmed[step] + 1)))


def test_lr_may_be_a_function_of_the_step() -> None:
    model = net()
    kfac = Exact(model, kl_clip=1e-6, lr=lambda step: 0.3 / (step + 1), factor_decay=0.0)
    for step in range(3):
        given = backward(model, step)
        kfac.step()
        expected = directions(factors(step), given)
        size = sum(float((expected[name] * given[name]).sum()) for name in LAYERS)
        scale = math.sqrt(1e-6 / size) / (0.3 / (step + 1))
        nearly(gradients(model), {name: scale * expected[name] for name in LAYERS})


def test_backward_passes_before_a_step_are_averaged() -> None:
    model = net()
    kfac = Exact(model)
    first, second = backward(net(), 0), backward(net(), 1)
    for seed in (0, 1):
        images, labels = batch(seed)
        cross_entropy(model(images), labels).backward()
    kfac.step()
    summed = {name: first[name] + second[name] for name in LAYERS}
    nearly(gradients(model), directions(mix((0.5, factors(0)), (0.5, factors(1))), summed))


def predict(model: nn.Module) -> None:
    with torch.no_grad():
        model(batch(7)[0])


def evaluate(model: nn.Module) -> None:
    """A loss and a backward pass in evaluation mode."""
    images, labels = batch(7)
    torch.autograd.grad(cross_entropy(model.eval()(images), labels), list(model.parameters()))
    model.train()


@pytest.mark.parametrize("look", [predict, evaluate])
def test_evaluation_disturbs_nothing_at_any_moment(look: Callable[[nn.Module], None]) -> None:
    model = net()
    kfac = Exact(model)
    images, labels = batch(0)
    look(model)
    loss = cross_entropy(model(images), labels)
    look(model)
    loss.backward()
    look(model)
    kfac.step()
    nearly(gradients(model), directions(factors(), backward(net())))


def test_forward_passes_without_backward_disturb_nothing() -> None:
    model = net()
    kfac = Exact(model)
    model(batch(7)[0])
    given = backward(model)
    model(batch(8)[0])
    kfac.step()
    nearly(gradients(model), directions(factors(), given))


def test_a_layer_used_twice_is_refused_by_name() -> None:
    shared = nn.Linear(3, 3)
    model = nn.Sequential(shared, nn.Tanh(), shared, nn.Linear(3, 2))
    kfac = Exact(model)
    with pytest.raises(InputError, match=r"'0'.*skip_layers"):
        model(torch.randn(5, 3)).sum().backward()
    kfac.remove_hooks()
    kfac = Exact(model, skip_layers=["^0$"])
    model(torch.randn(5, 3)).sum().backward()
    kfac.step()


@pytest.mark.parametrize(
    ("patterns", "covered"),
    [((), ("0", "3")), (["^0$"], ("3",)), (["Conv"], ("3",)), (["^Linear$"], ("0",)), (["x", "[1-9]"], ("0",))],
)
def test_skip_layers_by_name_or_class(patterns: list[str], covered: tuple[str, ...]) -> None:
    model = net()
    kfac = Exact(model, skip_layers=patterns)
    given = backward(model)
    kfac.step()
    expected = directions(factors(), given)
    for name in LAYERS:
        if name in covered:
            nearly(gradients(model)[name], expected[name])
        else:
            assert torch.equal(gradients(model)[name], given[name])


def test_uncovered_parameters_keep_their_gradient_bit_for_bit() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Embedding(5, 6),
        nn.Unflatten(1, (4, 1)),
        nn.Conv2d(4, 4, (1, 3), groups=2),
        nn.BatchNorm2d(4),
        nn.Flatten(),
        nn.Linear(16, 3),
    )
    kfac = Exact(model)
    cross_entropy(model(torch.randint(5, (6, 4))), torch.randint(3, (6,))).backward()
    before = {name: p.grad.clone() for name, p in model.named_parameters()}
    kfac.step()
    unchanged = {name for name, p in model.named_parameters() if torch.equal(p.grad, before[name])}
    assert unchanged == {"0.weight", "2.weight", "2.bias", "3.weight", "3.bias"}


def test_float32_gradients_stay_float32() -> None:
    model, wide = net().float(), net()
    kfac, reference = Exact(model), Exact(wide)
    images, labels = batch(0)
    cross_entropy(model(images.float()), labels).backward()
    backward(wide)
    kfac.step()
    reference.step()
    for name, expected in gradients(wide).items():
        assert_close(gradients(model)[name], expected.float(), rtol=1e-4, atol=1e-5)

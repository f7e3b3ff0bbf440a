"""Kronecker factors and their damping, against sums and Jacobians that know no Kronecker product."""

from functools import partial

import pytest
import torch
from dense import dense_factors, gauss_newton, homogeneous, locations
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.testing import assert_close

from training.damping import factored_damping
from training.factors import (
    activation_factor,
    gradient_factor,
    gradient_matrix,
    input_patches,
    output_gradients,
    set_gradient,
    supported,
)

torch.set_num_threads(1)
exactly = partial(assert_close, rtol=1e-12, atol=1e-12)
nearly = partial(assert_close, rtol=1e-10, atol=1e-10)

Linear = partial(nn.Linear, dtype=torch.double)
Conv = partial(nn.Conv2d, dtype=torch.double)
CONV = partial(Conv, 2, 3, (3, 2))
LAYERS = {
    "linear": (partial(Linear, 4, 3), (4,)),
    "linear-3d": (partial(Linear, 4, 3), (6, 4)),
    "conv": (CONV, (2, 5, 4)),
    "conv-stride": (partial(CONV, stride=(2, 1)), (2, 6, 4)),
    "conv-padding": (partial(CONV, padding=(1, 2)), (2, 4, 3)),
    "conv-dilation": (partial(CONV, dilation=(1, 2)), (2, 5, 5)),
    "conv-all": (partial(CONV, stride=(2, 3), padding=(2, 1), dilation=(2, 3)), (2, 6, 7)),
}
TARGETS = torch.tensor([0, 1, 2, 0, 1])
Case = tuple[nn.Sequential, Tensor]


@pytest.fixture(params=[(name, bias) for name in LAYERS for bias in (True, False)], ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    """Inputs, and a model: the layer as number 0, then a rest whose gradients differ by example."""
    name, bias = request.param
    build, example = LAYERS[name]
    torch.manual_seed(0)
    layer = build(bias=bias)
    inputs = torch.randn(len(TARGETS), *example, dtype=torch.double) + 0.5
    rest = nn.Tanh(), nn.Flatten(), Linear(layer(inputs)[0].numel(), 3)
    return nn.Sequential(layer, *rest), inputs


def backward(model: nn.Sequential, inputs: Tensor) -> Tensor:
    """The gradient of the mean loss by what leaves layer 0; the layer keeps its own gradients."""
    leaving = model[0](inputs)
    leaving.retain_grad()
    cross_entropy(model[1:](leaving), TARGETS).backward()
    return leaving.grad


def test_factors_are_sums_over_examples_and_locations(case: Case) -> None:
    model, inputs = case
    a, g = dense_factors(model, "0", inputs, TARGETS, cross_entropy)
    exactly(activation_factor(model[0], inputs), a)
    exactly(gradient_factor(model[0], backward(model, inputs)), g)


def test_patches_are_what_the_weight_multiplies(case: Case) -> None:
    layer, inputs = case[0][0], case[1]
    outputs = torch.stack([torch.stack(list(locations(layer, example))) for example in layer(inputs)])
    exactly(input_patches(layer, inputs) @ homogeneous(layer.weight, layer.bias).T, outputs)


def test_gradient_matrix_is_the_sum_of_g_a(case: Case) -> None:
    """Rows belong to G and columns to A: the order in G^-1 gradient A^-1."""
    model, inputs = case
    g = output_gradients(model[0], backward(model, inputs))
    exactly(gradient_matrix(model[0]), torch.einsum("bto,btd->od", g, input_patches(model[0], inputs)))


def test_gradient_is_written_where_it_was_read(case: Case) -> None:
    model, inputs = case
    backward(model, inputs)
    matrix = torch.randn_like(gradient_matrix(model[0]))
    set_gradient(model[0], matrix)
    bias = model[0].bias
    assert torch.equal(homogeneous(model[0].weight.grad, None if bias is None else bias.grad), matrix)


@pytest.mark.parametrize(
    ("layer", "covered"),
    [
        (nn.Linear(2, 2), True),
        (nn.Conv2d(2, 2, 3, stride=2, padding=1, dilation=2), True),
        (nn.Conv2d(2, 2, 3, groups=2), False),
        (nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular"), False),
        (nn.Conv2d(2, 2, 3, padding="same"), False),
        (nn.Conv1d(2, 2, 3), False),
        (nn.ConvTranspose2d(2, 2, 3), False),
        (nn.BatchNorm2d(2), False),
        (nn.Embedding(2, 2), False),
        (nn.modules.linear.NonDynamicallyQuantizableLinear(2, 2), False),  # attention reads it, never calls it
    ],
    ids=repr,
)
def test_supported_layers(layer: nn.Module, covered: bool) -> None:
    assert supported(layer) is covered


torch.manual_seed(0)
EXACT = {
    "linear": ([Linear(4, 3), Linear(3, 5), Linear(5, 2)], (4,)),
    "plain": ([Linear(4, 3, bias=False), Linear(3, 2, bias=False)], (4,)),
    "mixed": ([Linear(4, 3, bias=False), Linear(3, 2)], (4,)),
    "conv": ([Conv(2, 3, (3, 4)), nn.Flatten(), Linear(3, 2)], (2, 3, 4)),
    "conv-plain": ([Conv(2, 3, (3, 4), bias=False), nn.Flatten(), Linear(3, 2)], (2, 3, 4)),
    "conv-all": ([Conv(1, 3, 2, dilation=(2, 3), padding=(1, 0)), nn.Flatten(), Linear(3, 2)], (1, 1, 4)),
}
"""Networks linear in every layer; each convolution sees one location."""
BLOCKS = [(n, i) for n, (modules, _) in EXACT.items() for i, m in enumerate(modules) if supported(m)]


@pytest.mark.parametrize(("name", "position"), BLOCKS)
def test_factors_give_the_gauss_newton_block_of_a_deep_linear_network(name: str, position: int) -> None:
    """Squared loss, G summed over a backward pass of each output coordinate (the type-2 Fisher matrix)."""
    modules, example = EXACT[name]
    model, layer = nn.Sequential(*modules), modules[position]
    inputs = torch.randn(7, *example, dtype=torch.double) + 0.5
    entering = model[:position](inputs)
    leaving = layer(entering)
    outputs = model[position + 1 :](leaving).mean(0)
    passes = [torch.autograd.grad(output, leaving, retain_graph=True)[0] for output in outputs]
    a = activation_factor(layer, entering)
    g = torch.stack([gradient_factor(layer, gradients) for gradients in passes]).sum(0)
    nearly(torch.kron(a, g), gauss_newton(model, str(position), inputs))


def random_factors(d: int = 5, o: int = 3) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    a, g = torch.randn(20, d, dtype=torch.double), 0.1 * torch.randn(20, o, dtype=torch.double)
    return a.T @ a, g.T @ g


def shift(damped: Tensor, factor: Tensor) -> float:
    """The x of damped = factor + x I."""
    x = float((damped - factor).diagonal().mean())
    exactly(damped, factor + x * torch.eye(len(factor), dtype=torch.double))
    return x


@pytest.mark.parametrize("damping", [1e-3, 0.5, 40.0])
def test_damping_is_split_in_proportion_to_the_mean_diagonals(damping: float) -> None:
    """The two shifts multiply to the damping and are the same part of their factor's mean diagonal."""
    a, g = random_factors()
    damped_a, damped_g = factored_damping(a, g, damping)
    x, y = shift(damped_a, a), shift(damped_g, g)
    assert x * y == pytest.approx(damping, rel=1e-9)
    assert x / float(a.trace() / 5) == pytest.approx(y / float(g.trace() / 3), rel=1e-9)


@pytest.mark.parametrize("c", [2.0**-12, 4.0])
def test_damping_follows_a_scale_moved_between_the_factors(c: float) -> None:
    """Powers of two, so that not a bit may differ."""
    a, g = random_factors()
    damped_a, damped_g = factored_damping(a, g, 0.01)
    moved_a, moved_g = factored_damping(c * a, g / c, 0.01)
    assert torch.equal(moved_a, c * damped_a)
    assert torch.equal(moved_g, damped_g / c)


def test_damping_leaves_its_inputs_alone() -> None:
    factors = random_factors()
    before = [f.clone() for f in factors]
    damped = factored_damping(*factors, 0.01)
    for factor, old, new in zip(factors, before, damped, strict=True):
        assert torch.equal(factor, old)
        new.zero_()
        assert torch.equal(factor, old)


@pytest.mark.parametrize("zero", [(0.0, 1.0), (1.0, 0.0), (0.0, 0.0)])
def test_damping_is_split_evenly_where_a_factor_is_zero(zero: tuple[float, float]) -> None:
    a, g = (scale * factor for scale, factor in zip(zero, random_factors(), strict=True))
    damped_a, damped_g = factored_damping(a, g, 0.04)
    assert shift(damped_a, a) == pytest.approx(0.2)
    assert shift(damped_g, g) == pytest.approx(0.2)

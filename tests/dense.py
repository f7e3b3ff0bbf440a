"""Dense answers for K-FAC: example by example, location by location, and without a Kronecker identity.

First for any layer, then for the small network that the tests of the preconditioner use.
"""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jacrev, vmap
from torch.nn.functional import cross_entropy

Matrices = dict[str, Tensor]
"""(o, d) by layer name."""
Factors = dict[str, tuple[Tensor, Tensor]]
"""A, G by layer name."""
Loss = Callable[[Tensor, Tensor], Tensor]
"""(predictions, targets) -> the mean over the examples."""


def dense_factors(model: nn.Module, name: str, inputs: Tensor, targets: Tensor, loss: Loss) -> tuple[Tensor, Tensor]:
    """A, G of one layer: a sum of outer products over examples and locations, one at a time."""
    layer = model.get_submodule(name)
    entering, gradients = layer_gradients(model, name, inputs, targets, loss)
    outer_a = [torch.outer(a, a) for example in entering for a in homogeneous_patches(layer, example)]
    outer_g = [torch.outer(g, g) for example in gradients for g in locations(layer, example)]
    return torch.stack(outer_a).sum(0) / len(outer_a), torch.stack(outer_g).sum(0) / len(inputs)


def layer_gradients(model: nn.Module, name: str, inputs: Tensor, targets: Tensor, loss: Loss) -> tuple[Tensor, Tensor]:
    """What enters the layer, and the gradient of each example's loss by an offset to what leaves it; (B, ...)."""
    layer, entering, leaving = model.get_submodule(name), [], []

    def example_loss(offset: Tensor | float, example: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        def add(_: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> Tensor:
            entering.append(arguments[0][0])
            leaving.append(output[0])
            return output + offset

        handle = layer.register_forward_hook(add)
        value = loss(model(example[None]), target[None])
        handle.remove()
        return value, entering.pop()

    with torch.no_grad():
        example_loss(0.0, inputs[0], targets[0])
    per_example = vmap(grad(example_loss, has_aux=True), in_dims=(None, 0, 0))
    gradients, entered = per_example(torch.zeros_like(leaving[0]), inputs, targets)
    return entered.detach(), gradients.detach()


def homogeneous_patches(layer: nn.Module, example: Tensor) -> Iterator[Tensor]:
    """(d,) what each output location of one example sees, 1 appended where the layer has a bias."""
    one = example.new_ones(0 if layer.bias is None else 1)
    for patch in _conv_patches(layer, example) if isinstance(layer, nn.Conv2d) else _rows(example):
        yield torch.cat([patch.flatten(), one])


def _conv_patches(layer: nn.Conv2d, example: Tensor) -> Iterator[Tensor]:
    (channels, height, width), (p, q) = example.shape, layer.padding
    (k, m), (s, t), (d, e) = layer.kernel_size, layer.stride, layer.dilation
    padded = example.new_zeros(channels, height + 2 * p, width + 2 * q)
    padded[:, p : p + height, q : q + width] = example
    for i in range(0, height + 2 * p - d * (k - 1), s):
        for j in range(0, width + 2 * q - e * (m - 1), t):
            yield torch.stack([padded[:, i + d * u, j + e * v] for u in range(k) for v in range(m)], dim=1)


def locations(layer: nn.Module, example: Tensor) -> Iterator[Tensor]:
    """(o,) one example's output, or a gradient by it, at each location."""
    if not isinstance(layer, nn.Conv2d):
        yield from _rows(example)
        return
    for i in range(example.shape[1]):
        for j in range(example.shape[2]):
            yield example[:, i, j]


def _rows(example: Tensor) -> list[Tensor]:
    return [example] if example.ndim == 1 else list(example)


def homogeneous(weight: Tensor, bias: Tensor | None) -> Tensor:
    """(o, d) a weight (or the gradient by it) as a matrix, the bias as its last column."""
    return torch.cat([weight.flatten(1)] + ([] if bias is None else [bias[:, None]]), dim=1)


def gauss_newton(model: nn.Module, name: str, inputs: Tensor) -> Tensor:
    """(od, od) mean of J'J, J being the model's Jacobian by the columns of the layer's [W b], stacked."""
    own = {key: p.detach() for key, p in model.get_submodule(name).named_parameters()}

    def output(parameters: dict[str, Tensor], example: Tensor) -> Tensor:
        return functional_call(model, {f"{name}.{k}": p for k, p in parameters.items()}, (example[None],))[0]

    jacobians = vmap(jacrev(output), in_dims=(None, 0))(own, inputs)
    parts = [jacobians["weight"].flatten(3)]
    if "bias" in jacobians:
        parts.append(jacobians["bias"][..., None])
    stacked = torch.cat(parts, dim=3).transpose(2, 3).flatten(2)  # (B, outputs, d o)
    return torch.einsum("bki,bkj->ij", stacked, stacked) / len(inputs)


def dense_direction(factors: tuple[Tensor, Tensor], gradient: Tensor, damping: float) -> Tensor:
    """(o, d) the solution x of (damped A (x) damped G) vec(x) = vec(gradient), columns stacked."""
    (a, g), (rows, columns) = factors, gradient.shape
    pi = math.sqrt((a.trace() / columns) / (g.trace() / rows))
    damped_a = a + pi * math.sqrt(damping) * torch.eye(columns, dtype=a.dtype)
    damped_g = g + math.sqrt(damping) / pi * torch.eye(rows, dtype=g.dtype)
    stacked = torch.linalg.solve(torch.kron(damped_a, damped_g), gradient.T.flatten())
    return stacked.view(columns, rows).T


LAYERS = "0", "3"
"""The layers of `net` with factors."""


def net() -> nn.Sequential:
    """A convolution (d = 10, o = 2) and a linear layer (d = 9, o = 3); always the same weights."""
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(8, 3)
    return nn.Sequential(*layers).double()


def batch(seed: int) -> tuple[Tensor, Tensor]:
    """Six images (6, 1, 4, 4) and their labels."""
    random = torch.Generator().manual_seed(seed)
    images = torch.randn(6, 1, 4, 4, generator=random, dtype=torch.double)
    return images, torch.randint(3, (6,), generator=random)


def loss(model: nn.Module, seed: int = 0) -> Tensor:
    """The mean loss of one batch."""
    images, labels = batch(seed)
    return cross_entropy(model(images), labels)


def backward(model: nn.Module, seed: int = 0) -> Matrices:
    """Leave the gradients of one batch in the model, and return them."""
    model.zero_grad()
    loss(model, seed).backward()
    return gradients(model)


def gradients(model: nn.Module) -> Matrices:
    """Copies of what the model holds now."""
    layers = {name: model.get_submodule(name) for name in LAYERS}
    return {name: homogeneous(layer.weight.grad, layer.bias.grad) for name, layer in layers.items()}


def factors(seed: int = 0) -> Factors:
    """The dense factors of one batch, from a model that K-FAC never saw."""
    return {name: dense_factors(net(), name, *batch(seed), cross_entropy) for name in LAYERS}


def mix(*terms: tuple[float, Factors]) -> Factors:
    """The sum of weight times factors."""
    return {name: tuple(sum(w * f[name][i] for w, f in terms) for i in (0, 1)) for name in LAYERS}


def directions(known: Factors, given: Matrices, damping: float = 0.01) -> Matrices:
    """What the step is to write."""
    return {name: dense_direction(known[name], given[name], damping) for name in LAYERS}


def fisher_size(direction: Matrices, given: Matrices) -> float:
    """Sum of <direction, gradient> over all weights."""
    return sum(float((direction[name] * given[name]).sum()) for name in LAYERS)

"""Kronecker factors of layers: A from what flows in, G from the gradients that flow back.

With a (homogeneous: 1 appended for the bias) an input patch, g the gradient of one example's loss by the
layer's output at one location, B examples and T locations (T = 1 for plain Linear inputs):
A = sum a a' / (B T) and G = sum g g' / B, so that A (x) G approximates the layer's curvature
(Grosse & Martens 2016, proceedings.mlr.press/v48/grosse16.html, there split as T A and G / T).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

Layer = nn.Linear | nn.Conv2d


def supported(module: nn.Module) -> bool:
    """Whether a module has Kronecker factors here: Linear, and Conv2d without groups and with zero padding."""
    if isinstance(module, nn.Conv2d):
        return module.groups == 1 and module.padding_mode == "zeros" and not isinstance(module.padding, str)
    return type(module) is nn.Linear


def input_patches(layer: Layer, inputs: Tensor) -> Tensor:
    """(B, T, d) what each output location sees, with a last coordinate of 1 where the layer has a bias."""
    if isinstance(layer, nn.Conv2d):
        padding = layer.padding if not isinstance(layer.padding, str) else 0
        unfolded = functional.unfold(inputs, layer.kernel_size, layer.dilation, padding, layer.stride)
        patches = unfolded.transpose(1, 2)
    else:
        patches = inputs.reshape(len(inputs), -1, inputs.shape[-1])
    if layer.bias is None:
        return patches
    return torch.cat([patches, patches.new_ones(*patches.shape[:2], 1)], dim=2)


def output_gradients(layer: Layer, gradients: Tensor) -> Tensor:
    """(B, T, o) gradients by the layer's output, location by location."""
    if isinstance(layer, nn.Conv2d):
        return gradients.flatten(2).transpose(1, 2)
    return gradients.reshape(len(gradients), -1, gradients.shape[-1])


def activation_factor(layer: Layer, inputs: Tensor) -> Tensor:
    """A, (d, d): the mean over examples and locations of a a'."""
    patches = input_patches(layer, inputs).flatten(0, 1)
    return patches.T @ patches / len(patches)


def gradient_factor(layer: Layer, gradients: Tensor) -> Tensor:
    """G, (o, o), from gradients of the loss averaged over the batch: B sum g g' = sum (B g)(B g)' / B."""
    flat = output_gradients(layer, gradients).flatten(0, 1)
    return flat.T @ flat * len(gradients)


def gradient_matrix(layer: Layer) -> Tensor:
    """(o, d) the layer's gradient, the bias as last column; the layer's parameters must have gradients."""
    assert layer.weight.grad is not None
    weight = layer.weight.grad.flatten(1)
    if layer.bias is None:
        return weight
    assert layer.bias.grad is not None
    return torch.cat([weight, layer.bias.grad[:, None]], dim=1)


def set_gradient(layer: Layer, matrix: Tensor) -> None:
    """Write an (o, d) matrix back to the gradients of weight and bias."""
    assert layer.weight.grad is not None
    columns = layer.weight[0].numel()
    layer.weight.grad.copy_(matrix[:, :columns].view_as(layer.weight))
    if layer.bias is not None:
        assert layer.bias.grad is not None
        layer.bias.grad.copy_(matrix[:, columns])

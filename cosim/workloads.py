"""The K-FAC work of named networks, from the shapes of their layers alone.

A layer with weight (o, i) and a bias has factors A of i + 1 rows and G of o rows; without a bias A has i. The step
G^-1 gradient A^-1 of a gradient (o, d) takes o solves with A and d solves with G. A convolution of c channels and a
k x k kernel has i = c k k (Grosse & Martens 2016). Sources of the shapes: the networks' publications, see WORKLOADS.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from circuits.errors import check_choice


@dataclass(frozen=True)
class Layer:
    """A Linear or Conv2d layer."""

    name: str
    inputs: int
    """[-] what an output sees: features, or channels times the kernel's area."""
    outputs: int
    """[-] features or channels."""
    bias: bool = True

    @property
    def a(self) -> int:
        """Rows of the factor A."""
        return self.inputs + self.bias

    @property
    def g(self) -> int:
        """Rows of the factor G."""
        return self.outputs

    @property
    def parameters(self) -> int:
        """Weights, and biases where it has them."""
        return self.outputs * self.a

    @property
    def solves(self) -> tuple[int, int]:
        """Right-hand sides of a step: with A, with G."""
        return self.g, self.a


@dataclass(frozen=True)
class Workload:
    """The layers of a network with Kronecker factors, and how much it has besides."""

    name: str
    description: str
    layers: tuple[Layer, ...]
    rest: int
    """[-] parameters without factors: norms, embeddings, tokens."""

    @property
    def parameters(self) -> int:
        """All of the network."""
        return sum(layer.parameters for layer in self.layers) + self.rest

    @property
    def factors(self) -> list[tuple[str, int, int]]:
        """(name, rows, right-hand sides a step) of every factor: A, then G of each layer."""
        return [
            (f"{layer.name}/{letter}", size, solves)
            for layer in self.layers
            for letter, size, solves in zip("AG", (layer.a, layer.g), layer.solves, strict=True)
        ]


def conv(name: str, channels: int, outputs: int, kernel: int, bias: bool = False) -> Layer:
    """A convolution with a square kernel."""
    return Layer(name, channels * kernel**2, outputs, bias)


def two_layer_cnn(classes: int = 26) -> Workload:
    """Our TwoLayerCNN (training/models.py) on 28 x 28 images."""
    layers = (conv("conv1", 1, 8, 5, bias=True), conv("conv2", 8, 16, 3, bias=True), Layer("fc", 64, classes))
    return Workload("cnn", f"TwoLayerCNN, 28 x 28 pixels, {classes} classes", layers, rest=0)


def resnet18(classes: int = 10) -> Workload:
    """ResNet-18 (He et al. 2016) for 32 x 32 images: a 3 x 3 stem, four stages of two blocks, no bias before a norm."""
    layers, norms, before = [conv("conv1", 3, 64, 3)], 64, 64
    for stage, width in enumerate((64, 128, 256, 512), start=1):
        for block in (1, 2):
            name = f"layer{stage}.{block}"
            layers += [conv(f"{name}.conv1", before, width, 3), conv(f"{name}.conv2", width, width, 3)]
            norms += 2 * width
            if before != width:
                layers.append(conv(f"{name}.shortcut", before, width, 1))
                norms += width
            before = width
    layers.append(Layer("fc", 512, classes))
    description = f"ResNet-18, 32 x 32 pixels, 3 x 3 stem, {classes} classes"
    return Workload("resnet18", description, tuple(layers), rest=2 * norms)


def vit_small(classes: int = 1000) -> Workload:
    """ViT-S/16 for 224 x 224 images (Touvron et al. 2021, DeiT-S): 12 blocks of width 384, a class token."""
    width, tokens = 384, (224 // 16) ** 2 + 1
    blocks = _blocks(12, width, qkv="qkv")
    layers = [conv("patch", 3, width, 16, bias=True), *blocks, Layer("head", width, classes)]
    rest = width + tokens * width + (2 * 12 + 1) * 2 * width
    description = f"ViT-S/16, 224 x 224 pixels, patches of 16, {classes} classes"
    return Workload("vit-small", description, tuple(layers), rest)


def gpt2_small() -> Workload:
    """GPT-2 small (Radford et al. 2019): 12 blocks of width 768, 50,257 tokens, 1,024 positions.

    The output layer is the token embedding again, 50,257 rows: it has no factors here and counts as rest, once.
    """
    width = 768
    rest = 50257 * width + 1024 * width + (2 * 12 + 1) * 2 * width
    return Workload("gpt2-small", "GPT-2 small, 1,024 tokens", tuple(_blocks(12, width, qkv="c_attn")), rest)


def _blocks(count: int, width: int, qkv: str) -> list[Layer]:
    """Transformer blocks: one layer for queries, keys and values, one projection, two of the perceptron."""
    shapes = [(qkv, width, 3 * width), ("proj", width, width), ("fc1", width, 4 * width), ("fc2", 4 * width, width)]
    return [Layer(f"block{i}.{name}", inputs, outputs) for i in range(count) for name, inputs, outputs in shapes]


WORKLOADS: dict[str, Workload] = {w.name: w for w in (two_layer_cnn(), resnet18(), vit_small(), gpt2_small())}
"""The networks by name."""


def workload(name: str) -> Workload:
    """A named network. InputError listing the known names."""
    check_choice("workload", name, list(WORKLOADS))
    return WORKLOADS[name]


def total_solves(factors: Iterable[tuple[str, int, int]]) -> int:
    """Right-hand sides of all factors in a step."""
    return sum(solves for _, _, solves in factors)

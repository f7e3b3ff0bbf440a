"""One layer under K-FAC: its hooks, its running factors, its damped pair."""

from functools import partial

import torch
from torch import Tensor, nn

from circuits.errors import InputError
from training.damping import factored_damping
from training.factors import Layer, activation_factor, gradient_factor


class LayerCurvature:
    """Keeps the running averages of A and G of one layer while `recording` is on."""

    def __init__(self, name: str, layer: Layer, decay: float) -> None:
        self.name = name
        self.layer = layer
        self.decay = decay
        self.recording = True
        self.activation: Tensor | None = None
        """A, (d, d)."""
        self.gradient: Tensor | None = None
        """G, (o, o)."""
        self._calls = 0
        self._batches: list[tuple[Tensor, Tensor]] = []
        self._handle = layer.register_forward_hook(self._on_forward)

    def remove(self) -> None:
        """Take the hook off the layer."""
        self._handle.remove()

    def update(self) -> None:
        """Fold what was recorded since the last call into the running averages: F = decay F + (1 - decay) new."""
        if not self._batches:
            return
        activation = torch.stack([a for a, _ in self._batches]).mean(0)
        gradient = torch.stack([g for _, g in self._batches]).mean(0)
        self._batches.clear()
        if self.activation is None or self.gradient is None:
            self.activation, self.gradient = activation, gradient
            return
        self.activation = self.decay * self.activation + (1 - self.decay) * activation
        self.gradient = self.decay * self.gradient + (1 - self.decay) * gradient

    def check(self, activation: Tensor | None, gradient: Tensor | None) -> None:
        """InputError unless saved factors have the sizes of this layer; None fits any."""
        o, d = len(self.layer.weight), self.layer.weight[0].numel() + (self.layer.bias is not None)
        for name, factor, n in (("A", activation, d), ("G", gradient, o)):
            if factor is not None and factor.shape != (n, n):
                raise InputError(
                    f"The state's {name} of layer {self.name!r} has the shape {tuple(factor.shape)}, not ({n}, {n})."
                )

    def load(self, activation: Tensor | None, gradient: Tensor | None) -> None:
        """Take over saved factors and forget what was recorded."""
        device = self.layer.weight.device
        self.activation = None if activation is None else activation.to(device)
        self.gradient = None if gradient is None else gradient.to(device)
        self._batches.clear()

    def damped(self, damping: float) -> tuple[Tensor, Tensor]:
        """The damped factors (A, G); InputError before the first backward pass."""
        if self.activation is None or self.gradient is None:
            raise InputError(f"Layer {self.name!r} has no curvature yet: call loss.backward() before kfac.step().")
        return factored_damping(self.activation, self.gradient, damping)

    def _on_forward(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if self.recording and layer.training and output.requires_grad:
            self._calls += 1
            output.register_hook(partial(self._on_gradient, self._calls, inputs[0].detach()))

    def _on_gradient(self, call: int, inputs: Tensor, gradient: Tensor) -> None:
        """Record one forward and backward pass."""
        if call != self._calls:
            raise InputError(
                f"Layer {self.name!r} is used more than once before loss.backward(), so its factors are not "
                f"defined: name it in skip_layers."
            )
        # Double precision: the factors are inverted by circuits that show every digit of the condition.
        inputs, gradient = inputs.double(), gradient.detach().double()
        self._batches.append((activation_factor(self.layer, inputs), gradient_factor(self.layer, gradient)))

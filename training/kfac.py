"""K-FAC as a preconditioner: `loss.backward(); kfac.step(); optimizer.step()`."""

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from circuits.errors import InputError
from cosim import Backend, open_backend
from cosim.block_diagonal import BlockDiagonalBackend
from training.factors import Layer, gradient_matrix, set_gradient, supported
from training.inverse import FactorInverses, FactorSolution
from training.layers import LayerCurvature

Schedule = float | Callable[[int], float]
"""A number, or a function of the step count."""


class KFAC:
    """Preconditions the gradients of Linear and Conv2d layers in place; other parameters pass through.

    Args:
        model: hooks go on its supported layers; `remove_hooks` takes them off.
        backend: 'exact', 'nodal', 'spice' or an open backend, whose programmed arrays do every inverse.
        damping: Tikhonov damping above 0, split over both factors; a number or a function of the step.
        factor_decay: weight of the past in the running averages of the factors, 0 to 1.
        kl_clip: bound on the squared size of a step in the Fisher metric, None for none.
        lr: learning rate of the optimizer that follows, a number or a function of the step; kl_clip uses it.
        factor_update_steps: steps between updates of the factors.
        inv_update_steps: steps between programmings of the arrays.
        skip_layers: regular expressions; a layer whose name or class matches one is left alone.
        block_size: rows of the blocks along the diagonal that factors are cut down to, None leaves them whole.
        apply: 'solve' sends every gradient through the arrays; 'explicit' reads each inverse once after it was
            programmed, one INV call a row, and multiplies digitally until the next programming.
        stale_ok: program in the background; the arrays of before answer until the next step.

    Names and defaults are those of kfac-pytorch. Raises InputError for values out of range, for a model without
    a layer to precondition, and for layers that share a parameter.
    """

    def __init__(
        self,
        model: nn.Module,
        backend: str | Backend = "spice",
        *,
        damping: Schedule = 0.001,
        factor_decay: float = 0.95,
        kl_clip: float | None = 0.001,
        lr: Schedule = 0.1,
        factor_update_steps: int = 1,
        inv_update_steps: int = 1,
        skip_layers: Sequence[str] = (),
        block_size: int | None = None,
        apply: str = "solve",
        stale_ok: bool = False,
    ) -> None:
        if not 0 <= factor_decay <= 1:
            raise InputError(f"factor_decay = {factor_decay!r} is outside 0 to 1.")
        if kl_clip is not None and not kl_clip > 0:
            raise InputError(f"kl_clip = {kl_clip!r} must be above 0, or None.")
        for name, steps in (
            ("factor_update_steps", factor_update_steps),
            ("inv_update_steps", inv_update_steps),
        ):
            if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
                raise InputError(f"{name} = {steps!r} must be a whole number of 1 or more.")
        self.damping, self.lr, self.kl_clip = damping, lr, kl_clip
        self.factor_update_steps, self.inv_update_steps = factor_update_steps, inv_update_steps
        self.apply = apply
        self.steps = 0
        """Steps taken so far."""
        _at(damping, 0, "damping")
        _at(lr, 0, "lr")
        covered = _covered(model, skip_layers)
        self._owned = open_backend(backend) if isinstance(backend, str) else None
        try:
            opened: Backend = self._owned or backend  # type: ignore[assignment]
            blocks = opened if block_size is None else BlockDiagonalBackend(opened, block_size)
            self._inverses = FactorInverses(blocks, apply, stale_ok)
        except InputError:
            if self._owned is not None:
                self._owned.close()
            raise
        # Last, so that a refused argument leaves neither a hook nor an open backend behind.
        self.layers = [LayerCurvature(name, layer, factor_decay) for name, layer in covered]
        self._stale = True

    @property
    def solutions(self) -> list[FactorSolution]:
        """Every factor's solution of the last step, with its verdicts."""
        return self._inverses.solutions

    def calls_in(self, steps: int) -> int:
        """INV calls of so many steps. A gradient is solved for its outputs on A and its inputs on G; reading the
        inverses of a refresh takes as many.
        """
        layers = [layer.layer for layer in self.layers]
        calls = sum(one.weight.shape[0] + one.weight[0].numel() + (one.bias is not None) for one in layers)
        return calls * (-(-steps // self.inv_update_steps) if self.apply == "explicit" else steps)

    @torch.no_grad()
    def step(self) -> None:
        """Replace the gradients of all covered layers by G^-1 gradient A^-1, clipped by kl_clip.

        Raises cosim.InverseError where an INV call did not settle; the gradients are then as they were.
        """
        for layer in self.layers:
            if any(parameter.grad is None for parameter in layer.layer.parameters()):
                raise InputError(f"Layer {layer.name!r} has no gradient: call loss.backward() before kfac.step().")
        self._inverses.adopt()
        if self.steps % self.factor_update_steps == 0:
            for layer in self.layers:
                layer.update()
        if self._stale or self.steps % self.inv_update_steps == 0:
            damping = _at(self.damping, self.steps, "damping")
            self._inverses.program({layer.name: layer.damped(damping) for layer in self.layers}, self.steps)
            self._stale = False
        gradients = {layer.name: gradient_matrix(layer.layer) for layer in self.layers}
        directions = self._inverses.precondition(gradients)
        scale = self._clip(gradients, directions)
        for layer in self.layers:
            set_gradient(layer.layer, scale * directions[layer.name])
        self.steps += 1
        self._schedule_recording()

    def _schedule_recording(self) -> None:
        for layer in self.layers:
            layer.recording = self.steps % self.factor_update_steps == 0

    def _clip(self, gradients: dict[str, Tensor], directions: dict[str, Tensor]) -> float:
        """min(1, sqrt(kl_clip / sum lr^2 <direction, gradient>))."""
        if self.kl_clip is None:
            return 1.0
        size = sum(float((directions[name] * gradients[name]).sum()) for name in gradients)
        size = abs(size) * _at(self.lr, self.steps, "lr") ** 2
        return min(1.0, math.sqrt(self.kl_clip / size)) if size > 0 else 1.0

    def state_dict(self) -> dict[str, Any]:
        """Step count, factors, and what is programmed now: plain values and tensors by layer name."""
        factors = {layer.name: {"A": layer.activation, "G": layer.gradient} for layer in self.layers}
        return {"steps": self.steps, "factors": factors, **self._inverses.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a `state_dict` bit for bit; InputError where layers or sizes differ.

        Arrays are programmed anew at the next step where the state does not say what was programmed.
        """
        factors, programmed = state["factors"], state.get("programmed") or {}
        self._check_names(factors)
        if programmed:
            self._check_names(programmed)
        for layer in self.layers:
            layer.check(factors[layer.name]["A"], factors[layer.name]["G"])
            if programmed:
                layer.check(programmed[layer.name]["A"]["matrix"], programmed[layer.name]["G"]["matrix"])
        for layer in self.layers:
            layer.load(factors[layer.name]["A"], factors[layer.name]["G"])
        if programmed:
            self._inverses.load_state_dict(state)
        self.steps = int(state["steps"])
        self._stale = not programmed
        self._schedule_recording()

    def _check_names(self, saved: dict[str, Any]) -> None:
        names = [layer.name for layer in self.layers]
        if list(saved) != names:
            raise InputError(f"The state has the layers {list(saved)}, the model has {names}.")

    def remove_hooks(self) -> None:
        """Take every hook off the model and close the backend if it was opened here."""
        for layer in self.layers:
            layer.remove()
        self._inverses.close()
        if self._owned is not None:
            self._owned.close()


def _covered(model: nn.Module, skip_layers: Sequence[str]) -> list[tuple[str, Layer]]:
    patterns = [skip_layers] if isinstance(skip_layers, str) else skip_layers
    covered = [
        (name, module)
        for name, module in model.named_modules()
        if supported(module)
        and all(parameter.requires_grad for parameter in module.parameters())
        and not any(re.search(p, name) or re.search(p, type(module).__name__) for p in patterns)
    ]
    if not covered:
        raise InputError("The model has no Linear or Conv2d layer to precondition (or skip_layers names them all).")
    _refuse_shared(covered)
    return covered


def _refuse_shared(covered: list[tuple[str, Layer]]) -> None:
    owners: dict[Tensor, str] = {}
    for name, layer in covered:
        for own, parameter in layer.named_parameters():
            other = owners.setdefault(parameter, name)
            if other != name:
                raise InputError(
                    f"The layers {other!r} and {name!r} share the parameter {own!r}, so its factors are not defined: "
                    f"name both layers in skip_layers, or give each its own."
                )


def _at(schedule: Schedule, step: int, name: str) -> float:
    value = schedule(step) if callable(schedule) else schedule
    if not (isinstance(value, int | float) and value > 0 and math.isfinite(value)):
        raise InputError(f"{name} = {value!r} at step {step} must be a finite number above 0.")
    return float(value)

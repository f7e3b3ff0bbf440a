"""The K-FAC preconditioner, against one dense solve with the full Kronecker product of each layer."""

import io
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from dense import LAYERS, backward, batch, directions, factors, fisher_size, gradients, homogeneous, loss, mix, net
from torch import nn
from torch.nn.functional import cross_entropy
from torch.testing import assert_close

from circuits import Hardware, InputError
from cosim import InverseError, Solution, Status, open_backend
from cosim.exact import ExactBackend
from training.kfac import KFAC

torch.set_num_threads(1)
nearly = partial(assert_close, rtol=1e-9, atol=1e-9)
double = partial(torch.randn, dtype=torch.double)
Exact = partial(KFAC, backend="exact", damping=0.01, kl_clip=None)


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
    scale = min(1.0, math.sqrt(kl_clip / (0.3**2 * fisher_size(expected, given))))
    assert (scale < 1) is (kl_clip < 1)
    nearly(gradients(model), {name: scale * expected[name] for name in LAYERS})


def test_lr_may_be_a_function_of_the_step() -> None:
    model = net()
    kfac = Exact(model, kl_clip=1e-6, lr=lambda step: 0.3 / (step + 1), factor_decay=0.0)
    for step in range(3):
        given = backward(model, step)
        kfac.step()
        expected = directions(factors(step), given)
        scale = math.sqrt(1e-6 / fisher_size(expected, given)) * (step + 1) / 0.3
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
    ("every", "invert", "batches", "programmed"),
    [
        (1, 3, [(0,), (0,), (0,), (0, 1, 2, 3)], [0, 0, 0, 3]),  # inverses wait
        (2, 1, [(0,), (0,), (0, 2), (0, 2)], [0, 1, 2, 3]),  # factors wait, the damping does not
        (2, 3, [(0,), (0,), (0,), (0, 2)], [0, 0, 0, 3]),
    ],
)
def test_updates_happen_at_their_steps_only(
    every: int, invert: int, batches: list[tuple[int, ...]], programmed: list[int]
) -> None:
    """At decay 1/2. For each step: the batches in the inverse that it uses, and when that was programmed."""
    halves = {1: (1.0,), 2: (0.5, 0.5), 4: (0.125, 0.125, 0.25, 0.5)}
    model = net()
    kfac = Exact(
        model,
        factor_decay=0.5,
        damping=lambda step: 0.01 * (step + 1),
        factor_update_steps=every,
        inv_update_steps=invert,
    )
    for step, seeds in enumerate(batches):
        assert all(layer.recording is (step % every == 0) for layer in kfac.layers)
        given = backward(model, step)
        kfac.step()
        expected = mix(*zip(halves[len(seeds)], map(factors, seeds), strict=True))
        nearly(gradients(model), directions(expected, given, 0.01 * (programmed[step] + 1)))


def test_backward_passes_before_a_step_are_averaged() -> None:
    model = net()
    kfac = Exact(model)
    for seed in (0, 1):
        loss(model, seed).backward()
    given = gradients(model)
    kfac.step()
    nearly(gradients(model), directions(mix((0.5, factors(0)), (0.5, factors(1))), given))


def predict(model: nn.Module) -> None:
    with torch.no_grad():
        loss(model, 7)


def evaluate(model: nn.Module) -> None:
    """Forward and backward, in evaluation mode."""
    torch.autograd.grad(loss(model.eval(), 7), list(model.parameters()))
    model.train()


@pytest.mark.parametrize("look", [predict, evaluate])
def test_evaluation_disturbs_nothing_at_any_moment(look: Callable[[nn.Module], None]) -> None:
    model = net()
    kfac = Exact(model)
    look(model)
    value = loss(model)
    look(model)
    value.backward()
    look(model)
    kfac.step()
    nearly(gradients(model), directions(factors(), backward(net())))


def test_forward_passes_without_backward_disturb_nothing() -> None:
    model = net()
    kfac = Exact(model)
    loss(model, 7)
    given = backward(model)
    loss(model, 8)
    kfac.step()
    nearly(gradients(model), directions(factors(), given))


def test_a_forward_pass_between_forward_and_backward_is_refused() -> None:
    model = net()
    Exact(model)
    value = loss(model)
    loss(model, 7)
    with pytest.raises(InputError, match="more than once before"):
        value.backward()


def test_a_layer_used_twice_is_refused_by_name() -> None:
    shared = nn.Linear(3, 3)
    model = nn.Sequential(shared, nn.Tanh(), shared, nn.Linear(3, 2))
    kfac = Exact(model)
    with pytest.raises(InputError, match=r"'0'.*skip_layers"):
        model(torch.ones(5, 3)).sum().backward()
    kfac.remove_hooks()
    kfac = Exact(model, skip_layers=["^0$"])
    model(torch.ones(5, 3)).sum().backward()
    kfac.step()


@pytest.mark.parametrize(
    ("patterns", "covered"),
    [((), "03"), (["^0$"], "3"), (["Conv"], "3"), (["^Linear$"], "0"), (["none", "^[1-9]$"], "0")],
)
def test_skip_layers_by_name_or_class(patterns: list[str], covered: str) -> None:
    model = net()
    kfac = Exact(model, skip_layers=patterns)
    given = backward(model)
    kfac.step()
    expected = directions(factors(), given)
    for name, found in gradients(model).items():
        if name in covered:
            nearly(found, expected[name])
        else:
            assert torch.equal(found, given[name])


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


@pytest.mark.parametrize("frozen", ["0", "0.bias"])
def test_a_frozen_layer_is_left_alone(frozen: str) -> None:
    model = net()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not name.startswith(frozen))
    kfac = Exact(model)
    assert [layer.name for layer in kfac.layers] == ["3"]
    loss(model).backward()
    kfac.step()
    found = homogeneous(model[3].weight.grad, model[3].bias.grad)
    nearly(found, directions(factors(), backward(net()))["3"])


def test_float32_gradients_stay_float32() -> None:
    model = net().float()
    kfac = Exact(model)
    images, labels = batch(0)
    cross_entropy(model(images.float()), labels).backward()
    kfac.step()
    expected = directions(factors(), backward(net()))
    assert_close(gradients(model), {n: m.float() for n, m in expected.items()}, rtol=1e-4, atol=1e-5)


def hooks(model: nn.Module) -> int:
    kinds = "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"
    return sum(len(getattr(module, kind)) for module in model.modules() for kind in kinds)


def test_remove_hooks_leaves_none() -> None:
    model = net()
    kfac = Exact(model)
    assert hooks(model) > 0
    kfac.remove_hooks()
    assert hooks(model) == 0


def train(model: nn.Module, kfac: KFAC, steps: range) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in steps:
        backward(model, step)
        kfac.step()
        optimizer.step()


NOISY = replace(Hardware(), programming=replace(Hardware().programming, sigma=0.02, read_noise=0.005), seed=3)


@pytest.mark.parametrize("backend", ["exact", "nodal"])
@pytest.mark.parametrize(
    ("every", "invert", "stop"), [(1, 1, 2), (1, 3, 2), (1, 3, 3), (2, 1, 3), (2, 3, 4), (1, 9, 1)]
)
def test_a_saved_run_continues_bit_for_bit(every: int, invert: int, stop: int, backend: str) -> None:
    """Also between two programmings, and where every write and every call draws its own noise."""

    def build(model: nn.Module) -> KFAC:
        opened = open_backend(backend, hardware=NOISY)
        return Exact(model, backend=opened, kl_clip=0.001, factor_update_steps=every, inv_update_steps=invert)

    whole, first, second = net(), net(), net()
    train(whole, build(whole), range(6))
    kfac = build(first)
    train(first, kfac, range(stop))
    file = io.BytesIO()
    torch.save({"model": first.state_dict(), "kfac": kfac.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    kfac = build(second)
    second.load_state_dict(saved["model"])
    kfac.load_state_dict(saved["kfac"])
    train(second, kfac, range(stop, 6))
    assert all(map(torch.equal, second.parameters(), whole.parameters()))


def test_loading_replaces_factors_inverses_and_recordings() -> None:
    build = partial(Exact, factor_decay=0.5, inv_update_steps=9)
    model, used = net(), net()
    first, second = build(model), build(used)
    backward(model, 0)
    first.step()
    backward(used, 7)
    second.step()
    backward(used, 8)
    second.load_state_dict(first.state_dict())
    given = backward(used, 1)
    second.step()
    nearly(gradients(used), directions(factors(0), given))


def test_arrays_are_programmed_anew_after_a_state_that_does_not_name_them() -> None:
    build = partial(Exact, factor_decay=0.5, inv_update_steps=9)
    model, other = net(), net()
    first, second = build(model), build(other)
    backward(model, 0)
    first.step()
    state = first.state_dict()
    second.load_state_dict({name: state[name] for name in ("steps", "factors")})
    given = backward(other, 1)
    second.step()
    nearly(gradients(other), directions(mix((0.5, factors(0)), (0.5, factors(1))), given))


def test_layers_that_share_a_parameter_are_refused_by_their_names() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
    model[2].weight = model[0].weight
    with pytest.raises(InputError, match=r"'0' and '2' share the parameter 'weight'.*skip_layers"):
        Exact(model)
    assert hooks(model) == 0


def test_a_saved_state_is_not_changed_by_later_steps() -> None:
    model = net()
    kfac = Exact(model)
    train(model, kfac, range(1))
    state = kfac.state_dict()
    before = state["factors"]["0"]["A"].clone()
    train(model, kfac, range(1, 3))
    assert state["steps"] == 1
    assert torch.equal(state["factors"]["0"]["A"], before)


@pytest.mark.parametrize(
    "other",
    [
        nn.Sequential(nn.Linear(8, 3)),
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Linear(8, 3), nn.Flatten()),
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(8, 4)),
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(8, 3, bias=False)),
    ],
    ids=["fewer", "renamed", "wider", "plain"],
)
def test_the_state_of_another_model_is_refused(other: nn.Module) -> None:
    model = net()
    kfac = Exact(model)
    train(model, kfac, range(1))
    with pytest.raises(InputError, match="layer"):
        Exact(other).load_state_dict(kfac.state_dict())


class LastFails(ExactBackend):
    """The last matrix of every batch rails."""

    def _solve(self, requests: list[Any]) -> list[Solution]:
        *good, last = super()._solve(requests)
        stats = replace(last.stats, statuses=(Status.RAILED,) * last.value.shape[1])
        return [*good, Solution(np.full_like(last.value, np.nan), Status.RAILED, stats)]


def test_a_failed_step_keeps_the_gradients_and_names_the_factor() -> None:
    model = net()
    kfac = Exact(model, backend=LastFails())
    given = backward(model)
    with pytest.raises(InverseError, match="layer 3, factor A") as caught:
        kfac.step()
    assert caught.value.solution.status is Status.RAILED
    verdicts = [(s.layer, s.factor, s.solution.status) for s in kfac.solutions]
    assert verdicts == [("0", "A", Status.SETTLED), ("3", "A", Status.RAILED)]
    assert kfac.steps == 0
    assert all(torch.equal(gradients(model)[name], given[name]) for name in LAYERS)


NAN, INF = math.nan, math.inf
INVALID: dict[str, list[Any]] = {
    "damping": [0, 0.0, -1.0, NAN, INF, "0.1", None, lambda _: 0.0],
    "factor_decay": [-0.1, 1.1, NAN],
    "kl_clip": [0.0, -1.0, NAN],
    "lr": [-0.1, NAN, INF, "0.1", lambda _: -1.0],
    "factor_update_steps": [0, -1, 1.5, "2", True],
    "inv_update_steps": [0, -1, 1.5, "2", True],
    "skip_layers": [["."]],
    "backend": ["ngspice"],
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in INVALID.items() for v in values])
def test_invalid_arguments_are_refused_and_leave_no_hook(name: str, value: object) -> None:
    model = net()
    with pytest.raises(InputError, match=name):
        Exact(model, **{"kl_clip": 0.001, name: value})
    assert hooks(model) == 0


def test_a_model_without_layers_is_refused() -> None:
    with pytest.raises(InputError, match="no Linear or Conv2d"):
        Exact(nn.Sequential(nn.Tanh(), nn.BatchNorm2d(2)))


@pytest.mark.parametrize("name", ["damping", "lr"])
def test_a_schedule_is_checked_at_every_step(name: str) -> None:
    model = net()
    kfac = Exact(model, **{"kl_clip": 1.0, name: lambda step: 0.1 if step < 1 else -0.1})
    train(model, kfac, range(1))
    with pytest.raises(InputError, match=f"{name} = -0.1 at step 1"):
        train(model, kfac, range(1, 2))


def test_a_step_without_backward_is_refused() -> None:
    model = net()
    kfac = Exact(model)
    with pytest.raises(InputError, match=r"'0'.*backward"):
        kfac.step()
    train(model, kfac, range(1))
    model.zero_grad()
    with pytest.raises(InputError, match=r"'0'.*backward"):
        kfac.step()


def test_one_step_solves_least_squares_where_the_factors_are_exact() -> None:
    """Squared loss and residuals R with R'R = B I: then G = I, A (x) G is the Hessian, and the step is Newton's."""
    torch.manual_seed(0)
    model = nn.Linear(4, 3, dtype=torch.double)
    inputs = double(12, 4) + 1
    targets = model(inputs).detach() - math.sqrt(12) * torch.linalg.qr(double(12, 3)).Q
    kfac = Exact(model, damping=1e-24)
    ((model(inputs) - targets).square().sum() / 2 / 12).backward()
    kfac.step()
    torch.optim.SGD(model.parameters(), lr=1.0).step()
    design = torch.cat([inputs, torch.ones(12, 1)], dim=1)
    nearly(homogeneous(model.weight, model.bias).T, torch.linalg.lstsq(design, targets).solution)


def test_training_check_kfac_passes_sgd_on_a_badly_conditioned_regression() -> None:
    """Five steps; both errors e (root mean square, above the noise) are known in closed form.

    The curvature has the eigenvalues 1 and 1e-4, and all error lies in the weak direction. Noise orthogonal to
    the inputs has mean square 1, so G = 1 + e^2, and a K-FAC step at lr 1 takes e to e - e / G = e^3 / (1 + e^2).
    Gradient descent is stable up to lr 2, where a step takes e to (1 - 2e-4) e.
    """
    torch.manual_seed(0)
    basis = 2 * torch.linalg.qr(double(4, 3)).Q  # columns of mean square 1
    inputs, noise = basis[:, :2] * torch.tensor([1, 0.01], dtype=torch.double), basis[:, 2:]
    errors = {}
    for name, lr in (("sgd", 2.0), ("kfac", 1.0)):
        model = nn.Linear(2, 1, bias=False, dtype=torch.double)
        with torch.no_grad():
            model.weight.copy_(torch.tensor([0.0, 2.0 / 0.01]))
        kfac = Exact(model, damping=1e-24, factor_decay=0.0)
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        for _ in range(5):
            optimizer.zero_grad()
            ((model(inputs) - noise).square().mean() / 2).backward()
            if name == "kfac":
                kfac.step()
            optimizer.step()
        errors[name] = float(model(inputs).detach().square().mean().sqrt())
    slow = fast = 2.0
    for _ in range(5):
        slow, fast = (1 - 2e-4) * slow, fast**3 / (1 + fast**2)
    assert errors["sgd"] == pytest.approx(slow, rel=1e-9)
    assert errors["kfac"] == pytest.approx(fast, rel=1e-6)
    assert fast < slow / 100


@pytest.mark.parametrize("name", ["nodal", pytest.param("spice", marks=pytest.mark.ngspice)])
def test_ideal_circuits_precondition_as_mathematics_does(name: str) -> None:
    model = net()
    with open_backend(name, hardware=Hardware.preset("ideal")) as backend:
        kfac = Exact(model, backend=backend)
        given = backward(model)
        kfac.step()
    for layer, expected in directions(factors(), given).items():
        assert torch.dist(gradients(model)[layer], expected) < 1e-4 * expected.norm()

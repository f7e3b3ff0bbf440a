"""The K-FAC work of a network by name or of a torch model by import path."""

import sys
from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import nn

from circuits.errors import InputError
from cosim.workloads import WORKLOADS, Layer, Workload
from training.kfac import KFAC


def find_workload(name: str, skip_layers: Sequence[str] = ()) -> Workload:
    """A network of WORKLOADS, or `package.module:name` of a torch model or of a callable without arguments giving one.

    Args:
        name: the network.
        skip_layers: regular expressions of layers to leave out, for an import path; as KFAC takes them.

    InputError for an unknown name (with the nearest known ones), for a path that cannot be imported or is no model,
    and for a model that KFAC refuses.
    """
    if ":" in name:
        return workload_of(_import_model(name), name, skip_layers)
    if name not in WORKLOADS:
        near = get_close_matches(name, WORKLOADS, n=2, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise InputError(
            f"Unknown model {name!r}: {hint}The known ones are {', '.join(WORKLOADS)}; "
            f"for a torch model of yours give package.module:factory."
        )
    if skip_layers:
        raise InputError(
            f"--skip-layers is for a model of your own, given as package.module:factory, not for {name!r}."
        )
    return WORKLOADS[name]


def workload_of(model: nn.Module, name: str, skip_layers: Sequence[str] = ()) -> Workload:
    """The layers that KFAC preconditions, and how many parameters have no factors. InputError as KFAC raises it."""
    kfac = KFAC(model, backend="exact", skip_layers=skip_layers)
    kfac.remove_hooks()
    layers = tuple(_layer(curvature.name, curvature.layer) for curvature in kfac.layers)
    total = sum(parameter.numel() for parameter in model.parameters())
    rest = total - sum(layer.parameters for layer in layers)
    covered = {id(curvature.layer) for curvature in kfac.layers}
    return Workload(name, _describe(model, covered), layers, rest)


def workload_row(workload: Workload) -> dict[str, Any]:
    """Name, layers, parameters and factors, for a report."""
    return {
        "name": workload.name,
        "description": workload.description,
        "layers": len(workload.layers),
        "parameters": workload.parameters,
        "without_factors": workload.rest,
        "factors": [{"name": name, "rows": n, "right_hand_sides": k} for name, n, k in workload.factors],
    }


def _layer(name: str, layer: nn.Linear | nn.Conv2d) -> Layer:
    return Layer(name, layer.weight[0].numel(), len(layer.weight), layer.bias is not None)


def _describe(model: nn.Module, covered: set[int]) -> str:
    """The class, and which kinds of modules have parameters and no factors."""
    left = Counter(
        type(module).__name__
        for module in model.modules()
        if id(module) not in covered and any(True for _ in module.parameters(recurse=False))
    )
    without = ", ".join(f"{count} {kind}" for kind, count in left.items())
    return f"{type(model).__name__}; without factors: {without or 'nothing'}"


def _import_model(path: str) -> nn.Module:
    module, _, attribute = path.partition(":")
    found = _attribute(path, module, attribute)
    if isinstance(found, nn.Module):
        return found
    if not callable(found):
        raise InputError(f"{path} is a {type(found).__name__}: name a torch model, or a callable that returns one.")
    try:
        model = found()
    except Exception as error:
        raise InputError(
            f"{path} cannot be called without arguments ({type(error).__name__}: {error}): "
            f"name a callable that needs none."
        ) from error
    if not isinstance(model, nn.Module):
        raise InputError(f"{path} returns a {type(model).__name__}, not a torch.nn.Module: return the model.")
    return model


def _attribute(path: str, module: str, attribute: str) -> Any:
    """What the path names; the folder that the command runs in is looked in as Python's own -m does."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        found: Any = import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as error:
        raise InputError(
            f"{path} cannot be imported ({type(error).__name__}: {error}): give package.module:name as Python imports "
            f"it from the folder that you are in."
        ) from error
    finally:
        sys.path.remove(here)
    return found

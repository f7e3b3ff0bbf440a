"""What is reproduced: tasks, and the methods that are compared on them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from circuits.errors import check_choice
from training.config import RunConfig

FIRST_SEED = 100
"""Of the runs that are compared: none that the search has seen."""
CIRCUIT_EPOCHS = 12
"""Of a run with simulated circuits, which takes longer and has learned by then."""
FOUR_BITS = str(Path(__file__).with_name("rram40_4bit.toml"))


@dataclass(frozen=True)
class Task:
    """Images to learn, and what counts as learned."""

    name: str
    dataset: str
    accuracy: float
    """Target of the test accuracy, 0 to 1."""
    loss: float
    """Target of the mean training loss of an epoch."""
    epochs: int
    """Of every run that is not stopped at the target."""
    tuned: bool
    """Whether the hyperparameters were searched on its training images."""
    others: tuple[float, ...] = ()
    """Test accuracies besides the target, so that the choice of one is seen not to decide."""


@dataclass(frozen=True)
class Method:
    """An optimizer, and what computes its inverses."""

    name: str
    optimizer: str
    seeds: int
    """Runs, from FIRST_SEED on."""
    until_target: bool = False
    """Whether a run ends when it reaches the target accuracy: for those that take long to simulate."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Of the RunConfig, besides the tuned ones."""
    quick: bool = True
    """Whether it is part of a quick reproduction."""
    epochs: int | None = None
    """Of a run at the most; None for the task's."""


SHARED: dict[str, Any] = {"batch_size": 64, "inv_update_steps": 20}
"""Of all runs, those of the search too."""

TASKS = {
    task.name: task
    for task in (
        Task("letters", "emnist-letters", 0.85, 0.45, epochs=20, tuned=True, others=(0.78, 0.80, 0.82, 0.84, 0.86)),
        Task("digits", "digits", 0.95, 0.15, epochs=20, tuned=False, others=(0.90, 0.93, 0.96)),
    )
}

_RRAM40: dict[str, Any] = {"hardware": "rram40"}
_FOUR: dict[str, Any] = {"hardware": FOUR_BITS, "precision": "lp:4"}


def _kfac(name: str, seeds: int, quick: bool = False, **fields: Any) -> Method:
    epochs = None if fields["backend"] == "exact" else CIRCUIT_EPOCHS
    return Method(name, "kfac", seeds, fields.get("backend") == "spice", fields, quick, epochs)


METHODS = {
    method.name: method
    for method in (
        Method("sgd", "sgd", 10),
        Method("adam", "adam", 10),
        _kfac("exact", 10, quick=True, backend="exact"),
        _kfac("nodal lp:3", 10, quick=True, backend="nodal", precision="lp:3", **_RRAM40),
        _kfac("nodal lp:4", 10, backend="nodal", **_FOUR),
        _kfac("nodal hp:1e-3", 10, backend="nodal", precision="hp:1e-3", **_RRAM40),
        _kfac("nodal lp:3 bare", 10, quick=True, backend="nodal", precision="lp:3", conditioning=False, **_RRAM40),
        _kfac("nodal lp:3 explicit", 10, backend="nodal", precision="lp:3", apply="explicit", **_RRAM40),
        _kfac("spice lp:3 explicit", 3, quick=True, backend="spice", precision="lp:3", apply="explicit", **_RRAM40),
        _kfac("spice lp:3", 1, backend="spice", precision="lp:3", **_RRAM40),
        _kfac("spice lp:3 bare", 3, backend="spice", precision="lp:3", conditioning=False, **_RRAM40),
        _kfac("nodal lp:4 explicit", 3, backend="nodal", apply="explicit", **_FOUR),
        _kfac("spice lp:4 explicit", 3, backend="spice", apply="explicit", **_FOUR),
        _kfac("nodal hp:1e-3 explicit", 3, backend="nodal", precision="hp:1e-3", apply="explicit", **_RRAM40),
        _kfac("spice hp:1e-3 explicit", 3, backend="spice", precision="hp:1e-3", apply="explicit", **_RRAM40),
    )
}
"""By name. 'bare' is without conditioning. 'explicit' reads each inverse from its array once a refresh, by columns, and
multiplies digitally until the next: a step on 28 x 28 images that sends every gradient through ngspice takes seconds,
so that 'spice lp:3' has one seed. The nodal engine does the same on the same seeds beside it."""

QUICK_SEEDS = 2
QUICK_EPOCHS = 8
QUICK_SPICE_EPOCHS = 3
"""Of the one run in ngspice that a quick reproduction has, on digits."""


def configs(task: Task, method: Method, tuned: Mapping[str, Any], quick: bool, data_dir: str | None) -> list[RunConfig]:
    """The runs of a method, one a seed."""
    simulated = method.fields.get("backend") == "spice" and method.fields.get("conditioning", True)
    few, short = (1, QUICK_SPICE_EPOCHS) if simulated else (QUICK_SEEDS, QUICK_EPOCHS)
    seeds = range(FIRST_SEED, FIRST_SEED + (min(few, method.seeds) if quick else method.seeds))
    base = RunConfig(
        dataset=task.dataset,
        data_dir=data_dir if task.dataset != "digits" else None,
        optimizer=method.optimizer,
        epochs=min(method.epochs or task.epochs, short if quick else task.epochs),
        target=task.accuracy if method.until_target else None,
        **{**SHARED, **tuned, **method.fields},
    )
    return [replace(base, seed=seed).resolved() for seed in seeds]


def quick_methods(task: Task) -> list[Method]:
    """Those of a quick reproduction; 28 x 28 images in ngspice take too long for one."""
    return [
        one for one in METHODS.values() if one.quick and (task.name == "digits" or one.fields.get("backend") != "spice")
    ]


def chosen(names: list[str], table: Mapping[str, Any], what: str) -> list[Any]:
    """The named ones, all without a name. InputError listing the known names for another."""
    for name in names:
        check_choice(what, name, list(table))
    return [table[name] for name in names or table]

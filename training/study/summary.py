"""What the runs of a task come to: quartiles for every method, and the epochs that it saves."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from statistics import median
from typing import Any

from training.study.measure import Saving, quartiles, saving
from training.study.plan import Task
from training.study.result import Result, by_method

BASELINES = ("sgd", "adam")
AFTER = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20)
"""Epochs after which accuracies are compared."""


def summarize(task: Task, results: Sequence[Result]) -> dict[str, Any]:
    """The task, each method's figures, and savings by baseline and method; None stands for never."""
    methods = by_method(results)
    return {
        "task": asdict(task),
        "methods": {name: _method(own) for name, own in methods.items()},
        "savings": {
            baseline: {
                name: _savings(task, own, methods[baseline]) for name, own in methods.items() if name != baseline
            }
            for baseline in BASELINES
            if baseline in methods
        },
    }


def _method(own: Sequence[Result]) -> dict[str, Any]:
    statuses = sum((Counter(one.outcome.statuses) for one in own), Counter())
    trained = [one for one in own if one.epochs]
    return {
        "runs": len(own),
        "stopped_at_target": own[0].method.until_target,
        "reached": sum(isfinite(one.to_accuracy) for one in own),
        "epochs_to_accuracy": _quartiles([one.to_accuracy for one in own]),
        "epochs_to_loss": _quartiles([one.to_loss for one in own]),
        "accuracy_after": _accuracies(own),
        "best_accuracy": _quartiles([max(one.outcome.accuracy) for one in trained]) if trained else None,
        "statuses": dict(sorted(statuses.items())),
        "failed": sum(bool(one.outcome.failure) for one in own),
        "failure": next((one.outcome.failure for one in own if one.outcome.failure), ""),
        "seconds_an_epoch": median(one.outcome.seconds / one.epochs for one in trained) if trained else None,
    }


def _accuracies(own: Sequence[Result]) -> dict[str, float]:
    """Median test accuracy after some epochs, as far as all runs have them."""
    common = min(one.epochs for one in own)
    return {str(epoch): median(one.outcome.accuracy[epoch - 1] for one in own) for epoch in AFTER if epoch <= common}


def _savings(task: Task, ours: Sequence[Result], theirs: Sequence[Result]) -> dict[str, Any]:
    epochs = max(one.epochs for one in theirs)

    def at(target: float) -> Saving:
        return saving([one.to(target) for one in ours], [one.to(target) for one in theirs], epochs)

    loss = saving([one.to_loss for one in ours], [one.to_loss for one in theirs], epochs)
    # A run that stops at its target says nothing of a higher one.
    others = [target for target in task.others if target < task.accuracy or not ours[0].method.until_target]
    return {
        "accuracy": _known(asdict(at(task.accuracy))),
        "loss": _known(asdict(loss)),
        "other_accuracies": {f"{target:.2f}": _known(asdict(at(target))) for target in others},
    }


def _quartiles(values: Sequence[float]) -> dict[str, float | None]:
    return _known(dict(zip(("lower_quartile", "median", "upper_quartile"), quartiles(values), strict=True)))


def _known(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: round(value, 6) if isfinite(value) else None for name, value in values.items()}

"""The hyperparameters that a search chose, and the files of the search."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Self

from circuits import InputError
from training.study.files import read_json, write_csv, write_json
from training.study.tune import Search, Tried, budget

WINNERS = "winners.json"


@dataclass(frozen=True)
class Winners:
    """What was chosen for each optimizer."""

    optimizers: Mapping[str, Mapping[str, Any]]
    """Fields of a RunConfig by optimizer."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """From winners.json. InputError where it is missing or not of a search."""
        found = read_json(path, "run `ohmvert tune` first, or name its file by --tuned")
        try:
            return cls({name: one["values"] for name, one in found["optimizers"].items()})
        except (KeyError, AttributeError, TypeError):
            raise InputError(f"{path} is not of a search: run `ohmvert tune` again.") from None

    def of(self, optimizer: str) -> dict[str, Any]:
        """Of one optimizer. InputError where it was not tuned."""
        if optimizer not in self.optimizers:
            raise InputError(f"No search chose values for {optimizer!r}: run `ohmvert tune --optimizer={optimizer}`.")
        return dict(self.optimizers[optimizer])


def write_search(folder: Path, search: Search, tried: Mapping[str, Sequence[Tried]], made: Mapping[str, Any]) -> None:
    """<optimizer>.csv with every trial, the best first, and winners.json; `made` says how and with what versions."""
    for optimizer, trials in tried.items():
        write_csv(folder / f"{optimizer}.csv", [_row(one, search) for one in trials])
    winners = {optimizer: _winner(trials[0]) for optimizer, trials in tried.items()}
    searched = {**asdict(search), "runs_an_optimizer": budget(search)}
    write_json(folder / WINNERS, {"made": dict(made), "search": searched, "optimizers": winners})


def _winner(one: Tried) -> dict[str, Any]:
    mean, best = one.score
    return {"trial": one.number, "values": one.values, "mean_epochs": round(mean, 4), "mean_best_accuracy": -best}


def _row(one: Tried, search: Search) -> dict[str, Any]:
    failures = [outcome.failure for outcome in one.outcomes if outcome.failure]
    return {
        "trial": one.number,
        **one.values,
        "seeds": len(one.epochs),
        "reached": sum(map(isfinite, one.epochs)),
        "mean_epochs": f"{one.score[0]:.4f}",
        "mean_best_accuracy": f"{-one.score[1]:.5f}",
        "failure": failures[0] if failures else "",
    }

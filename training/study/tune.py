"""The search for each optimizer's hyperparameters: the same budget of seeded random trials for all."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from circuits.errors import check_range, check_whole
from training.config import RunConfig
from training.study.measure import epochs_to_accuracy
from training.study.runs import Runs, Told
from training.study.space import SPACES, draw
from training.study.trial import Outcome


@dataclass(frozen=True)
class Search:
    """A search in two rounds: many trials on one seed, the best of them on more."""

    trials: int = 64
    """Random trials in the first round."""
    finalists: int = 8
    """Of them that go into the second."""
    seeds: int = 5
    """Seeds that a finalist is judged by, the first round's among them."""
    seed: int = 0
    """Of the random numbers of the search, and the first seed of the runs."""
    epochs: int = 20
    """Of a trial at the most: it ends when it reaches the target."""
    target: float = 0.84
    """Accuracy on the images held out."""

    def __post_init__(self) -> None:
        check_whole("trials", self.trials, 1, 10**6)
        check_whole("finalists", self.finalists, 1, self.trials)
        check_whole("seeds", self.seeds, 1, 1000)
        check_whole("epochs", self.epochs, 1, 10**6)
        check_range("target", self.target, 0.0, 1.0)


@dataclass(frozen=True)
class Tried:
    """Values that were tried, and what became of them."""

    number: int
    """Of the trial."""
    values: dict[str, Any]
    outcomes: list[Outcome]
    epochs: list[float]
    """To the target, of each seed; inf where it was not reached."""
    score: tuple[float, float]
    """Smaller is better: the mean of the epochs, a miss counted as all that the trial had; then the best accuracy."""


def tune(optimizer: str, base: RunConfig, search: Search, runs: Runs, classes: int, told: Told) -> list[Tried]:
    """All trials of an optimizer, the best first. The first `search.finalists` were judged by all seeds.

    `base` is what all trials share; its data are split so that the test images are never seen.
    """
    base = replace(base, optimizer=optimizer, held_out=True, epochs=search.epochs, target=search.target)

    def tried(numbers: Sequence[int], seeds: Sequence[int]) -> list[Tried]:
        values = [draw(optimizer, number, search.seed) for number in numbers]
        configs = [replace(base, **own, seed=seed).resolved() for own in values for seed in seeds]
        outcomes = runs.carry_out(configs, told)
        own = [outcomes[k * len(seeds) : (k + 1) * len(seeds)] for k in range(len(numbers))]
        return [_judged(*each, search, classes) for each in zip(numbers, values, own, strict=True)]

    seeds = range(search.seed, search.seed + search.seeds)
    first = sorted(tried(range(search.trials), seeds[:1]), key=_score)
    second = sorted(tried([one.number for one in first[: search.finalists]], seeds), key=_score)
    return [*second, *first[search.finalists :]]


def budget(search: Search) -> int:
    """Runs that each optimizer is given."""
    return search.trials + search.finalists * (search.seeds - 1)


def optimizers() -> list[str]:
    """Those that are tuned."""
    return list(SPACES)


def _score(one: Tried) -> tuple[float, float]:
    return one.score


def _judged(number: int, values: dict[str, Any], outcomes: list[Outcome], search: Search, classes: int) -> Tried:
    epochs = [epochs_to_accuracy(search.target, outcome.accuracy, classes) for outcome in outcomes]
    best = fmean(max(outcome.accuracy, default=0.0) for outcome in outcomes)
    return Tried(number, values, outcomes, epochs, (fmean(min(one, search.epochs) for one in epochs), -best))

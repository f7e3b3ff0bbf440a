"""Epochs to a target, and how sure the ratio of two medians is."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, nan

import numpy as np
from scipy import stats

from cosim.solution import Array

RESAMPLES = 10_000
CONFIDENCE = 0.95
NEVER = 1e12
"""Stands for inf where numbers are averaged."""


def epochs_to_accuracy(target: float, accuracy: Sequence[float], classes: int) -> float:
    """Epochs until the test accuracy first reaches the target, interpolated; inf where it never does.

    The accuracy is known after each epoch, and is that of guessing, 1 / classes, before the first.
    """
    return _first(target, [0.0, *range(1, len(accuracy) + 1)], [1 / classes, *accuracy])


def epochs_to_loss(target: float, loss: Sequence[float], classes: int) -> float:
    """Epochs until the mean training loss first falls to the target, interpolated; inf where it never does.

    An epoch's mean stands at its middle; before the first step it is log(classes).
    """
    middles = [0.0, *(epoch + 0.5 for epoch in range(len(loss)))]
    return _first(-target, middles, [-float(np.log(classes)), *(-one for one in loss)])


def _first(target: float, times: Sequence[float], values: Sequence[float]) -> float:
    if values[0] >= target:
        return 0.0
    for k in range(1, len(values)):
        if values[k] >= target:
            share = (target - values[k - 1]) / (values[k] - values[k - 1])
            return times[k - 1] + share * (times[k] - times[k - 1])
    return inf


@dataclass(frozen=True)
class Saving:
    """How many fewer epochs one method takes than another: 1 - ratio of their medians."""

    value: float
    low: float
    """The interval's lower end."""
    high: float


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile; inf where too many runs never reached the target."""
    low, median, high = (float(one) for one in np.quantile(np.minimum(values, NEVER), [0.25, 0.5, 0.75]))
    return _open(low), _open(median), _open(high)


def saving(ours: Sequence[float], theirs: Sequence[float], epochs: float, seed: int = 0) -> Saving:
    """1 - median(ours) / median(theirs) with the percentile bootstrap's interval of 95 % (Efron 1979).

    Runs of both are drawn anew, independently. A run of theirs that never reached the target counts as if it had at
    the end of its `epochs`, one of ours as never, so that the saving is never larger than it was; it is -inf where
    our median is never reached. Of a single run nothing is known of the interval: nan.
    """
    samples = np.minimum(ours, NEVER), np.minimum(theirs, epochs)
    if min(map(len, samples)) < 2:
        return Saving(-_open(-float(_saved(*samples))), nan, nan)
    found = stats.bootstrap(
        samples,
        _saved,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    value, low, high = (-_open(-float(one)) for one in (_saved(*samples), found.low, found.high))
    return Saving(value, low, high)


def _saved(ours: Array, theirs: Array, axis: int = -1) -> Array:
    saved: Array = 1 - np.median(ours, axis=axis) / np.median(theirs, axis=axis)
    return saved


def _open(value: float) -> float:
    return inf if value > NEVER / 1e6 else value

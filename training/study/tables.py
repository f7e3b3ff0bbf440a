"""The rows of a comparison's tables, as they are written into its CSV files."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

from training.study.inverses import BINS
from training.study.measure import quartiles
from training.study.result import Result, by_method

Row = dict[str, Any]


def run_rows(results: Sequence[Result]) -> list[Row]:
    """One run a row."""
    return [
        {
            "method": one.method.name,
            "seed": one.config.seed,
            "epochs_to_accuracy": _epochs(one.to_accuracy),
            "epochs_to_loss": _epochs(one.to_loss),
            "epochs_run": one.epochs,
            "best_accuracy": max(one.outcome.accuracy, default=""),
            "last_accuracy": one.outcome.accuracy[-1] if one.epochs else "",
            "seconds": f"{one.outcome.seconds:.1f}",
            "seconds_ngspice": f"{one.outcome.seconds_ngspice:.1f}",
            "statuses": " ".join(f"{status}={count}" for status, count in sorted(one.outcome.statuses.items())),
            "failure": one.outcome.failure,
        }
        for one in results
    ]


def curve_rows(results: Sequence[Result]) -> list[Row]:
    """One epoch of one run a row."""
    return [
        {
            "method": one.method.name,
            "seed": one.config.seed,
            "epoch": epoch,
            "train_loss": f"{loss:.5f}",
            "test_accuracy": f"{accuracy:.5f}",
        }
        for one in results
        for epoch, (loss, accuracy) in enumerate(zip(one.outcome.loss, one.outcome.accuracy, strict=True), start=1)
    ]


ERROR_COLUMNS = ("method", "step", "factor", "runs", "lower_quartile", "median", "upper_quartile")


def error_rows(results: Sequence[Result]) -> list[Row]:
    """Relative error of a factor's inverse at a step, over the runs of a method."""
    found: dict[tuple[str, int, str], list[float]] = {}
    for one in results:
        for step, factor, error in one.outcome.inverses.errors:
            found.setdefault((one.method.name, step, factor), []).append(error)
    return [
        dict(zip(ERROR_COLUMNS, (*key, len(errors), *(f"{each:.3e}" for each in quartiles(errors))), strict=True))
        for key, errors in found.items()
    ]


SETTLING_COLUMNS = ("method", "from_s", "to_s", "inv_calls")


def settling_rows(results: Sequence[Result]) -> list[Row]:
    """INV calls of all runs of a method by settling time."""
    rows = []
    for name, own in by_method(results).items():
        counted = [one.outcome.inverses.settling for one in own if one.outcome.inverses.settling]
        totals = [sum(counts) for counts in zip(*counted, strict=True)]
        for low, high, total in zip(BINS[:-1], BINS[1:], totals or [0] * (len(BINS) - 1), strict=True):
            if total:
                rows.append(dict(zip(SETTLING_COLUMNS, (name, f"{low:.3e}", f"{high:.3e}", total), strict=True)))
    return rows


def _epochs(value: float) -> str:
    return f"{value:.4f}" if isfinite(value) else "never"

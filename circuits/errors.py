"""The one error of bad input, and the one place that checks a value against what it may be."""

import math
from collections.abc import Sequence


class InputError(ValueError):
    """Something the caller passed cannot be used; the message names it, its limit and the way out."""


class RefusedError(InputError):
    """A matrix that these cells cannot hold."""


def check_range(name: str, value: float, low: float, high: float, unit: str = "") -> None:
    """Raise InputError unless low <= value <= high; infinity passes only where `high` is infinite."""
    if not isinstance(value, int | float) or math.isnan(value) or not low <= value <= high:
        raise InputError(f"{name} = {value!r} is outside {low:g} to {high:g}{' ' + unit if unit else ''}.")


def check_whole(name: str, value: int, low: int, high: int) -> None:
    """Raise InputError unless the value is a whole number from low to high."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(f"{name} = {value!r} must be a whole number.")
    check_range(name, value, low, high)


def check_choice(name: str, value: str, known: Sequence[str]) -> None:
    """Raise InputError unless the value is one of the known ones."""
    if value not in known:
        raise InputError(f"{name} = {value!r} is unknown: the known ones are {', '.join(known)}.")

"""The one error of bad input, and the one place that checks a number against its range."""

import math


class InputError(ValueError):
    """Something the caller passed cannot be used; the message names it, its limit and the way out."""


def check_range(name: str, value: float, low: float, high: float, unit: str = "") -> None:
    """Raise InputError unless low <= value <= high; infinity passes only where `high` is infinite."""
    if not isinstance(value, int | float) or math.isnan(value) or not low <= value <= high:
        raise InputError(f"{name} = {value!r} is outside {low:g} to {high:g}{' ' + unit if unit else ''}.")

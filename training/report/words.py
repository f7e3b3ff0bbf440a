"""How the report writes numbers."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}
SCALED = ("s", "J", "V", "A", "W")
"""Units that take a prefix."""


def short(value: float, digits: int = 2) -> str:
    """So many digits that count, without an exponent: 0.0031, 24, 27,000."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    rounded = float(f"{value:.{digits - 1}e}")
    if abs(rounded) >= 10 ** (digits - 1):
        return f"{rounded:,.0f}"
    return np.format_float_positional(rounded, unique=True, min_digits=None, trim="-")


def quantity(value: float, unit: str, digits: int = 2) -> str:
    """With its unit, and a prefix where the unit takes one: 57 µs, 1.5 pJ, 46 outputs."""
    if unit not in SCALED or value == 0:
        return f"{short(value, digits)} {unit}"
    rounded = float(f"{value:.{digits - 1}e}")
    exponent = min(max(3 * math.floor(math.log10(abs(rounded)) / 3), min(PREFIXES)), max(PREFIXES))
    return f"{short(rounded / 10.0**exponent, digits)} {PREFIXES[exponent]}{unit}"


def spread(values: Mapping[str, float | None]) -> str:
    """Median and quartiles: 3.21 (3.05 to 3.40); 'never' where the target was not reached."""
    low, middle, high = (values[name] for name in ("lower_quartile", "median", "upper_quartile"))
    if low is None:
        return "never"
    return f"{_epochs(middle)} ({_epochs(low)} to {_epochs(high)})"


def saved(saving: Mapping[str, float | None] | None) -> str:
    """Epochs saved with the interval: 79 % (75 to 81 %); '-' where there is nothing to compare."""
    if saving is None:
        return "-"
    if saving["value"] is None:
        return "never reached"
    low = percent(saving["low"]).removesuffix(" %")
    return f"{percent(saving['value'])} ({low} to {percent(saving['high'])})"


def percent(share: float | None) -> str:
    """A share of one; None stands for a saving without a lower end."""
    return "-inf" if share is None else f"{100 * share:.0f} %"


def ratio(row: Mapping[str, float]) -> str:
    """A ratio with its range; one without it must not be printed."""
    return f"{short(row['value'])}x ({short(row['low'])}x to {short(row['high'])}x)"


def code(text: str) -> str:
    """A text that is shown as it is."""
    return "`" + " ".join(text.replace("`", "'").split()) + "`"


def listed(names: Sequence[str], nothing: str = "none") -> str:
    """Names with commas between them."""
    return ", ".join(names) or nothing


def seeds(values: Sequence[int]) -> str:
    """100 to 109 where none is left out, otherwise all of them."""
    ordered = sorted(values)
    if len(ordered) > 2 and ordered == list(range(ordered[0], ordered[-1] + 1)):
        return f"{ordered[0]} to {ordered[-1]}"
    return listed([str(seed) for seed in ordered])


def value_of(row: Mapping[str, Any], key: str = "value") -> str:
    """A number of the cost model with its unit."""
    return quantity(row[key], row["unit"])


def _epochs(value: float | None) -> str:
    return "never" if value is None else f"{value:.2f}"

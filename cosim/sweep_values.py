"""The values of a sweep's field: one, a list, or a range that the file spells out in three numbers."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from circuits.errors import InputError, check_choice, check_range, check_whole
from circuits.toml_file import check_names

RANGE = ("from", "to", "points", "scale")
SCALES: dict[str, Callable[[float, float, int], Any]] = {"linear": np.linspace, "log": np.geomspace}
"""How the points of a range are spaced."""


def values_of(where: str, given: Any) -> list[Any]:
    """The values that a field takes, all of one type: numbers, words or true and false.

    `given` is one value, a list, or a table {from, to, points, scale = "log" or "linear" (default)}, of whole numbers
    where all of it is. InputError, naming the field by `where`, for none at all and for anything else.
    """
    values = _spread(where, given) if isinstance(given, Mapping) else given if isinstance(given, list) else [given]
    if not values:
        raise InputError(f"{where} is empty: a grid needs at least one value of each of its fields.")
    kinds = {_kind(value) for value in values}
    if len(kinds) > 1 or "" in kinds:
        raise InputError(f"{where} = {values!r}: a list holds numbers, words or true and false, all of one type.")
    if any(isinstance(value, float) for value in values):
        return [float(value) for value in values]
    return list(values)


def _spread(where: str, table: Mapping[str, Any]) -> list[Any]:
    check_names(where, table, RANGE)
    missing = [name for name in RANGE[:3] if name not in table]
    if missing:
        raise InputError(f"{where}: a range needs {', '.join(RANGE[:3])}, and lacks {', '.join(missing)}.")
    scale = table.get("scale", "linear")
    check_choice(f"{where} scale", scale, list(SCALES))
    check_whole(f"{where} points", table["points"], 0, 10**9)
    smallest = 1e-300 if scale == "log" else -1e300
    for end in ("from", "to"):
        check_range(f"{where} {end}", table[end], smallest, 1e300)
    # Twelve digits: what is written into the table is what was run, and reads as it was meant.
    values = [float(f"{value:.12g}") for value in SCALES[scale](table["from"], table["to"], table["points"])]
    whole = all(isinstance(table[end], int) for end in ("from", "to")) and all(value.is_integer() for value in values)
    return [int(value) for value in values] if whole else values


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    return "number" if isinstance(value, int | float) else "word" if isinstance(value, str) else ""

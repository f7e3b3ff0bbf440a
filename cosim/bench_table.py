"""What the bench's rows say: ratios, the targets beside them, how costs grow, and whether all methods agree."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

AGREE = 1e-3
"""Largest relative distance between the engines' solutions of one circuit: a wrong number has no speed."""
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Target:
    """A ratio or share that is aimed at, and what was found."""

    name: str
    found: float
    wanted: float
    at_most: bool = False

    @property
    def met(self) -> bool:
        """Whether it was reached in this run."""
        return self.found <= self.wanted if self.at_most else self.found >= self.wanted


def ratio(row: Row, method: str, processes: int = 1) -> float:
    """How many times as long as ours the method takes a right-hand side, both on so many processes; nan if not run."""
    seconds = row["seconds_per_call"]
    theirs: float = seconds.get(method, {}).get(str(processes), math.nan)
    return theirs / seconds["ours"][str(processes)]


def nodal_ratio(row: Row) -> float:
    """How many times as long as nodal ours takes for a right-hand side, programming included."""
    return 1 / ratio(row, "nodal")


def nodal_further_ratio(row: Row) -> float:
    """The same for a further right-hand side of a programmed matrix."""
    further = row["further_seconds_per_call"]
    return float(further["ours"] / further["nodal"])


def targets(rows: Sequence[Row]) -> list[Target]:
    """The targets that the rows reach."""
    return [target for row in rows if row["hardware"] == "default" for target in _targets(row)]


def _targets(row: Row) -> Iterator[Target]:
    size, place = row["size"], f"n={row['size']}, {_place(row)}"
    if row["wires"] == "ideal":
        if size == 8:
            yield Target(f"naive / ours, {place}", ratio(row, "naive"), 15)
        if size == 32:
            yield Target(f"naive / ours, {place}", ratio(row, "naive"), 20)
            yield Target(f"naive on one process / ours on two, {place}", naive_to_two(row), 35)
        if size == 64:
            yield Target(f"ours / nodal, further right-hand side, {place}", nodal_further_ratio(row), 1000)
            yield Target(f"ours / nodal, with programming, {place}", nodal_ratio(row), 30)
    elif size == 32:
        yield Target(f"naive / ours, {place}", ratio(row, "naive"), 500)
    if size >= 32:
        yield Target(f"time outside ngspice, {place}", row["outside_share"], 0.15, at_most=True)


def _place(row: Row) -> str:
    return "wired" if row["wires"] == "wired" else "ideal wires"


def naive_to_two(row: Row) -> float:
    """Naive PySpice on one process over ours on two: a user of circuit objects has one instance of ngspice."""
    seconds = row["seconds_per_call"]
    return float(seconds["naive"]["1"] / seconds["ours"]["2"])


def growth(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """For each kind of circuit and method on one process, the exponent p of cost ~ n^p, where two sizes were run."""
    found = []
    for kind in dict.fromkeys((row["hardware"], row["wires"]) for row in rows):
        own = [row for row in rows if (row["hardware"], row["wires"]) == kind]
        for method in own[0]["seconds_per_call"]:
            run = [row for row in own if method in row["seconds_per_call"]]
            if len(run) > 1:
                sizes, seconds = [r["size"] for r in run], [r["seconds_per_call"][method]["1"] for r in run]
                exponent = float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
                found.append({"hardware": kind[0], "wires": kind[1], "method": method, "exponent": exponent})
    return found


def side_costs(row: Row) -> dict[str, float]:
    """[s] what ours takes for a matrix and for each right-hand side, by a straight line through both ends."""
    total = {int(k): seconds for k, seconds in row["by_sides_s"].items()}
    total[row["sides"]] = row["seconds_per_call"]["ours"]["1"] * row["sides"]
    few, many = min(total), max(total)
    each = (total[many] - total[few]) / max(many - few, 1)
    return {"matrix_s": total[few] - few * each, "each_s": each}


def disagreements(rows: Sequence[Row]) -> list[str]:
    """A sentence for every method whose solutions are not those of the nodal engine."""
    return [
        f"{method} is {apart:.1e} away from nodal at n={row['size']}, {row['hardware']}, {_place(row)}."
        for row in rows
        for method, apart in row["differences"].items()
        # `not <=`: nan, a column that did not settle, disagrees.
        if method != "numpy" and not apart <= AGREE
    ]


def lines(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The table that is printed: ratios first, a line for each row."""
    return [
        {
            "hardware": row["hardware"],
            "wires": row["wires"],
            "n": row["size"],
            "ours [ms]": 1e3 * row["seconds_per_call"]["ours"]["1"],
            "two proc.": row["seconds_per_call"]["ours"]["1"] / row["seconds_per_call"]["ours"]["2"],
            "naive/ours": ratio(row, "naive"),
            "on two": ratio(row, "naive", 2),
            "built once/ours": ratio(row, "naive, built once"),
            "-b/ours": ratio(row, "ngspice -b"),
            "ours/nodal": nodal_ratio(row),
            "further": nodal_further_ratio(row),
            "ours/numpy": 1 / ratio(row, "numpy"),
            "outside": row["outside_share"],
            "points": row["time_points_per_call"]["ours"],
            "apart": float(np.max([v for k, v in row["differences"].items() if k != "numpy"])),
        }
        for row in rows
    ]


def report(rows: Sequence[Row], further: Sequence[Target] = ()) -> dict[str, Any]:
    """All of it, ready for JSON."""
    found = [*targets(rows), *further]
    return {
        "rows": [{**row, "side_costs": side_costs(row)} for row in rows],
        "growth_with_n": growth(rows),
        "targets": [{**asdict(target), "met": target.met} for target in found],
        "disagreements": disagreements(rows),
        "notes": NOTES,
    }


NOTES = {
    "seconds_per_call": "Wall time for each right-hand side by method and number of processes, a matrix for each "
    "process; ours and nodal with programming, numpy with factorisation. Median over the repeats.",
    "scaled": "naive and ngspice -b ran `calls` right-hand sides only: each of theirs is a transient of its own.",
    "naive": "PySpice objects made for each call, default tolerances, .tran 10n over our window; with wires every "
    "segment is a resistor. Rendering, start of processes and warm-up are left out for every method.",
    "two_processes": "The target of 35 holds naive on one process against ours on two.",
    "differences": "From the nodal engine, largest over the right-hand sides; numpy's is the analog error.",
    "further_seconds_per_call": "A right-hand side more on a programmed matrix.",
}

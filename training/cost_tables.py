"""A priced step as tables for people; the assumptions are always among them."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from training.tables import WIDTH


def show_cost(report: Mapping[str, Any]) -> None:
    """The report as tables, the assumptions last and never without them."""
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    work, setting = report["workload"], report["setting"]
    rows = [factor["rows"] for factor in work["factors"]]
    console.print(
        f"{work['description']}: {work['layers']} layers, factors of {min(rows)} to {max(rows)} rows, "
        f"{sum(factor['right_hand_sides'] for factor in work['factors']):,} right-hand sides a step. "
        f"{setting['preset']}, arrays of {setting['max_array']}, refresh every {setting['refresh']} steps.",
        highlight=False,
    )
    console.print(_table("A step on the arrays: nominal (low to high)", _parts(report["arrays"])))
    console.print(_table("Processors, and how many times as much they take", _ratios(report)))
    console.print(
        _table("Numbers that alone, inside their ranges, lead to the paper's ratio or below 1x", _reasons(report), True)
    )
    for sentence in report["assumptions"]:
        console.print(f"- {sentence}", highlight=False, markup=False)


def _table(title: str, lines: Sequence[Mapping[str, str]], words: bool = False) -> Table:
    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False)
    for column, name in enumerate(lines[0]):
        table.add_column(escape(name), justify="left" if column == 0 or words else "right", overflow="fold")
    for line in lines:
        table.add_row(*(escape(text) for text in line.values()))
    return table


def _parts(arrays: Mapping[str, Any]) -> list[dict[str, str]]:
    lines = []
    for part in arrays["nominal"]["time_s"]:
        line = {"part": part}
        for name, column in (("time [s]", "time_s"), ("energy [J]", "energy_J")):
            values = [arrays[estimate][column][part] for estimate in ("low", "nominal", "high")]
            share = values[1] / arrays["nominal"][column]["total"]
            line |= {name: _span(*values), f"of {name.split()[0]}": f"{share:.1%}"}
        lines.append(line)
    return lines


def _span(low: float, value: float, high: float) -> str:
    return f"{value:.2g} ({low:.2g} to {high:.2g})"


def _ratios(report: Mapping[str, Any]) -> list[dict[str, str]]:
    lines = []
    for processor in report["processors"]:
        own = [row for row in report["ratios"] if row["processor"] == processor["name"]]
        line = {"processor": processor["name"], "time [s]": f"{processor['time_s']['nominal']:.2g}"}
        line["energy [J]"] = f"{processor['energy_J']['nominal']:.2g}"
        lines.append(line | {f"{row['quantity']} [x]": _span(row["low"], row["value"], row["high"]) for row in own})
    return lines


def _reasons(report: Mapping[str, Any]) -> list[dict[str, str]]:
    """A line a ratio; of numbers inside their ranges, those that alone give the paper's ratio, or less than 1."""
    return [
        {
            "processor": row["processor"],
            "ratio": f"{row['quantity']} {row['value']:.2g}x",
            "reproduces": f"{row['target']:g}x: {_reproducing(row) or 'none'}",
            "breaks": _breaking(row),
        }
        for row in report["ratios"]
    ]


def _reproducing(row: Mapping[str, Any]) -> str:
    found = [number for number in row["numbers"] if number["verdict"] == "reproduces"]
    return ", ".join(f"{number['name']} {number['needed']:.3g} {number['unit']}" for number in found)


def _breaking(row: Mapping[str, Any]) -> str:
    if row["value"] >= 1:
        return ", ".join(number["name"] for number in row["numbers"] if number["breaks"]) or "none alone"
    lifts = [n["name"] for n in row["numbers"] if max(n["ratio_at_low"], n["ratio_at_high"]) >= 1]
    return f"below 1x; above by {', '.join(lifts) or 'none alone'}"

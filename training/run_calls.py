"""The INV calls of a run folder, column by column, and those of them that are worth a look."""

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from circuits import InputError
from cosim.page import CallTable
from cosim.page.calls import Numbers, Words
from cosim.solution import Array
from training.config import RunConfig
from training.record import COLUMNS


@dataclass(frozen=True)
class Notable:
    """An INV call that stands out."""

    row: int
    """Its place in the table."""
    reason: str
    """Why, as the end of a sentence."""


def read_calls(run: Path) -> CallTable:
    """The table of a run. A last row that was still being written is left out.

    InputError where there is no such file, where another version wrote it, for a damaged row with its number, and
    for a run without INV calls.
    """
    path = run / "inv_calls.csv"
    rows = _rows(path)
    if not rows:
        raise InputError(f"{run} has no INV calls to inspect: only a run with --optimizer=kfac makes them.")
    step, layer, factor, size, status, settling, residual, netlist = zip(*rows, strict=True)
    try:
        table = CallTable(
            np.array(step, dtype=np.int64),
            _words(layer),
            _words(factor),
            np.array(size, dtype=np.int64),
            _words(status),
            np.array(settling, dtype=np.float64),
            np.array(residual, dtype=np.float64),
            _words(netlist),
        )
        table.statuses()
    except (ValueError, OverflowError) as error:
        raise InputError(f"{path} is damaged: {error}.") from None
    return table


def read_run_config(run: Path) -> dict[str, Any]:
    """The config.json of a run. InputError where it cannot be read, and where another version wrote it."""
    path = run / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{run} is no run folder: {path} cannot be read ({error.strerror}).") from None
    except ValueError as error:
        raise InputError(f"{path} is not what a run writes ({error}): choose another run.") from None
    if not isinstance(config, dict):
        raise InputError(f"{path} is not what a run writes: choose another run.")
    _check_version(path, "field", [*(one.name for one in fields(RunConfig)), "parts"], config)
    return config


def choose_notable(table: CallTable, most: int, steps: Iterable[int]) -> list[Notable]:
    """Up to `most` calls of these steps, one a solve: failed ones, worst first, for two thirds of the places at the
    most; then the slowest and those of the worst residual in turn. Each kind is spread over layers and factors.
    """
    kept = np.flatnonzero(np.isin(table.step, np.fromiter(steps, np.int64)))
    severity = np.array([status.severity for status in table.statuses()])[table.status.index]
    failed = [Notable(row, "one of those that failed") for row in _spread(table, kept[severity[kept] > 0], severity)]
    slow, coarse = (
        [Notable(row, f"one of {what}") for row in _spread(table, kept[np.isfinite(values[kept])], values)]
        for what, values in (
            ("the slowest to settle", table.settling_time),
            ("those with the worst residual", table.residual),
        )
    )
    in_turn = [one for pair in zip(slow, coarse, strict=False) for one in pair]
    solves = table.solves
    chosen = _first_of_each(solves, failed, -(-2 * most // 3), [])
    return _first_of_each(solves, [*in_turn, *failed], most, chosen)


def _first_of_each(solves: Numbers, candidates: Sequence[Notable], most: int, chosen: list[Notable]) -> list[Notable]:
    """The chosen ones and after them candidates of other solves, `most` together."""
    seen = {solves[one.row] for one in chosen}
    found = list(chosen)
    for one in candidates:
        if len(found) >= most:
            break
        if solves[one.row] not in seen:
            seen.add(solves[one.row])
            found.append(one)
    return found


def _spread(table: CallTable, rows: Numbers, values: Array | Numbers) -> list[int]:
    """The rows: first the one of the largest value of each layer and factor, then the second of each, and so on."""
    group = table.layer.index[rows] * len(table.factor.names) + table.factor.index[rows]
    order = np.lexsort((rows, -values[rows], group))
    ranked, starts = group[order], np.flatnonzero(np.diff(group[order], prepend=-1))
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    found = rows[order]
    turns: list[int] = found[np.lexsort((ranked, -values[found], rank))].tolist()
    return turns


def _rows(path: Path) -> list[list[str]]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{path.parent} is no run folder: {path} cannot be read ({error.strerror}).") from None
    whole = text[: text.rfind("\n") + 1]
    reader = csv.reader(whole.splitlines())
    _check_version(path, "column", COLUMNS, next(reader, []))
    rows = list(reader)
    for number, row in enumerate(rows, start=2):
        if len(row) != len(COLUMNS):
            raise InputError(f"{path} is damaged: line {number} has {len(row)} columns and not {len(COLUMNS)}.")
    return rows


def _check_version(path: Path, what: str, known: Sequence[str], found: Iterable[str]) -> None:
    """InputError where a file has other names in it than this version writes."""
    names = list(found)
    missing, unknown = [one for one in known if one not in names], [one for one in names if one not in known]
    said = [f"no {what} {missing[0]!r}"] if missing else []
    said += [f"the {what} {unknown[0]!r}, which this one does not know"] if unknown else []
    if said:
        raise InputError(
            f"{path} was written by another version of ohmvert (it has {' and '.join(said)}): "
            "inspect the run with the version that made it."
        )


def _words(values: Sequence[str]) -> Words:
    """Each word once, in the order in which they first come."""
    places = {word: place for place, word in enumerate(dict.fromkeys(values))}
    return Words(tuple(places), np.array([places[word] for word in values], dtype=np.int64))

"""The inspector page of a run: all its INV calls, and the circuits of those that matter."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from circuits import InputError
from cosim.inspection import Inspection
from cosim.page import CallTable, Page, View
from training.calls import INPUTS, CallStore
from training.inspect_call import inspect_call
from training.run_calls import choose_notable, read_calls, read_run_config

MOST = 7_000_000
"""Characters of all circuits in a page at the most; the asked one is there whatever it takes."""
_FACTS = ("backend", "hardware", "dataset", "model", "precision", "max_array", "block_size", "inv_update_steps", "seed")


@dataclass(frozen=True)
class Asked:
    """The solve that the page opens with."""

    step: int
    layer: str
    factor: str
    column: int | None
    """One right-hand side, counted from 0; None for all of them."""

    @classmethod
    def of(cls, step: int | None, layer: str | None, factor: str | None, column: int | None) -> Self | None:
        """None where nothing is asked for; InputError for half a question."""
        if step is None and layer is None and factor is None and column is None:
            return None
        if step is None or layer is None or factor is None:
            raise InputError("A call of --run has --step, --layer and --factor: give all three, or none of them.")
        return cls(step, layer, factor, column)


def page_of_run(run: Path, asked: Asked | None, most: int, options: dict[str, Any]) -> Page:
    """The page: the asked solve in full, and `most` calls that stand out.

    `options` are those of `inspect_call`. InputError for a folder that is no run of this version, or has no INV calls,
    and for an asked solve that cannot be inspected; any other call that cannot is left out, and the page says why.
    """
    config, table = read_run_config(run), read_calls(run)
    first = [] if asked is None else [_asked_view(run, table, asked, options)]
    notable, notes = _notable_views(run, table, most, first, options)
    facts = {name.replace("_", " "): str(config[name]) for name in _FACTS if config[name] is not None}
    views = (*first, *notable)
    return Page(f"Run {run}", views, table, facts, (_carried(table, views), *notes), _command(run, config, options))


def _asked_view(run: Path, table: CallTable, asked: Asked, options: dict[str, Any]) -> View:
    if not len(table.where(asked.step, asked.layer, asked.factor)):
        # The reader of stored inputs names what there is; a call that only the table lacks is still going.
        inspect_call(run, asked.step, asked.layer, asked.factor, asked.column, **options)
        raise InputError(f"{run}/inv_calls.csv has no row of step {asked.step} yet: wait for the run's next epoch.")
    inspection = inspect_call(run, asked.step, asked.layer, asked.factor, asked.column, **options)
    columns = () if asked.column is None else (asked.column,)
    return View(inspection, (asked.step, asked.layer, asked.factor), columns, "the one that was asked for")


def _notable_views(
    run: Path, table: CallTable, most: int, first: list[View], options: dict[str, Any]
) -> tuple[list[View], list[str]]:
    """The views, and sentences on those that are left out."""
    steps = CallStore(run / INPUTS).steps()
    if most and not steps:
        return [], [
            "The run kept no inputs of its calls (--inputs=none), so none of their circuits can be drawn again."
        ]
    views: list[View] = []
    failures: Counter[str] = Counter()
    room, columns = MOST - sum(len(view.block) for view in first), table.columns
    taken = {view.call for view in first}
    chosen = choose_notable(table, most, steps)
    for place, one in enumerate(chosen):
        call = _place(table, one.row)
        if call in taken:
            continue
        column = int(columns[one.row])
        try:
            view = View(_inspect(run, call, column, options), call, (column,), one.reason)
        except InputError as error:
            failures[str(error)] += 1
            continue
        room -= len(view.block)
        if room < 0:
            return views, [*_told(failures), f"{len(chosen) - place} circuits were left out to keep the page small."]
        views.append(view)
    return views, _told(failures)


def _inspect(run: Path, call: tuple[int, str, str], column: int, options: dict[str, Any]) -> Inspection:
    return inspect_call(run, *call, column, **options)


def _place(table: CallTable, row: int) -> tuple[int, str, str]:
    """Step, layer and factor of a row."""
    layer, factor = table.layer, table.factor
    return int(table.step[row]), layer.names[layer.index[row]], factor.names[factor.index[row]]


def _told(failures: Counter[str]) -> list[str]:
    return [f"{number} of the calls that stand out cannot be drawn again: {why}" for why, number in failures.items()]


def _carried(table: CallTable, views: tuple[View, ...]) -> str:
    """What the page has in full, and that it has no more."""
    calls = sum(len(view.columns) or len(table.where(*view.call)) for view in views if view.call)
    return (
        f"The table has all {len(table):,} INV calls; the page carries the circuits of {calls:,} of them. For any "
        "other call it gives the command that writes its page."
    )


def _command(run: Path, config: dict[str, Any], options: dict[str, Any]) -> tuple[str, ...]:
    """Words of the command that inspects another call of the run in the same way.

    With read noise every right-hand side has a netlist of its own, and has to be asked for by its number.
    """
    words = ["ohmvert", "inspect", "--run", str(run), "--views", "0"]
    words += [] if options["reduce"] is None else ["--reduce", options["reduce"]]
    words += [] if options["templates"] is None else ["--templates", str(options["templates"].folder)]
    words += ["--column", "{column}"] if config["parts"]["programming"]["read_noise"] else []
    words += [] if options["backend"] == "nodal" else ["--backend", options["backend"]]
    return (*words, *(["--trust"] if options["trust"] else []))

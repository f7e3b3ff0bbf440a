"""The command that shows a circuit: of a matrix, or of an INV call of a run."""

from pathlib import Path
from typing import Annotated

import typer

from circuits import InputError
from circuits.errors import check_choice
from cosim.inspection import Inspection
from training.shown_circuit import (
    Chip,
    Column,
    Drawing,
    Engine,
    Factor,
    Folder,
    Kind,
    Layer,
    Matrix,
    Reduce,
    Rhs,
    Step,
    Trust,
    inspect_matrix,
    refuse_options_of_a_matrix,
    refuse_options_of_a_run,
)

MISSING = "There is nothing to show: give --matrix FILE.npy, or --run with --step, --layer, --factor."


def show(
    matrix: Matrix = None,
    rhs: Rhs = None,
    hardware: Chip = None,
    kind: Kind = "inverse",
    reduce: Reduce = None,
    run: Annotated[Path | None, typer.Option(help="A run's folder, in place of --matrix.")] = None,
    step: Step = None,
    layer: Layer = None,
    factor: Factor = None,
    column: Column = None,
    form: Annotated[str, typer.Option("--format", help="cir (netlist), svg (picture) or json (everything).")] = "cir",
    cell: Annotated[str | None, typer.Option(help="ROW,COLUMN of the cell that the picture annotates.")] = None,
    templates: Folder = None,
    waveforms: Annotated[Path | None, typer.Option(help="Write the waveforms here too, .raw or .csv.")] = None,
    backend: Engine = "nodal",
    trust: Trust = False,
) -> None:
    """Print a circuit: its netlist runs as it is in plain `ngspice -b`."""
    from cosim.show import FORMATS, save_waveforms
    from cosim.show import show as text_of

    check_choice("format", form, tuple(FORMATS))
    chosen, drawing = _cell(cell), Drawing(reduce, templates, backend, trust)
    if run is None:
        refuse_options_of_a_run(step=step, layer=layer, factor=factor, column=column)
        found = inspect_matrix(matrix, rhs, hardware, kind, drawing, MISSING)
    else:
        refuse_options_of_a_matrix(kind, matrix=matrix, rhs=rhs, hardware=hardware)
        found = _of_call(run, (step, layer, factor), column, drawing)
    if waveforms:
        save_waveforms(found, waveforms)
    print(text_of(found, form, chosen), end="")


def _of_call(
    run: Path, place: tuple[int | None, str | None, str | None], column: int | None, drawing: Drawing
) -> Inspection:
    """`place` is step, layer and factor."""
    from training.inspect_call import inspect_call

    step, layer, factor = place
    if step is None or layer is None or factor is None:
        raise InputError("--run needs --step, --layer and --factor: which INV call of the run is it?")
    return inspect_call(run, step, layer, factor, column, **drawing.options())


def _cell(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    row, _, column = text.partition(",")
    if not (row.strip().isdecimal() and column.strip().isdecimal()):
        raise InputError(f"cell = {text!r} must be ROW,COLUMN, counted from 1, such as 2,3.")
    return int(row), int(column)

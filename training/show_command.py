"""The command that shows a circuit: of a matrix, or of an INV call of a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from circuits import InputError
from circuits.errors import check_choice
from circuits.templates import Templates
from cosim.inspection import Inspection

KINDS = ("inverse", "multiply")


def show(
    matrix: Annotated[Path | None, typer.Option(help="The matrix, an .npy file of shape (n, n).")] = None,
    rhs: Annotated[Path | None, typer.Option(help="Right-hand sides, an .npy file of (n,) or (n, k).")] = None,
    hardware: Annotated[str | None, typer.Option(help="The circuits: a preset, or a .toml file.")] = None,
    kind: Annotated[str, typer.Option(help="The circuit: inverse, or multiply with an (n, m) matrix.")] = "inverse",
    reduce: Annotated[
        str | None, typer.Option(help="Wired arrays as port reduction: auto, always, never (segment by segment).")
    ] = None,
    run: Annotated[Path | None, typer.Option(help="A run's folder, in place of --matrix.")] = None,
    step: Annotated[int | None, typer.Option(help="Training step of --run, counted from 1.")] = None,
    layer: Annotated[str | None, typer.Option(help="Name of the layer.")] = None,
    factor: Annotated[str | None, typer.Option(help="A or G.")] = None,
    column: Annotated[int | None, typer.Option(help="One right-hand side of --run, counted from 0.")] = None,
    form: Annotated[str, typer.Option("--format", help="cir (netlist), svg (picture) or json (everything).")] = "cir",
    cell: Annotated[str | None, typer.Option(help="ROW,COLUMN of the cell that the picture annotates.")] = None,
    templates: Annotated[Path | None, typer.Option(help="Folder of templates that replace shipped ones.")] = None,
    waveforms: Annotated[Path | None, typer.Option(help="Write the waveforms here too, .raw or .csv.")] = None,
    backend: Annotated[str, typer.Option(help="Where waveforms come from: nodal or spice.")] = "nodal",
    trust: Annotated[bool, typer.Option("--trust", help="Let netlists run programs in ngspice.")] = False,
) -> None:
    """Print a circuit: its netlist runs as it is in plain `ngspice -b`."""
    from cosim.show import FORMATS, save_waveforms
    from cosim.show import show as text_of

    check_choice("format", form, tuple(FORMATS))
    chosen, choices = _cell(cell), _Choices(reduce, templates, backend, trust)
    if run is None:
        _refuse({"step": step, "layer": layer, "factor": factor, "column": column}, "is for --run")
        found = _of_matrix(matrix, rhs, hardware or "default", kind, choices)
    else:
        _refuse({"matrix": matrix, "rhs": rhs, "hardware": hardware}, "comes from --run")
        _refuse({"kind": None if kind == "inverse" else kind}, "is for --matrix: the calls of a run are inverses")
        found = _of_call(run, (step, layer, factor), column, choices)
    if waveforms:
        save_waveforms(found, waveforms)
    print(text_of(found, form, chosen), end="")


@dataclass(frozen=True)
class _Choices:
    """What a matrix of a file and a call of a run have in common."""

    reduce: str | None
    """`Wires.reduce` in place of the hardware's own."""
    templates: Path | None
    backend: str
    trust: bool


def _of_matrix(matrix: Path | None, rhs: Path | None, hardware: str, kind: str, choices: _Choices) -> Inspection:
    from cosim.inspector import inspect_inverse, inspect_multiply
    from cosim.show import load_array, load_shown_hardware

    check_choice("kind", kind, KINDS)
    if matrix is None:
        raise InputError("There is nothing to show: give --matrix FILE.npy, or --run with --step, --layer, --factor.")
    return (inspect_inverse if kind == "inverse" else inspect_multiply)(
        load_array(matrix),
        None if rhs is None else load_array(rhs),
        load_shown_hardware(hardware, choices.templates, choices.reduce, choices.trust),
        backend=choices.backend,
        title=matrix.name,
        hardware_name=hardware,
        trust=choices.trust,
    )


def _of_call(
    run: Path, place: tuple[int | None, str | None, str | None], column: int | None, choices: _Choices
) -> Inspection:
    """`place` is step, layer and factor."""
    from training.inspect_call import inspect_call

    step, layer, factor = place
    if step is None or layer is None or factor is None:
        raise InputError("--run needs --step, --layer and --factor: which INV call of the run is it?")
    return inspect_call(
        run,
        step,
        layer,
        factor,
        column,
        backend=choices.backend,
        templates=None if choices.templates is None else Templates.read(choices.templates),
        reduce=choices.reduce,
        trust=choices.trust,
    )


def _refuse(options: dict[str, object], why: str) -> None:
    """InputError where one of the options was given."""
    for name, value in options.items():
        if value is not None:
            raise InputError(f"--{name} {why}: leave it out.")


def _cell(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    row, _, column = text.partition(",")
    if not (row.strip().isdecimal() and column.strip().isdecimal()):
        raise InputError(f"cell = {text!r} must be ROW,COLUMN, counted from 1, such as 2,3.")
    return int(row), int(column)

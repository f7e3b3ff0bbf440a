"""Which circuit a person asks to see, a matrix's or a run's, and how it is drawn: the options that commands share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from circuits import InputError
from circuits.errors import check_choice
from circuits.templates import Templates
from cosim.inspection import Inspection

KINDS = ("inverse", "multiply")

Matrix = Annotated[Path | None, typer.Option(help="The matrix, an .npy file of shape (n, n).")]
Rhs = Annotated[Path | None, typer.Option(help="Right-hand sides, an .npy file of (n,) or (n, k).")]
Chip = Annotated[str | None, typer.Option(help="The circuits: a preset, or a .toml file.")]
Kind = Annotated[str, typer.Option(help="The circuit: inverse, or multiply with an (n, m) matrix.")]
Reduce = Annotated[
    str | None, typer.Option(help="Wired arrays as port reduction: auto, always, never (segment by segment).")
]
Step = Annotated[int | None, typer.Option(help="Training step of --run, counted from 1.")]
Layer = Annotated[str | None, typer.Option(help="Name of the layer.")]
Factor = Annotated[str | None, typer.Option(help="A or G.")]
Column = Annotated[int | None, typer.Option(help="One right-hand side of --run, counted from 0.")]
Folder = Annotated[Path | None, typer.Option(help="Folder of templates that replace shipped ones.")]
Engine = Annotated[str, typer.Option(help="Where waveforms come from: nodal or spice.")]
Trust = Annotated[bool, typer.Option("--trust", help="Let netlists run programs in ngspice.")]


@dataclass(frozen=True)
class Drawing:
    """How circuits are drawn and simulated, of a matrix and of a run alike."""

    reduce: str | None
    """`Wires.reduce` in place of the hardware's own."""
    templates: Path | None
    """Folder of templates that replace shipped ones."""
    backend: str
    """Where waveforms come from."""
    trust: bool
    """Whether netlists may run programs in ngspice."""

    def options(self) -> dict[str, Any]:
        """As `inspect_call` takes them."""
        templates = None if self.templates is None else Templates.read(self.templates)
        return {"reduce": self.reduce, "templates": templates, "backend": self.backend, "trust": self.trust}


def inspect_matrix(
    matrix: Path | None, rhs: Path | None, hardware: str | None, kind: str, drawing: Drawing, missing: str
) -> Inspection:
    """The circuit of a matrix in a file; InputError, saying what is `missing`, where none is named."""
    from cosim.inspector import inspect_inverse, inspect_multiply
    from cosim.show import load_array, load_shown_hardware

    check_choice("kind", kind, KINDS)
    if matrix is None:
        raise InputError(missing)
    name = hardware or "default"
    return (inspect_inverse if kind == "inverse" else inspect_multiply)(
        load_array(matrix),
        None if rhs is None else load_array(rhs),
        load_shown_hardware(name, drawing.templates, drawing.reduce, drawing.trust),
        backend=drawing.backend,
        title=matrix.name,
        hardware_name=name,
        trust=drawing.trust,
    )


def refuse_options_of_a_run(**options: object) -> None:
    """InputError where an option was given that says which call of a run is meant."""
    _refuse(options, "is for --run")


def refuse_options_of_a_matrix(kind: str, **options: object) -> None:
    """InputError where an option was given that a run answers by itself."""
    _refuse(options, "comes from --run")
    _refuse({"kind": None if kind == "inverse" else kind}, "is for --matrix: the calls of a run are inverses")


def _refuse(options: dict[str, object], why: str) -> None:
    for name, value in options.items():
        if value is not None:
            raise InputError(f"--{name} {why}: leave it out.")

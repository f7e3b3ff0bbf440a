"""The command that writes the inspector page, of a circuit or of a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from circuits import InputError
from circuits.errors import check_choice, check_whole
from circuits.templates import Templates
from cosim.page import Page, View, assemble
from training.atomic_file import replace_file

KINDS = ("inverse", "multiply")


def inspect(
    html: Annotated[Path, typer.Option(help="The page to write, .html: one file that needs nothing else.")],
    matrix: Annotated[Path | None, typer.Option(help="The matrix, an .npy file of shape (n, n).")] = None,
    rhs: Annotated[Path | None, typer.Option(help="Right-hand sides, an .npy file of (n,) or (n, k).")] = None,
    hardware: Annotated[str | None, typer.Option(help="The circuits: a preset, or a .toml file.")] = None,
    kind: Annotated[str, typer.Option(help="The circuit: inverse, or multiply with an (n, m) matrix.")] = "inverse",
    reduce: Annotated[
        str | None, typer.Option(help="Wired arrays as port reduction: auto, always, never (segment by segment).")
    ] = None,
    run: Annotated[Path | None, typer.Option(help="A run's folder, in place of --matrix: all its INV calls.")] = None,
    step: Annotated[int | None, typer.Option(help="Training step of --run, counted from 1.")] = None,
    layer: Annotated[str | None, typer.Option(help="Name of the layer.")] = None,
    factor: Annotated[str | None, typer.Option(help="A or G.")] = None,
    column: Annotated[int | None, typer.Option(help="One right-hand side of --run, counted from 0.")] = None,
    views: Annotated[int, typer.Option(help="Calls of --run that the page carries in full beside the asked one.")] = 12,
    templates: Annotated[Path | None, typer.Option(help="Folder of templates that replace shipped ones.")] = None,
    backend: Annotated[str, typer.Option(help="Where waveforms come from: nodal or spice.")] = "nodal",
    trust: Annotated[bool, typer.Option("--trust", help="Let netlists run programs in ngspice.")] = False,
) -> None:
    """Write a page that shows a circuit, or every INV call of a run, in any browser and offline."""
    if html.suffix.lower() != ".html":
        raise InputError(f"--html {html} must end in .html: browsers open the page by that name.")
    drawing = Drawing(reduce, templates, backend, trust)
    if run is None:
        _refuse({"step": step, "layer": layer, "factor": factor, "column": column}, "is for --run")
        page = _page_of_matrix(matrix, rhs, hardware or "default", kind, drawing)
    else:
        from training.run_page import Asked, page_of_run

        _refuse({"matrix": matrix, "rhs": rhs, "hardware": hardware}, "comes from --run")
        _refuse({"kind": None if kind == "inverse" else kind}, "is for --matrix: the calls of a run are inverses")
        check_whole("views", views, 0, 1000)
        page = page_of_run(run, Asked.of(step, layer, factor, column), views, drawing.options())
    written = assemble(page).encode()
    replace_file(html, written)
    calls = "" if page.calls is None else f"{len(page.calls):,} INV calls, "
    print(f"{html}: {calls}{len(page.views)} circuit{'s'[: len(page.views) != 1]}, {len(written) / 1e6:.1f} MB")


@dataclass(frozen=True)
class Drawing:
    """How circuits are drawn and simulated, of a matrix and of a run alike."""

    reduce: str | None
    """`Wires.reduce` in place of the hardware's own."""
    templates: Path | None
    backend: str
    trust: bool

    def options(self) -> dict[str, Any]:
        """As `inspect_call` takes them."""
        templates = None if self.templates is None else Templates.read(self.templates)
        return {"reduce": self.reduce, "templates": templates, "backend": self.backend, "trust": self.trust}


def _page_of_matrix(matrix: Path | None, rhs: Path | None, hardware: str, kind: str, drawing: Drawing) -> Page:
    from cosim.inspector import inspect_inverse, inspect_multiply
    from cosim.show import load_array, load_shown_hardware

    check_choice("kind", kind, KINDS)
    if matrix is None:
        raise InputError("There is nothing to inspect: give --matrix FILE.npy, or --run FOLDER.")
    inspection = (inspect_inverse if kind == "inverse" else inspect_multiply)(
        load_array(matrix),
        None if rhs is None else load_array(rhs),
        load_shown_hardware(hardware, drawing.templates, drawing.reduce, drawing.trust),
        backend=drawing.backend,
        title=matrix.name,
        hardware_name=hardware,
        trust=drawing.trust,
    )
    return Page(
        f"{kind.capitalize()} of {matrix.name}" if kind == "inverse" else f"Product with {matrix.name}",
        (View(inspection),),
    )


def _refuse(options: dict[str, object], why: str) -> None:
    """InputError where one of the options was given."""
    for name, value in options.items():
        if value is not None:
            raise InputError(f"--{name} {why}: leave it out.")

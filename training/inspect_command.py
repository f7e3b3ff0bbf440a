"""The command that writes the inspector page, of a circuit or of a run."""

from pathlib import Path
from typing import Annotated

import typer

from circuits import InputError
from circuits.errors import check_whole
from cosim.page import Page, View, assemble
from training.atomic_file import replace_file
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


def inspect(
    html: Annotated[Path, typer.Option(help="The page to write, .html: one file that needs nothing else.")],
    matrix: Matrix = None,
    rhs: Rhs = None,
    hardware: Chip = None,
    kind: Kind = "inverse",
    reduce: Reduce = None,
    run: Annotated[Path | None, typer.Option(help="A run's folder, in place of --matrix: all its INV calls.")] = None,
    step: Step = None,
    layer: Layer = None,
    factor: Factor = None,
    column: Column = None,
    views: Annotated[int, typer.Option(help="Calls of --run that the page carries in full beside the asked one.")] = 12,
    templates: Folder = None,
    backend: Engine = "nodal",
    trust: Trust = False,
) -> None:
    """Write a page that shows a circuit, or every INV call of a run, in any browser and offline."""
    if html.suffix.lower() != ".html":
        raise InputError(f"--html {html} must end in .html: browsers open the page by that name.")
    drawing = Drawing(reduce, templates, backend, trust)
    if run is None:
        refuse_options_of_a_run(step=step, layer=layer, factor=factor, column=column)
        page = _page_of_matrix(matrix, rhs, hardware, kind, drawing)
    else:
        from training.run_page import Asked, page_of_run

        refuse_options_of_a_matrix(kind, matrix=matrix, rhs=rhs, hardware=hardware)
        check_whole("views", views, 0, 1000)
        page = page_of_run(run, Asked.of(step, layer, factor, column), views, drawing.options())
    written = assemble(page).encode()
    replace_file(html, written)
    calls = "" if page.calls is None else f"{len(page.calls):,} INV calls, "
    print(f"{html}: {calls}{len(page.views)} circuit{'s'[: len(page.views) != 1]}, {len(written) / 1e6:.1f} MB")


def _page_of_matrix(matrix: Path | None, rhs: Path | None, hardware: str | None, kind: str, drawing: Drawing) -> Page:
    missing = "There is nothing to inspect: give --matrix FILE.npy, or --run FOLDER."
    view = View(inspect_matrix(matrix, rhs, hardware, kind, drawing, missing))
    name = view.inspection.subject.title
    return Page(f"Inverse of {name}" if kind == "inverse" else f"Product with {name}", (view,))

"""The command that writes the report: report."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    results: Annotated[Path, typer.Option(help="Folder of the measurements; the report goes into it.")] = Path(
        "results"
    ),
    readme: Annotated[Path | None, typer.Option(help="A README whose table of results is written anew.")] = None,
) -> None:
    """Write REPORT.md and report.html from the tables of tune, reproduce and cost."""
    from training.atomic_file import replace_file
    from training.report import markdown, page
    from training.report.found import find
    from training.report.headline import write_headline
    from training.report.sections import LEAD, TITLE, sections

    found = find(results)
    listed = sections(found)
    texts = {"REPORT.md": markdown.render(TITLE, LEAD, listed), "report.html": page.render(TITLE, LEAD, listed)}
    for name, text in texts.items():
        replace_file(results / name, text.encode())
    if readme is not None:
        write_headline(readme, found)
    for missing in found.missing():
        typer.echo(f"missing: {missing.path} {missing.why}, {missing.command} writes it")
    typer.echo(f"{results / 'REPORT.md'}, {results / 'report.html'}{f', {readme}' if readme else ''}")

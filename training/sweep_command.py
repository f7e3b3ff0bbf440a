"""The command that runs a circuit sweep: sweep."""

from pathlib import Path
from typing import Annotated

import typer


def sweep(
    file: Annotated[Path, typer.Argument(help="The sweep's description, a .toml file.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The table: .csv or .parquet; plot and metadata beside it.")],
    parquet: Annotated[bool, typer.Option("--parquet", help="A Parquet file beside the CSV.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the rows of another sweep.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Run however many points there are.")] = False,
    workers: Annotated[int | None, typer.Option(help="Processes on this machine. [default: one a core]")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds that one point may take.")] = 600.0,
    executor: Annotated[str, typer.Option(help="Where the points run: local or dask.")] = "local",
    dask_address: Annotated[str | None, typer.Option(help="The Dask scheduler, such as tcp://host:8786.")] = None,
    progress: Annotated[bool, typer.Option("--progress/--no-progress", help="Progress bar.")] = True,
) -> None:
    """Run a circuit sweep into a table and a plot; stopped, the same command goes on where it was."""
    from cosim.sweep_command import SweepRun, run_sweep_file

    run_sweep_file(
        file,
        out,
        SweepRun(parquet, overwrite, yes, workers, timeout, executor, dask_address, progress),
    )

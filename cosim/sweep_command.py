"""A sweep file becomes a table and a plot; a run that was stopped goes on where it was."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cosim.executor import Executor
from cosim.executors import open_executor
from cosim.pool import SpicePool
from cosim.sweep import Sweep
from cosim.sweep_files import check_files, metadata_of, versions, write_files
from cosim.sweep_part import Part
from cosim.sweep_rows import Row, check_count, run_rows


@dataclass(frozen=True)
class SweepRun:
    """How a sweep is run, which changes nothing in its rows but `wall_s`."""

    parquet: bool = False
    """Whether a Parquet file goes beside the CSV."""
    overwrite: bool = False
    """Whether the rows of another sweep may be replaced."""
    yes: bool = False
    """Whether more than LIMIT points are run."""
    workers: int | None = None
    """Processes on this machine, one a core where None [-]."""
    timeout: float = 600.0
    """[s] that one point may take."""
    executor: str = "local"
    """local or dask."""
    dask_address: str | None = None
    """The Dask scheduler, such as tcp://host:8786."""
    progress: bool = True
    """Whether a bar is shown."""


def run_sweep_file(file: Path, out: Path, run: SweepRun | None = None) -> None:
    """Run a sweep into `out` (.csv or .parquet), the plot (.png) and the metadata (.meta.json) beside it.

    InputError for a file, an output or options that cannot be used, before anything is run.
    """
    run = run or SweepRun()
    sweep, console = Sweep.read(file), Console(stderr=True)
    check_files(out, sweep, run.parquet, run.overwrite)
    part = Part.of(out)
    with _executor(sweep, run) as executor:
        if not run.yes:
            check_count(sweep, executor)
        found = versions(executor, _needs_ngspice(sweep))
        try:
            rows = _run(
                sweep, executor, part, repr(sorted(found.items())), file.stem, console if run.progress else None
            )
        except KeyboardInterrupt:
            console.print(f"Stopped: {part.path} keeps the rows so far, and the same command goes on.", soft_wrap=True)
            raise
    metadata = metadata_of(sweep, f"ohmvert sweep {file} -o {out}{' --parquet' if run.parquet else ''}", found)
    write_files(rows, out, sweep, metadata, run.parquet)
    part.remove()
    bad = sum(row["status"] != "SETTLED" for row in rows)
    words = f"{len(rows)} rows in {out}, {bad} of them did not settle, plot in {out.with_suffix('.png')}"
    console.print(words, soft_wrap=True, highlight=False)


def _run(sweep: Sweep, executor: Executor, part: Part, stamp: str, name: str, console: Console | None) -> list[Row]:
    if console is None:
        return run_rows(sweep, executor, part, stamp)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bars:
        bar = bars.add_task(name, total=sweep.count)
        return run_rows(sweep, executor, part, stamp, lambda done: bars.update(bar, completed=done))


def _needs_ngspice(sweep: Sweep) -> bool:
    return "spice" in sweep.axes["backend"]


def _executor(sweep: Sweep, run: SweepRun) -> Executor:
    if run.executor == "local" and run.dask_address is None and not _needs_ngspice(sweep):
        return SpicePool(run.workers, run.timeout)  # the same processes, without a look for ngspice
    return open_executor(run.executor, run.workers, run.timeout, run.dask_address)

"""The command `ohmvert`: train, show, sweep, tables, doctor. Errors are one line on stderr and exit 2."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from circuits import InputError
from cosim import InverseError
from cosim.audit import AuditError
from cosim.executor import TaskError
from training.bench import bench, soak
from training.chaos import chaos
from training.cluster_demo import cluster_demo
from training.cost_command import cost
from training.precision import precision
from training.proofs import lines, witness
from training.replay import replay
from training.report_command import report
from training.study_commands import reproduce, tune
from training.tables import compare, effects, stability
from training.train_command import train

UsageError: Any = typer.BadParameter.__mro__[2]
"""ClickException, the base of every complaint about arguments: typer carries its own copy of click."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Second-order training whose every matrix inverse is an analog circuit.",
)


app.command()(train)
for table in (
    effects,
    stability,
    compare,
    witness,
    lines,
    bench,
    soak,
    chaos,
    cluster_demo,
    replay,
    precision,
    cost,
    tune,
    reproduce,
    report,
):
    app.command()(table)


@app.command()
def show(
    matrix: Annotated[Path, typer.Option(help="The matrix, an .npy file of shape (n, n).")],
    rhs: Annotated[Path | None, typer.Option(help="Right-hand sides, an .npy file of (n,) or (n, k).")] = None,
    hardware: Annotated[str, typer.Option(help="The circuits: a preset, or a .toml file.")] = "default",
    trust: Annotated[bool, typer.Option("--trust", help="Let model files run programs in ngspice.")] = False,
) -> None:
    """Print the netlist of a matrix inverse; it runs as it is in plain `ngspice -b`."""
    from cosim.show import load_array, show_inverse

    print(show_inverse(load_array(matrix), None if rhs is None else load_array(rhs), hardware, trust), end="")


@app.command()
def sweep(
    file: Annotated[Path, typer.Argument(help="The sweep's description, a .toml file.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The table to write, .csv; a plot goes beside it.")],
    progress: Annotated[bool, typer.Option("--progress/--no-progress", help="Progress bar.")] = True,
) -> None:
    """Run a circuit sweep into a CSV file and a plot."""
    from cosim.sweep_command import run_sweep_file

    run_sweep_file(file, out, progress)


@app.command()
def doctor() -> None:
    """Say what was found on this machine; exit 1 with the way out where something is missing."""
    from training.doctor import examine

    raise typer.Exit(examine())


def run(command: Callable[..., Any]) -> int:
    """Run a typer app, turn its errors into one line; the exit code."""
    try:
        code = command(standalone_mode=False)
    except UsageError as error:
        return _complain(error.format_message())
    except (InputError, InverseError, AuditError, TaskError) as error:
        return _complain(" ".join([str(error), *getattr(error, "__notes__", [])]))
    except (KeyboardInterrupt, typer.Abort):
        return 130
    return int(code or 0)


def _complain(message: str) -> int:
    print("ohmvert: " + " ".join(message.split()), file=sys.stderr)
    return 2


def main() -> None:
    """Entry point of `ohmvert`."""
    sys.exit(run(app))

"""The command `ohmvert`: train, show, sweep, tables, doctor. Errors are one line on stderr and exit 2."""

import sys
from collections.abc import Callable
from typing import Any

import typer

from circuits import InputError
from cosim import InverseError
from cosim.audit import AuditError
from cosim.executor import TaskError
from training.bench import bench, soak
from training.chaos import chaos
from training.cluster_demo import cluster_demo
from training.cost_command import cost
from training.inspect_command import inspect
from training.precision import precision
from training.proofs import lines, witness
from training.replay import replay
from training.report_command import report
from training.show_command import show
from training.study_commands import reproduce, tune
from training.sweep_command import sweep
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
    show,
    inspect,
    sweep,
):
    app.command()(table)


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

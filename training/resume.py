"""What the command line asks for: a run of its own, or the rest of one that has stopped."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from circuits import InputError
from training.checkpoint import Checkpoints
from training.config import RunConfig, differences
from training.execution import Execution
from training.state_file import State


@dataclass(frozen=True)
class Plan:
    """A run to carry out."""

    config: RunConfig
    execution: Execution
    checkpoints: Checkpoints | None = None
    """Where the run that goes on has its checkpoints; None for a run of its own."""


def begun(options: Mapping[str, Any]) -> Plan:
    """The run that the options describe; InputError for a value that makes no sense."""
    return Plan(RunConfig(**_of(RunConfig, options)).resolved(), Execution(**_of(Execution, options)))


def continued(run: Path, options: Mapping[str, Any], given: set[str]) -> Plan:
    """The rest of the run in a folder, as its newest good checkpoint describes it.

    Of the options only those named in `given` count: InputError where one of them would change the result. What
    does not is taken from them. Trust is never taken from a file.
    """
    clash = given & {"out", "overwrite"}
    if clash:
        raise InputError(f"--resume {run} goes on in its own folder: leave --{sorted(clash)[0]} out.")
    checkpoints = Checkpoints(run)
    state = checkpoints.newest(lambda state: _check_same_run(run, state))
    config = RunConfig.restored(state["config"], bool(options["trust"]))
    apart = differences(state["config"], {**state["config"], **_of(RunConfig, options, given)})
    if apart:
        raise InputError(
            f"--resume {run} cannot change what the run is: {', '.join(apart)} as given. "
            f"Leave it out, or begin a run of its own with --out."
        )
    apart = differences(state["config"], config.described())
    if apart:
        raise InputError(f"The hardware {config.hardware!r} is not what it was in {run}: {', '.join(apart)} now.")
    execution = Execution(**{**_of(Execution, state["execution"]), **_of(Execution, options, given)})
    checkpoints.keep = execution.keep_checkpoints
    return Plan(config, execution, checkpoints)


def _of(kind: type, options: Mapping[str, Any], given: set[str] | None = None) -> dict[str, Any]:
    """The options that are fields of a dataclass."""
    names = {field.name for field in fields(kind)} & set(options)
    return {name: options[name] for name in names if given is None or name in given}


def _check_same_run(run: Path, state: State) -> None:
    """InputError unless a checkpoint is of the run that config.json describes; there may be none."""
    try:
        config = json.loads((run / "config.json").read_text())
    except (OSError, ValueError):
        return
    apart = differences(state["config"], config)
    if apart:
        raise InputError(f"it is of another run than config.json: {', '.join(apart)}")

"""One training run of a study, carried out once and remembered."""

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from circuits.errors import RefusedError
from cosim import InverseError
from cosim.trial import REFUSED
from training.atomic_file import replace_file
from training.calls import INPUTS, CallStore
from training.checkpoint import Checkpoints
from training.config import RunConfig
from training.execution import Execution
from training.loop import DivergedError, Training
from training.progress import Silent
from training.record import RunFolder
from training.study.inverses import Inverses, examine

OUTCOME = "outcome.json"
PLACES = ("data_dir", "hardware", "trust")
"""Fields that say where something is, which another machine has elsewhere; the hardware counts by its parts."""
ERROR_EVERY = 20
"""Steps between those whose inverses are held against linear algebra."""


@dataclass(frozen=True)
class Outcome:
    """What a run came to."""

    accuracy: list[float]
    """Test accuracy, 0 to 1, after each epoch."""
    loss: list[float]
    """Mean training loss of each epoch."""
    statuses: dict[str, int]
    """INV calls by verdict; REFUSED counts matrices that could not be programmed."""
    seconds: float
    """[s] wall time."""
    seconds_ngspice: float
    """[s] of it in ngspice."""
    failure: str = ""
    """Why it stopped before its end; empty where it did not."""
    inverses: Inverses = field(default_factory=Inverses)
    """How good its inverses were."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """From its file."""
        found = json.loads(path.read_text())
        return cls(**{**found, "inverses": Inverses(**found["inverses"])})


def digest(config: RunConfig) -> str:
    """Sixteen hexadecimal digits that stand for all that a run depends on but the place of its data."""
    described = {name: value for name, value in config.described().items() if name not in PLACES}
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]


def carry_out(config: RunConfig, folder: Path) -> Outcome:
    """The run's outcome: read where the folder has it, otherwise trained, from where an earlier try stopped.

    A loss, a matrix or an INV call that fails ends the run and is part of the outcome. The rest of the folder goes.
    """
    if (folder / OUTCOME).exists():
        return Outcome.read(folder / OUTCOME)
    outcome = _train(config, folder)
    replace_file(folder / OUTCOME, json.dumps(asdict(outcome)).encode())
    _keep_outcome(folder)
    return outcome


def _train(config: RunConfig, folder: Path) -> Outcome:
    checkpoints = Checkpoints(folder, keep=2)
    resume = bool(checkpoints.files())
    kept = str(ERROR_EVERY) if config.optimizer == "kfac" and config.backend != "exact" else "none"
    # A run without circuits takes seconds: a checkpoint an epoch would cost more than it saves.
    every = 0 if config.backend == "spice" else 10**6
    execution = Execution(workers=1, inputs=kept, keep_checkpoints=2, checkpoint_every=every)
    failure, refused = "", 0
    with RunFolder(folder, config, overwrite=not resume, resume=resume) as record:
        training = Training(config, record, Silent(), execution, checkpoints if resume else None)
        try:
            training.run()
        except (DivergedError, InverseError, RefusedError) as error:
            refused = int(isinstance(error, RefusedError))
            failure = " ".join([str(error), *getattr(error, "__notes__", [])])
    last = training.metrics[-1] if training.metrics else None
    return Outcome(
        accuracy=[m.test_accuracy for m in training.metrics],
        loss=[m.train_loss for m in training.metrics],
        statuses={**record.statuses, **({REFUSED: refused} if refused else {})},
        seconds=last.seconds_total if last else 0.0,
        seconds_ngspice=last.seconds_ngspice if last else 0.0,
        failure=failure,
        inverses=examine(CallStore(folder / INPUTS), np.array(record.settling_times)),
    )


def _keep_outcome(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name == OUTCOME:
            continue
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def epochs_done(folder: Path) -> int:
    """Epochs that a run at work has behind it."""
    try:
        return (folder / "metrics.jsonl").read_bytes().count(b"\n")
    except OSError:
        return 0

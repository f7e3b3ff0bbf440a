"""All runs of a comparison, measured and written down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.data import load_dataset
from training.study.files import write_csv, write_json
from training.study.plan import Method, Task, configs
from training.study.result import Result
from training.study.runs import Runs, Told
from training.study.summary import summarize
from training.study.tables import (
    ERROR_COLUMNS,
    SETTLING_COLUMNS,
    curve_rows,
    error_rows,
    run_rows,
    settling_rows,
)
from training.study.winners import Winners


@dataclass(frozen=True)
class Reproduction:
    """Tuned optimizers against each other on a task."""

    task: Task
    methods: Sequence[Method]
    winners: Winners
    """Hyperparameters of each optimizer."""
    data_dir: str | None = None
    """Of the images."""
    quick: bool = False
    """Whether few seeds and epochs are enough."""

    def run(self, runs: Runs, told: Told) -> list[Result]:
        """Every run, in the order of the methods. InputError for an optimizer that was not tuned."""
        classes = load_dataset(self.task.dataset, self.data_dir if self.task.dataset != "digits" else None).classes
        planned = [(method, config) for method in self.methods for config in self._configs(method)]
        # Runs that take longest begin first, so that no process waits for one at the end.
        order = sorted(range(len(planned)), key=lambda k: planned[k][1].backend != "spice")
        outcomes = dict(zip(order, runs.carry_out([planned[k][1] for k in order], told), strict=True))
        return [
            Result.of(self.task, method, config, outcomes[k], classes) for k, (method, config) in enumerate(planned)
        ]

    def _configs(self, method: Method) -> list[Any]:
        return configs(self.task, method, self.winners.of(method.optimizer), self.quick, self.data_dir)


def write_results(folder: Path, task: Task, results: Sequence[Result], made: Mapping[str, Any]) -> None:
    """runs.csv, curves.csv, errors.csv, settling.csv and summary.json; `made` says how and with what versions."""
    write_csv(folder / "runs.csv", run_rows(results))
    write_csv(folder / "curves.csv", curve_rows(results), ("method", "seed", "epoch", "train_loss", "test_accuracy"))
    write_csv(folder / "errors.csv", error_rows(results), ERROR_COLUMNS)
    write_csv(folder / "settling.csv", settling_rows(results), SETTLING_COLUMNS)
    write_json(folder / "summary.json", {"made": dict(made), **summarize(task, results)})

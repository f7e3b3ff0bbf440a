"""The files of the measurements, as far as they are there."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from circuits import InputError
from training.study.files import read_json

TASKS = ("letters", "digits")
TABLES = {
    "runs": {"method", "seed", "epochs_to_accuracy", "epochs_run", "seconds", "seconds_ngspice", "failure"},
    "curves": {"method", "seed", "epoch", "test_accuracy"},
    "errors": {"method", "step", "factor", "lower_quartile", "median", "upper_quartile"},
    "settling": {"method", "from_s", "to_s", "inv_calls"},
}
"""The tables of a task and the columns that are read of each."""
SUMMARY = {"made", "task", "methods", "savings"}
WINNERS = {"made", "search", "optimizers"}
COST = {"command", "setting", "workload", "constants", "arrays", "processors", "ratios", "machine", "assumptions"}

Json = Mapping[str, Any]
Rows = Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class Missing:
    """A file that cannot be used."""

    path: str
    """Below the folder of the results."""
    why: str
    command: str
    """That writes it."""

    def sentence(self) -> str:
        """What the report has in its place."""
        return f"**Missing:** `{self.path}` {self.why}; `{self.command}` writes it."


@dataclass(frozen=True)
class Measured:
    """The comparison of a task."""

    name: str
    summary: Json
    tables: Mapping[str, Rows | Missing]
    """By the names of TABLES."""

    def rows(self, table: str, method: str | None = None) -> Rows:
        """Of a table, or none where it is missing; of one method where one is named."""
        found = self.tables[table]
        rows = [] if isinstance(found, Missing) else found
        return [row for row in rows if method is None or row["method"] == method]

    @property
    def methods(self) -> Json:
        """What each method came to, by its name."""
        found: Json = self.summary["methods"]
        return found

    def saving(self, baseline: str, method: str) -> Json | None:
        """Epochs to the target accuracy that a method saves, None where the two were not compared."""
        found: Json | None = self.summary["savings"].get(baseline, {}).get(method, {}).get("accuracy")
        return found

    @property
    def target(self) -> float:
        """Test accuracy that counts as learned."""
        return float(self.summary["task"]["accuracy"])


@dataclass(frozen=True)
class Found:
    """All files."""

    winners: Json | Missing
    tasks: Mapping[str, Measured | Missing]
    costs: tuple[Json, ...] | Missing
    damaged: tuple[Missing, ...] = ()
    """Files of the cost model that cannot be used."""

    def measured(self) -> list[Measured]:
        """The tasks whose comparison is there."""
        return [one for one in self.tasks.values() if isinstance(one, Measured)]

    def missing(self) -> list[Missing]:
        """Everything that cannot be used."""
        tables = [table for task in self.measured() for table in task.tables.values()]
        parts = [self.winners, *self.tasks.values(), *tables, self.costs, *self.damaged]
        return [part for part in parts if isinstance(part, Missing)]


def find(folder: Path) -> Found:
    """Read what is there. InputError where nothing is."""
    costs = [_json(folder, f"cost/{path.name}", COST, "make cost") for path in sorted((folder / "cost").glob("*.json"))]
    usable = [one for one in costs if not isinstance(one, Missing)]
    usable.sort(key=lambda one: one["workload"]["parameters"])
    found = Found(
        _json(folder, "tune/winners.json", WINNERS, "ohmvert tune"),
        {name: _task(folder, name) for name in TASKS},
        tuple(usable) or Missing("cost/", "holds no file of the cost model", "make cost"),
        tuple(one for one in costs if isinstance(one, Missing)),
    )
    if isinstance(found.winners, Missing) and isinstance(found.costs, Missing) and not found.measured():
        raise InputError(
            f"{folder} has no results to report on: run `ohmvert tune`, `ohmvert reproduce` or `ohmvert cost` first."
        )
    return found


def _task(folder: Path, name: str) -> Measured | Missing:
    command = f"ohmvert reproduce --task={name}"
    summary = _json(folder, f"reproduce/{name}/summary.json", SUMMARY, command)
    if isinstance(summary, Missing):
        return summary
    tables = {table: _csv(folder, f"reproduce/{name}/{table}.csv", TABLES[table], command) for table in TABLES}
    return Measured(name, summary, tables)


def _json(folder: Path, path: str, keys: set[str], command: str) -> Json | Missing:
    if not (folder / path).is_file():
        return Missing(path, "is not there", command)
    try:
        found = read_json(folder / path, command)
    except InputError:
        return Missing(path, "is damaged", command)
    if not isinstance(found, dict) or not keys <= set(found):
        return Missing(path, "has another form", command)
    return found


def _csv(folder: Path, path: str, columns: set[str], command: str) -> Rows | Missing:
    if not (folder / path).is_file():
        return Missing(path, "is not there", command)
    with (folder / path).open(newline="") as stream:
        reader = csv.DictReader(stream)
        rows = list(reader)
    if not columns <= set(reader.fieldnames or ()):
        return Missing(path, "has another form", command)
    return rows

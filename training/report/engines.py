"""ngspice beside the nodal engine, and how long either takes."""

from math import sqrt
from statistics import median

from training.report.blocks import Section, Table, Text
from training.report.found import Found, Measured
from training.report.methods import pairs
from training.report.words import percent, quantity


def engines(found: Found) -> Section:
    """Differences of epochs seed by seed."""
    tables = [table for task in found.measured() if (table := _differences(task))]
    if not tables:
        return Section(TITLE, (Text("No method was run in ngspice and in the nodal engine on the same seeds."),))
    return Section(TITLE, (Text(SAME_SEEDS), *tables))


TITLE = "ngspice against the nodal engine"
SAME_SEEDS = (
    "The same seed gives both the same initial weights, the same order of the images and the same cells. The nodal "
    "engine takes cells and op-amps as linear and needs no time steps; ngspice simulates the transient with what "
    "limits them. Differences are ngspice's epochs to the target accuracy less the nodal engine's."
)


def _differences(task: Measured) -> Table | None:
    """A row for each method that both have run, a column for each seed."""
    both = [(pair, _epochs(task, pair[0]), _epochs(task, pair[1])) for pair in pairs()]
    seeds = sorted({seed for _, ours, theirs in both for seed in set(ours) & set(theirs)})
    rows = [
        {"in ngspice": spice, "in the nodal engine": nodal}
        | {f"seed {seed}": _difference(ours.get(seed), theirs.get(seed)) for seed in seeds}
        for (spice, nodal), ours, theirs in both
        if set(ours) & set(theirs)
    ]
    title = (
        f"{task.name.capitalize()}: epochs to a test accuracy of {task.target:g}, difference (ngspice, nodal engine)"
    )
    return Table.of(title, rows) if rows else None


def _difference(ours: str | None, theirs: str | None) -> str:
    if ours is None or theirs is None:
        return "-"
    if "never" in (ours, theirs):
        return "never in both" if ours == theirs else f"({_short(ours)}, {_short(theirs)})"
    return f"{float(ours) - float(theirs):+.2f} ({_short(ours)}, {_short(theirs)})"


def _short(epochs: str) -> str:
    return epochs if epochs == "never" else f"{float(epochs):.2f}"


def _epochs(task: Measured, method: str) -> dict[int, str]:
    return {int(row["seed"]): row["epochs_to_accuracy"] for row in task.rows("runs", method)}


def wall_time(found: Found) -> Section:
    """What an epoch takes to simulate, and what the circuits themselves would take."""
    tables = [table for task in found.measured() if (table := _times(task))]
    if not tables:
        return Section("Wall time", (Text("No run has a time: see the files that are missing, above."),))
    return Section("Wall time", (Text(SLOW), *tables))


SLOW = (
    "A simulation of a circuit is slow, the circuit that it simulates is not: seconds of wall time say what a run "
    "costs here, one process on one core of a machine that did other work too, and nothing about hardware. The last "
    "column adds up the settling times of an epoch's INV calls as if one array made them one after the other; "
    "converters, programming and digital work come on top, see [Cost of the inverses](#cost-of-the-inverses)."
)


def _times(task: Measured) -> Table | None:
    rows = []
    for name, own in task.methods.items():
        runs = task.rows("runs", name)
        if own["seconds_an_epoch"] is None or not runs:
            continue
        seconds = sum(float(row["seconds"]) for row in runs)
        share = sum(float(row["seconds_ngspice"]) for row in runs) / seconds if seconds else 0.0
        epochs = sum(int(row["epochs_run"]) for row in runs)
        settling = settling_sum(task, name) / epochs if epochs else 0.0
        rows.append(
            {
                "method": name,
                "wall time of an epoch": quantity(own["seconds_an_epoch"], "s"),
                "of it in ngspice": percent(share),
                "INV calls of an epoch": f"{sum(own['statuses'].values()) / epochs:,.0f}" if epochs else "-",
                "settling of an epoch's calls": quantity(settling, "s") if settling else "-",
            }
        )
    return Table.of(f"{task.name.capitalize()}: medians over the runs", rows) if rows else None


def settling_sum(task: Measured, method: str) -> float:
    """[s] that all INV calls of a method's runs took to settle, each at the middle of its bin."""
    rows = task.rows("settling", method)
    return sum(sqrt(float(row["from_s"]) * float(row["to_s"])) * int(row["inv_calls"]) for row in rows)


def settling_median(task: Measured, method: str) -> float | None:
    """[s] the middle of the bin that the median of the INV calls is in, None where none has a settling time."""
    rows = task.rows("settling", method)
    half, passed = sum(int(row["inv_calls"]) for row in rows) / 2, 0
    for row in rows:
        passed += int(row["inv_calls"])
        if passed >= half:
            return sqrt(float(row["from_s"]) * float(row["to_s"]))
    return None


def error_median(task: Measured, method: str) -> float | None:
    """[-] median over factors and steps of the inverses' relative error, None where none was measured."""
    errors = [float(row["median"]) for row in task.rows("errors", method)]
    return median(errors) if errors else None

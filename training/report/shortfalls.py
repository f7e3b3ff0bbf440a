"""What does not hold, is not there, or is weaker than it looks."""

from collections.abc import Iterator

from training.report.blocks import Bullets, Section, Text
from training.report.claims import FEWER, TASK, judge
from training.report.found import Found, Measured, Missing
from training.report.methods import OPTIMIZERS, is_bare, is_baseline
from training.report.words import listed, percent, saved, seeds
from training.study.plan import METHODS

FEW = 5
"""Runs below which an interval is a rough one."""


def shortfalls(found: Found) -> Section:
    """All of them in one list."""
    items = list(_all(found))
    return Section("Shortfalls", (Bullets(tuple(items)) if items else Text("None was found."),))


def _all(found: Found) -> Iterator[str]:
    yield from (one.sentence() for one in found.missing())
    letters = found.tasks[TASK]
    if isinstance(letters, Measured):
        yield from _unreached(letters)
    for task in found.measured():
        yield from _of_task(task)
    if not isinstance(found.costs, Missing):
        quick = [cost["workload"]["name"] for cost in found.costs if cost["setting"]["quick"]]
        if quick:
            yield f"Cost of {listed(quick)} was made with --quick: larger factors were not timed."
        yield (
            "Cost ratios are estimates over ranges of decades. No chip was measured, and only the small network was "
            "trained with circuits."
        )


def _unreached(task: Measured) -> Iterator[str]:
    for baseline, claim in FEWER.items():
        others = {name: task.saving(baseline, name) for name in task.methods if _is_meant(name)}
        lost = [f"`{name}`: {saved(one)}" for name, one in others.items() if one and not judge(one, claim).reached]
        if lost:
            yield f"{percent(claim)} fewer epochs than {OPTIMIZERS[baseline]} was **not reached** by {'; '.join(lost)}."


def _is_meant(name: str) -> bool:
    """Whether it is to reach the claims; what is bare is there to show that it fails."""
    return not is_baseline(name) and not is_bare(name)


def _of_task(task: Measured) -> Iterator[str]:
    made, label = task.summary["made"], task.name.capitalize()
    if "--quick" in made.get("command", ""):
        yield f"{label}: made with --quick, few seeds and epochs; these are no results."
    classes = made.get("images", {}).get("classes")
    if task.name == TASK and classes and classes < 26:
        count = made["images"]["train"]
        yield f"Letters: {classes} of the 26 letters and {count:,} training images, not the whole of EMNIST Letters."
    absent = [name for name in METHODS if name not in task.methods]
    if absent:
        yield f"{label}: not run: {listed(absent)}."
    few = [name for name, own in task.methods.items() if own["runs"] < FEW]
    if few:
        yield f"{label}: fewer than {FEW} runs of {listed(few)}; quartiles and intervals of so few are rough."
    yield from _outcomes(task, label)


def _outcomes(task: Measured, label: str) -> Iterator[str]:
    for name, own in task.methods.items():
        missed = own["runs"] - own["reached"]
        if not own["failed"] and not missed:
            continue
        misses = [int(row["seed"]) for row in task.rows("runs", name) if row["epochs_to_accuracy"] == "never"]
        parts = [f"{own['failed']} stopped before their end"] if own["failed"] else []
        parts += [f"{missed} never reached the target{f' (seeds {seeds(misses)})' * bool(misses)}"] if missed else []
        kind = ", without conditioning" if is_bare(name) else ""
        late = "; savings against it are at least those shown" if is_baseline(name) and missed else ""
        yield f"{label}: of {own['runs']} runs of `{name}`{kind}, {' and '.join(parts)}{late}."

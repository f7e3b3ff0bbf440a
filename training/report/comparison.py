"""A task's section: epochs to the target, other targets, accuracies at equal epochs."""

from functools import partial

from training.report.blocks import Block, Panels, Section, Table, Text
from training.report.figures import draw_accuracy, draw_epochs
from training.report.found import Measured, Missing
from training.report.methods import BASELINES, MAIN, OPTIMIZERS, is_bare, is_baseline
from training.report.words import saved, spread
from training.study.plan import CIRCUIT_EPOCHS, SHARED

TITLES = {
    "letters": "Letters: the task of the search",
    "digits": "Digits: a task that the search never saw",
}


def comparison(name: str, task: Measured | Missing) -> Section:
    """The section of a task."""
    if isinstance(task, Missing):
        return Section(TITLES[name], (Text(task.sentence()),))
    missing = [Text(table.sentence()) for table in task.tables.values() if isinstance(table, Missing)]
    tables = [_epochs(task), *_others(task), *_equal(task)]
    return Section(TITLES[name], (Text(_task(task)), *tables, *missing, *_figures(task)))


def _task(task: Measured) -> str:
    asked, images = task.summary["task"], task.summary["made"].get("images", {})
    data = f"`{asked['dataset']}`"
    if images:
        data += f": {images['train']:,} training and {images['test']:,} test images of {images['classes']} classes"
    searched = "were searched on its training images" if asked["tuned"] else "are those of the letters, unchanged"
    return (
        f"{data}. The target is a test accuracy of {asked['accuracy']:g}; a second one is a mean training loss of "
        f"{asked['loss']:g}. Runs have {asked['epochs']} epochs, with simulated circuits {CIRCUIT_EPOCHS} at the "
        f"most; those in ngspice end at the target. The hyperparameters of all three optimizers {searched}. Batches "
        f"have {SHARED['batch_size']} images in all runs, and K-FAC programs its arrays every "
        f"{SHARED['inv_update_steps']} steps. Epochs are interpolated between the ends of epochs. A run of a baseline "
        "that never reached the target counts as if it had at its end, so that a saving is never "
        "larger than it was."
    )


def _epochs(task: Measured) -> Table:
    rows = []
    for name, own in task.methods.items():
        row = {
            "method": name,
            "runs": str(own["runs"]),
            "reached": f"{own['reached']}",
            "failed": f"{own['failed']}",
            f"epochs to {task.target:g}": spread(own["epochs_to_accuracy"]),
            "epochs to the loss": spread(own["epochs_to_loss"]),
        }
        rows.append(row | {f"fewer than {OPTIMIZERS[one]}": saved(task.saving(one, name)) for one in BASELINES})
    return Table.of("Epochs to the target: median (quartiles), and savings with their 95 % bootstrap interval", rows)


def _others(task: Measured) -> list[Table]:
    """Savings at the other targets, so that the choice of one is seen not to decide."""
    return [table for one in BASELINES if (table := _at_other_targets(task, one))]


def _at_other_targets(task: Measured, baseline: str) -> Table | None:
    savings = task.summary["savings"].get(baseline, {})
    targets = sorted({target for own in savings.values() for target in own["other_accuracies"]})
    if not targets:
        return None
    rows = [
        {"method": name, **{target: saved(own["other_accuracies"].get(target)) for target in targets}}
        | {"the training loss": saved(own["loss"])}
        for name, own in savings.items()
        if not is_baseline(name)
    ]
    title = f"Other targets: epochs saved against {OPTIMIZERS[baseline]} up to a test accuracy, and up to the loss"
    return Table.of(title, rows) if rows else None


EQUAL = (
    "Accuracy at equal epochs: median test accuracy after so many, as far as all runs have them, and the best of a "
    "run; runs in ngspice end at the target, so their best is no comparison"
)


def _equal(task: Measured) -> list[Table]:
    epochs = sorted({int(epoch) for own in task.methods.values() for epoch in own["accuracy_after"]})
    if not epochs:
        return []
    rows = [
        {"method": name}
        | {str(epoch): _accuracy(own["accuracy_after"].get(str(epoch))) for epoch in epochs}
        | {"best": _accuracy((own["best_accuracy"] or {}).get("median"))}
        for name, own in task.methods.items()
    ]
    return [Table.of(EQUAL, rows)]


def _accuracy(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _figures(task: Measured) -> list[Block]:
    panels, captions = [], []
    if task.rows("curves"):
        panels += [partial(draw_accuracy, task, names, title) for title, names in _groups(task).items()]
        captions.append(
            "Test accuracy against epoch: median over the seeds and quartile band, as far as all runs of a method go; "
            "the horizontal line is the target."
        )
    if task.rows("runs"):
        panels.append(partial(draw_epochs, task))
        captions.append(
            "Epochs to the target: a dot a run, a bar from quartile to quartile, an upright line at the median."
        )
    return [Panels(task.name, " ".join(captions), tuple(panels))] if panels else []


def _groups(task: Measured) -> dict[str, list[str]]:
    """The methods of each panel: all in one could not be told apart."""
    circuits = [name for name in task.methods if not is_baseline(name)]
    bare = [name for name in circuits if is_bare(name)]
    lasted = [name for name in bare if task.methods[name]["accuracy_after"]]
    groups = {
        "Optimizers": [name for name in task.methods if is_baseline(name) or name in MAIN],
        "K-FAC by its inverses": [name for name in circuits if name not in bare],
        "Without conditioning": [*(name for name in circuits if name == "exact"), *lasted] if lasted else [],
    }
    return {title: names for title, names in groups.items() if names}

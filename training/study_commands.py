"""The commands of the comparison: tune, reproduce."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from training.study.runs import Told

DataDir = Annotated[str | None, typer.Option(help="Folder of the EMNIST Letters files; downloaded where not given.")]
Jobs = Annotated[int | None, typer.Option(help="Runs at a time; one a core where not given.")]
Shown = Annotated[bool, typer.Option("--progress/--no-progress", help="Progress bar.")]


def tune(
    data_dir: DataDir = None,
    jobs: Jobs = None,
    trials: Annotated[int, typer.Option(help="Random trials of each optimizer.")] = 64,
    finalists: Annotated[int, typer.Option(help="Of them, those judged by more seeds.")] = 8,
    seeds: Annotated[int, typer.Option(help="Seeds that a finalist is judged by.")] = 5,
    epochs: Annotated[int, typer.Option(help="Epochs of a trial at the most.")] = 20,
    target: Annotated[float, typer.Option(help="Accuracy on the images held out.")] = 0.84,
    dataset: Annotated[str, typer.Option(help="emnist-letters, digits or mnist.")] = "emnist-letters",
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the search's tables.")] = Path("results/tune"),
    runs: Annotated[Path, typer.Option(help="Where runs are remembered.")] = Path("runs/tune"),
    progress: Shown = True,
) -> None:
    """Search each optimizer's hyperparameters with the same budget, on training images held out."""
    from training.config import RunConfig
    from training.data import load_dataset
    from training.study.plan import SHARED
    from training.study.runs import Runs
    from training.study.tune import Search, optimizers
    from training.study.tune import tune as search_one
    from training.study.winners import write_search

    search = Search(trials, finalists, seeds, epochs=epochs, target=target)
    base = RunConfig(dataset=dataset, data_dir=data_dir, **SHARED)
    classes, kept, tried = load_dataset(dataset, data_dir).classes, Runs(runs, _cores() if jobs is None else jobs), {}
    for optimizer in optimizers():
        with _bar(optimizer, progress) as told:
            tried[optimizer] = search_one(optimizer, base, search, kept, classes, told)
    write_search(out, search, tried, _made(f"ohmvert tune --dataset={dataset}", dataset, data_dir))
    _print("Best trials", [_best(name, trials) for name, trials in tried.items()], f"tables in {out}")


def reproduce(
    data_dir: DataDir = None,
    jobs: Jobs = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Two seeds and eight epochs, in minutes; digits only without --data-dir.")
    ] = False,
    task: Annotated[list[str] | None, typer.Option(help="letters or digits; both where not given.")] = None,
    method: Annotated[list[str] | None, typer.Option(help="A method by name; can be given several times.")] = None,
    tuned: Annotated[Path, typer.Option(help="What the search chose.")] = Path("results/tune/winners.json"),
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Folder of the tables. [default: results/reproduce, or results/quick]"),
    ] = None,
    runs: Annotated[Path, typer.Option(help="Where runs are remembered.")] = Path("runs/reproduce"),
    progress: Shown = True,
) -> None:
    """Count the epochs that tuned K-FAC, SGD and Adam take; goes on where an earlier try stopped."""
    from cosim.library import need_ngspice
    from training.study.plan import METHODS, TASKS, chosen, quick_methods
    from training.study.reproduce import Reproduction, write_results
    from training.study.runs import Runs
    from training.study.winners import Winners

    winners, kept = Winners.read(tuned), Runs(runs, _cores() if jobs is None else jobs)
    out = out or Path("results/quick" if quick else "results/reproduce")
    asked = chosen(method or [], METHODS, "method")
    tasks = chosen(task or (["digits"] if quick and data_dir is None else []), TASKS, "task")
    if any(one.fields.get("backend") == "spice" for one in asked):
        need_ngspice()
    for one in tasks:
        methods = quick_methods(one) if quick and not method else asked
        with _bar(one.name, progress) as told:
            results = Reproduction(one, methods, winners, data_dir, quick).run(kept, told)
        named = "".join(f" --method='{name}'" for name in method or [])
        made = _made(f"ohmvert reproduce --task={one.name}{' --quick' * quick}{named}", one.dataset, data_dir)
        write_results(out / one.name, one, results, made)
        _print(f"{one.name}: epochs to a test accuracy of {one.accuracy:g}", _lines(out / one.name), f"tables in {out}")


def _lines(folder: Path) -> list[dict[str, Any]]:
    from training.study.files import read_json

    summary = read_json(folder / "summary.json", "run `ohmvert reproduce` again")
    return [
        {
            "method": name,
            "reached": f"{own['reached']}/{own['runs']}",
            "epochs": _range(own["epochs_to_accuracy"], "lower_quartile", "median", "upper_quartile"),
            **{
                f"fewer than {baseline}": _percent(summary["savings"].get(baseline, {}).get(name))
                for baseline in ("sgd", "adam")
            },
            "failed": own["failed"],
        }
        for name, own in summary["methods"].items()
    ]


def _percent(saving: dict[str, Any] | None) -> str:
    if saving is None:
        return "-"
    value, low, high = (saving["accuracy"][name] for name in ("value", "low", "high"))
    if value is None or high is None:
        return "never reached" if value is None else f"{value:.0%}"
    return f"{value:.0%} ({'-inf' if low is None else format(low, '.0%')} to {high:.0%})"


def _range(values: dict[str, float | None], low: str, middle: str, high: str) -> str:
    texts = [f"{values[name]:.2f}" if values[name] is not None else "never" for name in (middle, low, high)]
    return f"{texts[0]} ({texts[1]} to {texts[2]})"


def _best(optimizer: str, trials: Sequence[Any]) -> dict[str, Any]:
    values = ", ".join(f"{name} {value}" for name, value in trials[0].values.items())
    return {"optimizer": optimizer, "mean epochs": f"{trials[0].score[0]:.2f}", "values": values}


def _made(command: str, dataset: str, data_dir: str | None) -> dict[str, Any]:
    """How a table came about: the command, the images, and the versions that it depends on."""
    from training.data import load_dataset
    from training.environment import environment

    images = load_dataset(dataset, data_dir if dataset != "digits" else None)
    return {
        "command": command + (" --data-dir=..." if data_dir and dataset != "digits" else ""),
        "images": {"train": len(images.train_labels), "test": len(images.test_labels), "classes": images.classes},
        "versions": {**environment(), "ngspice": _ngspice()},
    }


def _ngspice() -> str | None:
    """The library's version; None where there is none."""
    from cosim.library import find_ngspice
    from cosim.pool import SpicePool, ask_engine

    if find_ngspice() is None:
        return None
    pool = SpicePool(workers=1, timeout=60)
    try:
        return ask_engine(pool)[0]
    finally:
        pool.close()


def _cores() -> int:
    return os.cpu_count() or 1


@contextmanager
def _bar(name: str, shown: bool) -> Iterator["Told"]:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} epochs"))
    console = Console(stderr=True)
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, disable=not shown) as bars:
        bar = bars.add_task(name, total=None)
        yield lambda done, total: bars.update(bar, completed=done, total=total)


def _print(title: str, lines: Sequence[dict[str, Any]], note: str) -> None:
    console, table = Console(), Table(title=title, box=SIMPLE_HEAD, pad_edge=False)
    if not console.is_terminal:
        console.width = 160
    for name in lines[0]:
        table.add_column(name)
    for line in lines:
        table.add_row(*map(str, line.values()))
    console.print(table)
    console.print(note, highlight=False, soft_wrap=True)

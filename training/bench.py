"""The commands that measure speed and endurance: bench, soak. Exit 1 for wrong numbers and for growing memory."""

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import track
from rich.table import Table

from circuits import InputError

if TYPE_CHECKING:
    from cosim.bench_table import Target
    from cosim.pool import SpicePool
    from cosim.soak import Soak

WIDTH = 160
"""[characters] of the tables where the terminal does not tell."""
TRAINED_TWICE = 2
"""A run on one worker and one on two are repeated so often, one after the other."""
WANTED_TRAINING = 1.6
"""What two workers are to win over one in a training run."""


def bench(
    out: Annotated[Path, typer.Option("-o", "--out", help="The JSON file to write.")] = Path("results/bench.json"),
    quick: Annotated[bool, typer.Option("--quick", help="n = 8 and 32 with ideal wires only, no training.")] = False,
    training: Annotated[bool, typer.Option("--training/--no-training", help="Time a training run too.")] = True,
    progress: Annotated[bool, typer.Option("--progress/--no-progress", help="Progress bar.")] = True,
) -> None:
    """Time our simulations against naive PySpice, ngspice -b, nodal and NumPy, in one run; exit 1 if they disagree."""
    from cosim.bench import BUDGET, cases, measure, measure_ceiling, open_pools
    from cosim.bench_table import report

    _check_json(out)
    console, load = Console(stderr=True), os.getloadavg()
    with open_pools() as pools:
        chosen = track(cases(quick), "bench", console=console, disable=not progress)
        rows = [measure(case, pools, BUDGET) for case in chosen]
        ceiling = measure_ceiling(pools)
        machine = {**_machine(pools[1]), "load_before": load}
    found = {**report(rows), "ceiling": ceiling, "training": {}, "machine": machine}
    _write(found, out)  # a training run that fails must not cost what was measured before it
    if training and not quick:
        trained = time_training()
        found |= {**report(rows, _training_targets(trained)), "training": trained}
        _write(found, out)
    _show_bench(found, rows, out)
    raise typer.Exit(int(bool(found["disagreements"])))


def time_training() -> dict[str, Any]:
    """[s] of an epoch on digits with every inverse in ngspice, on one worker and on two, and what two win."""
    taken: dict[int, list[float]] = {1: [], 2: []}
    outside: list[float] = []
    for repeat in range(TRAINED_TWICE):
        for workers, times in taken.items():
            # Another seed for each run: nothing of the one before can be used again.
            seconds, engine = _train(workers, seed=2 * repeat + workers)
            times.append(seconds)
            if workers == 1:
                outside.append(1 - engine / seconds)
    epoch = {str(workers): median(times) for workers, times in taken.items()}
    return {"epoch_s": epoch, "ratio": epoch["1"] / epoch["2"], "outside_share": median(outside)}


def _train(workers: int, seed: int) -> tuple[float, float]:
    """[s] of the second of two epochs of six steps, and of it in ngspice: the first epoch starts the workers."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "training", "--backend=spice", f"--out={folder}/run", "--json"]
        options = ["--epochs=2", "--batch-size=240", f"--workers={workers}", f"--seed={seed}"]
        done = subprocess.run([*command, *options], capture_output=True, text=True)
        if done.returncode:
            raise InputError(f"The training run failed: {done.stderr.strip()[-300:]}")
        written = Path(folder, "run", "metrics.jsonl").read_text().splitlines()
    first, second = map(json.loads, written)
    seconds, engine = (second[name] - first[name] for name in ("seconds_total", "seconds_ngspice"))
    return seconds, engine


def _training_targets(trained: Mapping[str, Any]) -> "list[Target]":
    from cosim.bench_table import Target

    return [Target("two workers / one, training on digits", trained["ratio"], WANTED_TRAINING)]


def soak(
    calls: Annotated[int, typer.Option(help="INV calls, each a transient of its own.")] = 5000,
    workers: Annotated[int, typer.Option(help="ngspice processes.")] = 2,
    progress: Annotated[bool, typer.Option("--progress/--no-progress", help="Progress bar.")] = True,
) -> None:
    """Run thousands of INV calls in one pool; exit 1 unless the workers' memory stays where it was."""
    from rich.progress import Progress

    from cosim.soak import soak as run_soak

    with Progress(console=Console(stderr=True), disable=not progress) as bars:
        bar = bars.add_task("soak", total=calls)
        found = run_soak(calls, workers, lambda done, _: bars.update(bar, completed=done))
    _show_soak(found)
    raise typer.Exit(int(not found.passed))


def _show_soak(found: "Soak") -> None:
    from cosim.soak import ALLOWED

    pids = list(dict.fromkeys(pid for part in found.parts for pid in part.mean))
    names = {pid: f"worker {number} [MiB]" for number, pid in enumerate(pids, start=1)}
    lines = []
    for part in found.parts:
        means = {names[pid]: part.mean.get(pid, float("nan")) / 2**20 for pid in pids}
        lines.append({"from call": part.first, **means, "largest [MiB]": part.largest / 2**20})
    console = _print("Resident memory, mean over the calls of each part", lines)
    console.print(
        f"{found.transients} transients in {found.seconds:.0f} s, {found.bad} calls not settled, "
        f"{found.replaced} workers replaced; the asking process went from {found.own[0] / 2**20:.0f} to "
        f"{found.own[1] / 2**20:.0f} MiB.\n"
        f"{'Flat' if found.passed else 'NOT FLAT'}: the last part is within {found.growth:.1%} of the second "
        f"({ALLOWED:.0%} allowed)."
    )


def _show_bench(found: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], out: Path) -> None:
    from cosim.bench_table import lines

    _print("Time for a right-hand side, as ratios: x/ours is how many times as long x takes", lines(rows))
    _print("Cost grows as n to the power of", found["growth_with_n"])
    costs = [(row, row["side_costs"]) for row in found["rows"]]
    _print(
        "Ours: a matrix, and each right-hand side",
        [
            {"hardware": row["hardware"], "wires": row["wires"], "n": row["size"]}
            | {"matrix [ms]": 1e3 * cost["matrix_s"], "right-hand side [ms]": 1e3 * cost["each_s"]}
            for row, cost in costs
        ],
    )
    console = _print("Targets", [_target_line(target) for target in found["targets"]])
    console.print(
        f"Two processes on independent transients: {found['ceiling']['ratio']:.2f}x, the ceiling in this run."
    )
    for sentence in found["disagreements"]:
        console.print(f"DISAGREE: {sentence}")
    console.print(f"table {out}; what the columns mean stands under its notes", highlight=False, soft_wrap=True)


def _target_line(target: Mapping[str, Any]) -> dict[str, Any]:
    sign = "<=" if target["at_most"] else ">="
    return {
        "target": target["name"],
        "wanted": f"{sign} {target['wanted']:g}",
        "found": target["found"],
        "": "met" if target["met"] else "MISSED",
    }


def _print(title: str, lines: Sequence[Mapping[str, Any]]) -> Console:
    console, table = Console(), Table(title=title, box=SIMPLE_HEAD, pad_edge=False)
    if not console.is_terminal:
        console.width = WIDTH
    for name, value in (lines[0] if lines else {}).items():
        text = isinstance(value, str)
        # Rich takes a unit in brackets for markup.
        table.add_column(name.replace("[", r"\["), justify="left" if text else "right", no_wrap=text)
    for line in lines:
        table.add_row(*(f"{value:.3g}" if isinstance(value, float) else str(value) for value in line.values()))
    console.print(table)
    return console


def _machine(pool: "SpicePool") -> dict[str, Any]:
    """What the figures depend on."""
    import numpy

    from cosim.pool import ask_engine

    version, klu = ask_engine(pool)
    return {
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "ngspice": version,
        "klu": klu,
        "load_after": os.getloadavg(),
    }


def _check_json(out: Path) -> None:
    """Raise InputError, before minutes of work, unless the file can be named .json."""
    if out.suffix != ".json":
        raise InputError(f"The file {out} must end in .json.")


def _write(found: Mapping[str, Any], out: Path) -> None:
    """Write JSON whole or not at all; nan, which JSON lacks, becomes null."""
    part = out.with_suffix(".json.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(_plain(found), indent=2, allow_nan=False) + "\n")
        os.replace(part, out)
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror}.") from None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not abs(value) < float("inf") else value

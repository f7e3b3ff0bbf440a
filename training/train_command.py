"""The command that trains."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

INTERRUPTED = 130


def train(
    backend: Annotated[str, typer.Option(help="What inverts the factors: exact, nodal or spice.")] = "exact",
    optimizer: Annotated[str, typer.Option(help="kfac, sgd or adam.")] = "kfac",
    dataset: Annotated[str, typer.Option(help="digits, emnist-letters or mnist.")] = "digits",
    data_dir: Annotated[str | None, typer.Option(help="Folder of the idx files; downloaded where not given.")] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the training images.")] = 4,
    batch_size: Annotated[int, typer.Option(help="Images in a step.")] = 128,
    lr: Annotated[float | None, typer.Option(help="Learning rate; each optimizer has its default.")] = None,
    damping: Annotated[float, typer.Option(help="Tikhonov damping of K-FAC.")] = 0.03,
    kl_clip: Annotated[float, typer.Option(help="Bound on the squared size of a K-FAC step.")] = 0.001,
    seed: Annotated[int, typer.Option(help="Seed of the weights and the order of the images.")] = 0,
    hardware: Annotated[str, typer.Option(help="The circuits: a preset, or a .toml file.")] = "default",
    trust: Annotated[bool, typer.Option("--trust", help="Let model files run programs in ngspice.")] = False,
    inv_update_steps: Annotated[int, typer.Option(help="Steps between programmings of the arrays.")] = 1,
    workers: Annotated[int | None, typer.Option(help="ngspice processes; one a core where not given.")] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; a new one under runs/ where not given.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run that --out already holds.")] = False,
    progress: Annotated[bool, typer.Option("--progress/--no-progress", help="Progress bars.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end and nothing else.")] = False,
) -> None:
    """Train a small network; with kfac every matrix inverse goes through the backend."""
    # torch takes seconds to import, and the other commands do without it.
    from training.config import RunConfig
    from training.display import Bars, show_table
    from training.loop import Training
    from training.record import RunFolder

    config = RunConfig(
        backend,
        optimizer,
        dataset,
        data_dir,
        epochs,
        batch_size,
        lr,
        damping,
        kl_clip,
        seed,
        hardware,
        trust,
        inv_update_steps,
    ).resolved()
    folder = out or Path("runs", time.strftime("%Y%m%d-%H%M%S") + f"-{dataset}-{optimizer}-{backend}-seed{seed}")
    console = Console(stderr=as_json)
    with RunFolder(folder, config, overwrite) as record, Bars(console, progress and not as_json) as bars:
        training = Training(config, record, bars, workers)
        interrupted = False
        try:
            training.run()
        except KeyboardInterrupt:
            interrupted = True
    if as_json:
        print(json.dumps(training.summary()))
    else:
        show_table(console, training.metrics, record)
    if interrupted:
        console.print(f"Interrupted: what was done so far is in {folder}.", soft_wrap=True)
        raise typer.Exit(INTERRUPTED)

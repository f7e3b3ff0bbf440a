"""The command that trains."""

import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

INTERRUPTED = 130


def train(
    ctx: typer.Context,
    backend: Annotated[str, typer.Option(help="What inverts the factors: exact, nodal or spice.")] = "exact",
    optimizer: Annotated[str, typer.Option(help="kfac, sgd or adam.")] = "kfac",
    dataset: Annotated[str, typer.Option(help="digits, emnist-letters or mnist.")] = "digits",
    data_dir: Annotated[str | None, typer.Option(help="Folder of the idx files; downloaded where not given.")] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the training images.")] = 4,
    batch_size: Annotated[int, typer.Option(help="Images in a step.")] = 128,
    lr: Annotated[float | None, typer.Option(help="Learning rate; each optimizer has its default.")] = None,
    schedule: Annotated[
        str, typer.Option(help="How the learning rate falls: constant, linear or cosine.")
    ] = "constant",
    decay_epochs: Annotated[float | None, typer.Option(help="Epochs until it has fallen; all where not given.")] = None,
    momentum: Annotated[float, typer.Option(help="Of sgd and kfac; beta 1 of adam.")] = 0.9,
    beta2: Annotated[float, typer.Option(help="Of adam.")] = 0.999,
    weight_decay: Annotated[float, typer.Option(help="Pull of the weights to 0.")] = 0.0,
    damping: Annotated[float, typer.Option(help="Tikhonov damping of K-FAC.")] = 0.03,
    kl_clip: Annotated[float, typer.Option(help="Bound on the squared size of a K-FAC step.")] = 0.001,
    seed: Annotated[int, typer.Option(help="Seed of the weights and the order of the images.")] = 0,
    hardware: Annotated[str, typer.Option(help="The circuits: a preset, or a .toml file.")] = "default",
    trust: Annotated[bool, typer.Option("--trust", help="Let model files run programs in ngspice.")] = False,
    inv_update_steps: Annotated[int, typer.Option(help="Steps between programmings of the arrays.")] = 1,
    model: Annotated[str, typer.Option(help="cnn, or flat with a linear layer of 784 inputs.")] = "cnn",
    precision: Annotated[
        str | None, typer.Option(help="lp:BITS for one analog solve, hp:TOLERANCE to refine it.")
    ] = None,
    products: Annotated[str, typer.Option(help="Products of hp: circuits (simulated) or rounded.")] = "rounded",
    max_array: Annotated[int | None, typer.Option(help="Rows of an array; larger factors go block by block.")] = None,
    block_size: Annotated[int | None, typer.Option(help="Cut factors down to blocks of so many rows.")] = None,
    apply: Annotated[
        str, typer.Option(help="solve: gradients go through the arrays; explicit: inverses are read.")
    ] = "solve",
    stale_ok: Annotated[bool, typer.Option("--stale-ok", help="Program in the background, one step behind.")] = False,
    conditioning: Annotated[
        bool, typer.Option("--conditioning/--no-conditioning", help="Condition matrices before they are programmed.")
    ] = True,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Judge by a fifth of the training images, kept from training.")
    ] = False,
    target: Annotated[float | None, typer.Option(help="Test accuracy, 0 to 1, that ends the run.")] = None,
    executor: Annotated[str, typer.Option(help="Where SPICE jobs run: local or dask.")] = "local",
    dask_address: Annotated[str | None, typer.Option(help="The Dask scheduler, tcp://host:8786.")] = None,
    workers: Annotated[int | None, typer.Option(help="ngspice processes; one a core where not given.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds a transient may take until it is tried again.")] = 600.0,
    checkpoint_every: Annotated[int, typer.Option(help="Steps between checkpoints; 0: at the end of epochs.")] = 0,
    inputs: Annotated[str, typer.Option(help="Steps whose INV calls can be replayed: all, none, every Nth.")] = "all",
    cache: Annotated[bool, typer.Option("--cache/--no-cache", help="Keep and reuse ngspice's outcomes.")] = False,
    cache_dir: Annotated[str | None, typer.Option(help="Folder of --cache; the user's cache folder else.")] = None,
    audit: Annotated[float, typer.Option(help="Share of nodal INV calls that ngspice checks; 0 for none.")] = 0.0,
    audit_limit: Annotated[float, typer.Option(help="Relative disagreement that is too much.")] = 1e-3,
    on_audit: Annotated[str, typer.Option(help="What is done then: stop or warn.")] = "stop",
    keep_checkpoints: Annotated[int, typer.Option(help="Checkpoints to keep, the newest ones.")] = 3,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with the run in this folder, as if it had never stopped.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; a new one under runs/ where not given.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run that --out already holds.")] = False,
    progress: Annotated[bool, typer.Option("--progress/--no-progress", help="Progress bars.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end and nothing else.")] = False,
) -> None:
    """Train a small network; with kfac every matrix inverse goes through the backend."""
    # torch takes seconds to import, and the other commands do without it.
    from training.display import Bars, show_notes, show_table
    from training.loop import Training
    from training.record import RunFolder
    from training.resume import Plan, begun, continued

    given = {name for name in ctx.params if getattr(ctx.get_parameter_source(name), "name", "") == "COMMANDLINE"}
    plan: Plan = continued(resume, ctx.params, given) if resume else begun(ctx.params)
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{dataset}-{optimizer}-{backend}-seed{seed}"
    folder = resume or out or Path("runs", name)
    console = Console(stderr=as_json)
    interrupted = False
    with (
        RunFolder(folder, plan.config, overwrite, resume is not None) as record,
        Bars(console, progress and not as_json) as bars,
    ):
        training = Training(plan.config, record, bars, plan.execution, plan.checkpoints)
        try:
            with _stopped_by_sigterm():
                training.run()
        except KeyboardInterrupt:
            interrupted = True
    if as_json:
        print(json.dumps(training.summary()))
    else:
        show_table(console, training.metrics, record)
        show_notes(console, training.mended, training.engine)
    if training.was_complete:
        console.print(f"The run in {folder} was complete: nothing was left to do.", soft_wrap=True)
    if interrupted:
        console.print(f"Interrupted: what was done so far is in {folder}.", soft_wrap=True, highlight=False)
        if training.checkpoints and training.checkpoints.files():
            console.print(f"Go on with: ohmvert train --resume {folder}", soft_wrap=True, highlight=False)
        raise typer.Exit(INTERRUPTED)


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """SIGTERM, by which job schedulers stop a run, as Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield  # no place for signal handlers
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

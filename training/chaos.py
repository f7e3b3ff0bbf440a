"""The command that kills: workers, the trainer, hanging workers. Every run must end as the undisturbed one did."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from circuits.errors import InputError, check_whole
from training.processes import is_running, survivors, workers_of

ORPHAN_SECONDS = 10.0
"""[s] in which the workers of a killed trainer must have gone."""
PATIENCE = 20.0
"""A disturbed run that takes so many times as long as the undisturbed one (and a minute) hangs."""


def chaos(
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the runs; its earlier runs are replaced.")] = Path(
        "results/chaos"
    ),
    worker_kills: Annotated[int, typer.Option(help="Workers that are killed.")] = 30,
    trainer_kills: Annotated[int, typer.Option(help="Times that the trainer is killed and resumed.")] = 20,
    hangs: Annotated[int, typer.Option(help="Workers that are stopped in the middle of a transient.")] = 3,
    timeout: Annotated[float, typer.Option(help="Seconds until a transient counts as hanging.")] = 5.0,
    backend: Annotated[str, typer.Option(help="What inverts the factors; only spice has workers.")] = "spice",
    epochs: Annotated[int, typer.Option(help="Passes over the training images.")] = 2,
    batch_size: Annotated[int, typer.Option(help="Images in a step.")] = 128,
    inv_update_steps: Annotated[int, typer.Option(help="Steps between programmings of the arrays.")] = 2,
    hardware: Annotated[str, typer.Option(help="The circuits: a preset, or a .toml file.")] = "default",
    workers: Annotated[int, typer.Option(help="ngspice processes.")] = 2,
    seed: Annotated[int, typer.Option(help="Seed of the moments and the victims.")] = 0,
) -> None:
    """Kill workers and the trainer, stop workers; exit 1 unless every run ends bit for bit as the undisturbed one."""
    if not Path("/proc/self/stat").exists():
        raise InputError("chaos finds the processes to kill in /proc, which this system does not have: use Linux.")
    for name, count in (("worker-kills", worker_kills), ("trainer-kills", trainer_kills), ("hangs", hangs)):
        check_whole(f"--{name}", count, 0, 10_000)
    trial = Trial(
        out,
        (
            f"--backend={backend}",
            f"--epochs={epochs}",
            f"--batch-size={batch_size}",
            f"--inv-update-steps={inv_update_steps}",
            f"--hardware={hardware}",
        ),
        workers,
        random.Random(seed),
    )
    trial.undisturbed()
    if worker_kills:
        trial.kill_workers(worker_kills)
    if trainer_kills:
        trial.kill_trainers(trainer_kills)
    if hangs:
        trial.hang_workers(hangs, timeout)
    trial.show()
    raise typer.Exit(int(any(row["differs in"] for row in trial.rows)))


@dataclass
class Run:
    """A training process that was started, and its run folder."""

    folder: Path
    process: subprocess.Popen[bytes]
    printed: Path
    """What goes to its stdout: a file, since workers that outlive it would keep a pipe open."""

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self.process.poll() is not None

    def summary(self) -> dict[str, Any]:
        """What it printed at its end; {} where it ended otherwise."""
        return json.loads(self.printed.read_text()) if self.process.wait() == 0 else {}


@dataclass
class Trial:
    """One run that nobody disturbs, and the same run under disturbances."""

    out: Path
    options: tuple[str, ...]
    workers: int
    random: random.Random
    rows: list[dict[str, Any]] = field(default_factory=list)
    """What was done to each run, and which of its files differ from the undisturbed one."""

    def undisturbed(self) -> None:
        """The run that the others are held against; InputError where it fails by itself."""
        shutil.rmtree(self.out, ignore_errors=True)
        start = time.monotonic()
        run = self._start(self.reference)
        if not run.summary():
            raise InputError(f"The undisturbed run failed: see {self.out}/undisturbed.log.")
        self.seconds = time.monotonic() - start
        self._note("nothing", 0, run)

    def kill_workers(self, kills: int) -> None:
        """SIGKILL for random workers at random moments, spread over as many runs as it takes."""
        killed = 0
        while killed < kills:
            run, before = self._start(self.out / "workers"), killed
            until = self._deadline()
            while not run.done and time.monotonic() < until:
                time.sleep(self.random.uniform(0, 2 * self.seconds / kills))
                victims = workers_of(run.process.pid)
                if victims and killed < kills:
                    os.kill(self.random.choice(victims), signal.SIGKILL)
                    killed += 1
            self._end(run, "workers killed", killed - before)
            if killed == before:  # the undisturbed run was slower, and the moments lie behind the end of this one
                self.seconds = min(self.seconds, time.monotonic() - self.started)

    def kill_trainers(self, kills: int) -> None:
        """SIGKILL for the trainer at random moments, each followed by --resume; its workers must go with it."""
        folder, killed, noted, orphans = self.out / "trainer", 0, 0, 0
        while killed < kills:
            run = self._start(folder, "--checkpoint-every=1")
            time.sleep(self.random.uniform(0, self.seconds))
            left = workers_of(run.process.pid)
            if run.done:
                self._end(run, "trainers killed", killed - noted)
                shutil.rmtree(folder)
                noted = killed
                continue
            run.process.kill()
            run.process.wait()
            killed += 1
            orphans += len(survivors(left, ORPHAN_SECONDS))
        self._end(self._start(folder, "--checkpoint-every=1"), "trainers killed", killed - noted)
        if orphans:
            self.rows[-1]["differs in"].append(f"{orphans} workers left behind")

    def hang_workers(self, hangs: int, timeout: float) -> None:
        """SIGSTOP for workers that compute: each is timed out, and its task done by another."""
        stopped = 0
        while stopped < hangs:
            run, before = self._start(self.out / "hanging", f"--timeout={timeout}"), stopped
            until = self._deadline()
            while stopped < hangs and not run.done and time.monotonic() < until:
                time.sleep(self.random.uniform(0, self.seconds / hangs))
                stopped += self._stop_a_busy_worker(run)
            self._end(run, "workers stopped", stopped - before)

    def _stop_a_busy_worker(self, run: Run) -> int:
        """1 as soon as one was stopped, 0 where the run ended before."""
        # A worker that has just started loads its modules: it is busy, and has no task to be timed out.
        while not (run.folder / "inv_calls.csv").exists() or len((run.folder / "inv_calls.csv").read_bytes()) < 200:
            if run.done:
                return 0
            time.sleep(0.01)
        while not run.done:
            busy = [process for process in workers_of(run.process.pid) if is_running(process)]
            if busy:
                os.kill(self.random.choice(busy), signal.SIGSTOP)
                return 1
            time.sleep(0.001)
        return 0

    def show(self) -> None:
        """The table of what was done."""
        table = Table("disturbance", "times", "mended", "seconds", "differs in", title="Chaos")
        for row in self.rows:
            table.add_row(*(", ".join(value) if isinstance(value, list) else str(value) for value in row.values()))
        console = Console()
        console.print(table)

    @property
    def reference(self) -> Path:
        """Folder of the undisturbed run."""
        return self.out / "undisturbed"

    def _start(self, folder: Path, *options: str) -> Run:
        """The run in a folder from its beginning, or from its last checkpoint where it has one."""
        from training.checkpoint import Checkpoints  # and with it torch, which takes seconds to import

        folder.parent.mkdir(parents=True, exist_ok=True)
        resumed = folder.name == "trainer" and Checkpoints(folder).files()
        place = [f"--resume={folder}"] if resumed else [*self.options, f"--out={folder}", "--overwrite"]
        command = [sys.executable, "-m", "training", *place, f"--workers={self.workers}", "--json", *options]
        printed = self.out / f"{folder.name}.json"
        with printed.open("w") as output, (self.out / f"{folder.name}.log").open("a") as log:
            process = subprocess.Popen(command, stdout=output, stderr=log)
        self.started = time.monotonic()
        return Run(folder, process, printed)

    def _deadline(self) -> float:
        return time.monotonic() + 60 + PATIENCE * self.seconds

    def _end(self, run: Run, what: str, times: int) -> None:
        """Wait for the end of a run; one that hangs is stopped."""
        try:
            run.process.wait(max(1.0, self._deadline() - time.monotonic()))
        except subprocess.TimeoutExpired:
            run.process.kill()
        self._note(what, times, run)

    def _note(self, what: str, times: int, run: Run) -> None:
        mended = ", ".join(f"{n} {kind}" for kind, n in run.summary().get("mended", {}).items())
        seconds = f"{time.monotonic() - self.started:.1f}"
        apart = [] if run.folder == self.reference else differing(self.reference, run.folder)
        self.rows.append(
            {"disturbance": what, "times": times, "mended": mended, "seconds": seconds, "differs in": apart}
        )


def differing(first: Path, second: Path) -> list[str]:
    """The files in which two run folders differ; wall times in the metrics do not count."""
    same: dict[str, Callable[[Path], object]] = {
        "metrics.jsonl": _metrics,
        "inv_calls.csv": Path.read_bytes,
        "weights.safetensors": Path.read_bytes,
    }
    return [
        name for name, read in same.items() if not (second / name).exists() or read(first / name) != read(second / name)
    ]


def _metrics(path: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [{k: v for k, v in line.items() if not k.startswith("seconds_")} for line in lines]

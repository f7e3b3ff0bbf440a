"""What a person sees of a run: progress bars while it goes, a table at its end."""

from statistics import median
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from training.record import EpochMetrics, RunFolder


class Bars:
    """Progress bars for steps and INV calls; silent where `shown` is off."""

    def __init__(self, console: Console, shown: bool) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._console = console
        self._bars = Progress(*columns, console=console, disable=not shown)
        self._shown = shown

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def start(self, steps: int, calls: int) -> None:
        """The bars with their totals; no second bar where there are no INV calls."""
        self._steps = self._bars.add_task("steps", total=steps)
        self._calls = self._bars.add_task("INV calls", total=calls, visible=calls > 0)

    def advance(self, calls: int) -> None:
        """One step and its INV calls."""
        self._bars.advance(self._steps)
        self._bars.advance(self._calls, calls)

    def epoch(self, metrics: EpochMetrics) -> None:
        """A line above the bars."""
        if self._shown:
            self._console.print(
                f"epoch {metrics.epoch}: train loss {metrics.train_loss:.4f}, test accuracy {metrics.test_accuracy:.4f}"
            )


def show_table(console: Console, metrics: list[EpochMetrics], folder: RunFolder) -> None:
    """Accuracy per epoch, then what the circuits did."""
    epochs = Table(title="Training")
    for heading in ("epoch", "train loss", "test accuracy", "INV calls", "seconds"):
        epochs.add_column(heading, justify="right")
    for m in metrics:
        epochs.add_row(
            str(m.epoch),
            f"{m.train_loss:.4f}",
            f"{m.test_accuracy:.4f}",
            str(m.inv_calls),
            f"{m.seconds_total:.1f}",
        )
    console.print(epochs)
    if folder.inv_calls:
        console.print(_circuit_table(metrics, folder))
    console.print(f"run folder: {folder.path}", highlight=False, soft_wrap=True)


def show_notes(console: Console, mended: dict[str, int], engine: str) -> None:
    """What went wrong and was mended, and what would make the simulator faster."""
    if any(mended.values()):
        console.print("on the way: " + ", ".join(f"{n} {what}" for what, n in mended.items() if n), highlight=False)
    if engine.startswith("ngspice") and "KLU" not in engine:
        console.print(
            f"{engine} has no KLU solver: from version 42 on, large arrays run two to three times as fast.",
            highlight=False,
            soft_wrap=True,
        )


def _circuit_table(metrics: list[EpochMetrics], folder: RunFolder) -> Table:
    table = Table(title="Circuits", show_header=False)
    table.add_row("INV calls", str(folder.inv_calls))
    table.add_row("verdicts", ", ".join(f"{n} {status}" for status, n in folder.statuses.items()))
    table.add_row("settling time, median", _seconds(median(folder.settling_times)))
    table.add_row("settling time, largest", _seconds(max(folder.settling_times)))
    table.add_row("worst residual", f"{folder.worst_residual:.2e}")
    if metrics:
        inside, total = metrics[-1].seconds_ngspice, metrics[-1].seconds_total
        table.add_row("wall time in ngspice", f"{inside:.1f} s")
        table.add_row("wall time outside ngspice", f"{total - inside:.1f} s")
        audit = metrics[-1].audit
        if audit:
            table.add_row(
                "audited in ngspice", f"{audit['calls']} calls, worst disagreement {float(audit['worst']):.2e}"
            )
    return table


def _seconds(value: float) -> str:
    return f"{value * 1e9:.1f} ns"

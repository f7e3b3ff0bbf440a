"""What a run tells of itself while it goes."""

from typing import Protocol

from training.record import EpochMetrics


class Progress(Protocol):
    """What the loop tells while it runs."""

    def start(self, steps: int, calls: int) -> None:
        """The steps and INV calls to come."""

    def advance(self, calls: int) -> None:
        """One step done, with so many INV calls."""

    def epoch(self, metrics: EpochMetrics) -> None:
        """An epoch done."""


class Silent:
    """Progress that nobody watches."""

    def start(self, steps: int, calls: int) -> None:
        """Nothing is shown."""

    def advance(self, calls: int) -> None:
        """Nothing is shown."""

    def epoch(self, metrics: EpochMetrics) -> None:
        """Nothing is shown."""

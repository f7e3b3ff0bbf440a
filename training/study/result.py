"""A run of a comparison with what was measured of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from training.config import RunConfig
from training.study.measure import epochs_to_accuracy, epochs_to_loss
from training.study.plan import Method, Task
from training.study.trial import Outcome


@dataclass(frozen=True)
class Result:
    """One run."""

    method: Method
    config: RunConfig
    outcome: Outcome
    classes: int
    """Of the task's labels."""
    to_accuracy: float
    """Epochs to the task's target accuracy; inf where it was not reached."""
    to_loss: float
    """Epochs to the task's target loss; inf where it was not reached."""

    @classmethod
    def of(cls, task: Task, method: Method, config: RunConfig, outcome: Outcome, classes: int) -> Self:
        """Measure an outcome."""
        accuracy = epochs_to_accuracy(task.accuracy, outcome.accuracy, classes)
        return cls(method, config, outcome, classes, accuracy, epochs_to_loss(task.loss, outcome.loss, classes))

    def to(self, accuracy: float) -> float:
        """Epochs to another test accuracy; inf where it was not reached."""
        return epochs_to_accuracy(accuracy, self.outcome.accuracy, self.classes)

    @property
    def epochs(self) -> int:
        """Epochs that it ran."""
        return len(self.outcome.accuracy)


def by_method(results: Sequence[Result]) -> dict[str, list[Result]]:
    """The runs of each method, in the order of their first ones."""
    names = dict.fromkeys(one.method.name for one in results)
    return {name: [one for one in results if one.method.name == name] for name in names}

"""The paper's claims beside what was measured."""

from dataclasses import dataclass

from training.report.blocks import Block, Bullets, Section, Table, Text
from training.report.found import Found, Json, Measured
from training.report.methods import BASELINES, MAIN, OPTIMIZERS, describe, is_baseline
from training.report.words import percent, saved

PAPER = "[arXiv:2512.05342](https://arxiv.org/abs/2512.05342)"
FEWER = {"sgd": 0.26, "adam": 0.61}
"""Epochs that the paper says its optimizer saves, by baseline."""
TASK = "letters"


@dataclass(frozen=True)
class Verdict:
    """Whether a saving is at least the paper's."""

    reached: bool
    sure: bool
    """Whether the whole interval is on the same side."""

    @property
    def words(self) -> str:
        """As the report has it."""
        word = "reached" if self.reached else "not reached"
        return word if self.sure else f"{word}, the claim is inside the interval"


def judge(saving: Json | None, claim: float) -> Verdict:
    """By the median; None stands for a saving without a lower end, or for methods that were not compared."""
    low, value, high = (saving[name] if saving else None for name in ("low", "value", "high"))
    reached = value is not None and value >= claim
    end = low if reached else high
    return Verdict(reached, (end is not None and end >= claim) == reached)


def main_method(task: Measured) -> str | None:
    """The method whose saving stands for ours, None where no K-FAC was measured."""
    others = [name for name in task.methods if not is_baseline(name)]
    return next((name for name in (*MAIN, *others) if name in task.methods), None)


def claims(found: Found) -> Section:
    """The first section."""
    task = found.tasks[TASK]
    blocks: tuple[Block, ...] = (Text(task.sentence()),) if not isinstance(task, Measured) else _measured(task)
    names = list(dict.fromkeys(name for one in found.measured() for name in one.methods))
    what = (
        [Table.of("The methods", [{"method": name, "what it is": describe(name)} for name in names])] if names else []
    )
    return Section("Against the paper's claims", (*blocks, Bullets(CAVEATS), *what))


CAVEATS = (
    f"{PAPER} claims 26 % fewer epochs than SGD with momentum and 61 % fewer than Adam, on handwritten letters with a "
    "two-layer CNN. It does not publish the optimizer's name, the layers' sizes, the number of bits, the damping, the "
    "epochs, the target, or how SGD and Adam were tuned. K-FAC, the network and all numbers here are this project's "
    "choices.",
    "**Reached** says that our median saving on our task is at least the paper's number, **not reached** that it is "
    "less. Neither says that the paper's experiment was repeated, and a larger saving than the paper's is no better "
    "system: it depends on the target and on the baselines.",
    "Of 5.88x the throughput and 6.9x the energy efficiency the paper names neither the task nor the processors, so "
    "there is no verdict on them; what ratios would rest on is in [Cost of the inverses](#cost-of-the-inverses).",
)


def _measured(task: Measured) -> tuple[Block, ...]:
    rows = []
    for name, own in task.methods.items():
        if is_baseline(name):
            continue
        row = {"method": name, "runs": str(own["runs"])}
        for baseline in BASELINES:
            saving = task.saving(baseline, name)
            row |= {
                f"fewer epochs than {OPTIMIZERS[baseline]}": saved(saving),
                f"{percent(FEWER[baseline])} claimed": judge(saving, FEWER[baseline]).words if saving else "-",
            }
        rows.append(row)
    if not rows:
        return (Text("No K-FAC run was compared: `ohmvert reproduce` without `--method` runs all."),)
    caption = f"Letters: epochs to a test accuracy of {task.target:g}, saving by medians (95 % bootstrap interval)"
    return Text(_headline(task)), Table.of(caption, rows)


def _headline(task: Measured) -> str:
    name = main_method(task)
    parts = []
    for baseline in BASELINES:
        saving = task.saving(baseline, name) if name else None
        if saving:
            words = judge(saving, FEWER[baseline]).words
            than = f"than tuned {OPTIMIZERS[baseline]} (claimed {percent(FEWER[baseline])}): **{words}**"
            parts.append(f"{saved(saving)} fewer epochs {than}")
    return f"With `{name}`: {'; '.join(parts) or 'no baseline was run'}."

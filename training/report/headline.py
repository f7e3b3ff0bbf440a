"""The table of results in the README, between two marks."""

from pathlib import Path
from textwrap import fill
from typing import Any

from circuits import InputError
from training.atomic_file import replace_file
from training.report import markdown
from training.report.blocks import Table
from training.report.claims import FEWER, PAPER, TASK, judge, main_method
from training.report.found import Found, Json, Measured, Missing
from training.report.methods import BASELINES, OPTIMIZERS
from training.report.words import percent, ratio, saved, spread

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
ROWS = {
    "sgd": "SGD with momentum",
    "adam": "Adam",
    "exact": "K-FAC, float64 inverses",
    "nodal lp:3": "K-FAC, 3-bit circuits (nodal engine)",
    "nodal hp:1e-3": "K-FAC, the same refined to 1e-3",
    "spice lp:3 explicit": "K-FAC, 3-bit circuits in ngspice, read once a refresh",
}
WIDTH = 120
"""Letters in a line of the README."""
WHOLE: Any = {"break_long_words": False, "break_on_hyphens": False}
NETWORK = "resnet18"
"""Whose cost is named, the first one where it is not there."""
KINDS = ("CPU", "A100")
"""Processors that are named: the first one of each."""


def headline(found: Found) -> str:
    """What stands between the marks."""
    task = found.tasks[TASK]
    parts = _measured(task) if isinstance(task, Measured) else [f"Not measured yet: `{task.command}` comes first."]
    if not isinstance(found.costs, Missing):
        parts.append(_cost(next((one for one in found.costs if one["workload"]["name"] == NETWORK), found.costs[0])))
    parts.append("[results/REPORT.md](results/REPORT.md) has everything: what failed, a second task, commands, seeds.")
    return "\n\n".join(part if part.startswith("|") else fill(part, WIDTH, **WHOLE) for part in parts)


def replace_headline(text: str, new: str) -> str:
    """The README with it. InputError where the marks are not there, once each and in order."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise InputError(f"The README needs one line {BEGIN} and, after it, one line {END}: put them where results go.")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    return f"{before}{BEGIN}\n{new}\n{END}{after}"


def write_headline(path: Path, found: Found) -> None:
    """Put it into the README. InputError where that cannot be read or has no marks."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}): name the README by --readme.") from None
    replace_file(path, replace_headline(text, headline(found)).encode())


def _measured(task: Measured) -> list[str]:
    rows = [_row(task, name, words) for name, words in ROWS.items() if name in task.methods]
    classes = task.summary["made"].get("images", {}).get("classes")
    letters = f"{classes} of 26 handwritten letters" if classes and classes < 26 else "Handwritten letters"
    quick = " **Made with --quick: no result.**" if "--quick" in task.summary["made"].get("command", "") else ""
    lead = f"{letters}, a two-layer CNN, all optimizers tuned with the same budget.{quick}"
    table = [markdown.table(Table.of("", rows))] if rows else []
    return [lead, *table, _verdict(task)]


def _row(task: Measured, name: str, words: str) -> dict[str, str]:
    row = {"method": words, f"epochs to {task.target:g} (quartiles)": spread(task.methods[name]["epochs_to_accuracy"])}
    row |= {f"fewer than tuned {_name(one)} (95 %)": saved(task.saving(one, name)) for one in BASELINES}
    return row | {"runs": str(task.methods[name]["runs"])}


def _verdict(task: Measured) -> str:
    name = main_method(task)
    claims = []
    for baseline in BASELINES:
        saving = task.saving(baseline, name) if name else None
        words = f"**{judge(saving, FEWER[baseline]).words}** by `{name}`" if saving else "not measured"
        claims.append(f"{percent(FEWER[baseline])} fewer epochs than {_name(baseline)} ({words})")
    return (
        f"{PAPER} claims {' and '.join(claims)}. It publishes neither its target nor how its baselines were tuned: "
        "these are our own choices here."
    )


def _cost(cost: Json) -> str:
    setting, parts = cost["setting"], []
    for kind in KINDS:
        named = next((one["name"] for one in cost["processors"] if one["name"].startswith(kind)), None)
        own = {row["quantity"]: ratio(row) for row in cost["ratios"] if row["processor"] == named}
        if own:
            parts.append(
                f"against {named} {own['throughput']} the throughput, {own['energy efficiency']} the energy efficiency"
            )
    return (
        f"Estimated cost of a K-FAC step's inverses of {cost['workload']['name']} on arrays: {'; '.join(parts)}. In "
        f"brackets all estimates at once; one analog solve a right-hand side stands against float32, inverses alone, "
        f"arrays of {setting['max_array']} rows programmed every {setting['refresh']} steps, see "
        "[all assumptions](results/REPORT.md#cost-of-the-inverses). The paper's 5.88x and 6.9x are of an unnamed task "
        "and unnamed processors."
    )


def _name(baseline: str) -> str:
    return OPTIMIZERS[baseline].split()[0]

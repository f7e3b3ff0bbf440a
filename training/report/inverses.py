"""How good the inverses were along training, how fast they settled, and what failed."""

from functools import partial

from training.report.blocks import Block, Panels, Section, Table, Text
from training.report.engines import error_median, settling_median
from training.report.figures import draw_errors, draw_settling
from training.report.found import Found, Measured
from training.report.methods import is_bare
from training.report.words import code, listed, percent, quantity, short


def failures(found: Found) -> Section:
    """Runs that stopped, and the verdicts of all INV calls."""
    blocks: list[Block] = [Text(BARE)]
    for task in found.measured():
        blocks += [table for table in (_verdicts(task), _stopped(task)) if table]
    if len(blocks) == 1:
        blocks.append(Text("No run with circuits is there."))
    return Section("What failed", tuple(blocks))


BARE = (
    "'bare' is without conditioning: the curvature matrices are programmed as they are, without taking out the "
    "dominant eigenvector, equilibration and shift. Every INV call ends in a verdict, and a run that gets one without "
    "a value stops; its reason is below in full."
)


def _verdicts(task: Measured) -> Table | None:
    rows = []
    for name, own in task.methods.items():
        if not own["statuses"]:
            continue
        total = sum(own["statuses"].values())
        best = own["best_accuracy"]
        rows.append(
            {
                "method": name,
                "runs": str(own["runs"]),
                "stopped": str(own["failed"]),
                "reached the target": str(own["reached"]),
                "best test accuracy": f"{best['median']:.3f}" if best else "no epoch done",
                "INV calls": f"{total:,}",
                "settled": _share(own["statuses"].get("SETTLED", 0), total),
                "other verdicts": listed(
                    [f"{status} {count:,}" for status, count in own["statuses"].items() if status != "SETTLED"]
                ),
            }
        )
    return Table.of(f"{task.name.capitalize()}: verdicts of all INV calls", rows) if rows else None


def _share(count: int, total: int) -> str:
    """Only a whole is called 100 %."""
    return "100 %" if count == total else f"{min(100 * count / total, 99.99):.2f} %"


def _stopped(task: Measured) -> Table | None:
    rows = [
        {"method": name, "stopped": f"{own['failed']} of {own['runs']}", "why the first one did": code(own["failure"])}
        for name, own in task.methods.items()
        if own["failed"]
    ]
    return Table.of(f"{task.name.capitalize()}: runs that stopped", rows) if rows else None


def inverses(found: Found) -> Section:
    """Errors along training and settling times."""
    blocks: list[Block] = [Text(MEASURED)]
    for task in found.measured():
        table = _quality(task)
        blocks += [table] if table else []
        blocks += _figures(task)
    if len(blocks) == 1:
        blocks.append(Text("No run with circuits is there."))
    return Section("Inverses along training", tuple(blocks))


MEASURED = (
    "Every 20th step, each solve of a run in circuits is held against linear algebra in double precision on the same "
    "matrix and right-hand sides: norm(x - A^-1 b) / norm(A^-1 b). Solves that did not settle are left out, so what is "
    "shown of a method that fails is its better part. Settling times are those of all INV calls that settled."
)


def _quality(task: Measured) -> Table | None:
    rows = []
    for name, own in task.methods.items():
        if not own["statuses"]:
            continue
        error, settling = error_median(task, name), settling_median(task, name)
        rows.append(
            {
                "method": name,
                "median error": short(error) if error is not None else "-",
                **_by_time(task, name),
                "median settling time": quantity(settling, "s") if settling else "-",
                "longer than 1 µs": percent(_longer(task, name)) if settling else "-",
            }
        )
    return Table.of(f"{task.name.capitalize()}: relative error of the inverses, settling times", rows) if rows else None


def _by_time(task: Measured, method: str) -> dict[str, str]:
    """The worst factor's median at the first and at the last step that was looked at."""
    rows = task.rows("errors", method)
    steps = sorted({int(row["step"]) for row in rows})
    found = {}
    for words, end in (("first", steps[:1]), ("last", steps[-1:])):
        errors = [float(row["median"]) for row in rows if int(row["step"]) in end]
        worst = f"{short(max(errors))} (step {end[0]})" if errors else "-"
        found[f"worst factor, {words} step"] = worst
    return found


def _longer(task: Measured, method: str, limit: float = 1e-6) -> float:
    rows = task.rows("settling", method)
    total = sum(int(row["inv_calls"]) for row in rows)
    return sum(int(row["inv_calls"]) for row in rows if float(row["from_s"]) >= 0.999 * limit) / total


def _figures(task: Measured) -> list[Block]:
    found: list[Block] = []
    if task.rows("errors"):
        caption = (
            f"{task.name.capitalize()}: error of the inverses along training, median over the layers and quartile band."
        )
        found.append(
            Panels(f"{task.name}-errors", caption, tuple(partial(draw_errors, task, kind) for kind in ("A", "G")))
        )
    if task.rows("settling"):
        some = [bare for bare in (False, True) if any(is_bare(row["method"]) is bare for row in task.rows("settling"))]
        caption = f"{task.name.capitalize()}: settling times of the INV calls, a tenth of a decade a bin."
        found.append(
            Panels(f"{task.name}-settling", caption, tuple(partial(draw_settling, task, bare) for bare in some))
        )
    return found

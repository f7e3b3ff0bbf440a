"""The commands, versions, seeds and hyperparameters behind the numbers."""

from collections.abc import Sequence

from training.report.blocks import Block, Code, Section, Table, Text
from training.report.found import Found, Json, Missing
from training.report.methods import OPTIMIZERS
from training.report.words import listed, seeds

COMMANDS = (
    "`make tune`, `make reproduce`, `make cost` and `make report` run these; the first two go on where an earlier try "
    "stopped. Where `--data-dir=...` is not given the images are downloaded."
)


def provenance(found: Found) -> Section:
    """How to make the files again."""
    blocks: list[Block] = [Text(COMMANDS), Code(tuple(_commands(found)))]
    versions = _versions(found)
    blocks += [Table.of("Versions", versions)] if versions else []
    blocks += [Text(found.winners.sentence())] if isinstance(found.winners, Missing) else _search(found.winners)
    rows = [
        {"task": task.name, "method": name, "seeds": seeds([int(row["seed"]) for row in task.rows("runs", name)])}
        for task in found.measured()
        for name in task.methods
    ]
    blocks += [Table.of("Seeds; none of them was part of the search", rows)] if rows else []
    return Section("How it was made", tuple(blocks))


def _commands(found: Found) -> list[str]:
    made = [] if isinstance(found.winners, Missing) else [found.winners["made"].get("command", "ohmvert tune")]
    made += [task.summary["made"].get("command", "ohmvert reproduce") for task in found.measured()]
    if not isinstance(found.costs, Missing):
        made += [" ".join(cost["command"]) for cost in found.costs]
    return [*made, "ohmvert report --readme README.md"]


def _versions(found: Found) -> list[dict[str, str]]:
    """One row for all files that name the same versions."""
    made = [] if isinstance(found.winners, Missing) else [("tune", found.winners["made"].get("versions", {}))]
    made += [(f"reproduce {task.name}", task.summary["made"].get("versions", {})) for task in found.measured()]
    costs: Sequence[Json] = () if isinstance(found.costs, Missing) else found.costs
    made += [(f"cost {cost['workload']['name']}", cost.get("versions", {})) for cost in costs]
    names = list(dict.fromkeys(name for _, versions in made for name in versions))
    rows: dict[tuple[str, ...], list[str]] = {}
    for what, versions in made:
        rows.setdefault(tuple(str(versions.get(name) or "-") for name in names), []).append(what)
    return [{"files": listed(what), **dict(zip(names, row, strict=True))} for row, what in rows.items()]


def _search(winners: Json) -> list[Block]:
    search, images = winners["search"], winners["made"].get("images", {})
    held = f" of {images['train']:,}" if images else ""
    words = (
        f"Every optimizer was given the same budget: {search['trials']} random trials on one seed, the best "
        f"{search['finalists']} of them on {search['seeds']} seeds, {search['runs_an_optimizer']} runs of at most "
        f"{search['epochs']} epochs each. A trial was judged by its mean epochs to an accuracy of {search['target']:g} "
        f"on every fifth{held} training images, held out; the test images were never looked at. A miss counts as all "
        "epochs of the trial."
    )
    rows = [
        {
            "optimizer": OPTIMIZERS.get(name, name),
            "values": listed([f"{key} {value}" for key, value in one["values"].items()]),
            "mean epochs": f"{one['mean_epochs']:.2f}",
            "mean best accuracy": f"{one['mean_best_accuracy']:.3f}",
        }
        for name, one in winners["optimizers"].items()
    ]
    table = Table.of("What the search chose, with its means on the held-out images", rows)
    return [Text(words), table]

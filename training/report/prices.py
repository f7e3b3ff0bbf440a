"""The cost model's ratios, never without their ranges and what they rest on."""

from collections.abc import Sequence
from functools import partial

from training.report.blocks import Block, Bullets, Panels, Section, Table, Text
from training.report.figures import draw_breakdown
from training.report.found import Found, Json, Missing
from training.report.words import code, listed, quantity, ratio, short, value_of

TITLE = "Cost of the inverses"
CLAIMED = {"throughput": "5.88x", "energy efficiency": "6.9x"}


def prices(found: Found) -> Section:
    """The section."""
    damaged = [Text(one.sentence()) for one in found.damaged]
    if isinstance(found.costs, Missing):
        return Section(TITLE, (Text(found.costs.sentence()), *damaged))
    costs, names = found.costs, labels(found.costs)
    shared = [one for one in costs[0]["assumptions"] if all(one in cost["assumptions"] for cost in costs)]
    blocks: list[Block] = [Text(LEAD), Bullets(tuple(shared)), _steps(costs, names)]
    for cost, name in zip(costs, names, strict=True):
        own = [one for one in cost["assumptions"] if one not in shared]
        blocks += [_ratios(cost, name), *([Bullets((_where(cost), *own))])]
    return Section(TITLE, (*blocks, *damaged, _constants(costs, names), _breakdown(costs, names)))


LEAD = (
    "Each ratio is what a processor takes for a K-FAC step's inverses over what the arrays take, as **nominal (low to "
    "high)**: low with every estimate against the arrays, high with every one for them. A range over 1x and under 1x "
    "says that the model cannot tell which is better. All of them rest on this:"
)


def labels(costs: Sequence[Json]) -> list[str]:
    """A name for each file: its network, with the circuits where they differ, numbered where even these are alike."""
    settings = {cost["setting"]["preset"] for cost in costs}
    names = [
        cost["workload"]["name"] + (f" ({cost['setting']['preset']})" if len(settings) > 1 else "") for cost in costs
    ]
    return [
        name if names.count(name) == 1 else f"{name} #{1 + names[:place].count(name)}"
        for place, name in enumerate(names)
    ]


def _steps(costs: Sequence[Json], names: Sequence[str]) -> Table:
    rows = [
        {
            "network": name,
            "parameters": f"{cost['workload']['parameters']:,}",
            "layers": str(cost["workload"]["layers"]),
            "largest factor": f"{max(factor['rows'] for factor in cost['workload']['factors']):,}",
            "right-hand sides": f"{sum(factor['right_hand_sides'] for factor in cost['workload']['factors']):,}",
            "time": _range(cost, "time_s", "s"),
            "energy": _range(cost, "energy_J", "J"),
        }
        for name, cost in zip(names, costs, strict=True)
    ]
    return Table.of("A step's inverses on the arrays: nominal (low to high)", rows)


def _range(cost: Json, column: str, unit: str) -> str:
    low, value, high = (cost["arrays"][name][column]["total"] for name in ("low", "nominal", "high"))
    return f"{quantity(value, unit)} ({quantity(low, unit)} to {quantity(high, unit)})"


def _ratios(cost: Json, name: str) -> Table:
    rows = []
    for processor in cost["processors"]:
        own = {row["quantity"]: row for row in cost["ratios"] if row["processor"] == processor["name"]}
        row = {"processor": processor["name"]}
        row |= {word: ratio(one) for word, one in own.items()}
        for word, one in own.items():
            row[f"{CLAIMED[word]} {word} if alone"] = reproducing(one)
        row["throughput falls below 1x by"] = _breaking(own["throughput"])
        rows.append(row)
    return Table.of(f"{name}: ratios, and which single number inside its range leads to the paper's", rows)


def reproducing(row: Json) -> str:
    """The numbers of which one alone, inside its range, gives the paper's ratio, each with the value it takes."""
    found = [number for number in row["numbers"] if number["verdict"] == "reproduces"]
    return listed([f"{number['name']} {value_of(number, 'needed')}" for number in found])


def _breaking(row: Json) -> str:
    if row["value"] < 1:
        return "is below"
    return listed([number["name"] for number in row["numbers"] if number["breaks"]], "none alone")


def _where(cost: Json) -> str:
    setting, machine = cost["setting"], cost["machine"]
    quick = " Factors above a limit were timed **quickly**, in proportion." if setting["quick"] else ""
    return (
        f"{cost['workload']['description']}; {setting['preset']}, op-amp {setting['op_amp']}, arrays of "
        f"{setting['max_array']} rows, a refresh every {setting['refresh']} steps; CPU: {machine['processor']}, "
        f"{machine['cores']} cores. With one factor after the other the arrays take {_longer(cost)} times as "
        f"long.{quick}"
    )


def _longer(cost: Json) -> str:
    row = next(row for row in cost["ratios"] if row["quantity"] == "throughput")
    return short(row["value"] / row["one_by_one"])


def _constants(costs: Sequence[Json], names: Sequence[str]) -> Table:
    """All constants; one that differs between the files has a row for each."""
    rows = []
    for constant in costs[0]["constants"]:
        values = [cost["constants"].get(constant) for cost in costs]
        alike = all(value == values[0] for value in values)
        for name, value in list(zip(names, values, strict=True))[: 1 if alike else None]:
            if value is not None:
                rows.append(
                    {
                        "constant": code(constant) + ("" if alike else f" ({name})"),
                        "nominal": value_of(value),
                        "low": value_of(value, "low"),
                        "high": value_of(value, "high"),
                        "published": "no, our estimate" if value["assumption"] else "yes",
                        "source": value["source"],
                    }
                )
    return Table.of("Constants of the cost model", rows)


def _breakdown(costs: Sequence[Json], names: Sequence[str]) -> Panels:
    panels = tuple(
        partial(draw_breakdown, costs, names, column, title)
        for column, title in (("time_s", "Time of a step"), ("energy_J", "Energy of a step"))
    )
    caption = "Where time and energy of a step's inverses on the arrays go, at the nominal estimates."
    return Panels("cost", caption, panels)

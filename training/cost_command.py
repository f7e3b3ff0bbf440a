"""The command that prices a K-FAC step on arrays and on digital processors: cost.

`--json` and `--out` give one JSON object:
    command, versions, machine: what ran where.
    setting: preset, backend, op_amp, max_array, refresh [steps], copies [arrays], together, quick.
    workload: name, description, layers, parameters, without_factors, factors (name, rows, right_hand_sides).
    calls: of each measured array kind ('inv', 'mvm'), rows, settling_s, energy_J (nominal supply), power_parts_J.
    constants: by name value, unit, low, high, source, assumption; 'condition' and 'settling' among them.
    arrays: 'low', 'nominal', 'high', each time_s and energy_J: settling, dac, adc, programming, digital, total.
    processors: name, constants as above, time_s and energy_J at 'low', 'nominal', 'high', details (what was timed).
    ratios: processor, quantity ('throughput', 'energy efficiency'), value, low, high, one_by_one (every factor after
        the other), target (the paper's ratio), and numbers: name, value, unit, low, high, ratio_at_low,
        ratio_at_high, needed (value that alone gives the target, or null; of whole numbers the nearest) and
        ratio_at_needed, verdict ('reproduces' inside low..high, 'outside', 'never'), breaks (1 or more to below 1).
    assumptions: what no ratio may be read without.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from training.cost_tables import show_cost

if TYPE_CHECKING:
    from cosim.digital import Baseline
    from cosim.ratios import Arrays

PACKAGES = ("ohmvert", "numpy", "scipy", "torch")


def cost(
    model: Annotated[
        str, typer.Option(help="cnn, resnet18, vit-small, gpt2-small, or package.module:factory of a torch model.")
    ] = "resnet18",
    preset: Annotated[str, typer.Option(help="The circuits: a preset, or a .toml file.")] = "rram40",
    backend: Annotated[str, typer.Option(help="What measures the arrays: nodal (linear parts) or spice.")] = "nodal",
    refresh: Annotated[int, typer.Option(help="Steps between programmings of a factor.")] = 10,
    copies: Annotated[int, typer.Option(help="Arrays that hold the same matrix and share its right-hand sides.")] = 1,
    together: Annotated[
        bool, typer.Option("--together/--one-by-one", help="All A factors at once, then all G, or one after the other.")
    ] = True,
    max_array: Annotated[int | None, typer.Option(help="Rows of an array at the most. [default: the preset's]")] = None,
    op_amp: Annotated[
        str | None, typer.Option(help="Supply and quiescent current: on-chip, ad823, opa690. [default: the preset's]")
    ] = None,
    skip_layers: Annotated[list[str] | None, typer.Option(help="Pattern of own layers to leave out.")] = None,
    gpu: Annotated[bool, typer.Option("--gpu", help="Time this machine's CUDA device too.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Time small factors once, the others in proportion.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="File to write the JSON to.")] = None,
) -> None:
    """Time and energy of a K-FAC step's inverses on arrays, as ratios to digital processors, with all assumptions."""
    from circuits.hardware_file import load_hardware
    from cosim.array_calls import SIDES, measure_calls
    from cosim.cost import works_of
    from cosim.cost_constants import Constants, op_amp_of
    from cosim.ratios import Arrays
    from training.digital_torch import machine, need_cuda, processors
    from training.model_workload import find_workload, workload_row
    from training.study.files import write_json

    _check(refresh, copies, out)
    if gpu:
        need_cuda()
    hardware = load_hardware(preset)
    hardware = hardware if max_array is None else replace(hardware, max_array=max_array)
    workload = find_workload(model, skip_layers or [])
    op_amp = op_amp or op_amp_of(hardware)
    constants = Constants.of(op_amp, hardware.opamp.gbw)
    works = tuple(works_of(workload.factors, hardware.max_array))
    found = measure_calls(hardware, works, backend, 1 if quick else SIDES)
    arrays = Arrays(works, found.calls, found.settling, constants, hardware.converters, refresh, copies, together)
    choices = {"max_array": hardware.max_array, "refresh": refresh, "copies": copies, "together": together}
    report = {
        "command": ["ohmvert", *sys.argv[1:]],
        "versions": {name: version(name) for name in PACKAGES},
        "setting": {"preset": preset, "backend": backend, "op_amp": op_amp, **choices, "quick": quick},
        "workload": workload_row(workload),
        "calls": found.rows(constants.op_amp),
        **compare(arrays, processors(workload.factors, gpu, quick)),
        "machine": machine(),
    }
    report["assumptions"] = _assumptions(report, hardware.cell.levels, arrays)
    if out is not None:
        write_json(out, report)
    if as_json:
        print(json.dumps(report, allow_nan=False))
    else:
        show_cost(report)


def compare(arrays: "Arrays", processors: "Sequence[Baseline]") -> dict[str, Any]:
    """The report's 'constants', 'arrays', 'processors' and 'ratios'."""
    from cosim.array_calls import CONDITION
    from cosim.cost_constants import ESTIMATES
    from cosim.ratios import TARGETS, Comparison

    constants = {"condition": CONDITION, "settling": arrays.settling, **arrays.constants.items()}
    pairs = [Comparison(arrays, processor, quantity) for processor in processors for quantity in TARGETS]
    return {
        "constants": {name: asdict(constant) for name, constant in constants.items()},
        "arrays": {estimate: arrays.row(estimate) for estimate in ESTIMATES},
        "processors": [processor.row(arrays.refresh) for processor in processors],
        "ratios": [pair.row() for pair in pairs],
    }


def _check(refresh: int, copies: int, out: Path | None) -> None:
    """Refuse, before anything is measured, what would be refused after it."""
    from circuits import InputError

    for name, value in (("refresh", refresh), ("copies", copies)):
        if value < 1:
            raise InputError(f"--{name} {value} is below 1: give 1 or more.")
    if out is not None and out.suffix != ".json":
        raise InputError(f"The file {out} must end in .json.")


def _assumptions(report: Mapping[str, Any], levels: int, arrays: "Arrays") -> list[str]:
    """What the ratios rest on, a sentence each."""
    setting, work = report["setting"], report["workload"]
    count = sum(one.operations.arrays for one in arrays.works) * arrays.copies
    spread = "A factors at once, then G" if arrays.together else "one factor after the other"
    assumed = ", ".join(name for name, constant in report["constants"].items() if constant["assumption"])
    scaled = sorted({n for processor in report["processors"] for n in processor["details"].get("in_proportion", [])})
    untimed = [f"Factors of {', '.join(map(str, scaled))} rows were not timed but taken in proportion."]
    return [
        "The ratios are estimates of this project. arXiv:2512.05342 names neither the task nor the processors of its "
        "5.88x and 6.9x: nothing here is its setting.",
        "The work is a K-FAC step's inverses alone. Forward and backward passes, adding up factors, and moving data to "
        "a processor are on neither side; host, cooling and idle arrays draw nothing.",
        f"One analog solve a right-hand side ({f'{levels} levels' if levels else 'cells without levels'}; block "
        f"elimination on arrays of {setting['max_array']} rows) stands against float32. Refinement to that precision "
        f"takes several times the solves; whether this network trains with single ones was not tried.",
        f"A factor is programmed once in {arrays.refresh} steps, on {count:,.0f} arrays in all ({arrays.copies} for "
        f"each block), {spread}.",
        "The arrays' digital part is priced by multiply-adds (mac_energy, mac_time), processors by power over time, "
        "with several threads that of all their cores.",
        f"{work['without_factors']:,} of {work['parameters']:,} parameters have no factors and are left out.",
        f"Calls were measured by {setting['backend']} on seeded matrices of condition "
        f"{report['constants']['condition']['value']:g}, conditioned as in training, not on this network's factors.",
        "low and high take all estimates at once, one side dear and the other cheap; refresh interval, arrays and "
        "precision are choices and stay.",
        f"Estimates of ours, not published figures: {assumed}; of processors stretch, launch_time and a core's power.",
        f"The load was {report['machine']['load']:.1f} on {report['machine']['cores']} cores: which slows its times.",
        *(untimed if scaled else []),
    ]

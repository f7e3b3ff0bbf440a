"""Any INV call of a run as an inspection, from the inputs that the run stored. Needs no torch."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from circuits import Conditioning, Hardware, InputError
from circuits.templates import Templates
from cosim.analog import AnalogArray
from cosim.inspected import Question
from cosim.inspection import Inspection
from cosim.inspector import inspect_array
from cosim.precision import Precision
from training.calls import INPUTS, CallStore, StoredCall
from training.engine import WHOLE
from training.replay import build_hardware, read_config


def inspect_call(
    run: Path | str,
    step: int,
    layer: str,
    factor: str,
    column: int | None = None,
    *,
    backend: str = "nodal",
    templates: Templates | None = None,
    reduce: str | None = None,
    trust: bool = False,
) -> Inspection:
    """The array of one solve of a run, as it was written, driven by all of its right-hand sides or by one `column`.

    Of a refined solve (HP-INV) it is the analog part, driven by the right-hand side itself. `templates` draw it in
    place of the run's, and `reduce` says whether wired arrays are drawn as their port reduction. InputError, naming
    what there is, for a run, step, layer, factor or column that there is not, and for a solve of many circuits.
    """
    folder = Path(run)
    config = read_config(folder)
    hardware = _hardware(folder, config, trust)
    call = CallStore(folder / INPUTS).find(step, layer, factor)
    _check_one_array(folder, config, hardware, len(call.matrix))
    conditioning = Conditioning() if config["conditioning"] else Conditioning.off()
    if reduce is not None:
        hardware = replace(hardware, wires=replace(hardware.wires, reduce=reduce))
    drawn = hardware.redrawn(templates) if templates else hardware
    array = AnalogArray.program(call.matrix, drawn, conditioning, call.write)
    title = f"{run}, step {step}, layer {layer}, factor {factor}, write {call.write}"
    columns = _columns(column, call)
    return inspect_array(
        array, call.matrix, Question(call.rhs, columns, call.calls, backend, title, f"of {run}", trust)
    )


def _hardware(run: Path, config: dict[str, Any], trust: bool) -> Hardware:
    """The chip of the run's analog solves, with the templates that drew it."""
    try:
        hardware = build_hardware(config["parts"], trust)
    except InputError as error:
        raise InputError(f"{run}: {error}") from None
    if config["precision"]:
        hardware = Precision.parse(config["precision"]).solving(hardware)
    return hardware


def _check_one_array(run: Path, config: dict[str, Any], hardware: Hardware, n: int) -> None:
    most = config["max_array"] or max(WHOLE, hardware.max_array)
    if config["block_size"] or n > most:
        raise InputError(
            f"{run} solves this factor of {n} rows with many circuits, on arrays of "
            f"{config['block_size'] or most}: choose a smaller layer, or show a block of it by --matrix."
        )


def _columns(column: int | None, call: StoredCall) -> tuple[int, ...]:
    k = call.rhs.shape[1]
    if column is not None and not 0 <= column < k:
        raise InputError(f"column = {column} is outside 0 to {k - 1}: the solve had {k} right-hand sides.")
    return tuple(range(k)) if column is None else (column,)

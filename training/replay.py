"""The command that runs one solve of a run again, from its stored inputs, and compares."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from circuits import Conditioning, Hardware, InputError, Model
from circuits.templates import Templates
from cosim import Solution, Status
from cosim.analog import AnalogArray
from cosim.block_diagonal import BlockDiagonalBackend
from cosim.solution import Array
from training.calls import INPUTS, CallStore, StoredCall, describe_engine
from training.engine import build_backend

OTHER_ENGINE = 1e-6
"""Relative difference that another version of ngspice may make."""
DRAWING = "drawing"
"""Where a run's config has the templates that it was drawn by, if they are not those that ship."""
_FIELDS = ("precision", "products", "max_array")
"""What a run's config says of its backend beside its name and hardware."""
OTHER_BACKEND = 1e-3
"""Relative difference that another backend may make, where the caller does not say."""


def replay(
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    step: Annotated[int, typer.Option(help="The training step, counted from 1.")],
    layer: Annotated[str, typer.Option(help="Name of the layer.")],
    factor: Annotated[str, typer.Option(help="A or G.")],
    column: Annotated[int | None, typer.Option(help="Show this right-hand side only, counted from 0.")] = None,
    backend: Annotated[str | None, typer.Option(help="Another backend than the run's.")] = None,
    tolerance: Annotated[float, typer.Option(help="Relative difference allowed to another backend.")] = OTHER_BACKEND,
    deck: Annotated[
        Path | None, typer.Option(help="Write the netlist for plain `ngspice -b` here, run nothing.")
    ] = None,
    trust: Annotated[bool, typer.Option("--trust", help="Let model files run programs in ngspice.")] = False,
) -> None:
    """Run a solve of a run again; exit 0 where it gives the same, 1 where it does not."""
    config = read_config(run)
    hardware = build_hardware(config["parts"], trust)
    call = CallStore(run / INPUTS).find(step, layer, factor)
    columns = _choose(column, call.rhs.shape[1])
    if deck:
        if config["precision"] or config["block_size"] or config["max_array"]:
            raise InputError(f"{run} solves with many circuits a call: --deck writes the netlist of a single one.")
        write_deck(deck, call, hardware, f"{run}, step {step}", columns, _conditioning(config))
        return
    name = backend or config["backend"]
    solution, engine = solve_again(call, hardware, name, config)
    allowed = _allowed(config["backend"], name, call.engine, engine, tolerance)
    differences = compare(call, solution)
    _show(f"{run}, step {step}, {layer} {factor}, {name}", call, solution, differences, columns)
    raise typer.Exit(int(not _judge(differences, columns, allowed)))


def read_config(run: Path) -> dict[str, Any]:
    """The config.json of a run. InputError where it is missing, no JSON, or lacks what a replay needs."""
    path = run / "config.json"
    try:
        config = json.loads(path.read_text())
        kept = {name: config.get(name) for name in (*_FIELDS, "block_size")}
        kept["conditioning"] = bool(config.get("conditioning", True))
        return {"backend": str(config["backend"]), "parts": dict(config["parts"]), **kept}
    except OSError as error:
        raise InputError(f"{run} is no run folder: {path} cannot be read ({error.strerror}).") from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not what a run writes ({error}): choose another run.") from None


def build_hardware(parts: dict[str, Any], trust: bool = False) -> Hardware:
    """The hardware that a run's config.json describes, whatever became of its preset or file since.

    InputError for parts that this version does not have. `trust` is the caller's word, never the run's.
    """
    default = Hardware()
    plain = {name: values for name, values in parts.items() if name != DRAWING}
    try:
        hardware = Hardware(**{name: _part(getattr(default, name), values, trust) for name, values in plain.items()})
        return hardware.redrawn(Templates(**parts[DRAWING])) if parts.get(DRAWING) else hardware
    except (AttributeError, TypeError) as error:
        raise InputError(
            f"The run's hardware is not one of this version ({error}): replay it with the run's."
        ) from None


def _conditioning(config: Mapping[str, Any]) -> Conditioning:
    return Conditioning() if config.get("conditioning", True) else Conditioning.off()


def _part(default: Any, values: Any, trust: bool) -> Any:
    if not isinstance(values, dict):
        return values
    if values.get("model"):
        model = values["model"]
        values = {**values, "model": Model(**{**model, "pins": tuple(model["pins"]), "trust": trust})}
    return type(default)(**values)


def solve_again(
    call: StoredCall, hardware: Hardware, name: str, config: Mapping[str, Any] | None = None
) -> tuple[Solution, str]:
    """What a backend makes of a stored solve, on the array as it was written; and what computed it.

    `config` is the run's, for its precision and the size of its arrays and blocks.
    """
    given = {field: value for field in _FIELDS if (value := (config or {}).get(field)) is not None}
    options: dict[str, Any] = {"workers": 1} if name == "spice" else {}
    options["conditioning"] = _conditioning(config or {})
    opened = build_backend(name, hardware, **given, **options)
    blocks = (config or {}).get("block_size")
    with opened if blocks is None else BlockDiagonalBackend(opened, blocks) as backend:
        programmed = backend.restore(call.matrix, call.write, call.calls)
        return programmed.solve(call.rhs, throw=False), describe_engine(backend)


def compare(call: StoredCall, solution: Solution) -> Array:
    """(k,) norm of the difference to the stored values, as a part of those; infinite where verdicts differ."""
    size = np.linalg.norm(call.value, axis=0)
    apart = np.linalg.norm(solution.value - call.value, axis=0) / np.where(size > 0, size, 1)
    for j, (before, now) in enumerate(zip(call.statuses, solution.stats.statuses, strict=True)):
        if before is not now:
            apart[j] = np.inf
        elif before is not Status.SETTLED:
            apart[j] = 0.0
    return np.asarray(apart)


def write_deck(
    path: Path,
    call: StoredCall,
    hardware: Hardware,
    origin: str,
    columns: list[int],
    conditioning: Conditioning | None = None,
) -> None:
    """Write the netlist of some columns of a solve, as ngspice gets it; .meas lines read the outputs."""
    array = AnalogArray.program(call.matrix, hardware, conditioning or Conditioning(), call.write)
    scale = array.input_scale(call.rhs)  # chosen before the cells are read, so without read noise
    if not array.reading.stable:
        raise InputError("The circuit of this call is unstable: there is no transient of it to write.")
    if hardware.programming.read_noise:
        if len(columns) > 1:
            raise InputError("Read noise gives every right-hand side a netlist of its own: choose one with --column.")
        array = array.during(call.calls + columns[0])
    inputs = array.inputs(call.rhs, scale, call.calls)[:, columns]
    stimulus = array.stimulus(inputs)
    expected = array.reading.gain @ inputs + array.reading.offset[:, None]
    header, measures = (
        [f"{origin}: layer {call.layer}, factor {call.factor}, write {call.write}", "volts expected:"],
        [],
    )
    for j, end in enumerate(stimulus.ends * (1 - 1e-6)):
        for node, volts in zip(array.netlist.outputs, expected[:, j], strict=True):
            header.append(f"  column{columns[j]}_{node} = {volts:.6g}")
            measures.append(f".meas tran column{columns[j]}_{node} find v({node}) at={end:.12g}")
    try:
        path.write_text(array.netlist.deck(stimulus, "\n".join(header), "\n".join(measures) + "\n"))
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from None


def _choose(column: int | None, k: int) -> list[int]:
    if column is not None and not 0 <= column < k:
        raise InputError(f"column = {column} is outside 0 to {k - 1}: the solve had {k} right-hand sides.")
    return list(range(k)) if column is None else [column]


def _allowed(ran: str, now: str, ran_engine: str, engine: str, tolerance: float) -> float:
    """The largest relative difference that counts as the same; 0 for the same bits."""
    if not 0 <= tolerance < float("inf"):
        raise InputError(f"tolerance = {tolerance!r} must be a finite number of 0 or more.")
    if ran != now:
        return tolerance
    if ran_engine and ran_engine != engine:
        print(f"The run used {ran_engine}, this is {engine}: compared to {OTHER_ENGINE:g} and not to the bit.")
        return OTHER_ENGINE
    return 0.0


def _show(title: str, call: StoredCall, solution: Solution, differences: Array, columns: list[int]) -> None:
    table = Table("column", "then", "now", "settling time", "residual", "difference", title=title)
    stats = solution.stats
    for j in columns:
        figures = (f"{stats.settling_time[j]:.4g} s", f"{stats.residual[j]:.3e}", f"{differences[j]:.3g}")
        table.add_row(str(j), call.statuses[j], stats.statuses[j], *figures)
    Console().print(table)


def _judge(differences: Array, columns: list[int], allowed: float) -> bool:
    """Print the verdict; whether it is the same."""
    worst = max(columns, key=lambda j: differences[j])
    if differences[worst] == 0:
        print("Identical: the same verdicts and the same bits.")
    elif differences[worst] <= allowed:
        print(f"The same to {differences[worst]:.3g} of each value; {allowed:g} is allowed.")
    else:
        print(f"Different: by {differences[worst]:.3g} of the value in column {worst}; {allowed:g} is allowed.")
    return bool(differences[worst] <= allowed)

"""A circuit as a person wants it: netlist, JSON or picture, and its waveforms in a file."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from circuits import Hardware, InputError
from circuits.errors import check_choice
from circuits.hardware_file import load_hardware
from circuits.templates import Templates
from cosim.inspection import Inspection
from cosim.inspector import inspect_inverse
from cosim.solution import Array
from cosim.svg_array import draw_array
from cosim.waveform_files import write_waveforms

Cell = tuple[int, int] | None

FORMATS: dict[str, Callable[[Inspection, Cell], str]] = {
    "cir": lambda inspection, cell: netlist_text(inspection),
    "svg": draw_array,
    "json": lambda inspection, cell: json.dumps(inspection.as_json(), allow_nan=False, indent=1) + "\n",
}
"""How an inspection becomes text; `cell` is the one to annotate, where something is."""


def load_array(path: Path) -> Array:
    """An .npy file; InputError where it is missing or no array of numbers."""
    try:
        loaded: Array = np.load(path, allow_pickle=False)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    except ValueError as error:
        raise InputError(f"{path} is no .npy file of numbers ({error}).") from None
    if not isinstance(loaded, np.ndarray):
        raise InputError(f"{path} holds several arrays: pass an .npy file with one.")
    return loaded


def load_shown_hardware(name: str, templates: Path | None, reduce: str | None, trust: bool) -> Hardware:
    """Hardware by name, its wires drawn segment by segment ('never'), reduced ('always') or as it says (None).

    `templates` is a folder of templates that take the place of shipped ones.
    """
    hardware = load_hardware(name, trust)
    if reduce is not None:
        hardware = replace(hardware, wires=replace(hardware.wires, reduce=reduce))
    return hardware if templates is None else hardware.redrawn(Templates.read(templates))


def show(inspection: Inspection, form: str, cell: Cell = None) -> str:
    """Text of a format in FORMATS; InputError for another."""
    check_choice("format", form, tuple(FORMATS))
    return FORMATS[form](inspection, cell)


def netlist_text(inspection: Inspection) -> str:
    """The netlist; InputError where the circuit is unstable, since its transient says nothing."""
    if not inspection.stable:
        raise InputError(
            "The circuit of this matrix is unstable: it needs eigenvalues with positive real parts; add damping. "
            "--format=svg and --format=json show it nevertheless."
        )
    return inspection.netlist.text


def save_waveforms(inspection: Inspection, path: Path) -> None:
    """Write the outputs' waveforms as .raw or .csv; InputError, with the simulator's words, where there are none."""
    waveforms = inspection.traces.waveforms
    if not len(waveforms.times):
        raise InputError(f"There are no waveforms to write: {inspection.traces.message}")
    write_waveforms(path, waveforms, inspection.netlist.outputs, f"ohmvert {inspection.subject.title}")


def show_inverse(matrix: Array, rhs: Array | None, hardware_name: str = "default", trust: bool = False) -> str:
    """Complete netlist of the inverse of a matrix, driven by the right-hand sides (the first unit vector if None).

    Its header says what it is and what to expect, its .meas lines read every output at the end of every
    right-hand side, and when it had settled.
    """
    hardware = load_hardware(hardware_name, trust)
    return netlist_text(inspect_inverse(matrix, rhs, hardware, hardware_name=hardware_name, trust=trust))

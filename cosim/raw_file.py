"""Waveforms as a binary .raw file, the format that ngspice writes and LTspice's tools read."""

from pathlib import Path

import numpy as np

from circuits.errors import InputError
from cosim.settle import Waveforms

DATE = "Thu Jan  1 00:00:00 1970"
"""The same in every file, so that equal waveforms are equal files."""


def raw_bytes(waveforms: Waveforms, names: tuple[str, ...], title: str) -> bytes:
    """The file's content: a header of text, then for each point its time and volts as float64.

    `names` are the nodes (outputs,).
    """
    if len(names) != len(waveforms.volts):
        raise InputError(f"{len(waveforms.volts)} waveforms cannot have {len(names)} names: give one for each.")
    variables = ["\t0\ttime\ttime", *(f"\t{i}\tv({name})\tvoltage" for i, name in enumerate(names, start=1))]
    header = [
        f"Title: {' '.join(title.split()) or 'ohmvert'}",
        f"Date: {DATE}",
        "Plotname: Transient Analysis",
        "Flags: real",
        f"No. Variables: {len(variables)}",
        f"No. Points: {len(waveforms.times)}",
        "Variables:",
        *variables,
        "Binary:",
    ]
    points = np.vstack([waveforms.times[None], waveforms.volts]).T
    return ("\n".join(header) + "\n").encode() + np.ascontiguousarray(points, dtype="<f8").tobytes()


def write_raw(path: Path, waveforms: Waveforms, names: tuple[str, ...], title: str) -> None:
    """Write the file; InputError where that is not possible."""
    content = raw_bytes(waveforms, names, title)
    try:
        path.write_bytes(content)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from None

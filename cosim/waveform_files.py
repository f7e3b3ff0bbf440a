"""Waveforms for other tools: .raw and .csv files, pandas and xarray."""

import csv
import io
from importlib import import_module
from pathlib import Path
from typing import Any

from circuits.errors import InputError
from cosim.raw_file import write_raw
from cosim.settle import Waveforms

SUFFIXES = (".raw", ".csv")


def write_waveforms(path: Path, waveforms: Waveforms, names: tuple[str, ...], title: str) -> None:
    """Write waveforms of the named nodes (outputs,), as the file's suffix says. InputError for another suffix."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path} is no kind of waveform file: its name must end with {' or '.join(SUFFIXES)}.")
    if path.suffix.lower() == ".raw":
        write_raw(path, waveforms, names, title)
        return
    try:
        path.write_text(csv_text(waveforms, names), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from None


def csv_text(waveforms: Waveforms, names: tuple[str, ...]) -> str:
    """A header with units, then a row a point; every digit of float64."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["time_s", *(f"v({name})_V" for name in names)])
    for time, volts in zip(waveforms.times.tolist(), waveforms.volts.T.tolist(), strict=True):
        writer.writerow([repr(value) for value in (time, *volts)])
    return text.getvalue()


def to_pandas(waveforms: Waveforms, names: tuple[str, ...] | None = None) -> Any:
    """A DataFrame with a column of volts [V] for each node, indexed by time [s]; InputError without pandas."""
    pandas = _library("pandas")
    index = pandas.Index(waveforms.times, name="time_s")
    return pandas.DataFrame(waveforms.volts.T, index=index, columns=list(_named(waveforms, names)))


def to_xarray(waveforms: Waveforms, names: tuple[str, ...] | None = None) -> Any:
    """A DataArray [V] with the dimensions node and time [s]; InputError without xarray."""
    xarray = _library("xarray")
    coordinates = {"node": list(_named(waveforms, names)), "time": ("time", waveforms.times, {"units": "s"})}
    return xarray.DataArray(
        waveforms.volts, coords=coordinates, dims=("node", "time"), name="volts", attrs={"units": "V"}
    )


def _named(waveforms: Waveforms, names: tuple[str, ...] | None) -> tuple[str, ...]:
    """The names, out1 and so on where None."""
    return names or tuple(f"out{i}" for i in range(1, len(waveforms.volts) + 1))


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise InputError(
            f"{name} is not installed: pip install 'ohmvert[waveforms]', or write a .csv or .raw file."
        ) from None

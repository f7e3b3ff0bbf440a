"""Everything that is worth seeing of one circuit and its INV calls, as data: `ohmvert show` and the page read it.

n rows and m columns (n = m for an inverse), k right-hand sides or vectors, `points` times.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuits import Hardware
from cosim.plain import plain
from cosim.settle import Waveforms
from cosim.solution import Array, Status

FORMAT = 1
"""Number of the JSON schema; it grows when a field changes its meaning or goes."""
CONTINUOUS = -1
"""In place of a level, where cells have none."""

Levels = NDArray[np.int64]
Lines = tuple[tuple[tuple[int, ...], ...], ...]
"""[row][column], counted from 0: the numbers of an element's lines in the netlist text, counted from 1."""


@dataclass(frozen=True)
class Subject:
    """What was asked for."""

    kind: str
    """'inverse' or 'multiply'."""
    title: str
    """One line that says where the matrix comes from."""
    hardware_name: str
    """Preset, file or run that the hardware was taken from."""
    hardware: Hardware
    matrix: Array
    """(n, m) [-] what was asked for."""
    conditioned: Array
    """(n, m) [-] what the circuit is to solve or multiply by, after the digital steps, the shift included."""
    write: int = 0
    """How many matrices were programmed on the chip before."""
    call: int = 0
    """How many INV calls the array had before the first right-hand side."""


@dataclass(frozen=True)
class CellArray:
    """One of the two arrays, cell by cell."""

    name: str
    """Letter in the names of its elements: 'p' or 'n'."""
    sign: int
    """1 or -1: what its conductances count as."""
    target: Array
    """(n, m) [S] what was to be written."""
    programmed: Array
    """(n, m) [S] what the cells have in the (first) call, read noise included."""
    levels: Levels
    """(n, m) [-] the level of each target, from 0; CONTINUOUS where cells have no levels."""
    stuck: Levels
    """(n, m) [-] 1 for a cell that is stuck on, -1 for one that is stuck off, 0 for any other."""
    lines: Lines
    """The element lines of every cell in the netlist's text; none where the array is drawn as its port reduction."""


@dataclass(frozen=True)
class NetlistView:
    """The netlist as text."""

    text: str
    """Complete, with header, .meas lines and analysis: plain `ngspice -b` runs it."""
    digest: str
    """SHA-256 of the circuit's lines; a nodal run's inv_calls.csv has that of its linear form."""
    inputs: tuple[str, ...]
    """Node names, one a column."""
    outputs: tuple[str, ...]
    """Node names, one a row."""
    templates: dict[str, str]
    """By the name of each template, the file that it comes from."""
    reduced: bool
    """Whether the lines and cells are drawn as the exact port reduction of each array."""


@dataclass(frozen=True)
class Poles:
    """How the linear circuit moves."""

    eigenvalues: NDArray[np.complex128]
    """(modes,) [rad/s] poles, slowest first."""
    margin: float
    """[rad/s] decay rate of the slowest mode, negative where one grows: the circuit is then unstable."""
    time_constant: float
    """[s] of the slowest mode; infinite where the circuit is unstable."""


@dataclass(frozen=True)
class Answer:
    """What went in and what came out."""

    rhs: Array
    """(m, k) [-] right-hand sides of an inverse, vectors of a product."""
    scale: Array
    """(k,) [V] volts for 1 in a right-hand side."""
    inputs: Array
    """(m, k) [V] on the inputs."""
    volts: Array
    """(n, k) [V] of the outputs at the end of each window; nan where there is no verdict to believe."""
    value: Array
    """(n, k) [-] what the volts stand for; nan unless SETTLED."""
    expected: Array
    """(n, k) [-] the true answer, by dense linear algebra."""
    errors: Array
    """(k,) [-] norm(value - expected) / norm(expected)."""
    statuses: tuple[Status, ...]
    """(k,) the verdict of each."""


@dataclass(frozen=True)
class Traces:
    """The transient: right-hand sides follow one another, each in its window."""

    backend: str
    """'nodal' (the linear circuit, exact in time) or 'spice' (ngspice)."""
    times: Array
    """(points,) [s]"""
    volts: Array
    """(n, points) [V] of every output."""
    windows: Array
    """(k, 2) [s] start and end of each."""
    settled: Array
    """(n, k) [V] what the linear circuit settles to: the middle of the tolerance band."""
    band: Array
    """(k,) [V] half the width of the tolerance band: a thousandth of the largest output."""
    settling_times: Array
    """(n, k) [s] from the start of the window until the output stays within the band; nan where it never does."""
    message: str = ""
    """The simulator's own words, where it had any."""

    @property
    def waveforms(self) -> Waveforms:
        """Times and volts together, with their ways into pandas and xarray."""
        return Waveforms(self.times, self.volts)


@dataclass(frozen=True)
class Inspection:
    """One circuit with its calls. `inspect_inverse` and `inspect_multiply` of cosim.inspector make it."""

    subject: Subject
    arrays: tuple[CellArray, CellArray]
    """The positive and the negative one."""
    netlist: NetlistView
    poles: Poles
    answer: Answer
    traces: Traces

    @property
    def stable(self) -> bool:
        """Whether every mode of the linear circuit decays."""
        return self.poles.margin > 0

    def as_json(self) -> dict[str, Any]:
        """The fields as JSON holds them, by name, with `format` in front.

        Arrays are nested lists, rows first; nan and infinity are null; a complex number is [real, imaginary].
        """
        return {"format": FORMAT, **plain(self)}

"""The binding to ngspice's shared library. The one file that imports PySpice, and only in worker processes."""

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from cosim.library import find_ngspice
from cosim.messages import classify, is_poisoned
from cosim.settle import Waveforms

os.environ.setdefault("OMP_NUM_THREADS", "1")  # OpenMP slows small circuits down many times
# It reports every note of ngspice as an error; the notes are read here instead.
logging.getLogger("PySpice").setLevel(logging.CRITICAL + 1)

from PySpice.Spice.NgSpice.Shared import NgSpiceShared  # noqa: E402 - logs while it is imported


class SimulationError(RuntimeError):
    """ngspice gave no waveforms that can be used; the text is its reason."""

    poisoned = False
    """Whether every later circuit of this process would fail too."""


class _Listening(NgSpiceShared):
    """The library with its messages kept."""

    LIBRARY_PATH = find_ngspice()

    def __init__(self, **options: object) -> None:
        self.messages: list[str] = []
        super().__init__(**options)

    def send_char(self, message: str, ngspice_id: int) -> int:
        self.messages.append(message.partition(" ")[2])
        return 0


@cache
def engine() -> _Listening:
    """The library, loaded once a process without any .spiceinit; OSError where it cannot be loaded."""
    with _without_spiceinit():
        return _Listening()


def run(deck: str, probes: tuple[str, ...], stop: float) -> Waveforms:
    """Run the transient of a complete netlist text until `stop` [s] and read the probed nodes.

    Raises SimulationError for anything but finite or diverged waveforms of every probe up to `stop`:
    ngspice returns 0 for a singular matrix, a missing node, a missing model and more.
    """
    spice = engine()
    spice.messages.clear()
    try:
        _command(spice, deck)
        return _read(spice, probes, stop)
    finally:
        # Without both, every circuit leaks its plots and its devices.
        with contextlib.suppress(NameError):
            spice.exec_command("destroy all")
            spice.exec_command("remcirc")


def _command(spice: _Listening, deck: str) -> None:
    """Load and run; PySpice raises subclasses of NameError."""
    try:
        spice.load_circuit(_with_klu(deck) if has_klu() else deck)
        spice.run()
    except NameError as error:
        failure = SimulationError(classify(spice.messages) or f"ngspice refused the netlist: {error}")
        failure.poisoned = is_poisoned(spice.messages)
        raise failure from None
    complaint = classify(spice.messages)
    if complaint:
        raise SimulationError(complaint)


def _with_klu(deck: str) -> str:
    """The deck with the sparse solver chosen that is fastest for arrays."""
    body, end, rest = deck.rpartition(".end")
    return f"{body}.options klu\n{end}{rest}"


def _read(spice: _Listening, probes: tuple[str, ...], stop: float) -> Waveforms:
    if not spice.last_plot.startswith("tran"):
        raise SimulationError(f"ngspice ran no transient. {_tail(spice)}")
    # The vectors' private arrays: their public form wraps every one in unit objects.
    vectors = {name.lower(): vector._data for name, vector in spice.plot(None, spice.last_plot).items()}
    missing = [probe for probe in probes if probe not in vectors]
    if missing:
        raise SimulationError(f"ngspice saved no voltage of node {missing[0]!r}. {_tail(spice)}")
    times = np.asarray(vectors["time"])
    if times[-1] < stop * (1 - 1e-9):
        raise SimulationError(f"ngspice stopped at {times[-1]:.3g} s of {stop:.3g} s. {_tail(spice)}")
    return Waveforms(times, np.stack([np.asarray(vectors[probe]) for probe in probes]))


def _tail(spice: _Listening) -> str:
    return "Its last words: " + " / ".join(line.strip() for line in spice.messages[-3:])


@contextlib.contextmanager
def _without_spiceinit() -> Iterator[None]:
    """An empty .spiceinit in the working directory hides the one in the home directory."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, ".spiceinit").touch()
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(here)


def version() -> str:
    """The version of the library that is loaded."""
    return str(engine()._ngspice_version)


@cache
def has_klu() -> bool:
    """Whether the library solves with KLU when asked; 39.3 ignores the option in silence."""
    spice = engine()
    spice.messages.clear()
    with contextlib.suppress(NameError):
        spice.load_circuit("* klu\nV1 a 0 1\nR1 a 0 1k\n.options klu\n.tran 1n 2n\n.end")
        spice.run()
        spice.exec_command("destroy all")
        spice.exec_command("remcirc")
    return any("KLU" in line for line in spice.messages)

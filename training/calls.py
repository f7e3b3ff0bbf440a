"""The inputs of a run's INV calls on disk, so that any of them can run again."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from zipfile import BadZipFile
from zlib import error as ZlibError

import numpy as np

from circuits.errors import InputError
from cosim import Backend, Programmed, Solution, Status
from cosim.pool import ask_engine
from cosim.solution import Array
from cosim.spice import SpiceBackend

INPUTS = "inputs"
"""Where a run folder keeps its `CallStore`."""


class SolvedFactor(Protocol):
    """What a step tells of each solve."""

    @property
    def layer(self) -> str:
        """Name of the layer."""

    @property
    def factor(self) -> str:
        """'A' or 'G'."""

    @property
    def programmed(self) -> Programmed:
        """The array that solved."""

    @property
    def calls(self) -> int:
        """INV calls on it before this solve."""

    @property
    def rhs(self) -> Array:
        """(n, k) the right-hand sides."""

    @property
    def solution(self) -> Solution:
        """What came back."""


@dataclass(frozen=True)
class StoredCall:
    """One solve of a run, complete: k INV calls on one array."""

    layer: str
    factor: str
    """'A' or 'G'."""
    matrix: Array
    """(n, n) the damped factor that was programmed."""
    write: int
    """How many matrices the backend had programmed before it."""
    calls: int
    """INV calls on the array before this solve."""
    rhs: Array
    """(n, k)"""
    value: Array
    """(n, k) what came back, nan where it did not settle."""
    statuses: tuple[Status, ...]
    """The verdict of each column."""
    engine: str
    """What computed it, as `describe_engine` says."""


@dataclass
class CallStore:
    """Writes and finds the solves of a run, one .npz file a step; a step written again replaces its file.

    A matrix stands in the file of the first kept step that used it and is not repeated in the steps after.
    A step that failed, and one with a column that did not settle, is kept unless `keep` says 'none'.

    Args:
        folder: where the files go, made with the first of them.
        keep: 'all', 'none', or 'N' for every Nth step.
        compress: whether the files are deflated; gradients shrink little.
        engine: what computes the answers, as `describe_engine` says.

    Raises InputError for another `keep`.
    """

    folder: Path
    keep: str = "all"
    compress: bool = False
    engine: str = ""
    _stored: dict[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.keep not in ("all", "none") and not (self.keep.isdecimal() and int(self.keep) > 0):
            raise InputError(f"inputs = {self.keep!r} must be 'all', 'none', or a whole number N for every Nth step.")
        self._every = {"all": 1, "none": 0}[self.keep] if self.keep in ("all", "none") else int(self.keep)

    def add(self, step: int, solved: Sequence[SolvedFactor], failed: bool = False) -> None:
        """Keep the solves of a step, if it is one to keep. InputError where they cannot be written."""
        failed = failed or any(one.solution.status is not Status.SETTLED for one in solved)
        if not solved or not self._every or (step % self._every and not failed):
            return
        new = {_key(one): one.programmed.matrix for one in solved}
        new = {key: matrix for key, matrix in new.items() if self._stored.get(key) is not matrix}
        arrays: dict[str, Any] = {f"{key}/matrix": matrix for key, matrix in new.items()}
        for one in solved:
            arrays |= {f"{_key(one)}/{name}": array for name, array in self._arrays(one).items()}
        self._write(step, arrays)
        self._stored |= new

    def steps(self) -> list[int]:
        """The steps that were kept, in order."""
        return sorted(int(path.stem.removeprefix("step-")) for path in self.folder.glob("step-*.npz"))

    def clear(self) -> None:
        """Remove all that was kept."""
        for path in [*self.folder.glob("step-*.npz"), *self.folder.glob("step-*.tmp")]:
            path.unlink()

    def find(self, step: int, layer: str, factor: str) -> StoredCall:
        """One solve. InputError, naming what there is, for one that was not kept, and for a torn file."""
        self._check_step(step)
        key = f"{layer}/{factor}"
        found = self._read(step, key)
        if "rhs" not in found:
            known = ", ".join(self.solves(step))
            raise InputError(f"Step {step} has no layer {layer!r} with factor {factor!r}: it has {known}.")
        return StoredCall(
            layer,
            factor,
            self._matrix(step, key, int(found["write"])),
            int(found["write"]),
            int(found["calls"]),
            found["rhs"],
            found["value"],
            tuple(Status(status) for status in found["statuses"]),
            str(found["engine"]),
        )

    def _arrays(self, one: SolvedFactor) -> dict[str, Any]:
        return {
            "write": one.programmed.write,
            "calls": one.calls,
            "rhs": one.rhs,
            "value": one.solution.value,
            "statuses": [str(status) for status in one.solution.stats.statuses],
            "engine": self.engine,
        }

    def _write(self, step: int, arrays: dict[str, Any]) -> None:
        path = self._path(step)
        draft = path.with_suffix(".tmp")
        save = np.savez_compressed if self.compress else np.savez
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with draft.open("wb") as file:
                save(file, **arrays)
            os.replace(draft, path)
        except OSError as error:
            raise InputError(
                f"The inputs of step {step} cannot be written into {self.folder} ({error.strerror}): "
                "make room, or keep fewer with --inputs=N or none with --inputs=none."
            ) from None

    def _matrix(self, step: int, key: str, write: int) -> Array:
        """The matrix of a write, from the last file up to this step that holds one."""
        for earlier in reversed([known for known in self.steps() if known <= step]):
            found = self._read(earlier, key)
            if "matrix" in found and int(found["write"]) == write:
                matrix: Array = found["matrix"]
                return matrix
        raise InputError(f"No file up to step {step} in {self.folder} holds the matrix of {key}: some were removed.")

    def _check_step(self, step: int) -> None:
        known = self.steps()
        if not known:
            raise InputError(f"{self.folder} holds no inputs: only a K-FAC run with --inputs other than none has them.")
        if step not in known:
            torn = (
                " It was being written when the run stopped." if self._path(step).with_suffix(".tmp").exists() else ""
            )
            raise InputError(f"Step {step} was not kept: {len(known)} steps from {known[0]} to {known[-1]} were.{torn}")

    def solves(self, step: int) -> list[str]:
        """What was solved in a step: 'layer/factor'. InputError where its file is torn."""
        with self._open(step) as archive:
            return [name.removesuffix("/rhs") for name in archive if name.endswith("/rhs")]

    def _read(self, step: int, key: str) -> dict[str, Any]:
        with self._open(step) as archive:
            return {name.rpartition("/")[2]: archive[name] for name in archive if name.rpartition("/")[0] == key}

    @contextmanager
    def _open(self, step: int) -> Iterator[Any]:
        path = self._path(step)
        try:
            with np.load(path, allow_pickle=False) as archive:
                yield archive
        except (OSError, EOFError, ValueError, BadZipFile, ZlibError) as error:
            raise InputError(f"{path} is torn and cannot be read ({error}): choose another step.") from None

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:08d}.npz"


def describe_engine(backend: Backend) -> str:
    """What the bits of an answer depend on: ngspice's version, and KLU where it has it; empty without a simulator."""
    while hasattr(backend, "inner"):
        backend = backend.inner
    if not isinstance(backend, SpiceBackend):
        return ""
    version, klu = ask_engine(backend.executor)
    return f"ngspice {version}{' with KLU' if klu else ''}"


def _key(one: SolvedFactor) -> str:
    return f"{one.layer}/{one.factor}"

"""The contract: program a matrix, solve right-hand sides. Three backends in one table."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Self

from numpy.typing import ArrayLike

from circuits.errors import InputError
from cosim.check import check_multiply_matrix, check_rhs
from cosim.solution import Array, InverseError, Solution, Status


class Programmed:
    """A matrix as it is held by a backend, ready to be applied to right-hand sides."""

    def __init__(self, backend: "Backend", matrix: Array) -> None:
        self.backend = backend
        self.matrix = matrix
        """(n, n) float64: the matrix that was asked for."""
        self.write = 0
        """How many matrices the backend had programmed before."""
        self.calls = 0
        """INV calls so far; with `write` and the hardware's seed it decides what is drawn at random."""

    def solve(self, rhs: ArrayLike, *, throw: bool = True) -> Solution:
        """Solve for rhs (n,) or (n, k); see `Backend.solve_many`."""
        return self.backend.solve_many([(self, rhs)], throw=throw)[0]


class ProgrammedMultiply:
    """A matrix as it is held by a backend, ready to be multiplied by vectors."""

    def __init__(self, backend: "Backend", matrix: Array) -> None:
        self.backend = backend
        self.matrix = matrix
        """(n, m) float64: the matrix that was asked for."""
        self.calls = 0
        """Products so far; noise is drawn by their number."""

    def multiply(self, vectors: ArrayLike, *, throw: bool = True) -> Solution:
        """Multiply vectors (m,) or (m, k) by the matrix; see `Backend.multiply_many`."""
        return self.backend.multiply_many([(self, vectors)], throw=throw)[0]


class Backend(ABC):
    """Programs matrices and solves with them. A context manager: leaving it frees its workers."""

    engine_seconds: float = 0.0
    """Wall time [s] since opening in which a circuit simulator ran; 0 for a backend without one."""
    superposes: str = ""
    """Why the solution of a sum is not the sum of the solutions; empty where it is."""
    measures: bool = True
    """Whether solutions have residuals, nan otherwise: a backend around this one that has its own turns it off."""
    step: int = 0
    """Training step, which schedules are functions of; the caller sets it before programming."""
    writes: int = 0
    """Matrices programmed so far: a resumed run sets it to what it was."""

    def program(self, matrix: ArrayLike) -> Programmed:
        """Program one matrix (n, n), dimensionless. InputError where it cannot be used."""
        return self.program_many([matrix])[0]

    @abstractmethod
    def program_many(self, matrices: Sequence[ArrayLike]) -> Sequence[Programmed]:
        """Program several matrices at once."""

    def restore(self, matrix: ArrayLike, write: int, calls: int = 0) -> Programmed:
        """A matrix as it was programmed as the `write`-th, after so many INV calls; `writes` stays as it is.

        Its next solve gives the same bits as that one did.
        """
        before, self.writes = self.writes, write
        try:
            programmed = self.program(matrix)
        finally:
            self.writes = before
        programmed.calls = calls
        return programmed

    def solve_many(self, requests: Sequence[tuple[Programmed, ArrayLike]], *, throw: bool = True) -> list[Solution]:
        """Solutions in the order of the requests (programmed, rhs of shape (n,) or (n, k)).

        Every column is one INV call. Raises InverseError, carrying the solution, for the first request
        with a column that is not SETTLED, once all have run; `throw=False` returns the verdicts instead.
        """
        columns = [(programmed, check_rhs(rhs, len(programmed.matrix))) for programmed, rhs in requests]
        return _judged(self._solve(columns), [rhs for _, rhs in requests], throw)

    @abstractmethod
    def _solve(self, requests: list[tuple[Any, Array]]) -> list[Solution]:
        """Solutions for checked right-hand sides (n, k)."""

    def program_multiply(self, matrix: ArrayLike) -> ProgrammedMultiply:
        """Program one matrix (n, m) of any rank to multiply by. InputError where it is empty, not finite or zero."""
        return self.program_multiply_many([matrix])[0]

    def program_multiply_many(self, matrices: Sequence[ArrayLike]) -> Sequence[ProgrammedMultiply]:
        """Program several matrices to multiply by at once."""
        return [self._program_multiply(matrix) for matrix in [check_multiply_matrix(matrix) for matrix in matrices]]

    @abstractmethod
    def _program_multiply(self, matrix: Array) -> ProgrammedMultiply:
        """Program a checked matrix (n, m)."""

    def multiply_many(
        self, requests: Sequence[tuple[ProgrammedMultiply, ArrayLike]], *, throw: bool = True
    ) -> list[Solution]:
        """Products (n,) or (n, k) in the order of the requests (programmed, vectors of shape (m,) or (m, k)).

        Each is a Solution, whose residual is the distance from the digital product, as a part of it. Raises
        InverseError as `solve_many` does.
        """
        columns = [(programmed, check_rhs(v, programmed.matrix.shape[1], "vector")) for programmed, v in requests]
        return _judged(self._multiply(columns), [vectors for _, vectors in requests], throw)

    @abstractmethod
    def _multiply(self, requests: list[tuple[Any, Array]]) -> list[Solution]:
        """Products of checked vectors (m, k)."""

    def close(self) -> None:  # noqa: B027 - most backends hold nothing
        """Free what the backend holds; it cannot be used afterwards."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _judged(solutions: list[Solution], given: list[ArrayLike], throw: bool) -> list[Solution]:
    """The solutions in the shape of what was given; InverseError for the first bad one if `throw`."""
    shaped = [
        Solution(s.value[:, 0] if _ndim(columns) == 1 else s.value, s.status, s.stats)
        for s, columns in zip(solutions, given, strict=True)
    ]
    bad = [s for s in shaped if s.status is not Status.SETTLED]
    if throw and bad:
        raise InverseError(bad[0])
    return shaped


def _ndim(rhs: ArrayLike) -> int:
    return getattr(rhs, "ndim", None) or (2 if hasattr(rhs[0], "__len__") else 1)  # type: ignore[index]


BACKENDS = {
    "exact": "cosim.exact:ExactBackend",
    "nodal": "cosim.nodal:NodalBackend",
    "spice": "cosim.spice:SpiceBackend",
}
"""Where each backend lives; it is imported when it is opened."""


def open_backend(name: str, **options: Any) -> Backend:
    """A backend by name: 'exact', 'nodal' or 'spice'; InputError with the known names for another.

    Options: `hardware` (circuits.Hardware), `conditioning` (circuits.Conditioning), and for spice
    `workers` (processes, default one a core) and `timeout` (seconds a job may take).
    """
    if name not in BACKENDS:
        raise InputError(f"Unknown backend {name!r}: the known ones are {', '.join(BACKENDS)}.")
    module, _, kind = BACKENDS[name].partition(":")
    backend: Backend = getattr(import_module(module), kind)(**options)
    return backend

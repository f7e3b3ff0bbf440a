"""HP-INV: any precision from analog solves of a few bits, around any backend."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from circuits import Conditioning, Hardware
from circuits.blas import one_thread
from circuits.errors import InputError
from cosim.backends import Backend, Programmed, ProgrammedMultiply, open_backend
from cosim.check import check_matrix
from cosim.definite import check_definite
from cosim.hp_mvm import VECTOR_BITS, Product, SlicedMatrix, multiply_sliced
from cosim.multiply import product_error
from cosim.precision import Precision
from cosim.readout import Readout
from cosim.refined_run import REST, RefinedRun
from cosim.slices import slices_for
from cosim.solution import Array, Solution, Stats, worst

STRIDE = 2**24
"""Writes on the multiplying chip that are kept for each write on the solving one."""


class RefinedProgrammed(Programmed):
    """A matrix on the array that solves and, in slices, on those that multiply."""

    def __init__(self, backend: "RefinedBackend", inner: Programmed, sliced: SlicedMatrix, tolerance: float) -> None:
        self.inner = inner
        self.backend, self.matrix, self.write = backend, inner.matrix, inner.write
        self.sliced, self.tolerance = sliced, tolerance
        self.history = np.zeros((0, 0))
        """(cycles + 1, k) [-] norm(residual) / norm(rhs) of the last solve, before each cycle and after the last."""
        self.watch: Callable[[Array], None] | None = None
        """Called with the values (n, k) so far after every cycle, for pictures."""

    @cached_property
    def condition(self) -> float:
        """[-] condition number of the matrix."""
        return float(np.linalg.cond(self.matrix))

    @property
    def calls(self) -> int:
        """INV calls of the array that solves, so far."""
        return self.inner.calls

    @calls.setter
    def calls(self, count: int) -> None:
        self.inner.calls = count


class RefinedMultiply(ProgrammedMultiply):
    """A matrix to multiply by, in slices."""

    def __init__(self, backend: "RefinedBackend", matrix: Array, sliced: SlicedMatrix, bits: int) -> None:
        super().__init__(backend, matrix)
        self.sliced, self.bits = sliced, bits


class RefinedBackend(Backend):
    """Refines the solves of `inner` with products of the full matrix.

    `multiplier` is the backend of the slices' arrays, None where products are rounded digitally; `hardware` is what
    the chips are made of, before `Precision` asks for cells and converters. `open_refined` opens all of them. The
    number of a write is that of the inner backend, the slices' numbers follow from it: a matrix is restored by it
    whatever was programmed in between.
    """

    def __init__(self, inner: Backend, multiplier: Backend | None, precision: Precision, hardware: Hardware) -> None:
        if not precision.refines:
            raise InputError("Precision.method = 'lp' refines nothing: use the backend itself, or open_refined.")
        self.inner, self.multiplier, self.precision = inner, multiplier, precision
        self.hardware = precision.multiplying(hardware)

    @property
    def writes(self) -> int:
        """Matrices programmed so far, as the inner backend counts them."""
        return self.inner.writes

    @writes.setter
    def writes(self, count: int) -> None:
        self.inner.writes = count

    @property
    def engine_seconds(self) -> float:  # type: ignore[override]
        """Wall time [s] in which a circuit simulator ran."""
        return self.inner.engine_seconds + (self.multiplier.engine_seconds if self.multiplier else 0.0)

    def program_many(self, matrices: Sequence[ArrayLike]) -> list[RefinedProgrammed]:
        """Program every matrix to solve with, and its slices to multiply by.

        InputError, before anything is written, where the method needs a positive definite matrix and has none, and
        where the slices and converters cannot reach the tolerance.
        """
        check = check_definite if self.precision.method == "fcg" else check_matrix
        checked = [check(matrix) for matrix in matrices]
        tolerance = self.precision.at(self.step)
        sliced = [self._sliced(matrix, (1 - REST) * tolerance) for matrix in checked]
        inner = self.inner.program_many(checked)
        for one, slices in zip(inner, sliced, strict=True):
            self._write(slices, one.write)
        return [RefinedProgrammed(self, one, s, tolerance) for one, s in zip(inner, sliced, strict=True)]

    def _sliced(self, matrix: Array, tolerance: float, solving: bool = True) -> SlicedMatrix:
        slices = slices_for(matrix, self.precision.bits, tolerance, solving=solving)
        return SlicedMatrix(slices, Readout.choose(self.hardware, self.precision.bits, VECTOR_BITS, matrix.shape))

    def _write(self, sliced: SlicedMatrix, write: int) -> None:
        if self.multiplier:
            self.multiplier.writes = write * STRIDE
            sliced.program(self.multiplier)

    def _solve(self, requests: list[tuple[RefinedProgrammed, Array]]) -> list[Solution]:
        with one_thread():
            return self._refine(requests)

    def _refine(self, requests: list[tuple[RefinedProgrammed, Array]]) -> list[Solution]:
        runs = [RefinedRun(programmed, rhs, self.precision) for programmed, rhs in requests]
        for _ in range(self.precision.cycles):
            live = [run for run in runs if run.refinement.active.any()]
            if not live:
                break
            steps = self.inner.solve_many([run.request() for run in live], throw=False)
            vectors = [run.rounded(solution) for run, solution in zip(live, steps, strict=True)]
            products = self._products([(run.programmed.sliced, v) for run, v in zip(live, vectors, strict=True)])
            for run, step, product in zip(live, vectors, products, strict=True):
                run.advance(step, product)
        return [run.solution() for run in runs]

    def _products(self, requests: list[tuple[SlicedMatrix, Array]]) -> list[Product]:
        return multiply_sliced(self.multiplier, requests)

    def _program_multiply(self, matrix: Array) -> RefinedMultiply:
        """In slices for products within the tolerance of norm(matrix) norm(vector)."""
        tolerance = self.precision.at(self.step)
        sliced = self._sliced(matrix, tolerance / 2, solving=False)
        self._write(sliced, self.writes)
        self.writes += 1
        return RefinedMultiply(self, matrix, sliced, bits=int(np.ceil(1 - np.log2(tolerance))) + 1)

    def _multiply(self, requests: list[tuple[RefinedMultiply, Array]]) -> list[Solution]:
        return [self._multiply_one(programmed, vectors) for programmed, vectors in requests]

    def _multiply_one(self, programmed: RefinedMultiply, vectors: Array) -> Solution:
        product = multiply_sliced(self.multiplier, [(programmed.sliced, vectors)], programmed.bits)[0]
        error, k = product_error(programmed.matrix, product.value, vectors), vectors.shape[1]
        notes = {"mvm": float(product.drives), **programmed.sliced.notes()}
        stats = Stats(product.statuses, error, np.zeros(k), message=product.message, notes=notes)
        return Solution(product.value, worst(product.statuses), stats)

    def close(self) -> None:
        """Close both backends."""
        self.inner.close()
        if self.multiplier:
            self.multiplier.close()


def open_precise(
    name: str,
    precision: Precision,
    hardware: Hardware | None = None,
    conditioning: Conditioning | None = None,
    wrap: Callable[[Backend], Backend] = lambda backend: backend,
    **options: Any,
) -> Backend:
    """A backend by name at this precision: LP-INV alone for the method 'lp', otherwise a RefinedBackend around it.

    `wrap` goes around the backend of the analog solves, for matrices that are larger than an array; further options
    are those of `open_backend`. InputError where the hardware does not fit the precision.
    """
    hardware = hardware or Hardware()
    solving = open_backend(name, hardware=precision.solving(hardware), conditioning=conditioning, **options)
    try:
        inner = wrap(solving)
        if not precision.refines:
            return inner
        return RefinedBackend(inner, _multiplier(name, solving, precision, hardware, options), precision, hardware)
    except BaseException:
        solving.close()
        raise


def _multiplier(
    name: str, solving: Backend, precision: Precision, hardware: Hardware, options: dict[str, Any]
) -> Backend | None:
    """The backend of the slices, with the workers of the one that solves where it has any."""
    if precision.products == "rounded":
        return None
    executor = getattr(solving, "executor", None)
    shared = {"executor": executor} if executor else options
    chip = precision.multiplying(hardware)
    return open_backend(name, hardware=chip, conditioning=Conditioning.off(), **shared)

"""Fast answers that stay tied to SPICE: the nodal engine solves, a seeded sample of the calls runs in ngspice too."""

import math
import warnings
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass, field
from typing import Any, Self
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike

from circuits import Conditioning, Hardware
from circuits.errors import InputError, check_choice
from cosim.backends import Backend, Programmed, ProgrammedMultiply
from cosim.executor import Executor
from cosim.nodal import AnalogProgrammed, NodalBackend, OnArray
from cosim.solution import Array, Solution, Status
from cosim.spice import SpiceBackend

LIMIT = 1e-3
"""Relative disagreement above which an audit stops or warns."""
ACTIONS = ("stop", "warn")
_PURPOSE = 11
"""Sets the draws of the sample apart from all others of a chip."""


@dataclass(frozen=True)
class Disagreement:
    """One INV call in both engines."""

    write: int
    """Which write put the matrix on its array, from 0."""
    call: int
    """Which call on that array, from 0."""
    request: int
    """Which request of the batch."""
    status: Status
    """ngspice's verdict; the nodal engine's is SETTLED."""
    nodal: float
    """Norm of the nodal engine's value."""
    apart: float
    """Norm of ngspice's value minus the nodal engine's; infinite where ngspice's did not settle."""

    @property
    def relative(self) -> float:
        """`apart` as a part of the nodal value."""
        return self.apart / self.nodal if self.nodal else math.inf if self.apart else 0.0


@dataclass
class AuditRecord:
    """What the audited calls came to so far."""

    calls: int = 0
    """INV calls that ran in both engines."""
    worst: float = 0.0
    """Largest relative disagreement; infinite where ngspice did not settle and the nodal engine did."""
    worst_write: int = -1
    """The write of the worst call; -1 for none."""
    worst_call: int = -1
    """Which call on that array it was."""
    mean: float = 0.0
    """Mean relative disagreement of the calls that settled in both."""
    statuses: dict[str, int] = field(default_factory=dict)
    """Audited calls by ngspice's verdict."""

    def described(self) -> dict[str, Any]:
        """The fields as JSON holds them; a `worst` that is infinite is the text 'inf'."""
        return {**asdict(self), "worst": self.worst if math.isfinite(self.worst) else "inf"}

    @classmethod
    def restored(cls, described: Mapping[str, Any]) -> Self:
        """The record that was `described`."""
        return cls(**{**described, "worst": float(described["worst"])})

    def add(self, found: Disagreement) -> None:
        """Count one call."""
        self.calls += 1
        self.statuses[str(found.status)] = self.statuses.get(found.status, 0) + 1
        if found.status is Status.SETTLED:
            self.mean += (found.relative - self.mean) / self.statuses[found.status]
        if self.worst_write < 0 or found.relative > self.worst:
            self.worst, self.worst_write, self.worst_call = found.relative, found.write, found.call


class AuditError(RuntimeError):
    """The engines disagree by more than the limit. `disagreement` says where; `solutions` are the nodal engine's."""

    def __init__(self, disagreement: Disagreement, limit: float, solutions: list[Solution]) -> None:
        self.disagreement, self.solutions = disagreement, solutions
        super().__init__(_words(disagreement, limit))


class AuditedBackend(Backend):
    """Every call is answered by the nodal engine, to the bit; some also run in ngspice and are compared.

    Which calls is drawn for each right-hand side from the hardware's seed, its write and its call number: the same
    ones in whatever batches they come, and after a resume. Products are not audited.

    Args:
        hardware: of both engines; the nodal one reads its linear parts.
        conditioning: of both engines.
        fraction: share of the INV calls, above 0, at most 1.
        limit: relative disagreement, above 0, that is too much.
        action: what is too much raises AuditError ('stop') or is a RuntimeWarning once ('warn').
        workers: processes of ngspice, one a core where None.
        timeout: [s] for each transient.
        executor: runs the transients instead of processes of its own, and is closed with the backend.
    """

    def __init__(
        self,
        hardware: Hardware | None = None,
        conditioning: Conditioning | None = None,
        fraction: float = 0.01,
        limit: float = LIMIT,
        action: str = "stop",
        workers: int | None = None,
        timeout: float = 600.0,
        executor: Executor | None = None,
    ) -> None:
        if not 0 < fraction <= 1:
            raise InputError(f"audit = {fraction!r} must be above 0 and at most 1; leave it out for no audit.")
        if not 0 < limit < math.inf:
            raise InputError(f"audit_limit = {limit!r} must be a finite number above 0.")
        check_choice("on_audit", action, ACTIONS)
        self.fraction, self.limit, self.action = fraction, limit, action
        self.record = AuditRecord()
        self._nodal = NodalBackend(hardware, conditioning)
        self.spice = SpiceBackend(hardware, conditioning, workers, timeout, executor)
        self.executor = self.spice.executor
        self.superposes = self.spice.superposes
        self._arrays: WeakKeyDictionary[OnArray, Programmed] = WeakKeyDictionary()
        self._warned = False

    def program_many(self, matrices: Sequence[ArrayLike]) -> list[AnalogProgrammed]:
        """Program every matrix for the nodal engine; ngspice's array follows once a call on it is audited."""
        self._nodal.writes = self.writes
        programmed = self._nodal.program_many(matrices)
        self.writes = self._nodal.writes
        for each in programmed:
            each.backend = self
        return programmed

    def _solve(self, requests: list[tuple[OnArray, Array]]) -> list[Solution]:
        calls = [programmed.calls for programmed, _ in requests]
        solutions = self._nodal._solve(requests)
        for found in self._audit(requests, calls, solutions):
            self.record.add(found)
            if not found.relative <= self.limit:
                self._complain(found, solutions)
        return solutions

    def _audit(
        self, requests: list[tuple[OnArray, Array]], calls: list[int], solutions: list[Solution]
    ) -> list[Disagreement]:
        """The sampled calls, each run in ngspice as it would have run there; all of them in one batch."""
        drawn = [
            (i, j)
            for i, (programmed, rhs) in enumerate(requests)
            for j in range(rhs.shape[1])
            if solutions[i].status is Status.SETTLED and self._is_drawn(programmed.write, calls[i] + j)
        ]
        given = [self._given(*requests[i], calls[i], j) for i, j in drawn]
        answers = self.spice.solve_many([(array, rhs) for array, rhs, _ in given], throw=False) if given else []
        self.engine_seconds = self.spice.engine_seconds
        return [
            _compare(requests[i][0].write, calls[i] + j, i, solutions[i].value[:, j], answer, column)
            for (i, j), answer, (_, _, column) in zip(drawn, answers, given, strict=True)
        ]

    def _is_drawn(self, write: int, call: int) -> bool:
        seed = self.spice.hardware.seed
        return bool(np.random.default_rng([seed, _PURPOSE, write, call]).random() < self.fraction)

    def _given(self, programmed: OnArray, rhs: Array, call: int, column: int) -> tuple[Programmed, Array, int]:
        """The array, the right-hand sides and the column of the answer that repeat one column of a solve."""
        array = copy(self._in_spice(programmed))
        converters = self.spice.hardware.converters
        if converters.dac_noise or converters.adc_noise:  # drawn for all columns of a solve at once
            array.calls = call
            return array, rhs, column
        array.calls = call + column
        return array, rhs[:, [column]], 0

    def _in_spice(self, programmed: OnArray) -> Programmed:
        """The same write for ngspice."""
        if programmed not in self._arrays:
            self._arrays[programmed] = self.spice.restore(programmed.matrix, programmed.write)
        return self._arrays[programmed]

    def _complain(self, found: Disagreement, solutions: list[Solution]) -> None:
        if self.action == "stop":
            raise AuditError(found, self.limit, solutions)
        if not self._warned:
            words = f"{_words(found, self.limit)} The run goes on without further warnings."
            warnings.warn(words, RuntimeWarning, stacklevel=4)
        self._warned = True

    def _program_multiply(self, matrix: Array) -> ProgrammedMultiply:
        self._nodal.writes = self.writes
        programmed = self._nodal._program_multiply(matrix)
        self.writes = self._nodal.writes
        programmed.backend = self
        return programmed

    def _multiply(self, requests: list[tuple[OnArray, Array]]) -> list[Solution]:
        return self._nodal._multiply(requests)

    def close(self) -> None:
        """Stop ngspice's workers."""
        self.spice.close()


def _compare(write: int, call: int, request: int, nodal: Array, answer: Solution, column: int) -> Disagreement:
    """The nodal value (n,) of a call against a column of ngspice's answer."""
    status = answer.stats.statuses[column]
    apart = float(np.linalg.norm(answer.value[:, column] - nodal)) if status is Status.SETTLED else math.inf
    return Disagreement(write, call, request, status, float(np.linalg.norm(nodal)), apart)


def _words(found: Disagreement, limit: float) -> str:
    if found.status is Status.SETTLED:
        what = (
            f"ngspice's value is {found.apart:.3g} away from the nodal engine's, whose norm is {found.nodal:.6g}: "
            f"{found.relative:.3g} of it, and the limit is {limit:g}"
        )
    else:
        what = f"ngspice gives {found.status} where the nodal engine settles to a value of norm {found.nodal:.6g}"
    return (
        f"Audit of INV call {found.call} of write {found.write}: {what}. "
        "Replay it with `ohmvert replay RUN --backend=spice` where the run keeps its inputs; then train with "
        "--backend=spice, or accept it with --on-audit=warn or a larger --audit-limit."
    )

"""The border between torch and numpy: damped factors are programmed, gradients are solved for."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from circuits.errors import InputError, check_choice
from cosim import Backend, InverseError, Programmed, Solution, Status
from cosim.audit import AuditError

APPLY = ("solve", "explicit")
Key = tuple[str, str]
"""Name of a layer, and 'A' or 'G'."""


@dataclass(frozen=True)
class FactorSolution:
    """The solution of one factor of one layer."""

    layer: str
    factor: str
    """'A' or 'G'."""
    programmed: Programmed
    """The array that solved."""
    calls: int
    """INV calls on it before this solve."""
    rhs: np.ndarray
    """(n, k) the right-hand sides."""
    solution: Solution


class FactorInverses:
    """The programmed factors of all layers, on one backend.

    Args:
        backend: programs and solves.
        apply: 'solve' sends every gradient through the arrays; 'explicit' reads each inverse once after it was
            programmed, by unit vectors, and multiplies digitally until the next programming.
        stale_ok: program in the background, while the arrays of before answer one step more.
    """

    def __init__(self, backend: Backend, apply: str = "solve", stale_ok: bool = False) -> None:
        check_choice("apply", apply, list(APPLY))
        if apply == "explicit" and backend.superposes:
            raise InputError(f"apply = 'explicit' needs INV calls that add up, and {backend.superposes}: use 'solve'.")
        self.backend, self.apply, self.stale_ok = backend, apply, stale_ok
        self.solutions: list[FactorSolution] = []
        """What the last `precondition` solved, failed ones included."""
        self._programmed: dict[Key, Programmed] = {}
        self._explicit: dict[Key, np.ndarray] = {}
        self._thread = ThreadPoolExecutor(1, "programming")
        self._coming: _Coming | None = None
        self._step = 0

    def program(self, factors: dict[str, tuple[Tensor, Tensor]], step: int = 0) -> None:
        """Program the damped (A, G) of every layer at a training step, all in one batch.

        In the background where that is allowed.
        """
        keys = [(layer, factor) for layer in factors for factor in "AG"]
        matrices = [factors[layer]["AG".index(factor)].cpu().numpy() for layer, factor in keys]
        writes, self.backend.step = self.backend.writes, step
        if self.stale_ok and self._programmed:
            future = self._thread.submit(self.backend.program_many, matrices)
            self._coming = _Coming(keys, matrices, writes, step, future)
        else:
            self._hold(keys, self.backend.program_many(matrices), step)

    def adopt(self) -> None:
        """Wait for what is programmed in the background, and use it from now on."""
        if self._coming is not None:
            coming, self._coming = self._coming, None
            self._hold(coming.keys, coming.future.result(), coming.step)

    def _hold(self, keys: list[Key], programmed: Sequence[Programmed], step: int) -> None:
        self._step = step
        self._programmed = dict(zip(keys, programmed, strict=True))
        self._explicit = {}

    def state_dict(self) -> dict[str, Any]:
        """The backend's `writes`, by layer and factor what is programmed, and what is on its way or was read."""
        programmed = {
            key: {"matrix": torch.from_numpy(p.matrix), "write": p.write, "calls": p.calls}
            for key, p in self._programmed.items()
        }
        coming = self._coming
        matrices = dict(zip(coming.keys, map(torch.from_numpy, coming.matrices), strict=True)) if coming else {}
        return {
            "writes": coming.writes if coming else self.backend.writes,
            "programmed_at": self._step,
            "coming_at": coming.step if coming else 0,
            "programmed": _nested(programmed),
            "coming": _nested(matrices),
            "explicit": _nested({key: torch.from_numpy(inverse) for key, inverse in self._explicit.items()}),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Hold what a `state_dict` says: the next solves give the bits that they would have given there."""
        self._step = self.backend.step = int(state.get("programmed_at", 0))
        self._programmed = {
            key: self.backend.restore(saved["matrix"].cpu().numpy(), int(saved["write"]), int(saved["calls"]))
            for key, saved in _flat(state["programmed"]).items()
        }
        self._explicit = {key: saved.cpu().numpy() for key, saved in _flat(state.get("explicit", {})).items()}
        self.backend.writes = int(state["writes"])
        coming = {key: saved.cpu().numpy() for key, saved in _flat(state.get("coming", {})).items()}
        if coming:
            step = self.backend.step = int(state["coming_at"])
            writes, matrices = self.backend.writes, list(coming.values())
            future = self._thread.submit(self.backend.program_many, matrices)
            self._coming = _Coming(list(coming), matrices, writes, step, future)

    def precondition(self, gradients: dict[str, Tensor]) -> dict[str, Tensor]:
        """G^-1 gradient A^-1 of every layer, (o, d) each: first all the A solves, then all the G solves.

        Raises InverseError where a column did not settle; `solutions` then holds all verdicts.
        """
        self.solutions = []
        if self.apply == "explicit" and not self._explicit:
            self._read()
        arrays = {layer: gradient.detach().double().cpu().numpy() for layer, gradient in gradients.items()}
        halfway = self._multiply({(layer, "A"): array.T for layer, array in arrays.items()})
        solved = self._multiply({(layer, "G"): array.T for (layer, _), array in halfway.items()})
        return {layer: torch.from_numpy(array).to(gradients[layer]) for (layer, _), array in solved.items()}

    def _multiply(self, rhs: dict[Key, np.ndarray]) -> dict[Key, np.ndarray]:
        """The inverses times right-hand sides (n, k), one array after the other or digitally."""
        if self.apply == "explicit":
            return {key: self._explicit[key] @ array for key, array in rhs.items()}
        return self._solve(rhs)

    def _read(self) -> None:
        """Read every inverse, column by column."""
        self._explicit = self._solve({key: np.eye(len(p.matrix)) for key, p in self._programmed.items()})

    def _solve(self, rhs: dict[Key, np.ndarray]) -> dict[Key, np.ndarray]:
        requests = [(self._programmed[key], array) for key, array in rhs.items()]
        calls = [programmed.calls for programmed, _ in requests]
        try:
            found = self.backend.solve_many(requests, throw=False)
        except AuditError as error:
            self._record(rhs, calls, error.solutions)
            layer, factor = list(rhs)[error.disagreement.request]
            error.add_note(f"layer {layer}, factor {factor}")
            raise
        self._record(rhs, calls, found)
        for (layer, factor), solution in zip(rhs, found, strict=True):
            if solution.status is not Status.SETTLED:
                raise InverseError(solution, f"layer {layer}, factor {factor}")
        return {key: solution.value for key, solution in zip(rhs, found, strict=True)}

    def _record(self, rhs: dict[Key, np.ndarray], calls: list[int], solutions: list[Solution]) -> None:
        self.solutions += [
            FactorSolution(*key, self._programmed[key], before, array, solution)
            for (key, array), before, solution in zip(rhs.items(), calls, solutions, strict=True)
        ]

    def close(self) -> None:
        """Wait for what is programmed in the background, and forget it."""
        self._thread.shutdown(cancel_futures=True)


@dataclass
class _Coming:
    """Matrices that are programmed in the background."""

    keys: list[Key]
    matrices: list[np.ndarray]
    writes: int
    """The backend's before them."""
    step: int
    """Training step."""
    future: "Future[Sequence[Programmed]]"


def _nested(flat: dict[Key, Any]) -> dict[str, Any]:
    """By layer, then by factor."""
    nested: dict[str, Any] = {layer: {} for layer, _ in flat}
    for (layer, factor), value in flat.items():
        nested[layer][factor] = value
    return nested


def _flat(nested: dict[str, Any]) -> dict[Key, Any]:
    return {(layer, factor): value for layer, factors in nested.items() for factor, value in factors.items()}

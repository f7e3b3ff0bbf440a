"""The border between torch and numpy: damped factors are programmed, gradients are solved for."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cosim import Backend, InverseError, Programmed, Solution, Status


@dataclass(frozen=True)
class FactorSolution:
    """The solution of one factor of one layer."""

    layer: str
    factor: str
    """'A' or 'G'."""
    solution: Solution


class FactorInverses:
    """The programmed factors of all layers, on one backend."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.solutions: list[FactorSolution] = []
        """What the last `precondition` solved, failed ones included."""
        self._programmed: dict[tuple[str, str], Programmed] = {}

    def program(self, factors: dict[str, tuple[Tensor, Tensor]]) -> None:
        """Program the damped (A, G) of every layer, all in one batch."""
        keys = [(layer, factor) for layer in factors for factor in "AG"]
        matrices = [factors[layer]["AG".index(factor)].cpu().numpy() for layer, factor in keys]
        self._programmed = dict(zip(keys, self.backend.program_many(matrices), strict=True))

    def precondition(self, gradients: dict[str, Tensor]) -> dict[str, Tensor]:
        """G^-1 gradient A^-1 of every layer, (o, d) each: first all the A solves, then all the G solves.

        Raises InverseError where a column did not settle; `solutions` then holds all verdicts.
        """
        self.solutions = []
        arrays = {layer: gradient.detach().double().cpu().numpy() for layer, gradient in gradients.items()}
        halfway = self._solve("A", {layer: array.T for layer, array in arrays.items()})
        solved = self._solve("G", {layer: array.T for layer, array in halfway.items()})
        return {layer: torch.from_numpy(array).to(gradients[layer]) for layer, array in solved.items()}

    def _solve(self, factor: str, rhs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        requests = [(self._programmed[layer, factor], array) for layer, array in rhs.items()]
        found = self.backend.solve_many(requests, throw=False)
        self.solutions += [FactorSolution(layer, factor, s) for layer, s in zip(rhs, found, strict=True)]
        for layer, solution in zip(rhs, found, strict=True):
            if solution.status is not Status.SETTLED:
                raise InverseError(solution, f"layer {layer}, factor {factor}")
        return {layer: solution.value for layer, solution in zip(rhs, found, strict=True)}

"""The nodal engine: settled volts, waveforms and eigenvalues of a linear netlist, from its text alone.

Modified nodal analysis gives C x' + G x = B u. With the capacitors' voltages s = Q' x and C = Q diag(c) Q',
x = G^-1 (B u - Q diag(c) s'), hence T s' = Q' G^-1 B u - s with T = Q' G^-1 Q diag(c). The eigenvalues mu of
T are the circuit's time constants, -1/mu its poles.
"""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

from circuits.deck import Deck
from circuits.equations import Equations
from circuits.errors import InputError
from circuits.response import Dynamics, respond

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


class LinearCircuit:
    """A linear circuit read from netlist text, starting at time 0 with every capacitor empty."""

    def __init__(self, deck: Deck) -> None:
        self._equations = Equations(deck)

    @classmethod
    def read(cls, text: str) -> "LinearCircuit":
        """The circuit of a netlist; InputError names the first line that is not linear."""
        return cls(Deck.read(text))

    @cached_property
    def eigenvalues(self) -> ComplexArray:
        """Poles [rad/s], slowest first; a positive real part means the circuit is unstable."""
        poles = -1 / self._dynamics.time_constants
        return poles[np.argsort(np.abs(poles.real))]

    @property
    def stable(self) -> bool:
        """Whether every mode decays."""
        return bool(np.all(self.eigenvalues.real < 0))

    @property
    def margin(self) -> float:
        """Stability margin [rad/s]: the decay rate of the slowest mode, negative where one grows."""
        return float(-self.eigenvalues.real.max(initial=-np.inf))

    @property
    def time_constant(self) -> float:
        """Time constant [s] of the slowest mode; infinite where the circuit is unstable."""
        return 1 / self.margin if self.margin > 0 else np.inf

    @property
    def ringing(self) -> float:
        """Largest |imaginary / real| part among the poles that decay less than twice as fast as the slowest."""
        slow = self.eigenvalues[-self.eigenvalues.real < 2 * self.margin]
        return float(np.abs(slow.imag / slow.real).max(initial=0))

    def transfer(self, sources: list[str], outputs: list[str]) -> Array:
        """(outputs, sources) [V/V] settled output volts for 1 V of each named voltage source alone."""
        names = [source.name for source in self._equations.sources]
        unit = np.zeros((len(names), len(sources)))
        for column, name in enumerate(sources):
            if name.lower() not in names:
                raise InputError(f"The netlist has no source {name!r}.")
            unit[names.index(name.lower()), column] = 1
        return self._solve(self._equations.excitation @ unit)[self._rows(outputs)]

    def settled(self, outputs: list[str]) -> Array:
        """(outputs,) [V] volts long after the last breakpoint of the sources."""
        values = self._equations.values(np.array([np.inf]))[:, 0]
        return self._solve(self._equations.excitation @ values)[self._rows(outputs)]

    def waveform(self, outputs: list[str], times: Array) -> Array:
        """(outputs, times) [V] volts at the given times [s], of 0 or later and in rising order."""
        times = np.asarray(times, dtype=np.float64)
        if times.ndim != 1 or not len(times) or times[0] < 0 or (np.diff(times) < 0).any():
            raise InputError("A waveform takes a list of times of 0 or later, in rising order.")
        settled = self._solve(self._equations.excitation.toarray())
        rows = self._rows(outputs)
        follow = np.asarray(self._equations.incidence.T @ settled)
        deviations = respond(self._dynamics, self._equations.sources, follow, self._charge_response[rows], times)
        return settled[rows] @ self._equations.values(times) - deviations

    def _rows(self, nodes: list[str]) -> list[int]:
        missing = [node for node in nodes if node.lower() not in self._equations.index]
        if missing:
            raise InputError(f"The netlist has no node {missing[0]!r}.")
        return [self._equations.index[node.lower()] for node in nodes]

    @cached_property
    def _factor(self) -> Any:
        # Rounding hides a singular matrix from the elimination, but a known solution comes back wrong.
        conductance = self._equations.conductance
        known = np.random.default_rng(0).uniform(0.5, 1.5, conductance.shape[0])
        try:
            factor = splu(conductance)
            regular = np.abs(factor.solve(conductance @ known) - known).max(initial=0) < 1e-3
        except RuntimeError:
            regular = False
        if not regular:
            raise InputError(
                "The netlist has no unique settled state (its conductance matrix is singular): "
                "look for a node without a path to ground, or a loop of voltage sources."
            )
        return factor

    def _solve(self, rhs: Array) -> Array:
        solved: Array = self._factor.solve(np.ascontiguousarray(rhs))
        return solved

    @cached_property
    def _charge_response(self) -> Array:
        """G^-1 Q diag(c): (unknowns, capacitors)."""
        return self._solve(self._equations.incidence.toarray() * self._equations.capacitances)

    @cached_property
    def _dynamics(self) -> Dynamics:
        return Dynamics(np.asarray(self._equations.incidence.T @ self._charge_response))

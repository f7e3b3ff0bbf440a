"""The energy of a circuit in closed form: integrals over the exact waveforms of its linear equations.

Between two breakpoints of the sources the node volts are v(t) = a + b t + E e(t) with e' = -S^-1 e (see
circuits/response.py). With G the conductances of the load and e0, e1 the state at the start and the end T of a piece:
    int v'Gv = a'Ga T + a'Gb T^2 + b'Gb T^3 / 3 + 2 a'GE m0 + 2 b'GE m1 + e0'X e0 - e1'X e1,
    m0 = int e = S (e0 - e1),    m1 = int t e = S (m0 - T e1),    S'X + X S = S'E'GE S.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_continuous_lyapunov

from circuits.deck import Deck
from circuits.errors import InputError, check_range
from circuits.load import Load
from circuits.nodal import LinearCircuit
from circuits.power import Flow, crosses, turning

Array = NDArray[np.float64]

GRID = 160
"""Points in a piece between which a current may change its sign once; where it does, it is taken as a straight line."""


@dataclass(frozen=True)
class _Piece:
    """Volts of the load's nodes over `length` [s]: constant + slope t + shape e(t)."""

    constant: Array
    slope: Array
    start: Array
    """(live,) e at its start."""
    times: Array
    """(points,) [s] from 0 to the length."""
    course: Array
    """(live, points) e at these times."""

    @property
    def end(self) -> Array:
        return np.asarray(self.course[:, -1])

    @property
    def length(self) -> float:
        return float(self.times[-1])


class PoweredCircuit(LinearCircuit):
    """A linear circuit whose load's energy is integrated over its exact waveforms.

    InputError where a mode grows: such a circuit has no call that ends.
    """

    def __init__(self, deck: Deck, load: Load) -> None:
        super().__init__(deck)
        self.load = load
        if not self.stable:
            raise InputError("The circuit is unstable: it does not settle, and no energy of a call can be given.")

    def flow(self, stop: float, start: float = 0.0) -> Flow:
        """Heat and charges from `start` to `stop` [s], exact but for the charge of a current that changes its sign."""
        check_range("start", start, 0.0, np.finfo(float).max, "s")
        check_range("stop", stop, start, np.finfo(float).max, "s")
        pieces = list(self._pieces(start, stop))
        charge = sum((self._charge(piece) for piece in pieces), np.zeros(self.load.drive.shape[0]))
        return Flow(float(sum(self._heat(piece) for piece in pieces)), charge, stop - start, len(self.load.outputs))

    def settled_power(self) -> float:
        """[W] heat in the load long after the last breakpoint of the sources."""
        return float(self.load.dissipation(self.settled(list(self.load.nodes))[:, None])[0])

    @cached_property
    def _look(self) -> Array:
        """(nodes, capacitors) volts for the speeds of the dynamics' coordinates."""
        return self._charge_response[self._rows(list(self.load.nodes))] @ self._dynamics.basis

    @cached_property
    def _shape(self) -> Array:
        """E: (nodes, live)."""
        dynamics = self._dynamics
        return np.asarray(np.linalg.solve(dynamics.slow.T, self._look[:, : dynamics.live].T).T)

    @cached_property
    def _decayed(self) -> Array:
        """X: (live, live), the heat of what decays."""
        slow, reach = self._dynamics.slow, self._look[:, : self._dynamics.live]  # reach = E S
        if not len(slow):
            return np.zeros((0, 0))
        return np.asarray(solve_continuous_lyapunov(slow.T, reach.T @ (self.load.conductance @ reach)))

    def _pieces(self, begin: float, stop: float) -> Iterator[_Piece]:
        """What lies between `begin` and `stop`; the circuit starts at time 0 in any case."""
        dynamics, sources = self._dynamics, self._equations.sources
        n, nodes = dynamics.live, self._rows(list(self.load.nodes))
        settled = self._solve(self._equations.excitation.toarray())
        drive = dynamics.basis.T @ np.asarray(self._equations.incidence.T @ settled)
        state = np.zeros(n)
        inner = {time for source in sources for time in source.times if 0 < time < stop}
        for start, end in pairwise(sorted({0.0, begin, *inner, stop})):
            first, last = self._equations.values(np.array([start, end])).T
            rate = (last - first) / (end - start)
            slope = drive @ rate
            target = drive[:n] @ first - dynamics.coupling @ slope[n:] - dynamics.slow @ slope[:n]
            times = self._grid(end - start)
            course = dynamics.flow.decay(state - target, times)
            if start >= begin:
                constant = settled[nodes] @ first - self._look @ slope
                yield _Piece(constant, settled[nodes] @ rate, state - target, times, course)
            state = target + slope[:n] * (end - start) + course[:, -1]

    def _grid(self, length: float) -> Array:
        """Close where the fastest mode moves, then in proportion to the time."""
        fastest = np.abs(self._dynamics.time_constants).min(initial=np.inf)
        first = min(fastest / 10, length / GRID)
        return np.concatenate([[0.0], np.geomspace(first, length, GRID)])

    def _heat(self, piece: _Piece) -> float:
        length, conductance, slow = piece.length, self.load.conductance, self._dynamics.slow
        by_constant, by_slope = conductance @ piece.constant, conductance @ piece.slope
        steady = piece.constant @ (by_constant * length + by_slope * length**2) + (
            piece.slope @ by_slope * length**3 / 3
        )
        area = slow @ (piece.start - piece.end)
        moment = slow @ (area - length * piece.end)
        mixed = 2 * (by_constant @ self._shape @ area + by_slope @ self._shape @ moment)
        decayed = piece.start @ self._decayed @ piece.start - piece.end @ self._decayed @ piece.end
        return float(steady + mixed + decayed)

    def _charge(self, piece: _Piece) -> Array:
        """(drivers,) [C] int |i|: differences of the exact int i over steps in which i keeps its sign."""
        drive, times = self.load.drive, piece.times
        shape = drive @ self._shape
        constant, slope = (drive @ piece.constant)[:, None], (drive @ piece.slope)[:, None]
        current = constant + slope * times + shape @ piece.course
        lag = self._dynamics.slow @ (piece.start[:, None] - piece.course)
        moved = np.abs(np.diff(constant * times + slope * times**2 / 2 + shape @ lag, axis=1))
        return np.asarray(np.where(crosses(current), turning(current, times), moved).sum(axis=1))

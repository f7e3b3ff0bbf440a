"""Waveforms of a linear circuit under piecewise linear sources, exact in time."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm, schur

from circuits.deck import Source

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

INSTANT = 1e-13
"""A time constant below this part of the largest one is none: its capacitor follows the others at once."""
DEFECTIVE = 1e7
"""Condition of the eigenvectors from which on modes lose too many digits."""


class Dynamics:
    """T s' = drive - s, split into what takes time and what follows at once.

    With the ordered Schur form T = Z S Z' and z = Z' s, the upper block S11 has the live time constants and the
    lower one is zero: z2 = drive2 and S11 z1' = drive1 - S12 z2' - z1.
    """

    def __init__(self, time_matrix: Array) -> None:
        """`time_matrix` is T, (capacitors, capacitors) [s]."""
        self._time_matrix = time_matrix
        values = np.linalg.eigvals(time_matrix).astype(np.complex128)
        self._limit = INSTANT * np.abs(values).max(initial=0)
        self.time_constants: ComplexArray = values[np.abs(values) > self._limit]
        """(live,) [s] eigenvalues of T without those of instant capacitors."""

    @cached_property
    def _form(self) -> tuple[Array, Array, int]:
        form, basis, live = schur(
            self._time_matrix, output="real", sort=lambda re, im=0.0: np.hypot(re, im) > self._limit
        )
        return form, basis, int(live)

    @property
    def live(self) -> int:
        """How many modes take time."""
        return self._form[2]

    @property
    def basis(self) -> Array:
        """Z: (capacitors, capacitors), orthonormal."""
        return self._form[1]

    @property
    def slow(self) -> Array:
        """S11: (live, live) [s]."""
        return self._form[0][: self.live, : self.live]

    @property
    def coupling(self) -> Array:
        """S12: (live, instant) [s]."""
        return self._form[0][: self.live, self.live :]

    @cached_property
    def flow(self) -> "_Modes | _Exponential":
        """How the live part moves: mode by mode, or by matrix exponentials where eigenvectors coincide."""
        mu, vectors = np.linalg.eig(self.slow)
        if not self.live or np.linalg.cond(vectors) < DEFECTIVE:
            return _Modes(mu.astype(np.complex128), vectors.astype(np.complex128))
        return _Exponential(self.slow)


@dataclass(frozen=True)
class _Modes:
    mu: ComplexArray
    vectors: ComplexArray

    def decay(self, gap: Array, after: Array) -> Array:
        """(live, after) exp(-S11^-1 t) gap."""
        amplitudes = np.linalg.solve(self.vectors, gap.astype(np.complex128))
        real: Array = (self.vectors @ (amplitudes[:, None] * np.exp(-after / self.mu[:, None]))).real
        return real


@dataclass(frozen=True)
class _Exponential:
    slow: Array

    def decay(self, gap: Array, after: Array) -> Array:
        """(live, after) exp(-S11^-1 t) gap."""
        rates = np.linalg.inv(self.slow)
        return np.stack([expm(-rates * t) @ gap for t in after], axis=1) if len(after) else np.zeros((len(gap), 0))


def respond(dynamics: Dynamics, sources: Sequence[Source], follow: Array, read: Array, times: Array) -> Array:
    """(rows, times) read @ s' for capacitors that settle to follow @ u, empty at time 0.

    `follow` is (capacitors, sources) and `read` (rows, capacitors).
    """
    n, drive, look = dynamics.live, dynamics.basis.T @ follow, read @ dynamics.basis
    result = np.zeros((len(read), len(times)))
    state = np.zeros(n)
    edges = _edges(sources, times[-1])
    for start, end in pairwise(edges):
        ends = np.array([[np.interp(t, s.times, s.values) for t in (start, end)] for s in sources])
        slope = drive @ (ends[:, 1] - ends[:, 0]) / (end - start)
        # z1 = target + slope t + gap exp(-t / S11), the target lagging behind the drive by S11 slope
        target = drive[:n] @ ends[:, 0] - dynamics.coupling @ slope[n:] - dynamics.slow @ slope[:n]
        gap = state - target
        inside = (times >= start) & ((times < end) | (end == edges[-1]))
        moved = dynamics.flow.decay(gap, np.append(times[inside] - start, end - start))
        rates = slope[:n, None] - np.linalg.solve(dynamics.slow, moved[:, :-1])
        result[:, inside] = look[:, :n] @ rates + (look[:, n:] @ slope[n:])[:, None]
        state = target + slope[:n] * (end - start) + moved[:, -1]
    return result


def _edges(sources: Sequence[Source], stop: float) -> list[float]:
    """Breakpoints of all sources from 0 to `stop`; an instant where that is 0 too."""
    inner = {time for source in sources for time in source.times if 0 < time < stop}
    return [0.0, *sorted(inner), stop or np.finfo(float).tiny]

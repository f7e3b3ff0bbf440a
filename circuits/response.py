"""Waveforms of a linear circuit under piecewise linear sources, exact in time, mode by mode."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm

from circuits.deck import Source

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


@dataclass(frozen=True)
class Modes:
    """The modes of T s' = drive - s: each obeys mu z' = target - z."""

    mu: ComplexArray
    """(modes,) [s] eigenvalues of T, the time constants; 0 for a mode that follows at once."""
    vectors: ComplexArray
    """(capacitors, modes) eigenvectors of T."""

    @classmethod
    def of(cls, time_matrix: Array) -> Self:
        """The modes of T, (capacitors, capacitors) [s]."""
        mu, vectors = np.linalg.eig(time_matrix)
        return cls(mu.astype(np.complex128), vectors.astype(np.complex128))

    @property
    def live(self) -> NDArray[np.bool_]:
        """(modes,) the modes that take time."""
        return np.abs(self.mu) > 1e-15 * np.abs(self.mu).max(initial=0)

    def advance(
        self, state: ComplexArray, target: ComplexArray, slope: ComplexArray, after: Array
    ) -> tuple[ComplexArray, ComplexArray]:
        """(modes, after) z' and z at times `after` [s], the target being target + slope * time.

        z = target + slope (t - mu) + (state - target + mu slope) exp(-t / mu).
        """
        safe = np.where(self.live, self.mu, 1)[:, None]
        gap = np.where(self.live, state - target + self.mu * slope, 0)[:, None]
        decay = np.where(self.live[:, None], np.exp(-after / safe), 0)
        states = target[:, None] + slope[:, None] * (after - self.mu[:, None]) + gap * decay
        return slope[:, None] - gap * decay / safe, states


def respond(modes: Modes, sources: Sequence[Source], follow: Array, read: Array, times: Array) -> Array:
    """(rows, times) read @ s' for capacitors that settle to follow @ u, empty at time 0.

    `follow` is (capacitors, sources) and `read` (rows, capacitors).
    """
    drive = np.linalg.solve(modes.vectors, follow.astype(np.complex128))
    look = read @ modes.vectors
    result = np.zeros((len(read), len(times)))
    state = np.zeros(len(modes.mu), dtype=np.complex128)
    edges = _edges(sources, times[-1])
    for start, end in pairwise(edges):
        ends = np.array([[np.interp(t, s.times, s.values) for t in (start, end)] for s in sources])
        target, slope = drive @ ends[:, 0], drive @ (ends[:, 1] - ends[:, 0]) / (end - start)
        inside = (times >= start) & ((times < end) | (end == edges[-1]))
        rates, _ = modes.advance(state, target, slope, times[inside] - start)
        result[:, inside] = (look @ rates).real
        _, states = modes.advance(state, target, slope, np.array([end - start]))
        state = states[:, 0]
    return result


def respond_without_modes(
    time_matrix: Array, sources: Sequence[Source], follow: Array, read: Array, times: Array
) -> Array:
    """What `respond` gives, by matrix exponentials: slower, and right where eigenvectors coincide."""
    rates = np.linalg.inv(time_matrix)
    result = np.zeros((len(read), len(times)))
    state = np.zeros(len(time_matrix))
    edges = _edges(sources, times[-1])
    for start, end in pairwise(edges):
        ends = np.array([[np.interp(t, s.times, s.values) for t in (start, end)] for s in sources])
        target, slope = follow @ ends[:, 0], follow @ (ends[:, 1] - ends[:, 0]) / (end - start)
        gap = state - target + time_matrix @ slope
        for index in np.flatnonzero((times >= start) & ((times < end) | (end == edges[-1]))):
            result[:, index] = read @ (slope - rates @ (expm(-rates * (times[index] - start)) @ gap))
        state = target + slope * (end - start) - time_matrix @ slope + expm(-rates * (end - start)) @ gap
    return result


def _edges(sources: Sequence[Source], stop: float) -> list[float]:
    """Breakpoints of all sources from 0 to `stop`; an instant where that is 0 too."""
    inner = {time for source in sources for time in source.times if 0 < time < stop}
    return [0.0, *sorted(inner), stop or np.finfo(float).tiny]

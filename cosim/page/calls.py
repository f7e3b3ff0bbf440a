"""The INV calls of a run, column by column."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.solution import Array, Status

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Words:
    """A column of words: each of them once, and which of them a row has."""

    names: tuple[str, ...]
    index: Numbers
    """(calls,) [-] place in `names`."""


@dataclass(frozen=True)
class CallTable:
    """INV calls in the order in which they were made; `calls` is their number."""

    step: Numbers
    """(calls,) [-] training step, from 1."""
    layer: Words
    factor: Words
    """'A' or 'G'."""
    size: Numbers
    """(calls,) [-] rows of the factor."""
    status: Words
    settling_time: Array
    """(calls,) [s], nan where unknown."""
    residual: Array
    """(calls,) [-], nan where there is no answer."""
    netlist: Words
    """Digest of the netlist."""

    def __len__(self) -> int:
        return len(self.step)

    @property
    def solves(self) -> Numbers:
        """(calls,) [-] which solve a call belongs to, numbered in order: one step, layer and factor."""
        keys = np.stack([self.step, self.layer.index, self.factor.index])
        _, first, inverse = np.unique(keys, axis=1, return_index=True, return_inverse=True)
        rank: Numbers = np.argsort(np.argsort(first))
        return rank[inverse.ravel()]

    @property
    def columns(self) -> Numbers:
        """(calls,) [-] the number of each call's right-hand side in its solve, counted from 0."""
        solves = self.solves
        order = np.argsort(solves, kind="stable")
        counts = np.bincount(solves)
        column = np.empty_like(order)
        column[order] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        return column

    def where(self, step: int, layer: str, factor: str) -> Numbers:
        """The rows of one solve, none where the run has no such."""
        if layer not in self.layer.names or factor not in self.factor.names:
            return np.zeros(0, np.int64)
        places = self.layer.names.index(layer), self.factor.names.index(factor)
        found = (self.step == step) & (self.layer.index == places[0]) & (self.factor.index == places[1])
        return np.flatnonzero(found)

    def statuses(self) -> tuple[Status, ...]:
        """The verdicts that occur, by their place in `status.names`."""
        return tuple(Status(name) for name in self.status.names)

    def packed(self) -> dict[str, Any]:
        """The columns as the page reads them."""
        return {
            "step": self.step,
            "layer": self.layer,
            "factor": self.factor,
            "size": self.size,
            "column": self.columns,
            "status": self.status,
            "settling_time": self.settling_time,
            "residual": self.residual,
            "netlist": self.netlist,
            "solve": self.solves,
        }

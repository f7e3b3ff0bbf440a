"""Modified nodal analysis: the elements of a deck become the matrices of C x' + G x = B u, C = Q diag(c) Q'."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array

from circuits.deck import Deck, Element, Source

Array = NDArray[np.float64]
Entries = tuple[NDArray[np.int_], NDArray[np.int_], Array]
"""Rows, columns and values of matrix entries."""


@dataclass
class _Stamps:
    """Entries of a sparse matrix; ground, index -1, is left out."""

    rows: list[int] = field(default_factory=list)
    columns: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def add(self, *entries: tuple[int, int, float]) -> None:
        for row, column, value in entries:
            if row >= 0 and column >= 0:
                self.rows.append(row)
                self.columns.append(column)
                self.values.append(value)

    def matrix(self, shape: tuple[int, int], *more: "Entries") -> csc_array:
        """The sum of all entries, those of `more` included."""
        rows, columns, values = (
            np.concatenate([np.array(own, dtype), *(entries[i] for entries in more)])
            for i, (own, dtype) in enumerate(((self.rows, int), (self.columns, int), (self.values, float)))
        )
        return csc_array((values, (rows, columns)), shape=shape)


class Equations:
    """The unknowns x are the node voltages [V], then a branch current [A] for every V and E."""

    def __init__(self, deck: Deck) -> None:
        self.index = _number_nodes(deck)
        self.sources = [*deck.voltages, *deck.currents]
        self._first_branch = len(self.index)
        self.size = self._first_branch + len(deck.voltages) + len(deck.passive["e"])
        self.conductance = self._conductance(deck)
        """G: (size, size)."""
        self.excitation = self._excitation(deck)
        """B: (size, sources)."""
        capacitors = [element for element in deck.passive["c"] if element.value]
        self.incidence = self._incidence(capacitors)
        """Q: (size, capacitors)."""
        self.capacitances = np.array([element.value for element in capacitors])
        """c: (capacitors,) [F]."""

    def values(self, times: Array) -> Array:
        """u: (sources, times) [V] or [A]."""
        values = [np.interp(times, source.times, source.values) for source in self.sources]
        return np.array(values).reshape(len(self.sources), len(times))

    def _at(self, element: Element | Source) -> list[int]:
        return [self.index.get(node, -1) for node in element.nodes]

    def _conductance(self, deck: Deck) -> csc_array:
        stamps = _Stamps()
        for element in deck.passive["g"]:
            (a, b, plus, minus), g = self._at(element), element.value
            stamps.add((a, plus, g), (a, minus, -g), (b, plus, -g), (b, minus, g))
        branches: list[Element | Source] = [*deck.voltages, *deck.passive["e"]]
        for branch, source in enumerate(branches, start=self._first_branch):
            a, b, *control = self._at(source)
            stamps.add((a, branch, 1), (b, branch, -1), (branch, a, 1), (branch, b, -1))
            if isinstance(source, Element):
                stamps.add((branch, control[0], -source.value), (branch, control[1], source.value))
        return stamps.matrix((self.size, self.size), self._resistors(deck.passive["r"]))

    def _resistors(self, resistors: list[Element]) -> "Entries":
        """Rows, columns and values of all resistors at once: there are thousands of them."""
        at = self.index.get
        a = np.array([at(element.nodes[0], -1) for element in resistors], dtype=int)
        b = np.array([at(element.nodes[1], -1) for element in resistors], dtype=int)
        g = 1 / np.array([element.value for element in resistors], dtype=float)
        rows, columns = np.concatenate([a, b, a, b]), np.concatenate([a, b, b, a])
        values = np.concatenate([g, g, -g, -g])
        kept = (rows >= 0) & (columns >= 0)
        return rows[kept], columns[kept], values[kept]

    def _excitation(self, deck: Deck) -> csc_array:
        stamps = _Stamps()
        for column in range(len(deck.voltages)):
            stamps.add((self._first_branch + column, column, 1))
        for column, source in enumerate(deck.currents, start=len(deck.voltages)):
            leaves, enters = self._at(source)
            stamps.add((leaves, column, -1), (enters, column, 1))
        return stamps.matrix((self.size, len(self.sources)))

    def _incidence(self, capacitors: list[Element]) -> csc_array:
        stamps = _Stamps()
        for column, element in enumerate(capacitors):
            plus, minus = self._at(element)
            stamps.add((plus, column, 1), (minus, column, -1))
        return stamps.matrix((self.size, len(capacitors)))


def _number_nodes(deck: Deck) -> dict[str, int]:
    index: dict[str, int] = {}
    kinds: list[list[Element] | list[Source]] = [*deck.passive.values(), deck.voltages, deck.currents]
    for element in (element for kind in kinds for element in kind):
        for node in element.nodes:
            if node != "0" and node not in index:
                index[node] = len(index)
    return index

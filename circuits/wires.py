"""The exact port reduction of a wired array: what a designer would measure between its ports, its lines included.

An array is a linear resistive network, so eliminating every node inside it changes nothing at its ports. Here a
network is kept as its weights, the conductances between pairs of nodes, with zeros on the diagonal. Eliminating
nodes then only ever adds, multiplies and divides non-negative numbers, except in the pivots, where a segment
keeps them away from zero: nothing cancels, however small a segment is next to a cell.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dgemm  # not NumPy's @: it has a BLAS of its own, whose threads would fight with SciPy's
from scipy.linalg.lapack import dpotrf, dpotri, dpttrs

from circuits.errors import InputError, check_range

Array = NDArray[np.float64]


def reduce_array(conductance: Array, r_row: float, r_col: float, both_sides: bool = False) -> Array:
    """(rows + columns, rows + columns) [S] currents into the ports for 1 V on each of them, rows first.

    Cell (i, j) of `conductance`, (rows, columns) [S], joins row line i to column line j; 0 leaves it out. The row
    port is next to column 1, the column port next to row 1, and every segment between neighbouring cells, or
    between a port and the first cell, has `r_row` or `r_col` [ohm], 0 for an ideal line. With `both_sides` one
    more segment ties the far end of each line to its port.

    The result is symmetric, its rows add to zero, and nothing off its diagonal is positive. Column by column from
    the far end, the column line is eliminated by its tridiagonal system and the row nodes behind it by a Cholesky
    factor: about 8/3 n^4 operations for an n x n array, two to three times that for both sides, and memory for a
    few matrices of the size of the result. The relative error of every single entry is about 1e-16 times the size
    times 1 + r_row max(G). One BLAS thread is enough (OMP_NUM_THREADS=1): on busy cores more of them wait for each
    other, and take up to a hundred times as long.
    """
    cells = _checked(conductance, r_row, r_col)
    rows, columns = cells.shape
    face = _Face.far_end(rows, columns, r_row if both_sides else 0.0)
    pivots = _chain_pivots(cells, r_col, both_sides)
    for j in reversed(range(columns)):
        between, drive = _column(cells[:, j], pivots[:, j], r_col, both_sides)
        face.add_column(j, between, drive)
        if r_row:
            face.cross_segments(j, r_row)
    return _laplacian(face.weights(columns))


def port_resistors(ports: Array, names: list[str], limit: float = 1e-12) -> list[tuple[str, str, float]]:
    """(name a, name b, ohm) of every pair of ports that is joined by more than `limit` times the largest conductance.

    `ports` is (n, n) [S] as `reduce_array` returns it, `names` has n node names. A netlist's numbers have twelve
    digits, so the default drops what is smaller than the rounding of the largest resistor that stays; what a port
    loses over all its pairs is below n 1e-12 of that largest conductance.
    """
    if len(names) != len(ports):
        raise InputError(f"{len(ports)} ports have {len(names)} names.")
    first, second = np.triu_indices(len(ports), k=1)
    weights = -ports[first, second]
    kept = weights > limit * weights.max(initial=0.0)
    pairs = zip(first[kept].tolist(), second[kept].tolist(), (1 / weights[kept]).tolist(), strict=True)
    return [(names[a], names[b], ohm) for a, b, ohm in pairs]


@dataclass
class _Face:
    """The columns done so far, as seen from the row nodes in front of them and from the ports behind them.

    Ports are those of all columns, then, where the rows are driven from both sides, those of the rows. Before
    column j is done, its weights are zero, so that [j:] are the ports to work on.
    """

    between: Array
    """(rows, rows) [S] between row nodes."""
    to_ports: Array
    """(rows, ports) [S] between row nodes and ports."""
    ports: Array
    """(ports, ports) [S] between ports."""

    @classmethod
    def far_end(cls, rows: int, columns: int, r_far: float) -> "_Face":
        """No column yet: row nodes that see nothing, or each its own port through `r_far` [ohm] unless that is 0."""
        size = columns + (rows if r_far else 0)
        to_ports = np.zeros((rows, size), order="F")
        if r_far:
            np.fill_diagonal(to_ports[:, columns:], 1 / r_far)
        # LAPACK takes Fortran's order, and a slice of columns in it, without a copy.
        return cls(np.zeros((rows, rows), order="F"), to_ports, np.zeros((size, size), order="F"))

    def add_column(self, j: int, between: Array, drive: Array) -> None:
        """Join what column j puts between the row nodes, (rows, rows), and between them and its port, (rows,)."""
        self.between += between
        np.fill_diagonal(self.between, 0)
        self.to_ports[:, j] = drive

    def cross_segments(self, j: int, r_row: float) -> None:
        """Step over one segment in each row, and eliminate the row nodes that are left behind."""
        share = self._share(r_row)
        behind = self.to_ports[:, j:]
        reached = dgemm(1.0, share, behind)
        self.ports[j:, j:] += dgemm(r_row, behind, reached, trans_a=1)
        self.to_ports[:, j:] = reached
        self.between = share / r_row
        np.fill_diagonal(self.between, 0)

    def _share(self, r_row: float) -> Array:
        """(rows, rows) [V/V] volts behind each segment for 1 V in front of each: (1 + r_row L)^-1."""
        system = -r_row * self.between
        np.fill_diagonal(system, 1 + r_row * (self.between.sum(axis=1) + self.to_ports.sum(axis=1)))
        # The diagonal exceeds the rest of its row by 1, and _checked bounds both: the factorisation cannot fail.
        factor, _ = dpotrf(system, lower=1, overwrite_a=1)
        lower, _ = dpotri(factor, lower=1, overwrite_c=1)
        return lower + np.tril(lower, -1).T

    def weights(self, columns: int) -> Array:
        """(rows + columns, rows + columns) [S] once the row nodes are the rows' ports; the diagonal means nothing."""
        far = slice(columns, None)
        between, to_columns = self.between, self.to_ports[:, :columns]
        if len(self.ports) > columns:
            crossed = self.to_ports[:, far]
            between = between + crossed + crossed.T + self.ports[far, far]
            to_columns = to_columns + self.ports[far, :columns]
        return np.block([[between, to_columns], [to_columns.T, self.ports[:columns, :columns]]])


def _chain_pivots(cells: Array, r_col: float, both_sides: bool) -> Array:
    """(rows, columns) [-] pivots of r_col times the column lines' matrices, from the far end to the port.

    A pivot is 1 + r_col times the conductance of everything from the node on, which its neighbour nearer to the
    port sees in series with a segment: no difference is taken.
    """
    pivots = np.empty_like(cells)
    behind = np.full(cells.shape[1], 1.0 if both_sides and r_col else 0.0)
    for i in reversed(range(len(cells))):
        seen = behind + r_col * cells[i]
        pivots[i] = 1 + seen
        behind = seen / pivots[i]
    return pivots


def _column(cells: Array, pivots: Array, r_col: float, both_sides: bool) -> tuple[Array, Array]:
    """[S] between the row nodes of one column, (rows, rows), and between each of them and its port, (rows,)."""
    rows = len(cells)
    sources = np.zeros((rows, rows + 1), order="F")
    # From the far end, where the elimination starts; the last right-hand side is 1 V on the port.
    sources[range(rows), range(rows)] = cells[::-1]
    sources[-1, -1] = 1
    if both_sides and r_col:
        sources[0, -1] += 1
    diagonal = pivots[::-1]
    below = -1 / diagonal[: max(rows - 1, 1)]  # LAPACK's wrapper wants one entry even for a single row
    volts, _ = dpttrs(diagonal, below, sources, overwrite_b=1)
    weights = volts[::-1] * cells[:, None]
    return r_col * weights[:, -2::-1], weights[:, -1]


def _laplacian(weights: Array) -> Array:
    """(n, n) [S] minus the weights, and on the diagonal what makes every row add to zero."""
    laplacian = 0.0 - (weights + weights.T) / 2
    np.fill_diagonal(laplacian, 0)
    np.fill_diagonal(laplacian, -laplacian.sum(axis=1))
    return laplacian


def _checked(conductance: Array, r_row: float, r_col: float) -> Array:
    cells = np.asarray(conductance, dtype=np.float64)
    if cells.ndim != 2 or not cells.size or not ((cells >= 0) & (cells <= 1)).all():
        raise InputError("An array is (rows, columns), at least one of each, of conductances from 0 to 1 S.")
    check_range("r_row", r_row, 0.0, 1e6, "ohm")
    check_range("r_col", r_col, 0.0, 1e6, "ohm")
    return cells

"""How many array operations a solve takes: in closed form for block elimination, or as a run has counted them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from circuits.errors import InputError, check_whole
from cosim.elimination import half

DEFLATION_MACS = 24
"""Multiply-adds [-] an entry at each refresh: 20 power iterations, a rank-one update, equilibration, the shift."""
VECTOR_MACS = 6
"""Multiply-adds [-] a row and right-hand side: the deflated component out and in again, and both scalings."""


@dataclass(frozen=True)
class Operations:
    """What one right-hand side takes, and what programming the matrix takes."""

    size: int
    """Rows of the matrix."""
    rows: int
    """Rows of an array: every operation is counted as one of a full array."""
    inv: float
    """Arrays that solve."""
    mvm: float
    """Arrays that multiply."""
    inv_steps: float
    """Solves that wait for one another."""
    mvm_steps: float
    """Products that wait for one another: the tiles of a product work at once."""
    cells: float
    """Cells that are written at each refresh, two an entry."""
    arrays: float
    """Arrays that hold them."""
    vector_macs: float
    """Digital multiply-adds of a right-hand side: conditioning, and adding up what the multiply arrays give."""
    refresh_macs: float
    """Digital multiply-adds of a refresh."""

    @classmethod
    def on_arrays(cls, n: int, max_array: int) -> Self:
        """A dense matrix of n rows on arrays of max_array, by block elimination (see cosim/elimination.py)."""
        check_whole("n", n, 1, 2**24)
        check_whole("max_array", max_array, 2, 2**20)
        c = _eliminate(n, max_array)
        return cls(
            size=n,
            rows=min(n, max_array),
            inv=c.inv,
            mvm=c.mvm,
            inv_steps=c.inv,  # a solve waits for the product before it, and so do those inside the Schur complement
            mvm_steps=c.products,
            cells=c.cells,
            arrays=c.arrays,
            vector_macs=VECTOR_MACS * n + c.mvm * min(n, max_array),
            refresh_macs=DEFLATION_MACS * n**2 + c.macs,
        )

    def counted(self, notes: Mapping[str, float], columns: int) -> Self:
        """The same matrix with the operations that a run noted in `Solution.stats.notes` for its right-hand sides.

        'inv', 'mvm', 'cells' and 'arrays' are taken where they are noted, otherwise a plain solve's. A run does not
        say what happened at once: its operations count as one after the other, the multiply arrays of a drive
        ('mvm') as well. Vector operations are repeated for every cycle. InputError for no right-hand side.
        """
        if columns < 1:
            raise InputError(f"{columns} right-hand sides cannot be averaged over: give 1 or more.")
        inv, mvm = notes.get("inv", float(columns)) / columns, notes.get("mvm", 0.0) / columns
        cycles = max(1.0, notes.get("solves", 0.0) / columns)
        return replace(
            self,
            inv=inv,
            mvm=mvm,
            inv_steps=inv,
            mvm_steps=mvm,
            cells=notes.get("cells", 2.0 * self.size**2),
            arrays=notes.get("arrays", 1.0),
            vector_macs=cycles * VECTOR_MACS * self.size + mvm * self.rows,
        )


class _Counts(NamedTuple):
    """Of block elimination, for one right-hand side and one refresh."""

    inv: float
    mvm: float
    products: float
    cells: float
    arrays: float
    macs: float
    """Of all Schur complements: an LU decomposition, its solves and a product for each."""


def _eliminate(n: int, max_array: int) -> _Counts:
    """INV(A1), MVM(A3), INV(S), MVM(A2), INV(A1), and so on inside A1 and S."""
    if n <= max_array:
        return _Counts(inv=1, mvm=0, products=0, cells=2 * n * n, arrays=1, macs=0)
    h = half(n, max_array)
    rest = n - h
    first, schur = _eliminate(h, max_array), _eliminate(rest, max_array)
    tiles = -(-h // max_array) * -(-rest // max_array)
    return _Counts(
        inv=2 * first.inv + schur.inv,
        mvm=2 * first.mvm + schur.mvm + 2 * tiles,
        products=2 * first.products + schur.products + 2,
        cells=first.cells + schur.cells + 4 * h * rest,
        arrays=first.arrays + schur.arrays + 2 * tiles,
        macs=first.macs + schur.macs + h**3 / 3 + h**2 * rest + h * rest**2,
    )

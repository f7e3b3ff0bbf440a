"""A netlist line that stands many times, each with other words in the same places."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Repeated:
    """Words for the marks of a pattern: `<i>` of the first line is columns["i"][0], and so on.

    A template draws one line with marks, and `lines` writes it for all cells: hundreds of times faster than
    drawing each.
    """

    columns: Mapping[str, Sequence[object]]
    """Equally many words for each mark."""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def lines(self, pattern: str) -> str:
        """The pattern once for each entry, one below the other; text that is no mark stays as it is."""
        marks = "|".join(map(re.escape, self.columns))
        pieces = re.split(f"<({marks})>", pattern)
        form = "%s".join(piece.replace("%", "%%") for piece in pieces[::2])
        words = zip(*(self.columns[mark] for mark in pieces[1::2]), strict=True)
        return "\n".join(map(form.__mod__, words))

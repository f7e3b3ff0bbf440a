"""What a section of the report is made of.

Texts know three marks, as Markdown has them: `code`, **strong** and [words](address).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from matplotlib.figure import Figure


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    words: str


@dataclass(frozen=True)
class Bullets:
    """A list."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Code:
    """Commands, a line each."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Rows of texts under their columns."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, caption: str, rows: Sequence[Mapping[str, str]]) -> Self:
        """From rows that name their columns, all the same ones; at least one row."""
        return cls(caption, tuple(rows[0]), tuple(tuple(row.values()) for row in rows))

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Of each column, whether it holds numbers and is set flush right."""
        columns = zip(*self.rows, strict=True)
        return tuple(all(cell[:1] in "-0123456789" or cell == "never" for cell in column) for column in columns)


@dataclass(frozen=True)
class Panels:
    """A figure of one or more panels; Markdown shows its caption's place only on the page."""

    name: str
    """Of letters and hyphens: what is drawn in it is called by it."""
    caption: str
    draw: tuple[Callable[[], Figure], ...]
    """One for each panel."""


Block = Text | Bullets | Code | Table | Panels


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: tuple[Block, ...]

    @property
    def anchor(self) -> str:
        """What a link to the section ends in, the same in both forms; GitHub makes it of the title this way."""
        kept = (letter for letter in self.title.lower() if letter.isalnum() or letter in " -")
        return "".join(kept).replace(" ", "-")

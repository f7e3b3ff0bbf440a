"""The drawings of a circuit: those that ship, some of them replaced by files of a folder."""

import hashlib
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Self

from circuits.errors import InputError

SUFFIX = ".cir.j2"
"""What the name of every template ends with."""


@dataclass(frozen=True)
class Templates:
    """Templates that take the place of shipped ones of the same name.

    The texts themselves, and not only the folder, so that worker processes on any machine draw the same circuit
    and a run's description says what was drawn.
    """

    folder: str | None = None
    """Where the texts come from, as it was given; None for none."""
    texts: tuple[tuple[str, str], ...] | None = None
    """(name, text) of each template that is replaced, by name; None for none."""

    def __post_init__(self) -> None:
        if self.texts is not None:  # lists where they come from JSON
            object.__setattr__(self, "texts", tuple((str(name), str(text)) for name, text in self.texts))

    @classmethod
    def read(cls, folder: str | Path) -> Self:
        """Every template of a folder; other files are left alone.

        Raises InputError where the folder cannot be read, has no template, or has one that replaces nothing.
        """
        path = Path(folder)
        if not path.is_dir():
            raise InputError(f"{folder} is no folder: --templates takes one with templates such as opamp{SUFFIX}.")
        found = sorted(one for one in path.iterdir() if one.name.endswith((".j2", ".cir")) and one.is_file())
        for one in found:
            if one.name not in shipped():
                near = get_close_matches(one.name, shipped(), cutoff=0.4) or shipped()
                raise InputError(f"{one} replaces no template: did you mean {', '.join(near)}?")
        if not found:
            raise InputError(f"{folder} has no template: put one of {', '.join(shipped())} into it.")
        try:
            return cls(str(folder), tuple((one.name, one.read_text(encoding="utf-8")) for one in found))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"A template in {folder} cannot be read: {error}.") from None

    @property
    def replaced(self) -> dict[str, str]:
        """The text of each template that takes a shipped one's place, by name."""
        return dict(self.texts or ())

    @property
    def digest(self) -> str:
        """SHA-256 of the names and texts."""
        return hashlib.sha256(repr(self.texts or ()).encode()).hexdigest()

    def origin(self, name: str) -> str:
        """Where the template of this name comes from: a file of the folder, or netlist_templates."""
        return f"{self.folder if name in self.replaced else 'netlist_templates'}/{name}"

    def origins(self) -> dict[str, str]:
        """`origin` of every template, by name."""
        return {name: self.origin(name) for name in shipped()}


SHIPPED = Templates()
"""Nothing replaced."""


@cache
def shipped() -> tuple[str, ...]:
    """Names of the templates that ship."""
    return tuple(sorted(one.name for one in files("netlist_templates").iterdir() if one.name.endswith(SUFFIX)))

"""Model files from outside: read, checked for what ngspice would run as a program, and for the subcircuit in them."""

import re
from dataclasses import dataclass
from pathlib import Path

from circuits.errors import InputError

_PROGRAMS = re.compile(
    r"^[ \t]*(\.control|\.endc|shell|system|source|\.inc(lude)?|\.lib)\b", re.IGNORECASE | re.MULTILINE
)
_SUBCKT = re.compile(r"^\s*\.subckt\s+(\S+)\s*(.*)$", re.IGNORECASE | re.MULTILINE)


def refuse_programs(text: str, name: str, folder: Path | None = None) -> None:
    """Raise InputError for lines that ngspice would run as a program or that read files outside `folder`.

    `folder` is where the text comes from; None allows no file at all.
    """
    if not _PROGRAMS.search(text):
        return
    for number, line in enumerate(text.splitlines(), start=1):
        match = _PROGRAMS.match(line)
        if match and not _stays_inside(line, folder):
            raise InputError(
                f"{name} line {number} ({line.strip()[:60]!r}) would let ngspice run commands or read files elsewhere: "
                f"read it, and pass --trust (trust=True) if you mean it."
            )


def _stays_inside(line: str, folder: Path | None) -> bool:
    """Whether the line includes a file of the folder it stands in."""
    words = line.split()
    if folder is None or len(words) < 2 or not words[0].lower().startswith((".inc", ".lib")):
        return False
    target = (folder / words[1].strip("\"'")).resolve()
    return target.is_relative_to(folder.resolve()) and target.is_file()


@dataclass(frozen=True)
class Model:
    """A subcircuit in a file of the user or of a vendor.

    Raises InputError where the file cannot be read, lacks the subcircuit, has other pins, or holds lines that
    ngspice would run as a program (unless `trust`).
    """

    file: str
    """Path [file] of the model's SPICE text."""
    subckt: str
    """Name [-] of the subcircuit."""
    pins: tuple[str, ...]
    """What each port of the subcircuit is [-], in its order: for an op-amp 'inp', 'inn', 'out', 'vp' and 'vn' (the
    supply rails), for a cell 'row' and 'column'."""
    supply: float = 5.0
    """V_dd [V], 0.1 to 100: supply rails of an op-amp at +V_dd and -V_dd."""
    trust: bool = False
    """Whether lines that ngspice runs as a program are let through [-]."""

    def __post_init__(self) -> None:
        text = self.text
        path = Path(self.file)
        if not self.trust:
            refuse_programs(text, str(path), path.parent)
        found = {name.lower(): rest for name, rest in _SUBCKT.findall(text)}
        if self.subckt.lower() not in found:
            known = ", ".join(found) or "none"
            raise InputError(f"{path} has no .subckt {self.subckt!r}: it has {known}.")
        ports = [word for word in found[self.subckt.lower()].split() if "=" not in word]
        ports = ports[: next((i for i, word in enumerate(ports) if word.lower() in ("params:", "param:")), len(ports))]
        if len(ports) != len(self.pins):
            raise InputError(
                f"{path}: .subckt {self.subckt} has {len(ports)} pins ({' '.join(ports)}), {len(self.pins)} are named."
            )

    @property
    def text(self) -> str:
        """The file's text."""
        if self.file.endswith(".osdi"):
            raise InputError(f"{self.file} is an OSDI library, which is not read: wrap the model into a .subckt file.")
        try:
            return Path(self.file).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"The model file {self.file} cannot be read: {error}.") from None

    def nodes(self, **wiring: str) -> str:
        """The nodes of a call in the order of the pins; InputError for a pin without a node."""
        missing = [pin for pin in self.pins if pin not in wiring]
        if missing:
            raise InputError(f"{self.file}: pin {missing[0]!r} is unknown, the known ones are {', '.join(wiring)}.")
        return " ".join(wiring[pin] for pin in self.pins)

"""Model files from outside: read, checked for what ngspice would run as a program, and for the subcircuit in them."""

import re
from dataclasses import dataclass
from pathlib import Path

from circuits.errors import InputError

# ngspice takes whatever begins with .inc for an include, runs what follows *#, and has parts that start programs.
_PROGRAMS = re.compile(
    r"^[ \t]*(?:(?:\.control|\.endc|shell|system|source|\.lib)\b|\.inc|\*#)|\b(?:d_process|d_cosim)\b",
    re.IGNORECASE | re.MULTILINE,
)
_INCLUDE = re.compile(r"^\s*\.inc\w*\s+(\S+)\s*$", re.IGNORECASE)
_SUBCKT = re.compile(r"^\s*\.subckt\s+(\S+)\s*(.*)$", re.IGNORECASE | re.MULTILINE)
_WRAPPER = "opamp"
"""The subcircuit that the op-amp template itself defines."""


def refuse_programs(text: str, name: str, folder: Path | None = None) -> None:
    """Raise InputError for lines that ngspice would run as a program or that read files outside `folder`.

    `folder` is where the text comes from; None allows no file at all.
    """
    if not _PROGRAMS.search(text):
        return
    for number, line in enumerate(text.splitlines(), start=1):
        match = _PROGRAMS.search(line)
        if match and not _stays_inside(line, folder):
            raise InputError(
                f"{name} line {number} ({line.strip()[:60]!r}) would let ngspice run commands or read files elsewhere: "
                f"read it, and pass --trust (trust=True) if you mean it."
            )


def _stays_inside(line: str, folder: Path | None) -> bool:
    """Whether the line includes a file of the folder it stands in."""
    target = _included(line, folder)
    return folder is not None and target is not None and target.is_relative_to(folder.resolve()) and target.is_file()


def _included(line: str, folder: Path | None) -> Path | None:
    match = _INCLUDE.match(line)
    return (folder / match[1].strip("\"'")).resolve() if match and folder else None


def _read(path: Path, trust: bool, depth: int = 0) -> str:
    """The text of a file, checked unless `trust`, with what it includes in place and without its .end lines."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The model file {path} cannot be read: {error}.") from None
    if depth > 20:
        raise InputError(f"{path}: files include each other more than 20 deep.")
    if not trust:
        refuse_programs(text, str(path), path.parent)
    lines = []
    for line in text.splitlines():
        target = _included(line, path.parent)
        # ngspice looks for a relative name in its own working directory, so the lines themselves are put here.
        lines.append(_read(target, trust, depth + 1) if target else line)
    return "\n".join(line for line in lines if line.strip().lower() != ".end")


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
        joined = re.sub(r"\n\s*\+", " ", text)
        found = {name.lower(): rest for name, rest in _SUBCKT.findall(re.sub(r"[ \t]*=[ \t]*", "=", joined))}
        if self.subckt.lower() not in found:
            known = ", ".join(found) or "none"
            raise InputError(f"{path} has no .subckt {self.subckt!r}: it has {known}.")
        if _WRAPPER in found:
            raise InputError(f"{path}: .subckt {_WRAPPER} is the name of ohmvert's own op-amp: give it another one.")
        ports = [word for word in found[self.subckt.lower()].split() if "=" not in word]
        ports = ports[: next((i for i, word in enumerate(ports) if word.lower() in ("params:", "param:")), len(ports))]
        if len(ports) != len(self.pins):
            raise InputError(
                f"{path}: .subckt {self.subckt} has {len(ports)} pins ({' '.join(ports)}), {len(self.pins)} are named."
            )

    @property
    def text(self) -> str:
        """The file's text, what it includes in place."""
        if self.file.endswith(".osdi"):
            raise InputError(f"{self.file} is an OSDI library, which is not read: wrap the model into a .subckt file.")
        return _read(Path(self.file), self.trust)

    def nodes(self, **wiring: str) -> str:
        """The nodes of a call in the order of the pins; InputError for a pin without a node."""
        missing = [pin for pin in self.pins if pin not in wiring]
        if missing:
            raise InputError(f"{self.file}: pin {missing[0]!r} is unknown, the known ones are {', '.join(wiring)}.")
        return " ".join(wiring[pin] for pin in self.pins)

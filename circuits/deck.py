"""The reader of netlist text: lines become elements, subcircuits are flattened, nothing is guessed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from circuits.errors import InputError
from circuits.units import spice_number

GROUND = "0"
_IGNORED = (
    ".options",
    ".option",
    ".save",
    ".tran",
    ".meas",
    ".measure",
    ".print",
    ".end",
    ".title",
    ".width",
)
_ALIASES = {"gnd": GROUND}
_RESISTORS = re.compile(
    r"^(r\S*)[ \t]+(\S+)[ \t]+(\S+)[ \t]+([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)$", re.ASCII | re.MULTILINE
)
_LINEAR = "R, C, G, E, V, I and X lines with numbers"
_HINTS = {
    "b": "render the hardware with linear parts (hardware.linear()), or run it in ngspice",
    "d": "a diode is not linear: run it in ngspice",
    "m": "a transistor is not linear: use an on-resistance instead, or run it in ngspice",
    "q": "a transistor is not linear: run it in ngspice",
    "l": "an inductor is not supported: run it in ngspice",
    "f": "a current-controlled source is not supported: use G with a sense resistor, or run it in ngspice",
    "h": "a current-controlled source is not supported: use E with a sense resistor, or run it in ngspice",
    "n": "an OSDI device is not linear: run it in ngspice",
    "k": "coupled inductors are not supported: run it in ngspice",
    "s": "a switch is not linear: run it in ngspice",
    ".param": "write the numbers out, or run it in ngspice",
    ".include": "put the included lines into the netlist, or run it in ngspice",
    ".lib": "put the library's lines into the netlist, or run it in ngspice",
    ".model": "a device model is not linear: run it in ngspice",
    ".ic": "the reader starts with every capacitor empty: run it in ngspice",
}


class Line(NamedTuple):
    """A logical line, continuations joined, with its number in the text."""

    number: int
    text: str

    def refuse(self, why: str) -> InputError:
        """The error of a line that cannot be read."""
        return InputError(f"Netlist line {self.number} ({self.text[:60]!r}): {why}.")


class Element(NamedTuple):
    """An R, C, G or E with its nodes and value."""

    name: str
    nodes: tuple[str, ...]
    value: float


@dataclass(frozen=True)
class Source:
    """A V or I source: its value at breakpoints, straight lines between, constant after the last."""

    name: str
    nodes: tuple[str, ...]
    times: tuple[float, ...]
    values: tuple[float, ...]


@dataclass
class Deck:
    """The elements of a netlist by kind; names and nodes are in lower case, as SPICE reads them."""

    passive: dict[str, list[Element]] = field(default_factory=lambda: {kind: [] for kind in "rcge"})
    voltages: list[Source] = field(default_factory=list)
    currents: list[Source] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, text: str) -> "Deck":
        """Elements of a netlist whose first line is its title. InputError names the line that it cannot read."""
        top, subcircuits = _split(list(_logical_lines(text)))
        deck = cls()
        for line in deck._add_resistors(top):
            deck._add(line, subcircuits, prefix="", ports={}, depth=0)
        return deck

    def _add_resistors(self, top: list[Line]) -> list[Line]:
        """Take in all plain resistors at once, of which an array has thousands; the lines that are left."""
        lines = [line for line in top if line.text[0] == "r"]
        found = _RESISTORS.findall("\n".join([line.text for line in lines]))
        names = {name for name, *_ in found}
        values = [float(value) for *_, value in found]
        if not len(found) == len(lines) == len(names) or 0 in values:
            return top  # one by one, to say which line is wrong
        self.names = names
        self.passive["r"] = [
            Element(name, (_ALIASES.get(a, a), _ALIASES.get(b, b)), value)
            for (name, a, b, _), value in zip(found, values, strict=True)
        ]
        return [line for line in top if line.text[0] != "r"]

    def _add(
        self,
        line: Line,
        subcircuits: "dict[str, _Subcircuit]",
        prefix: str,
        ports: dict[str, str],
        depth: int,
    ) -> None:
        words = line.text.split()
        name, kind = prefix + words[0], words[0][0]
        if name in self.names:
            raise line.refuse(f"a second {words[0]!r}: give every element its own name")
        self.names.add(name)
        if kind == "x":
            self._expand(line, words, subcircuits, prefix, ports, depth)
            return
        if kind not in "rcgevi":
            hint = _HINTS.get(words[0] if kind == "." else kind, "run it in ngspice")
            raise line.refuse(f"the nodal engine reads {_LINEAR} only; {hint}")
        count = 4 if kind in "ge" else 2
        if len(words) < count + 2:
            raise line.refuse(f"{kind.upper()} takes a name, {count} nodes and a value")
        nodes = tuple([_node(word, prefix, ports) for word in words[1 : count + 1]])
        if kind in "vi":
            times, values = _waveform(line, " ".join(words[3:]))
            (self.voltages if kind == "v" else self.currents).append(Source(name, nodes, times, values))
            return
        if len(words) > count + 2:
            raise line.refuse(f"only a number may follow the nodes, found {' '.join(words[count + 1 :])!r}")
        self.passive[kind].append(Element(name, nodes, _value(line, words[-1], kind)))

    def _expand(
        self,
        line: Line,
        words: list[str],
        subcircuits: "dict[str, _Subcircuit]",
        prefix: str,
        ports: dict[str, str],
        depth: int,
    ) -> None:
        called = subcircuits.get(words[-1])
        if called is None:
            raise line.refuse(f"there is no .subckt {words[-1]!r} in the netlist")
        if len(words) - 2 != len(called.ports):
            raise line.refuse(f"{words[-1]} has {len(called.ports)} ports, the line gives {len(words) - 2} nodes")
        if depth > 20:
            raise line.refuse("subcircuits call each other more than 20 deep")
        outside = [_node(word, prefix, ports) for word in words[1:-1]]
        inner = dict(zip(called.ports, outside, strict=True))
        for body in called.lines:
            self._add(body, subcircuits, f"{prefix}{words[0]}.", inner, depth + 1)


@dataclass(frozen=True)
class _Subcircuit:
    ports: tuple[str, ...]
    lines: list[Line]


def _logical_lines(text: str) -> Iterator[Line]:
    """Lines without title, comments and continuations, in lower case."""
    pending: Line | None = None
    for number, raw in enumerate(text.lower().splitlines()[1:], start=2):
        stripped = raw.strip()
        if ";" in stripped or "$" in stripped:
            stripped = re.split(r"\s;|\$ ", stripped, maxsplit=1)[0].strip()
        if not stripped or stripped[0] in "*;$":
            continue
        if stripped[0] == "+":
            if pending is None:
                raise Line(number, stripped).refuse("a continuation without a line before it")
            pending = Line(pending.number, f"{pending.text} {stripped[1:]}")
            continue
        if pending is not None:
            yield pending
        if stripped == ".end":
            return
        pending = Line(number, stripped)
    if pending is not None:
        yield pending


def _split(lines: list[Line]) -> tuple[list[Line], dict[str, _Subcircuit]]:
    """Top-level element lines and the subcircuits by name."""
    top: list[Line] = []
    subcircuits: dict[str, _Subcircuit] = {}
    inside: _Subcircuit | None = None
    for line in lines:
        if not line.text.startswith("."):
            (top if inside is None else inside.lines).append(line)
            continue
        words = line.text.split()
        if words[0] == ".subckt":
            if inside is not None or len(words) < 2:
                raise line.refuse(".subckt needs a name, and none may stand inside another")
            inside = subcircuits[words[1]] = _Subcircuit(tuple(words[2:]), [])
        elif words[0] == ".ends":
            inside = None
        elif words[0] not in _IGNORED:
            (top if inside is None else inside.lines).append(line)
    if inside is not None:
        raise InputError("The netlist ends inside a .subckt: add its .ends line.")
    return top, subcircuits


def _node(word: str, prefix: str, ports: dict[str, str]) -> str:
    if word in (GROUND, "gnd"):
        return GROUND
    return ports.get(word, prefix + word)


def _value(line: Line, word: str, kind: str) -> float:
    try:
        # Most are plain numbers, which float() reads faster; what it takes beyond those has a _ or ends in a letter.
        value = float(word) if word.isascii() and word[-1:].isdigit() and "_" not in word else spice_number(word)
    except ValueError as error:
        raise line.refuse(f"{error}; expressions are not read, write the number out") from None
    if kind == "r" and value == 0:
        raise line.refuse("a resistor of 0 ohm: join the two nodes instead")
    return value


def _waveform(line: Line, text: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Breakpoints of a source: a number, DC number, or PWL(t v ...)."""
    words = re.sub(r"[(),]", " ", text).split()
    try:
        if words[:1] == ["pwl"]:
            numbers = [spice_number(word) for word in words[1:]]
            if (
                len(numbers) < 2
                or len(numbers) % 2
                or any(b <= a for a, b in zip(numbers[:-2:2], numbers[2::2], strict=True))
            ):
                raise ValueError("PWL takes pairs of rising time and value")
            return tuple(numbers[::2]), tuple(numbers[1::2])
        (value,) = words[1:] if words[:1] == ["dc"] else words
        return (0.0,), (spice_number(value),)
    except ValueError as error:
        raise line.refuse(f"a source is a number, DC number or PWL(...); {error}") from None

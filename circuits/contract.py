"""What the netlist of a user's templates must have, so that it can be driven, read and called: its ports."""

import re

from circuits.errors import InputError
from circuits.netlist import Netlist
from circuits.templates import Templates

OPAMP = ("inp", "inn", "out")
"""Ports of the op-amp, in this order."""
_SUBCKT = re.compile(r"^[ \t]*\.subckt[ \t]+opamp\b([^\n]*(?:\n[ \t]*\+[^\n]*)*)", re.IGNORECASE | re.MULTILINE)
_CELL = re.compile(r"^[a-z]\w*?p(\d+)_(\d+)$")
_ARRAY = re.compile(r"^([a-z]\w*?[pn]\d+_\d+|rx[pn]\d+|[rc]w[rc][pn]\w+)$")
"""Names of what an array consists of."""
_DRAWERS = ("array.cir.j2", "cell.cir.j2", "wires.cir.j2")


def check_ports(netlist: Netlist, main: str, templates: Templates) -> None:
    """Raise InputError, naming the template, the port and the way out, for a circuit that lacks one.

    `main` is the template of the whole circuit.
    """
    _check_opamp(netlist.circuit, templates)
    lines = [line.lower().split() for line in _elements(netlist.circuit)]
    blamed = templates.origin(main if main in templates.replaced else sorted(templates.replaced)[0])
    joined = {word for words in lines for word in words[1:]}
    driven = _driven(lines)
    for kind, nodes, found in (("input", netlist.inputs, joined), ("output", netlist.outputs, driven)):
        for node in nodes:
            if node not in found:
                lack = "joins nothing to the input" if kind == "input" else "lets no op-amp drive the output"
                raise InputError(
                    f"Template {blamed} {lack} {node}: every one of {nodes[0]} .. {nodes[-1]} is needed; "
                    f"see netlist_templates/README.md, ports."
                )
    _check_cells(netlist.circuit, templates)


def _driven(lines: list[list[str]]) -> set[str]:
    """Nodes that an op-amp's output or a source drives, itself or through one part that belongs to no array."""
    driven = {words[-2] for words in lines if words[0][0] == "x" and words[-1] == "opamp"}
    driven |= {words[1] for words in lines if words[0][0] in "evbh"}
    apart = [words for words in lines if words[0][0] in "rl" and not _ARRAY.match(words[0])]
    return driven | {end for words in apart for end in words[1:3] if driven & set(words[1:3])}


def _check_opamp(text: str, templates: Templates) -> None:
    place, line = templates.origin("opamp.cir.j2"), f"`.subckt opamp {' '.join(OPAMP)}`"
    found = _SUBCKT.findall(text)
    if len(found) != 1:
        raise InputError(f"Template {place} defines {len(found)} subcircuits opamp: it needs one, {line}.")
    ports = tuple(word for word in found[0].lower().replace("+", " ").split() if "=" not in word)
    missing = [port for port in OPAMP if port not in ports]
    if missing:
        raise InputError(f"Template {place}: the subcircuit opamp lacks the port {missing[0]}: write {line}.")
    if ports != OPAMP:
        raise InputError(f"Template {place}: the subcircuit opamp has the ports {' '.join(ports)}: write {line}.")


def _check_cells(text: str, templates: Templates) -> None:
    """One cell says how all are drawn: its elements must join a row line and a column line."""
    replaced = [name for name in _DRAWERS if name in templates.replaced]
    cells: dict[str, list[str]] = {}
    for line in _elements(text) if replaced else []:
        words = line.lower().split()
        match = _CELL.match(words[0])
        if match and not words[0].startswith(("rwr", "rwc", "cwr", "cwc")):
            cells.setdefault("_".join(match.groups()), []).extend(words[1:])
    for place, words in list(cells.items())[:1]:
        row, column = place.split("_")
        ends = {
            "row": {f"row{row}", f"rp{place}"},
            "column": {f"out{column}", f"in{column}", f"cp{place}"},
        }
        for port, nodes in ends.items():
            if not nodes & set(words):
                raise InputError(
                    f"Template {templates.origin(replaced[0])}: the cell of row {row} and column {column} has no "
                    f"element on its {port} line: join `{port}` of the macro cell(part, name, row, column, ...)."
                )


def _elements(text: str) -> list[str]:
    """Element lines outside every subcircuit, continuations joined."""
    lines, inside = [], False
    for line in re.sub(r"\n[ \t]*\+", " ", text).splitlines():
        stripped = line.strip()
        if stripped.lower().startswith((".subckt", ".ends")):
            inside = stripped.lower().startswith(".subckt")
        elif stripped and stripped[0] not in "*.;$" and not inside:
            lines.append(stripped)
    return lines

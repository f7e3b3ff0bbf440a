"""What all circuits share: two arrays, drawn once, and a netlist with the parts as they are or with linear ones."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from circuits.contract import check_ports
from circuits.drawing import DrawnArray
from circuits.hardware import Hardware
from circuits.mapping import Conductances
from circuits.netlist import Netlist


@dataclass(frozen=True)
class Circuit(ABC):
    """A signed matrix as a positive and a negative array among op-amps."""

    conductances: Conductances
    hardware: Hardware

    _driver: ClassVar[str]
    """Node name of what drives the columns of the positive array."""
    _template: ClassVar[str]
    """Name of the template of the whole circuit."""

    def netlist(self) -> Netlist:
        """The circuit as text."""
        return self._checked(self._draw(self.hardware, self._arrays))

    def linear_netlist(self) -> Netlist:
        """The same circuit with linear cells and op-amps: what the nodal engine reads."""
        linear = self.hardware.linear()
        # Reducing the lines of a large array costs far more than writing it down.
        same = linear.cell == self.hardware.cell
        return self._checked(self._draw(linear, self._arrays if same else self._drawn(linear)))

    def _checked(self, netlist: Netlist) -> Netlist:
        """The netlist, if templates of the user have left its ports in place."""
        if netlist.templates.texts:
            check_ports(netlist, self._template, netlist.templates)
        return netlist

    @abstractmethod
    def _draw(self, hardware: Hardware, arrays: list[DrawnArray]) -> Netlist:
        """The netlist of these parts and arrays."""

    @cached_property
    def _arrays(self) -> list[DrawnArray]:
        return self._drawn(self.hardware)

    def _drawn(self, hardware: Hardware) -> list[DrawnArray]:
        ends = ("ref", self._driver) if hardware.signed == "compensation" else ("row", "inv")
        part, wires, positive = hardware.cell, hardware.drawn_wires, self.conductances.positive
        return [
            DrawnArray.of("p", "positive", ("row", self._driver), positive, part, wires),
            DrawnArray.of("n", "negative", ends, self.conductances.negative, part, wires),
        ]

"""WHAT is simulated: matrices become conductances, conductances become netlist text."""

from circuits.conditioning import Conditioned, Conditioning
from circuits.errors import InputError
from circuits.hardware import Hardware
from circuits.inverse import InverseCircuit
from circuits.mapping import Conductances, decode, encode
from circuits.multiply import MultiplyCircuit
from circuits.netlist import Netlist
from circuits.nodal import LinearCircuit
from circuits.parts import Converters, OpAmp, RramCell, Wires
from circuits.programming import Programming
from circuits.stimulus import Stimulus
from circuits.vendor import Model

__all__ = [
    "Conditioned",
    "Conditioning",
    "Conductances",
    "Converters",
    "Hardware",
    "InputError",
    "InverseCircuit",
    "LinearCircuit",
    "Model",
    "MultiplyCircuit",
    "Netlist",
    "OpAmp",
    "Programming",
    "RramCell",
    "Stimulus",
    "Wires",
    "decode",
    "encode",
]

"""WHAT is simulated: matrices become conductances, conductances become netlist text."""

from circuits.conditioning import Conditioned, Conditioning
from circuits.errors import InputError
from circuits.hardware import Hardware, OpAmp, RramCell, Wires
from circuits.inverse import InverseCircuit
from circuits.mapping import Conductances, decode, encode
from circuits.netlist import Netlist
from circuits.nodal import LinearCircuit
from circuits.stimulus import Stimulus

__all__ = [
    "Conditioned",
    "Conditioning",
    "Conductances",
    "Hardware",
    "InputError",
    "InverseCircuit",
    "LinearCircuit",
    "Netlist",
    "OpAmp",
    "RramCell",
    "Stimulus",
    "Wires",
    "decode",
    "encode",
]

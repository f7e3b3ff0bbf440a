"""HOW it is run: a matrix is programmed, right-hand sides are solved, every value comes with a verdict."""

from cosim.backends import BACKENDS, Backend, Programmed, ProgrammedMultiply, open_backend
from cosim.solution import InverseError, Solution, Stats, Status

__all__ = [
    "BACKENDS",
    "Backend",
    "InverseError",
    "Programmed",
    "ProgrammedMultiply",
    "Solution",
    "Stats",
    "Status",
    "open_backend",
]

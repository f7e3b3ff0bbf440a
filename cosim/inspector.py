"""From a matrix, or an array as a run had it, to its inspection."""

import numpy as np
from numpy.typing import ArrayLike

from circuits import Conditioning, Hardware, InputError, Stimulus
from circuits.errors import check_choice
from circuits.vendor import refuse_programs
from cosim.analog import AnalogArray
from cosim.check import check_matrix, check_multiply_matrix, check_rhs
from cosim.inspected import Inspected, Question
from cosim.inspection import Inspection
from cosim.multiply import MultiplyArray
from cosim.solution import Array

ENGINES = ("nodal", "spice")
"""Where waveforms can come from."""


def inspect_inverse(
    matrix: ArrayLike,
    rhs: ArrayLike | None = None,
    hardware: Hardware | None = None,
    *,
    backend: str = "nodal",
    conditioning: Conditioning | None = None,
    title: str = "",
    hardware_name: str = "",
    trust: bool = False,
) -> Inspection:
    """The inverse of a matrix (n, n), driven by right-hand sides (n,) or (n, k), the first unit vector if None.

    InputError for a matrix, right-hand side or template that cannot be used. An unstable circuit has an
    inspection too: its poles say so, and its waveforms grow.
    """
    checked = check_matrix(matrix)
    columns = check_rhs(np.eye(len(checked))[0] if rhs is None else rhs, len(checked))
    array = AnalogArray.program(checked, hardware or Hardware(), conditioning or Conditioning())
    every = tuple(range(columns.shape[1]))
    question = Question(columns, every, 0, backend, title, hardware_name, trust)
    return inspect_array(array, checked, question)


def inspect_multiply(
    matrix: ArrayLike,
    vectors: ArrayLike | None = None,
    hardware: Hardware | None = None,
    *,
    backend: str = "nodal",
    title: str = "",
    hardware_name: str = "",
    trust: bool = False,
) -> Inspection:
    """The product of a matrix (n, m) with vectors (m,) or (m, k), the first unit vector if None."""
    checked = check_multiply_matrix(matrix)
    m = checked.shape[1]
    columns = check_rhs(np.eye(m)[0] if vectors is None else vectors, m, "vector")
    array = MultiplyArray.of(checked, hardware or Hardware())
    every = tuple(range(columns.shape[1]))
    return inspect_array(array, checked, Question(columns, every, 0, backend, title, hardware_name, trust))


def inspect_array(array: AnalogArray, matrix: Array, question: Question) -> Inspection:
    """A programmed array, `matrix` (n, m) [-] being what was asked for."""
    check_choice("backend", question.backend, ENGINES)
    if not (question.trust or array.hardware.trusted):
        silent = Stimulus(np.zeros((len(array.netlist.inputs), 1)), period=1.0, rise=0.5)
        refuse_programs(array.netlist.deck(silent), "The netlist")
    now = array
    if array.hardware.programming.read_noise:
        if len(question.columns) > 1:
            raise InputError("Read noise gives every right-hand side a netlist of its own: choose one with --column.")
        now = array.during(question.call + question.columns[0])
    return Inspected(now, array.aim(question.rhs), matrix, question).inspection()

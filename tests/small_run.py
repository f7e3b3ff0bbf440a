"""The folder of a short run as the training loop writes it, with stored inputs, and without training anything."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cases import Array

from circuits.hardware_file import load_hardware
from cosim import Programmed, Solution, open_backend
from training.calls import CallStore
from training.config import RunConfig
from training.record import RunFolder

SIDES = 4
"""Right-hand sides of every solve."""


@dataclass(frozen=True)
class Solved:
    layer: str
    factor: str
    programmed: Programmed
    calls: int
    rhs: Array
    solution: Solution


def write_run(path: Path, steps: list[dict[str, Array]], inputs: str = "all", hardware: str = "default") -> Path:
    """A nodal run in which each step programs and solves its matrices, named layer/factor."""
    config = RunConfig(backend="nodal", hardware=hardware).resolved()
    store = CallStore(path / "inputs", keep=inputs)
    chip = load_hardware(hardware)
    with RunFolder(path, config) as folder, open_backend("nodal", hardware=chip) as backend:
        for step, matrices in enumerate(steps, start=1):
            solved = []
            for key, matrix in matrices.items():
                programmed, rhs = backend.program(matrix), sides(step, len(matrix))
                solution = programmed.solve(rhs, throw=False)
                solved.append(Solved(*key.rsplit("/", 1), programmed, 0, rhs, solution))
            folder.add_step(step, solved)
            store.add(step, solved)
    return path


def sides(step: int, n: int) -> Array:
    """(n, SIDES) right-hand sides."""
    return np.random.default_rng([step, n]).normal(size=(SIDES, n)).T

"""The ways to solve one analog inverse that `ohmvert bench` holds side by side, each timed on the same problems."""

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.linalg import lu_factor, lu_solve

from circuits import Conditioning, Hardware, InputError
from circuits.matrices import spd
from cosim.analog import AnalogArray
from cosim.backends import open_backend
from cosim.job import Job
from cosim.pool import SpicePool
from cosim.solution import Array

CONDITION = 10.0
"""[-] of the matrices: eigenvalues evenly spaced in logarithm, signed entries."""
REPEATS = 20
"""Digital solves and nodal solves, microseconds each, are timed so many times in a row."""


@dataclass(frozen=True)
class Problem:
    """A matrix, right-hand sides, and the hardware that solves with it."""

    size: int
    sides: int
    """k [-] right-hand sides, standard normal."""
    hardware: Hardware
    seed: int
    """Of the matrix and its right-hand sides: another one for every repeat, so that nothing is found in a cache."""

    @cached_property
    def matrix(self) -> Array:
        """(n, n) [-] symmetric, positive definite."""
        return spd(self.size, CONDITION, self.seed)

    @cached_property
    def rhs(self) -> Array:
        """(n, k) [-]."""
        return self.draw(self.sides, 0)

    def draw(self, sides: int, again: int) -> Array:
        """(n, sides) [-] right-hand sides that nothing has solved before."""
        return np.random.default_rng([self.seed, again]).standard_normal((self.size, sides))

    @cached_property
    def array(self) -> AnalogArray:
        """The programmed array."""
        return AnalogArray.program(self.matrix, self.hardware, Conditioning())

    @cached_property
    def scale(self) -> Array:
        """(k,) [V] for 1 in each right-hand side."""
        return self.array.input_scale(self.rhs)

    @cached_property
    def volts(self) -> Array:
        """(n, k) [V] at the inputs."""
        return self.array.inputs(self.rhs, self.scale, call=0)

    def job(self) -> Job:
        """All right-hand sides in one transient."""
        netlist, stimulus = self.array.netlist, self.array.stimulus(self.volts)
        return Job(netlist.deck(stimulus), netlist.outputs, stimulus.ends, self.array.limits)

    def decode(self, volts: Array) -> Array:
        """(n, k) [-] what output volts (n, k) [V] of the first k right-hand sides stand for."""
        k = volts.shape[1]
        return self.array.decode(volts, self.scale[:k], self.rhs[:, :k], call=0)


@dataclass(frozen=True)
class Timed:
    """How long a method took, and its answers to the first problem."""

    seconds: float
    """Wall time for each right-hand side [s]."""
    calls: int
    """Right-hand sides that were timed."""
    values: Array
    """(n, k) [-], k of `calls` at most."""
    figures: dict[str, float] = field(default_factory=dict)
    """What else was measured, by name."""


def solve_ours(problems: Sequence[Problem], pool: SpicePool, further: bool) -> Timed:
    """Program and solve with the spice backend; `further` times a second set of right-hand sides as well."""
    # Not closed: that would stop the pool, which other measurements share.
    backend = open_backend("spice", hardware=problems[0].hardware, executor=pool)
    start = time.perf_counter()
    programmed = backend.program_many([p.matrix for p in problems])
    solutions = backend.solve_many([(a, p.rhs) for a, p in zip(programmed, problems, strict=True)], throw=False)
    seconds = time.perf_counter() - start
    calls = sum(p.sides for p in problems)
    figures = {
        "outside": 1 - backend.engine_seconds / seconds,
        "time_points": sum(s.stats.time_points for s in solutions) / calls,
    }
    if further:
        start = time.perf_counter()
        backend.solve_many([(a, p.draw(p.sides, 1)) for a, p in zip(programmed, problems, strict=True)], throw=False)
        figures["further_s"] = (time.perf_counter() - start) / calls
    return Timed(seconds / calls, calls, solutions[0].value, figures)


def solve_naive(problems: Sequence[Problem], pool: SpicePool, sides: int, build_once: bool = False) -> Timed:
    """The first `sides` right-hand sides of each problem by PySpice objects; wired arrays segment by segment."""
    from cosim.naive import NaiveTask, run_naive

    tasks = []
    for p in problems:
        every = replace(p.hardware, wires=replace(p.hardware.wires, reduce="never"))
        netlist = AnalogArray.program(p.matrix, every, Conditioning()).netlist
        # Window and inputs come from the reduced array, which is the same at its ports.
        shown = p.volts[:, :sides]
        tasks.append(
            NaiveTask(netlist.circuit, netlist.inputs, netlist.outputs, shown, p.array.rise, p.array.period, build_once)
        )
    start = time.perf_counter()
    runs = pool.map(run_naive, tasks)
    seconds, calls = time.perf_counter() - start, sum(t.volts.shape[1] for t in tasks)
    figures = {
        "building": sum(run.build_seconds for run in runs) / sum(run.seconds for run in runs),
        "time_points": sum(run.time_points for run in runs) / calls,
    }
    return Timed(seconds / calls, calls, problems[0].decode(runs[0].volts), figures)


def solve_by_command(problems: Sequence[Problem], processes: int, sides: int) -> Timed:
    """The first `sides` right-hand sides of each problem, a process `ngspice -b` for each, of our netlist."""
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for i, p in enumerate(problems):
            for j in range(min(sides, p.sides)):
                files.append(Path(folder, f"{i}_{j}.cir"))
                files[-1].write_text(_deck(p, j))
        start = time.perf_counter()
        with ThreadPoolExecutor(processes) as threads:
            columns = list(threads.map(_run_command, files))
        seconds = time.perf_counter() - start
    volts = np.array(columns[: min(sides, problems[0].sides)]).T
    return Timed(seconds / len(files), len(files), problems[0].decode(volts))


def _deck(problem: Problem, column: int) -> str:
    netlist, stimulus = problem.array.netlist, problem.array.stimulus(problem.volts[:, [column]])
    read_at = float(stimulus.ends[-1]) * (1 - 1e-6)
    measures = "".join(f".meas tran m{i} find v({node}) at={read_at:.12g}\n" for i, node in enumerate(netlist.outputs))
    return netlist.deck(stimulus, measures=measures)


def _run_command(file: Path) -> list[float]:
    """Volts of the outputs; InputError with the program's last words where it prints none."""
    # -n: no .spiceinit, which could change results.
    done = subprocess.run(
        ["ngspice", "-n", "-b", str(file)], capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    found = dict(re.findall(r"^m(\d+)\s*=\s*(\S+)", done.stdout, re.MULTILINE))
    if not found:
        raise InputError(f"ngspice -b measured nothing: {(done.stderr or done.stdout)[-300:]}")
    return [float(found[str(i)]) for i in range(len(found))]


def solve_nodal(problem: Problem) -> Timed:
    """Program and solve with the nodal backend, then further right-hand sides."""
    backend = open_backend("nodal", hardware=problem.hardware)
    start = time.perf_counter()
    programmed = backend.program(problem.matrix)
    values = programmed.solve(problem.rhs).value
    seconds = time.perf_counter() - start
    more = [problem.draw(problem.sides, i + 1) for i in range(REPEATS)]
    start = time.perf_counter()
    for rhs in more:
        programmed.solve(rhs)
    further = (time.perf_counter() - start) / REPEATS / problem.sides
    return Timed(seconds / problem.sides, problem.sides, values, {"further_s": further})


def solve_dense(problem: Problem) -> Timed:
    """LAPACK by way of NumPy, factorisation included, then further right-hand sides with the factors."""
    start = time.perf_counter()
    for _ in range(REPEATS):
        values = np.linalg.solve(problem.matrix, problem.rhs)
    seconds = (time.perf_counter() - start) / REPEATS
    factors = lu_factor(problem.matrix)
    start = time.perf_counter()
    for _ in range(REPEATS):
        lu_solve(factors, problem.rhs)
    further = (time.perf_counter() - start) / REPEATS / problem.sides
    return Timed(seconds / problem.sides, problem.sides, np.asarray(values), {"further_s": further})

"""Two ways to negative entries against each other: column inverters, and compensation at the op-amps' inputs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from circuits import Conditioning
from circuits.hardware import SIGNED
from cosim.analog import AnalogArray
from cosim.effects import Effect, find_effects
from cosim.solution import Array
from cosim.tasks import Done, ignore, map_tasks
from cosim.trial import Trial, damped_factors, run_trial, seeds_of, summary

NODAL = ("ideal", "gain 1e4", "offset 1 mV", "wires 1.73 ohm", "all together")
"""Effects under which both circuits are compared in the nodal engine."""
SPICE = ("ideal", "all with limits")
"""Effects under which a sample of the factors is compared in ngspice."""


@dataclass(frozen=True)
class Contest:
    """One circuit under one effect on one backend, as a row has it."""

    backend: str
    effect: Effect
    signed: str
    matrices: dict[str, Array]
    """(n, n) [-] by name."""


def count_op_amps(netlist: str) -> int:
    """Op-amps [-] of a circuit: the lines X... opamp of its text."""
    return len(re.findall(r"^X.* opamp$", netlist, re.MULTILINE))


def one_of_each_size(matrices: Mapping[str, Array]) -> dict[str, Array]:
    """The last matrix of every size, by name."""
    last = {len(matrix): name for name, matrix in matrices.items()}
    return {name: matrix for name, matrix in matrices.items() if last[len(matrix)] == name}


def comparison_table(
    factors: Mapping[str, Array],
    damping: float = 0.1,
    seeds: int = 3,
    *,
    sides: int = 4,
    spice: bool = True,
    workers: int | None = None,
    done: Done = ignore,
) -> list[dict[str, Any]]:
    """A row for each effect, circuit and factor (n, n), default conditioning; `damping` [-] of the mean diagonal.

    The nodal engine takes all factors and `seeds` chips, ngspice one factor of each size and one chip.
    InputError for bad arguments, and where ngspice is asked for and missing.
    """
    seeds_of(seeds)
    matrices = damped_factors(factors, damping)
    sample = _contests("spice", SPICE, one_of_each_size(matrices)) if spice else []
    # ngspice first: where it is missing, that is said before minutes of work.
    last = _rows(sample, damping, 1, sides, 1, done)
    return _rows(_contests("nodal", NODAL, matrices), damping, seeds, sides, workers, done) + last


def _contests(backend: str, names: Sequence[str], matrices: dict[str, Array]) -> list[Contest]:
    return [Contest(backend, effect, signed, matrices) for effect in find_effects(names) for signed in SIGNED]


def _rows(
    contests: Sequence[Contest], damping: float, seeds: int, sides: int, workers: int | None, done: Done
) -> list[dict[str, Any]]:
    trials = [_trial(contest, seed, sides) for contest in contests for seed in seeds_of(seeds)]
    tried = map_tasks(run_trial, trials, workers, done)
    rows = []
    for i, contest in enumerate(contests):
        chips = tried[i * seeds : (i + 1) * seeds]
        for name, matrix in contest.matrices.items():
            keys = {"backend": contest.backend, "effect": contest.effect.name, "signed": contest.signed}
            sizes = {"factor": name, "size": len(matrix), "op_amps": _op_amps(contest, matrix)}
            setting = {"damping": damping, "seeds": seeds, "sides": sides}
            rows.append({**keys, **sizes, **setting, **summary([chip[name] for chip in chips])})
    return rows


def _trial(contest: Contest, seed: int, sides: int) -> Trial:
    hardware = replace(contest.effect.hardware, signed=contest.signed, seed=seed)
    return Trial(contest.backend, hardware, Conditioning(), contest.matrices, sides)


def _op_amps(contest: Contest, matrix: Array) -> int:
    hardware = _trial(contest, 0, 1).hardware
    # Wires take time to draw and have no op-amps.
    ideal = replace(hardware, wires=type(hardware.wires)())
    return count_op_amps(AnalogArray.program(matrix, ideal, Conditioning()).netlist.circuit)

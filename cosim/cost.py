"""What the inverses of a training step cost on analog arrays: time and energy, by where they go.

An operation is: codes to volts (DAC), the circuit settles, volts to codes (ADC, several outputs in turn). Its circuit
stays on while it is read, at the mean power of the call, and takes nothing in between. Programming is paid once in a
refresh interval. Every figure follows from circuits that were measured (`cosim.energy`) and from `Constants`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

from circuits import Converters
from circuits.errors import InputError, check_whole
from circuits.power import Supply
from cosim.cost_constants import ESTIMATES, Constants
from cosim.energy import Call
from cosim.operations import Operations

WORD = 4
"""Bytes [-] of a number in the digital part."""


@dataclass(frozen=True)
class Parts:
    """A time [s] or an energy [J] by where it goes."""

    settling: float = 0.0
    """The circuits: their settling; of the energy also what they take while they are read."""
    dac: float = 0.0
    adc: float = 0.0
    programming: float = 0.0
    digital: float = 0.0
    """Conditioning and Schur complements, and moving vectors and matrices."""

    @property
    def total(self) -> float:
        """The sum of all parts."""
        return self.settling + self.dac + self.adc + self.programming + self.digital

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.settling + other.settling,
            self.dac + other.dac,
            self.adc + other.adc,
            self.programming + other.programming,
            self.digital + other.digital,
        )


@dataclass(frozen=True)
class Cost:
    """Time and energy of the same work."""

    time: Parts
    """[s]"""
    energy: Parts
    """[J]"""


@dataclass(frozen=True)
class Calls:
    """Calls of arrays that were measured, by their rows."""

    inv: Mapping[int, Call]
    """Of arrays that solve."""
    mvm: Mapping[int, Call] = field(default_factory=dict)
    """Of arrays that multiply."""

    def at(self, kind: str, rows: int, supply: Supply) -> tuple[float, float]:
        """(settling time [s], energy [J]) of the smallest measured array that has the rows, its energy in proportion.

        InputError where none is large enough, and where its outputs did not move.
        """
        table = self.inv if kind == "inv" else self.mvm
        sizes = [size for size in table if size >= rows]
        if not sizes:
            raise InputError(
                f"No {kind} call of an array of {rows} rows was measured, the largest has "
                f"{max(table, default=0)}: measure one, or take a smaller max_array."
            )
        call = table[min(sizes)]
        if not call.settling_time > 0:
            raise InputError(
                f"The measured {kind} call of {min(sizes)} rows has a settling time of {call.settling_time:g} s: "
                f"measure one whose outputs move."
            )
        return call.settling_time, call.flow.energy(supply).total * rows / min(sizes)


@dataclass(frozen=True)
class Work:
    """One factor of a step: its operations, its right-hand sides, and whether it waits for the other factor."""

    operations: Operations
    solves: int
    """Right-hand sides of a step."""
    second: bool = False
    """Whether it starts when the layer's other factor is done: G^-1 (gradient A^-1)."""


@dataclass(frozen=True)
class CostModel:
    """Prices of operations."""

    calls: Calls
    constants: Constants = field(default_factory=Constants)
    converters: Converters = field(default_factory=Converters)
    refresh: int = 10
    """[steps] how long a programmed matrix is used, 1 or more."""
    copies: int = 1
    """[-] arrays that hold the same matrix, 1 or more; each takes its part of the right-hand sides."""

    def __post_init__(self) -> None:
        check_whole("CostModel.refresh", self.refresh, 1, 2**31)
        check_whole("CostModel.copies", self.copies, 1, 2**31)

    def step(self, works: Iterable[Work], together: bool = True) -> Cost:
        """All factors of a step. InputError for a size that was not measured, or without any factor.

        With `together` every factor has arrays of its own: all A factors work at once, then all G factors, and the
        slowest of each counts. Otherwise one follows the other. The digital part is one processor in both.
        """
        listed = list(works)
        if not listed:
            raise InputError("A step without any factor has no cost: give at least one.")
        # Networks repeat their layers: what is alike is priced once.
        priced = {work: self.factor(work) for work in set(listed)}
        costs = [priced[work] for work in listed]
        times = [cost.time for cost in costs]
        analog = [replace(time, digital=0.0) for time in times]
        if together:
            groups = [[a for a, w in zip(analog, listed, strict=True) if w.second is turn] for turn in (False, True)]
            analog = [max(group, key=lambda parts: parts.total) for group in groups if group]
        time = sum(analog, Parts(digital=sum(one.digital for one in times)))
        return Cost(time, sum((cost.energy for cost in costs), Parts()))

    def factor(self, work: Work) -> Cost:
        """One factor: the right-hand sides of a copy one after the other, and its part of a refresh."""
        return Cost(self._time(work), self._energy(work))

    def range(self, works: Iterable[Work], together: bool = True) -> dict[str, Cost]:
        """The step at the 'low', 'nominal' and 'high' estimate of all constants at once."""
        listed = list(works)
        models = {name: replace(self, constants=self.constants.at(name)) for name in ESTIMATES}
        return {name: model.step(listed, together) for name, model in models.items()}

    def _time(self, work: Work) -> Parts:
        c, o, k = self.constants, work.operations, -(-work.solves // self.copies)
        steps = k * (o.inv_steps + o.mvm_steps)
        settling = k * sum(steps * self._call(kind, o)[0] for kind, steps in _used(inv=o.inv_steps, mvm=o.mvm_steps))
        written = o.rows * min(c.write_share.value, o.rows) * c.write_pulses.value * c.write_time.value
        return Parts(
            settling=settling,
            dac=steps * c.dac_time.value,
            adc=steps * self._reading(o),
            programming=written / self.refresh,
            digital=self._macs(work) * c.mac_time.value,
        )

    def _energy(self, work: Work) -> Parts:
        c, o, k = self.constants, work.operations, work.solves
        conversions = k * (o.inv + o.mvm) * o.rows
        settling = 0.0
        for kind, count in _used(inv=o.inv, mvm=o.mvm):
            time, energy = self._call(kind, o)
            settling += k * count * energy * (1 + self._reading(o) / time)
        writes = self.copies / self.refresh
        moved = WORD * (2 * o.size * k + o.size**2 * writes)
        return Parts(
            settling=settling,
            dac=conversions * c.dac_step.value * 2 ** self._bits[0],
            adc=conversions * c.adc_step.value * 2 ** self._bits[1],
            programming=o.cells * c.write_pulses.value * c.write_energy.value * writes,
            digital=self._macs(work) * c.mac_energy.value + moved * c.byte_energy.value,
        )

    def _call(self, kind: str, operations: Operations) -> tuple[float, float]:
        return self.calls.at(kind, operations.rows, self.constants.op_amp)

    def _reading(self, operations: Operations) -> float:
        """[s] until all outputs of an array are read."""
        return min(self.constants.adc_share.value, operations.rows) * self.constants.adc_time.value

    def _macs(self, work: Work) -> float:
        return work.solves * work.operations.vector_macs + work.operations.refresh_macs / self.refresh

    @cached_property
    def _bits(self) -> tuple[float, float]:
        """Of a DAC and an ADC; ideal ones are taken for some that cost something."""
        ideal = self.constants.ideal_bits.value
        return self.converters.dac_bits or ideal, self.converters.adc_bits or ideal


def works_of(factors: Iterable[tuple[str, int, int]], max_array: int) -> list[Work]:
    """The factors of a workload, (name, rows, right-hand sides), on arrays of max_array; G ('.../G') waits for A."""
    return [Work(Operations.on_arrays(n, max_array), k, second=name.endswith("/G")) for name, n, k in factors]


def _used(**counts: float) -> list[tuple[str, float]]:
    return [(kind, count) for kind, count in counts.items() if count]

"""Ratios of the arrays to a digital processor: their range, what would reproduce the paper's figures, what breaks them.

The paper (arXiv:2512.05342) states 5.88x the throughput and 6.9x the energy efficiency of unnamed digital processors
on an unnamed task. Nothing here is its setting: a value that leads to the same ratio shows what such a ratio rests on.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, Self

from scipy.optimize import brentq

from circuits import Converters
from circuits.errors import check_choice
from cosim.array_calls import slower
from cosim.cost import Calls, Cost, CostModel, Work
from cosim.cost_constants import ESTIMATES, Constant, Constants
from cosim.digital import Baseline

TARGETS = {"throughput": 5.88, "energy efficiency": 6.9}
"""[x] the paper's ratio of each quantity."""
REFRESH = Constant(10, "steps", 1, 100, "K-FAC's inverse interval: kfac-pytorch 1 and 10, KFAC-Pytorch 100", True)
COPIES = Constant(1, "arrays", 1, 64, "arrays that hold the same matrix; a choice of the design", True)
TINY = 1e-9
"""Ratios that differ by less [-] are the same."""
DECADES = 9  # how far from its value a constant is searched


@dataclass(frozen=True)
class Arrays:
    """The analog side of a step."""

    works: tuple[Work, ...]
    calls: Calls
    """As measured."""
    settling: Constant
    """[x] by which INV calls are longer than measured, see `cosim.array_calls`."""
    constants: Constants = field(default_factory=Constants)
    converters: Converters = field(default_factory=Converters)
    refresh: int = int(REFRESH.value)
    """[steps] how long a programmed matrix is used."""
    copies: int = int(COPIES.value)
    """[-] arrays that hold the same matrix."""
    together: bool = True
    """Whether every factor has arrays of its own."""

    def cost(self, estimate: str = "nominal") -> Cost:
        """Time and energy of a step at the 'low', 'nominal' or 'high' estimate of everything; InputError as CostModel.

        Refresh interval, copies and `together` are choices: they have no estimates.
        """
        constants = self.constants if estimate == "nominal" else self.constants.at(estimate)
        calls = slower(self.calls, ESTIMATES[estimate](self.settling))
        model = CostModel(calls, constants, self.converters, self.refresh, self.copies)
        return model.step(self.works, self.together)

    def row(self, estimate: str) -> dict[str, dict[str, float]]:
        """Time [s] and energy [J] by part, for a report."""
        cost = self.cost(estimate)
        parts = {"time_s": cost.time, "energy_J": cost.energy}
        return {name: {**asdict(part), "total": part.total} for name, part in parts.items()}


@dataclass(frozen=True)
class Comparison:
    """The arrays against one processor, in 'throughput' or in 'energy efficiency'."""

    arrays: Arrays
    baseline: Baseline
    quantity: str

    def __post_init__(self) -> None:
        check_choice("Comparison.quantity", self.quantity, list(TARGETS))

    def ratio(self, analog: str = "nominal", digital: str = "nominal") -> float:
        """[x] what the processor takes over what the arrays take, each at an estimate of its own."""
        cost, refresh = self.arrays.cost(analog), self.arrays.refresh
        if self.quantity == "throughput":
            return self.baseline.time(refresh, digital) / cost.time.total
        return self.baseline.energy(refresh, digital) / cost.energy.total

    def range(self) -> dict[str, float]:
        """[x] dear arrays against a cheap processor (low), nominal, and cheap arrays against a dear one (high)."""
        return {"low": self.ratio("high", "low"), "value": self.ratio(), "high": self.ratio("low", "high")}

    def row(self) -> dict[str, Any]:
        """The ratio, its range, and what every number does to it, for a report."""
        return {
            "processor": self.baseline.name,
            "quantity": self.quantity,
            **self.range(),
            "one_by_one": self.with_arrays(together=False).ratio(),
            "target": TARGETS[self.quantity],
            "numbers": [finding.row() for finding in findings(self)],
        }

    def with_arrays(self, **changes: Any) -> Self:
        """The same with other arrays."""
        return replace(self, arrays=replace(self.arrays, **changes))


@dataclass(frozen=True)
class Knob:
    """One number that a ratio depends on, all others as they are."""

    name: str
    constant: Constant
    put: Callable[[float], Comparison]
    """The comparison with another value of it."""
    least: float = 0.0
    """Smallest value that is looked at."""
    most: float = math.inf
    whole: bool = False

    def ratio(self, value: float) -> float:
        """[x] with that value."""
        return self.put(value).ratio()

    def grid(self) -> list[float]:
        """Values from the least to the most, a decade apart, the present one among them."""
        steps = (self.constant.value * 10.0**e for e in range(-DECADES, DECADES + 1))
        inside = {value for value in steps if self.least < value < self.most}
        if self.whole:
            inside = {float(round(value)) for value in inside if value >= 1}
        ends = {self.least, *([self.most] if math.isfinite(self.most) else [])}
        return sorted(inside | ends | {float(self.constant.value)})

    def needed(self, target: float) -> float | None:
        """The value nearest to the present one that gives the target, None where no value does.

        Of the two whole numbers between which the ratio passes the target, the one that comes closer to it.
        """
        places = self.grid()
        if not self.whole and self._gap(places[0], target) * self._gap(places[-1], target) > 0:
            return None  # a constant moves a ratio in one direction
        here = places.index(float(self.constant.value))
        for i in sorted(range(len(places) - 1), key=lambda i: abs(i + 0.5 - here)):
            gaps = self._gap(places[i], target), self._gap(places[i + 1], target)
            if min(gaps) <= 0 <= max(gaps) and gaps[0] != gaps[1]:
                return self._between(places[i], places[i + 1], target)
        return None

    def _gap(self, value: float, target: float) -> float:
        return log(self.ratio(value) / target)

    def _between(self, low: float, high: float, target: float) -> float:
        if not self.whole:
            return float(brentq(self._gap, low, high, args=(target,), xtol=1e-13 * high, rtol=1e-13))
        left, right, sign = int(low), int(high), self._gap(low, target)
        while right - left > 1:
            middle = (left + right) // 2
            left, right = (middle, right) if self._gap(middle, target) * sign > 0 else (left, middle)
        return float(min(left, right, key=lambda value: abs(self._gap(value, target))))


LEAST = {"supply": 1e-3, "adc_share": 1.0, "write_share": 1.0}
MOST = {"supply": 100.0, "quiescent": 1.0, "ideal_bits": 24.0}
"""What a constant cannot go beyond; unlisted ones go from 0 up."""


def knobs(comparison: Comparison) -> Iterator[Knob]:
    """All that the ratio depends on: circuits, constants, refresh interval, copies, and the processor's constants."""
    arrays, baseline = comparison.arrays, comparison.baseline
    yield Knob("settling", arrays.settling, lambda v: comparison.with_arrays(settling=put(arrays.settling, v)), 1e-6)
    for name, constant in arrays.constants.items().items():
        yield Knob(name, constant, _constant(comparison, name), LEAST.get(name, 0.0), MOST.get(name, math.inf))
    refresh, copies = _choice(REFRESH, arrays.refresh), _choice(COPIES, arrays.copies)
    yield Knob("refresh", refresh, lambda v: comparison.with_arrays(refresh=int(v)), 1, 10**6, whole=True)
    yield Knob("copies", copies, lambda v: comparison.with_arrays(copies=int(v)), 1, 10**6, whole=True)
    for name, constant in baseline.constants.items():
        yield Knob(f"processor {name}", constant, _processor(comparison, name))


def _constant(comparison: Comparison, name: str) -> Callable[[float], Comparison]:
    constants = comparison.arrays.constants
    constant = constants.items()[name]
    return lambda v: comparison.with_arrays(constants=replace(constants, **{name: put(constant, v)}))


def _processor(comparison: Comparison, name: str) -> Callable[[float], Comparison]:
    old = comparison.baseline.constants
    changed = partial(replace, comparison.baseline)
    return lambda v: replace(comparison, baseline=changed(constants={**old, name: put(old[name], v)}))


def log(ratio: float) -> float:
    """The logarithm; of 0, which a processor without power or time gives, a very small number."""
    return math.log(max(ratio, 1e-300))


def put(constant: Constant, value: float) -> Constant:
    """The constant at one value, without a range."""
    return replace(constant, value=value, low=value, high=value)


def _choice(constant: Constant, value: int) -> Constant:
    return replace(constant, value=value, low=min(constant.low, value), high=max(constant.high, value))


@dataclass(frozen=True)
class Finding:
    """What one number does to a ratio."""

    knob: Knob
    at_low: float
    """[x] the ratio with it at its low estimate."""
    at_high: float
    nominal: float
    target: float
    needed: float | None
    """The value that gives the target, None for none."""

    @property
    def verdict(self) -> str:
        """'reproduces' the target inside its range, 'outside' of it, or 'never'."""
        if self.needed is None:
            return "never"
        return "reproduces" if self.knob.constant.low <= self.needed <= self.knob.constant.high else "outside"

    @property
    def breaks(self) -> bool:
        """Whether it alone, inside its range, takes a ratio of 1 or more below 1."""
        return min(self.at_low, self.at_high) < 1 <= self.nominal

    def row(self) -> dict[str, Any]:
        """For a report."""
        constant = self.knob.constant
        return {
            "name": self.knob.name,
            **{word: getattr(constant, word) for word in ("value", "unit", "low", "high")},
            **{"ratio_at_low": self.at_low, "ratio_at_high": self.at_high},
            "needed": self.needed,
            "ratio_at_needed": None if self.needed is None else self.knob.ratio(self.needed),
            "verdict": self.verdict,
            "breaks": self.breaks,
        }


def findings(comparison: Comparison) -> list[Finding]:
    """One for every number that moves the ratio; the others, such as an energy for the throughput, are left out."""
    nominal, target = comparison.ratio(), TARGETS[comparison.quantity]
    found = []
    for knob in knobs(comparison):
        ends = knob.ratio(knob.constant.low), knob.ratio(knob.constant.high)
        grid = knob.grid()
        if max(abs(log(r / nominal)) for r in (*ends, knob.ratio(grid[0]), knob.ratio(grid[-1]))) > TINY:
            found.append(Finding(knob, *ends, nominal, target, knob.needed(target)))
    return found

"""The non-idealities one by one: what each alone does to an inverse-vector product."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from circuits import Conditioning, Hardware, InputError
from cosim.backends import BACKENDS
from cosim.solution import Array
from cosim.sweep import with_field
from cosim.tasks import Done, ignore, map_tasks
from cosim.trial import Trial, damped_factors, run_trial, seeds_of, summary

CONDITIONINGS = {"on": Conditioning(), "off": Conditioning.off()}
"""What stands before the array, by the word in the table."""


@dataclass(frozen=True)
class Effect:
    """A hardware that differs from the preset `base` in the named fields alone."""

    name: str
    text: str
    """One line: what is switched on."""
    changes: dict[str, Any] = field(default_factory=dict)
    """'part.field' or 'field' -> value in the unit of the field, applied in this order."""
    base: str = "ideal"

    @property
    def hardware(self) -> Hardware:
        """The hardware with the effect on."""
        hardware = Hardware.preset(self.base)
        for name, value in self.changes.items():
            hardware = with_field(hardware, name, value)
        return hardware

    def runs_in(self, backend: str) -> bool:
        """Whether a backend simulates it: non-linear parts need ngspice."""
        return backend == "spice" or self.hardware.is_linear


_NEURRAM = {"programming.spread": "neurram-1s"}
_CHIP = {"converters.dac_bits": 4, "converters.adc_bits": 4}
_NO_LIMITS = {"opamp.slew": float("inf"), "opamp.swing": float("inf")}

EFFECTS = (
    Effect("ideal", "Nothing: continuous cells, gain 1e9, perfect lines."),
    Effect("levels 8", "Cells hold 8 levels (3 bits).", {"cell.levels": 8}),
    Effect("write error 2 %", "Programming leaves a normal error of 2 % of each target.", {"programming.sigma": 0.02}),
    Effect("spread neurram-1s", "Measured spread of HfOx cells 1 s after write-verify.", _NEURRAM),
    Effect("retention 1 day", "The same cells a day later.", {**_NEURRAM, "programming.age": 86400.0}),
    Effect("variation 2 %", "Each device conducts more or less by 2 %.", {"programming.variation": 0.02}),
    Effect("stuck on 0.5 %", "1 cell in 200 always has g_max.", {"programming.stuck_on": 0.005}),
    Effect("stuck off 0.5 %", "1 cell in 200 always has g_min.", {"programming.stuck_off": 0.005}),
    Effect(
        "read noise 1 %", "Each cell's conductance has 1 % noise, new in each call.", {"programming.read_noise": 0.01}
    ),
    Effect("g_min 0.5 uS", "Erased cells still conduct 0.5 uS.", {"cell.g_min": 0.5e-6}),
    # r_on first: an access resistor of 0 ohm is refused.
    Effect("access 2 kohm", "An access transistor's 2 kohm in series.", {"cell.r_on": 2e3, "cell.access": "resistor"}),
    Effect("sinh cell 0.25 V", "Cells conduct as sinh(V / 0.25 V).", {"cell.v_sinh": 0.25}),
    Effect("gain 1e4", "Op-amps of 80 dB.", {"opamp.gain": 1e4}),
    Effect("offset 1 mV", "Input offsets of 1 mV, one standard deviation.", {"opamp.offset": 1e-3}),
    Effect("bias 25 pA", "25 pA into each op-amp input.", {"opamp.bias": 25e-12}),
    Effect("bias 1 uA", "1 uA into each op-amp input.", {"opamp.bias": 1e-6}),
    Effect("output 50 ohm", "Op-amps with 50 ohm of output resistance.", {"opamp.r_out": 50.0}),
    Effect("slew 1800 V/us", "Op-amps slew at most at 1800 V/us.", {"opamp.slew": 1800e6}),
    Effect("swing 4 V", "Op-amps saturate at 4 V.", {"opamp.swing": 4.0}),
    Effect("wires 1.73 ohm", "1.73 ohm in each line segment.", {"wires.r_row": 1.73, "wires.r_col": 1.73}),
    Effect("converters 4 bit", "DACs and ADCs of 4 bits.", _CHIP),
    Effect("compensation", "Negative entries by compensation, no inverters.", {"signed": "compensation"}),
    Effect("all together", "Preset rram40 without op-amp limits, 4-bit converters.", {**_CHIP, **_NO_LIMITS}, "rram40"),
    Effect("all with limits", "Preset rram40 with slew and swing limits, 4-bit converters.", _CHIP, "rram40"),
)
"""Every effect, each alone on preset 'ideal', and at last those of the 40 nm chip together."""


def find_effects(names: Sequence[str]) -> tuple[Effect, ...]:
    """The effects of these names in the order of EFFECTS, all for none; InputError listing the known names."""
    known = [effect.name for effect in EFFECTS]
    for name in names:
        if name not in known:
            raise InputError(f"Unknown effect {name!r}: the known ones are {', '.join(known)}.")
    return tuple(effect for effect in EFFECTS if not names or effect.name in names)


def effects_table(
    factors: Mapping[str, Array],
    backend: str = "nodal",
    damping: float = 0.1,
    seeds: int = 3,
    *,
    sides: int = 4,
    effects: Sequence[Effect] = EFFECTS,
    workers: int | None = None,
    done: Done = ignore,
) -> list[dict[str, Any]]:
    """A row for each effect, factor (n, n) and conditioning on or off, over `seeds` chips of `sides` calls each.

    `damping` [-] is relative to the mean diagonal. Effects that the backend does not simulate have no row;
    calls that failed are counted in theirs. InputError for bad arguments and where no effect is left.
    """
    matrices = damped_factors(factors, damping)
    cases = [(effect, word) for effect in effects if effect.runs_in(backend) for word in CONDITIONINGS]
    if not cases:
        raise InputError(f"Backend {backend!r} simulates none of these effects: they need spice.")
    trials = [
        Trial(backend, replace(effect.hardware, seed=seed), CONDITIONINGS[word], matrices, sides)
        for effect, word in cases
        for seed in seeds_of(seeds)
    ]
    # The spice backend has workers of its own.
    tried = map_tasks(run_trial, trials, 1 if backend == "spice" else workers, done)
    rows = []
    for i, (effect, word) in enumerate(cases):
        chips = tried[i * seeds : (i + 1) * seeds]
        for name, matrix in matrices.items():
            keys = {"effect": effect.name, "factor": name, "size": len(matrix), "conditioning": word}
            setting = {"backend": backend, "damping": damping, "seeds": seeds, "sides": sides}
            rows.append({**keys, **setting, **summary([chip[name] for chip in chips])})
    return rows


def full_table(
    factors: Mapping[str, Array],
    backend: str = "nodal",
    damping: float = 0.1,
    seeds: int = 3,
    *,
    effects: Sequence[Effect] = EFFECTS,
    spice: bool = True,
    done: Done = ignore,
) -> list[dict[str, Any]]:
    """`effects_table`, and with `spice` the effects that `backend` leaves out, in ngspice on one chip.

    InputError for bad arguments, and where ngspice is needed and missing.
    """
    seeds_of(seeds)
    if backend not in BACKENDS:
        raise InputError(f"Unknown backend {backend!r}: the known ones are {', '.join(BACKENDS)}.")
    inside = [effect for effect in effects if effect.runs_in(backend)]
    outside = [effect for effect in effects if spice and not effect.runs_in(backend)]
    # ngspice first: where it is missing, that is said before minutes of work.
    rows = effects_table(factors, "spice", damping, 1, effects=outside, done=done) if outside else []
    if inside or not outside:
        rows += effects_table(factors, backend, damping, seeds, effects=inside, done=done)
    order = [effect.name for effect in EFFECTS]
    return sorted(rows, key=lambda row: order.index(row["effect"]))

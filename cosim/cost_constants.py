"""The constants of the cost model: every one with its unit, where it comes from, and a low and a high estimate.

All of them are such that a larger value costs more. What rests on no measurement says so in `assumption`.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import NamedTuple, Self

from circuits.errors import InputError, check_range
from circuits.hardware import PRESETS, Hardware
from circuits.power import Supply

_ISAAC = "ISAAC's converters at 32 nm as tabulated by Accelergy hwcomponents-library (library/isaac.py)"
_SURVEY = "B. Jonsson's ADC survey, spring 2012 and 2013 (converterpassion.wordpress.com)"
_SKYWATER = "SkyWater ReRAM documentation (google/skywater-pdk-libs-sky130_fd_pr_reram)"
_HOROWITZ = "M. Horowitz, Computing's energy problem, ISSCC 2014, 45 nm"


@dataclass(frozen=True)
class Constant:
    """A number of the cost model."""

    value: float
    unit: str
    low: float
    """The cheapest that is plausible."""
    high: float
    """The dearest that is plausible."""
    source: str
    assumption: bool = False
    """Whether the nominal value is our estimate and not a published figure."""

    def __post_init__(self) -> None:
        check_range("Constant.low", self.low, 0.0, self.value, self.unit)
        check_range("Constant.high", self.high, self.value, 1e30, self.unit)

    def scaled(self, factor: float) -> Self:
        """The same constant, all three values times the factor."""
        return replace(self, value=factor * self.value, low=factor * self.low, high=factor * self.high)


@dataclass(frozen=True)
class Constants:
    """All constants; the defaults are those of a 40 nm chip with op-amps on it."""

    supply: Constant = Constant(
        0.9, "V", 0.6, 1.25, "each rail: 1.2 V core (low) and 2.5 V input/output devices (high) of 40 nm CMOS", True
    )
    quiescent: Constant = Constant(
        85e-6,
        "A",
        25e-6,
        420e-6,
        "an op-amp of 500 MHz: gm = 2 pi GBW C with C = 0.1 pF (0.03 to 0.5), gm / I_D = 15 per V, four such "
        "branches (two-stage op-amp, Allen and Holberg, CMOS Analog Circuit Design)",
        True,
    )
    dac_step: Constant = Constant(
        1.14e-15,
        "J",
        0.5e-15,
        10e-15,
        "BRAHMS 40 nm, 8 bits: 0.291 pJ / 2^8 (hwcomponents-library, library/brahms.py); range assumed",
    )
    dac_time: Constant = Constant(1e-9, "s", 0.2e-9, 10e-9, "none found: from a code to the start of its edge", True)
    adc_step: Constant = Constant(
        20e-15, "J", 2.2e-15, 49e-15, f"Walden: low, Harpe 2013, {_SURVEY}; high, 0.79 pJ / 2^4, {_ISAAC}", True
    )
    adc_time: Constant = Constant(
        4e-9, "s", 0.83e-9, 100e-9, f"250 MS/s and, high, 10 MS/s: Verbruggen's SAR, {_SURVEY}; low, 1.2 GS/s, {_ISAAC}"
    )
    adc_share: Constant = Constant(
        8.0, "outputs", 1.0, 64.0, "outputs that one ADC reads in turn; ISAAC's reads 128", True
    )
    ideal_bits: Constant = Constant(
        8.0, "bits", 4.0, 10.0, "converters that the hardware has ideal; the group's chip: 4, ISAAC: 8", True
    )
    write_pulses: Constant = Constant(
        4.0,
        "pulses",
        3.0,
        10.0,
        "program and verify of 3 bits takes 3 to 4 cycles, of 4 bits 5 to 10 (secondary source)",
    )
    write_time: Constant = Constant(
        150e-9,
        "s",
        20e-9,
        1e-6,
        f"a pulse and its verify read: 100 to 200 ns, high 1 us, {_SKYWATER}; low: 10 ns pulses",
    )
    write_energy: Constant = Constant(
        10e-12,
        "J",
        1e-12,
        200e-12,
        f"G V^2 t of a pulse at 2.4 V ({_SKYWATER}): 17.5 uS for 100 ns, high 35 uS for 1 us",
        True,
    )
    write_share: Constant = Constant(
        8.0, "cells", 1.0, 64.0, "cells of a row that one write driver serves in turn", True
    )
    mac_energy: Constant = Constant(
        4.6e-12,
        "J",
        1.7e-12,
        21e-12,
        f"float32: {_HOROWITZ}, 3.7 + 0.9 pJ; low, 7 nm, 1.31 + 0.38 pJ, Jouppi et al., ISCA 2021 (not checked in its "
        "text); high, a whole H100 SXM at 700 W and 66.9 Tflop/s (data sheet, as quoted at glennklockwood.com)",
    )
    mac_time: Constant = Constant(1e-12, "s", 3e-14, 1e-10, "digital processor at 1 TMAC/s; low: an H100's peak", True)
    byte_energy: Constant = Constant(
        31e-12,
        "J",
        1.25e-12,
        163e-12,
        f"HBM2 at 3.92 pJ a bit, O'Connor et al., MICRO 2017, section 2; low, 8 kB cache, 10 pJ for 8 bytes: "
        f"{_HOROWITZ}; high, DRAM at 1.3 nJ for 8 bytes, likewise (not checked in its text)",
    )

    @property
    def op_amp(self) -> Supply:
        """The supply at the nominal values."""
        return Supply(self.supply.value, self.quiescent.value)

    @classmethod
    def of(cls, op_amp: str = "on-chip", gbw: float = 500e6) -> Self:
        """The constants for an op-amp of OP_AMPS; an on-chip one takes a current in proportion to its gbw [Hz].

        InputError for an unknown op-amp.
        """
        if op_amp not in OP_AMPS:
            raise InputError(f"Unknown op-amp {op_amp!r}: the known ones are {', '.join(OP_AMPS)}.")
        constants = replace(cls(), **OP_AMPS[op_amp])
        if op_amp != "on-chip":
            return constants
        return replace(constants, quiescent=constants.quiescent.scaled(gbw / 500e6))

    def at(self, estimate: str) -> Self:
        """All constants at their 'low', 'nominal' or 'high' estimate. InputError for another word."""
        if estimate not in ESTIMATES:
            raise InputError(f"Unknown estimate {estimate!r}: the known ones are {', '.join(ESTIMATES)}.")
        pick = ESTIMATES[estimate]
        found = {name: pick(constant) for name, constant in self.items().items()}
        return replace(self, **{name: replace(self.items()[name], value=v, low=v, high=v) for name, v in found.items()})

    def items(self) -> dict[str, Constant]:
        """All constants by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


ESTIMATES: dict[str, Callable[[Constant], float]] = {
    "low": lambda constant: constant.low,
    "nominal": lambda constant: constant.value,
    "high": lambda constant: constant.high,
}
"""The three estimates by name."""

OP_AMPS: dict[str, dict[str, Constant]] = {
    "on-chip": {},
    "ad823": {
        "supply": Constant(
            5.0, "V", 2.5, 15.0, "AD823 data sheet: +-1.5 to +-18 V or 3 to 36 V single; low, 5 V single, to +-15 V"
        ),
        "quiescent": Constant(2.6e-3, "A", 2.0e-3, 3.5e-3, "AD823 data sheet: 2.6 mA an amplifier; range assumed"),
    },
    "opa690": {
        "supply": Constant(5.0, "V", 2.5, 6.0, "OPA690 data sheet: +-2.5 to +-5 V or +5 to +12 V single"),
        "quiescent": Constant(5.5e-3, "A", 5.1e-3, 6.0e-3, "OPA690 data sheet: 5.5 mA; range assumed"),
    },
}
"""Supply and quiescent current by op-amp; the parts of a circuit board cost orders of magnitude more."""


def op_amp_of(hardware: Hardware) -> str:
    """The name of OP_AMPS whose preset has this hardware's op-amp, 'on-chip' for none."""
    known = [name for name in OP_AMPS if name in PRESETS and hardware.opamp == PRESETS[name]["opamp"]]
    return known[0] if known else "on-chip"


CORE_POWER = Constant(
    4.0,
    "W",
    2.6,
    12.0,
    "a server's core that is busy, the others not counted: 350 W / 96 cores (EPYC 9654), low 500 W / 192 cores (EPYC, "
    "Zen 5c), high 360 W / 60 cores (Xeon 8490H) and as much again for memory and losses",
    True,
)
_PYTORCH = "cuSOLVER in PyTorch pull request 173515, GPU not named"
STRETCH = Constant(
    2.0, "x", 1.1, 10.0, "times as long as at the FP32 peak; TF32 is not used, as in K-FAC's defaults", True
)
ROW_TIME = Constant(
    1.3e-6,
    "s",
    4e-8,
    11e-6,
    f"a row of a decomposition and its inverse, whose steps wait for one another. Cholesky of 128 to 2,048 rows: 0.8 "
    f"us a row, low 64 of 512 rows at once, high MAGMA ({_PYTORCH}); inverse: 0.55 us at 256 rows (H20, FlagGems pull "
    f"request 5161)",
)
LAUNCH_TIME = Constant(
    1e-5, "s", 2e-6, 5e-5, "from a call to its kernel: 20 us on a V100 (Nsight Systems guide), 5 to 50 elsewhere", True
)


class Gpu(NamedTuple):
    """What is published of a GPU."""

    flops: float
    """[1/s] FP32 peak without tensor cores."""
    watts: float
    """[W] rated board power."""
    source: str


GPUS: dict[str, Gpu] = {
    "V100": Gpu(15e12, 300.0, "NVIDIA's announcement, PCIe 300 W (techrival.com); SXM2: 15.7 Tflop/s"),
    "Vega 20": Gpu(14.7e12, 300.0, "Radeon Instinct MI60: 14.7 Tflop/s, 300 W (sysrqmts.com, thelinx.net)"),
    "A100": Gpu(19.5e12, 400.0, "SXM4; NVIDIA's data sheet as quoted at glennklockwood.com/garden/processors/A100"),
    "H100": Gpu(66.9e12, 700.0, "SXM5; NVIDIA's figures as quoted at glennklockwood.com/garden/processors/h100"),
}
"""By name. None is known to be the processor that the paper compares with."""

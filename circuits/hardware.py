"""The parts a circuit is made of. Every field carries its symbol, unit, range and source."""

import math
from dataclasses import dataclass, field, replace
from typing import Self

from circuits.errors import InputError, check_range


@dataclass(frozen=True)
class RramCell:
    """One resistive memory cell of the array."""

    g_min: float = 0.5e-6
    """G_min [S], 0 to g_max: conductance of an erased cell; 0 leaves the cell out of the netlist.
    0.5 uS: the 40 nm 1T1R chip of Nature Electronics 2025 (10.1038/s41928-025-01477-0)."""
    g_max: float = 35e-6
    """G_max [S], up to 1: largest programmable conductance. 35 uS: the same chip."""
    levels: int = 0
    """Number of programmable levels, linear in conductance; 0 means continuous. The same chip has 8."""

    def __post_init__(self) -> None:
        check_range("RramCell.g_max", self.g_max, 1e-12, 1.0, "S")
        check_range("RramCell.g_min", self.g_min, 0.0, self.g_max * (1 - 1e-9), "S")
        check_range("RramCell.levels", self.levels, 0, 2**24)
        if self.levels != int(self.levels):
            raise InputError(f"RramCell.levels = {self.levels!r} must be a whole number.")
        if self.levels == 1:
            raise InputError("RramCell.levels = 1 cannot hold a matrix: use 2 or more, or 0 for continuous.")


@dataclass(frozen=True)
class OpAmp:
    """A single-pole op-amp; slew and swing limits make it non-linear, infinity switches each off."""

    gain: float = 1e4
    """A0 [V/V], 1 to 1e12: DC open-loop gain. 80 dB: the upper end of on-chip designs."""
    gbw: float = 500e6
    """GBW [Hz], 1 to 1e12: gain-bandwidth product. 500 MHz: OPA690 data sheet, unity gain."""
    slew: float = 1800e6
    """SR [V/s], above 0, inf for none: slew rate. 1800 V/us: OPA690 data sheet."""
    swing: float = 4.0
    """V_s [V], above 0, inf for none: largest output voltage to either side. 4 V: OPA690 data sheet."""
    offset: float = 0.0
    """V_os [V], 0 to 1: standard deviation of the input offset over instances; drawn from Hardware.seed."""
    r_out: float = 0.0
    """R_o [ohm], 0 to 1e6: output resistance, inside the feedback loop."""

    def __post_init__(self) -> None:
        check_range("OpAmp.gain", self.gain, 1.0, 1e12, "V/V")
        check_range("OpAmp.gbw", self.gbw, 1.0, 1e12, "Hz")
        check_range("OpAmp.slew", self.slew, 1.0, math.inf, "V/s")
        check_range("OpAmp.swing", self.swing, 1e-6, math.inf, "V")
        check_range("OpAmp.offset", self.offset, 0.0, 1.0, "V")
        check_range("OpAmp.r_out", self.r_out, 0.0, 1e6, "ohm")

    @property
    def is_linear(self) -> bool:
        """Whether neither limit is on, so that the nodal engine can read the part."""
        return math.isinf(self.slew) and math.isinf(self.swing)

    def linear(self) -> Self:
        """The same op-amp without its slew and swing limits."""
        return replace(self, slew=math.inf, swing=math.inf)


@dataclass(frozen=True)
class Wires:
    """The lines of the array; every segment between neighbouring cells is a resistor."""

    r_row: float = 0.0
    """R_row [ohm], 0 to 1e6: one row segment; 0 for an ideal line. The 40 nm chip: 1.73 ohm."""
    r_col: float = 0.0
    """R_col [ohm], 0 to 1e6: one column segment; 0 for an ideal line. The 40 nm chip: 1.73 ohm."""

    def __post_init__(self) -> None:
        check_range("Wires.r_row", self.r_row, 0.0, 1e6, "ohm")
        check_range("Wires.r_col", self.r_col, 0.0, 1e6, "ohm")

    @property
    def ideal(self) -> bool:
        """Whether both lines are perfect conductors."""
        return self.r_row == 0 and self.r_col == 0


@dataclass(frozen=True)
class Hardware:
    """Everything physical about one analog inverse."""

    cell: RramCell = field(default_factory=RramCell)
    """The memory cell."""
    opamp: OpAmp = field(default_factory=OpAmp)
    """The amplifier of every row and of every inverter."""
    wires: Wires = field(default_factory=Wires)
    """The lines of the array."""
    v_max: float = 0.2
    """V_max [V], 1e-6 to 10: largest voltage that inputs and outputs are scaled to. Cells are ohmic up to
    about 0.2 V (read voltages of 0.1 to 0.2 V are usual)."""
    seed: int = 0
    """Seed of everything drawn at random, at least 0."""

    def __post_init__(self) -> None:
        check_range("Hardware.v_max", self.v_max, 1e-6, 10.0, "V")
        check_range("Hardware.seed", self.seed, 0, 2**63)
        if self.seed != int(self.seed):
            raise InputError(f"Hardware.seed = {self.seed!r} must be a whole number.")

    def linear(self) -> Self:
        """The same hardware with linear op-amps: what the nodal engine reads."""
        return replace(self, opamp=self.opamp.linear())

    @classmethod
    def preset(cls, name: str) -> Self:
        """A named hardware: 'default', 'ideal' or 'rram40'. Raises InputError listing the known names."""
        if name not in PRESETS:
            raise InputError(f"Unknown hardware preset {name!r}: the known ones are {', '.join(PRESETS)}.")
        return cls(**PRESETS[name])


PRESETS: dict[str, dict] = {
    "default": {},
    # Gain 1e9 leaves 1e-6 on the hardest known factor; no erased-cell conductance, no limits.
    "ideal": {"cell": RramCell(g_min=0.0), "opamp": OpAmp(gain=1e9).linear()},
    # Nature Electronics 2025: 8 levels, 1.73 ohm a segment; OPA690 op-amps (69 dB) close its loops.
    "rram40": {
        "cell": RramCell(levels=8),
        "opamp": OpAmp(gain=2800.0),
        "wires": Wires(r_row=1.73, r_col=1.73),
    },
}
"""Arguments of each preset by name."""

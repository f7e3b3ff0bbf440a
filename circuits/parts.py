"""The parts of a circuit. Every field carries its symbol, unit, range and source."""

import math
from dataclasses import dataclass, replace
from typing import Self

from circuits.errors import InputError, check_choice, check_range, check_whole
from circuits.vendor import Model


@dataclass(frozen=True)
class RramCell:
    """One resistive memory cell of the array, with what stands between it and its lines."""

    g_min: float = 0.5e-6
    """G_min [S], 0 to g_max: conductance of an erased cell; 0 leaves the cell out of the netlist.
    0.5 uS: the 40 nm 1T1R chip of Nature Electronics 2025 (10.1038/s41928-025-01477-0)."""
    g_max: float = 35e-6
    """G_max [S], up to 1: largest programmable conductance. 35 uS: the same chip."""
    levels: int = 0
    """Number [-] of programmable levels, linear in conductance; 0 means continuous. The same chip has 8."""
    access: str = "none"
    """The access transistor: 'none', 'resistor' (its on-resistance) or 'mos' (a level-1 device with the same
    on-resistance at low voltage). Its resistance adds to the programmed cell's: where write-verify reads
    through the transistor, leave it out [-]."""
    r_on: float = 0.0
    """R_on [ohm], 0 to 1e6: on-resistance of the access transistor. 1 to 5 kohm are usual; no measured 40 nm
    value is public."""
    v_sinh: float = math.inf
    """V_0 [V], 1e-3 up to inf for an ohmic cell: I = G V_0 sinh(V / V_0). 0.25 V: the Stanford-PKU model;
    0.43 V: SkyWater's ReRAM."""
    model: Model | None = None
    """A cell model of the user [file]: `.subckt NAME row column g=...`, called with the conductance in S."""

    def __post_init__(self) -> None:
        check_range("RramCell.g_max", self.g_max, 1e-12, 1.0, "S")
        check_range("RramCell.g_min", self.g_min, 0.0, self.g_max * (1 - 1e-9), "S")
        check_whole("RramCell.levels", self.levels, 0, 2**24)
        if self.levels == 1:
            raise InputError("RramCell.levels = 1 cannot hold a matrix: use 2 or more, or 0 for continuous.")
        check_choice("RramCell.access", self.access, ("none", "resistor", "mos"))
        check_range("RramCell.r_on", self.r_on, 0.0 if self.access == "none" else 1e-3, 1e6, "ohm")
        check_range("RramCell.v_sinh", self.v_sinh, 1e-3, math.inf, "V")
        if self.model and (self.access != "none" or math.isfinite(self.v_sinh)):
            raise InputError("RramCell.model replaces the whole cell: leave access at 'none' and v_sinh at inf.")

    @property
    def is_linear(self) -> bool:
        """Whether the cell is a resistor, with or without another in series."""
        return self.access != "mos" and math.isinf(self.v_sinh) and self.model is None

    @property
    def series(self) -> float:
        """[ohm] what stands in series with the memory: nothing without an access transistor."""
        return 0.0 if self.access == "none" else self.r_on

    def linear(self) -> Self:
        """The cell for small voltages: ohmic, the transistor as its on-resistance."""
        access = "resistor" if self.access == "mos" else self.access
        return replace(self, access=access, v_sinh=math.inf, model=None)


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
    bias: float = 0.0
    """I_b [A], 0 to 1e-3: current into each input."""
    r_out: float = 0.0
    """R_o [ohm], 0 to 1e6: output resistance, inside the feedback loop."""
    model: Model | None = None
    """A vendor's macromodel [file] in place of the single pole. gain and gbw then describe its linear stand-in,
    which the nodal engine reads and which sets the time window; swing judges railed outputs."""

    def __post_init__(self) -> None:
        check_range("OpAmp.gain", self.gain, 1.0, 1e12, "V/V")
        check_range("OpAmp.gbw", self.gbw, 1.0, 1e12, "Hz")
        check_range("OpAmp.slew", self.slew, 1.0, math.inf, "V/s")
        check_range("OpAmp.swing", self.swing, 1e-6, math.inf, "V")
        check_range("OpAmp.offset", self.offset, 0.0, 1.0, "V")
        check_range("OpAmp.bias", self.bias, 0.0, 1e-3, "A")
        check_range("OpAmp.r_out", self.r_out, 0.0, 1e6, "ohm")

    @property
    def is_linear(self) -> bool:
        """Whether neither limit is on, so that the nodal engine can read the part."""
        return math.isinf(self.slew) and math.isinf(self.swing) and self.model is None

    def linear(self) -> Self:
        """The same op-amp without its slew and swing limits."""
        return replace(self, slew=math.inf, swing=math.inf, model=None)


REDUCE = ("auto", "always", "never")


@dataclass(frozen=True)
class Wires:
    """The lines of the array; every segment between neighbouring cells is a resistor."""

    r_row: float = 0.0
    """R_row [ohm], 0 to 1e6: one row segment; 0 for an ideal line. The 40 nm chip: 1.73 ohm."""
    r_col: float = 0.0
    """R_col [ohm], 0 to 1e6: one column segment; 0 for an ideal line. The 40 nm chip: 1.73 ohm."""
    both_sides: bool = False
    """Whether both ends of each line are tied to its op-amp or driver [-]."""
    c_row: float = 0.0
    """C_row [F], 0 to 1e-9: capacitance to ground of a row line at each cell; the other end of c_col."""
    c_col: float = 0.0
    """C_col [F], 0 to 1e-9: capacitance to ground of a column line at each cell."""
    reduce: str = "auto"
    """Whether the netlist has the exact port reduction of each array instead of its segments [-]: 'auto' wherever
    it is exact (linear cells, no line capacitance), 'always' or 'never'."""

    def __post_init__(self) -> None:
        check_range("Wires.r_row", self.r_row, 0.0, 1e6, "ohm")
        check_range("Wires.r_col", self.r_col, 0.0, 1e6, "ohm")
        check_range("Wires.c_row", self.c_row, 0.0, 1e-9, "F")
        check_range("Wires.c_col", self.c_col, 0.0, 1e-9, "F")
        check_choice("Wires.reduce", self.reduce, REDUCE)
        if self.reduce == "always" and not self.resistive:
            raise InputError(
                "Wires.reduce = 'always' needs lines without capacitance: eliminating a node that stores charge "
                "changes the waveforms; use 'auto' or 'never'."
            )

    @property
    def ideal(self) -> bool:
        """Whether both lines are perfect conductors."""
        return self.r_row == 0 and self.r_col == 0

    @property
    def resistive(self) -> bool:
        """Whether the lines store no charge."""
        return self.c_row == 0 and self.c_col == 0


@dataclass(frozen=True)
class Converters:
    """DACs that drive the inputs and ADCs that read the outputs, both over -V_max to V_max."""

    dac_bits: int = 0
    """b_DAC [bits], 0 to 24, not 1: 2^b - 1 equal steps, zero among them; 0 for an ideal DAC. The group: 4."""
    adc_bits: int = 0
    """b_ADC [bits], 0 to 24, not 1: likewise for what is read; volts beyond the range are read as its end."""
    dac_noise: float = 0.0
    """s_DAC [V], 0 to 1: standard deviation of the noise on each input, drawn for every INV call."""
    adc_noise: float = 0.0
    """s_ADC [V], 0 to 1: standard deviation of the noise on each reading, drawn for every INV call."""

    def __post_init__(self) -> None:
        for name, bits in (("dac_bits", self.dac_bits), ("adc_bits", self.adc_bits)):
            check_whole(f"Converters.{name}", bits, 0, 24)
            if bits == 1:
                raise InputError(f"Converters.{name} = 1 leaves no step beside zero: use 2 or more, or 0 for ideal.")
        check_range("Converters.dac_noise", self.dac_noise, 0.0, 1.0, "V")
        check_range("Converters.adc_noise", self.adc_noise, 0.0, 1.0, "V")

"""The hardware of one analog inverse: its parts together, and the named presets."""

from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from circuits.errors import InputError, check_choice, check_range, check_whole
from circuits.parts import Converters, OpAmp, RramCell, Wires
from circuits.programming import Programming
from circuits.templates import SHIPPED, Templates

SIGNED = ("inverters", "compensation")


@dataclass(frozen=True)
class Hardware:
    """Everything physical about one analog inverse."""

    cell: RramCell = field(default_factory=RramCell)
    """The memory cell."""
    opamp: OpAmp = field(default_factory=OpAmp)
    """The amplifier of every row and of every inverter."""
    wires: Wires = field(default_factory=Wires)
    """The lines of the array."""
    programming: Programming = field(default_factory=Programming)
    """What goes wrong while cells are written, kept and read."""
    converters: Converters = field(default_factory=Converters)
    """DACs and ADCs at the array's border."""
    signed: str = "inverters"
    """How negative entries come about: 'inverters' drive the columns of the negative array; 'compensation' puts
    the negative array on the op-amps' other inputs, with a conductance to ground that balances each row."""
    v_max: float = 0.2
    """V_max [V], 1e-6 to 10: largest voltage that inputs and outputs are scaled to. Cells are ohmic up to
    about 0.2 V (read voltages of 0.1 to 0.2 V are usual)."""
    max_array: int = 64
    """Rows and columns [-] of an array at the most, 2 or more; larger matrices are solved block by block. 64:
    closed-loop arrays of 64 rows have been built (Nature Electronics 2026, 90 nm)."""
    seed: int = 0
    """Seed [-] of everything drawn at random: the chip. A whole number of at least 0."""

    def __post_init__(self) -> None:
        check_choice("Hardware.signed", self.signed, SIGNED)
        check_range("Hardware.v_max", self.v_max, 1e-6, 10.0, "V")
        check_whole("Hardware.max_array", self.max_array, 2, 2**20)
        check_whole("Hardware.seed", self.seed, 0, 2**63)

    def linear(self) -> Self:
        """The same hardware with linear cells and op-amps: what the nodal engine reads."""
        return replace(self, opamp=self.opamp.linear(), cell=self.cell.linear())

    @property
    def templates(self) -> Templates:
        """What its circuits are drawn by."""
        return SHIPPED

    @property
    def drawn_wires(self) -> Wires:
        """The lines as they are drawn: by themselves, not reduced to ports, where a template decides what is there."""
        return self.wires

    def redrawn(self, templates: Templates) -> "RedrawnHardware":
        """The same hardware, its circuits drawn by these templates."""
        values = {one.name: getattr(self, one.name) for one in fields(Hardware)}
        return RedrawnHardware(**values, drawing=templates)

    @property
    def trusted(self) -> bool:
        """Whether a model file of this hardware may run programs in ngspice."""
        return any(model is not None and model.trust for model in (self.opamp.model, self.cell.model))

    @property
    def is_linear(self) -> bool:
        """Whether the nodal engine reads this hardware as it is."""
        return self.opamp.is_linear and self.cell.is_linear

    @property
    def nonlinearity(self) -> str:
        """What keeps INV calls within the op-amps' range from adding up, empty for nothing.

        The built-in op-amp's limits are far from what inputs and outputs are scaled to.
        """
        converters = self.converters
        found = {
            "the cells bend their characteristic": not self.cell.is_linear,
            "the op-amp is a model file": self.opamp.model is not None,
            "op-amps have offsets": bool(self.opamp.offset or self.opamp.bias),
            "cells have read noise": self.programming.read_noise > 0,
            "converters round": bool(converters.dac_bits or converters.adc_bits),
            "converters have noise": bool(converters.dac_noise or converters.adc_noise),
        }
        return next((words for words, holds in found.items() if holds), "")

    @classmethod
    def preset(cls, name: str) -> Self:
        """A named hardware of PRESETS. Raises InputError listing the known names."""
        if name not in PRESETS:
            raise InputError(f"Unknown hardware preset {name!r}: the known ones are {', '.join(PRESETS)}.")
        return cls(**PRESETS[name])


@dataclass(frozen=True)
class RedrawnHardware(Hardware):
    """Hardware whose circuits some templates of the user draw.

    A type of its own: without templates, what describes a run, and what is looked up by that, stays as it is.
    """

    drawing: Templates = SHIPPED
    """The templates [file] that take the place of shipped ones."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.wires.reduce == "always" and self._draws_cells:
            raise InputError(
                "Wires.reduce = 'always' leaves no cell and no line to draw: use 'auto' or 'never' with templates of "
                "your own for them."
            )

    @property
    def _draws_cells(self) -> bool:
        return any(name in self.drawing.replaced for name in ("cell.cir.j2", "wires.cir.j2"))

    @property
    def drawn_wires(self) -> Wires:
        """The lines as they are drawn."""
        return replace(self.wires, reduce="never") if self._draws_cells else self.wires

    @property
    def templates(self) -> Templates:
        """What its circuits are drawn by."""
        return self.drawing


# Nature Electronics 2025 (10.1038/s41928-025-01477-0): 8 levels over 0.5 to 35 uS, 1.73 ohm a segment, 4-bit
# converters; its static tests were closed by AD823, its transients by OPA690 op-amps.
_CHIP: dict[str, Any] = {
    "cell": RramCell(levels=8),
    "programming": Programming(sigma=0.02),
    "wires": Wires(r_row=1.73, r_col=1.73),
}

PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    # Gain 1e9 leaves 1e-6 on the hardest known factor; no erased-cell conductance, no limits.
    "ideal": {"cell": RramCell(g_min=0.0), "opamp": OpAmp(gain=1e9).linear()},
    # The chip with on-chip op-amps of 80 dB and 500 MHz, an assumption: theirs are not published.
    "rram40": _CHIP,
    # AD823 data sheet: 16 MHz, 22 V/us, 0.8 mV offset at most (taken as two sigma), 25 pA; gain 93 dB typical.
    "ad823": {
        **_CHIP,
        "opamp": OpAmp(gain=45e3, gbw=16e6, slew=22e6, swing=4.5, offset=0.4e-3, bias=25e-12),
    },
    # OPA690 data sheet: 500 MHz, 1800 V/us, swing 4 V; gain 69 dB, offset 1 mV and bias current 5 uA typical.
    "opa690": {
        **_CHIP,
        "opamp": OpAmp(gain=2800.0, gbw=500e6, slew=1800e6, swing=4.0, offset=1e-3, bias=5e-6),
    },
}
"""Arguments of each preset by name."""

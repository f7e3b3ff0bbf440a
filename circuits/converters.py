"""What converters make of volts: steps, range and noise."""

import numpy as np
from numpy.typing import NDArray

from circuits.parts import Converters

Array = NDArray[np.float64]


def convert(volts: Array, bits: int, v_range: float) -> Array:
    """The nearest of 2^bits - 1 equal steps from -v_range to v_range, zero among them; unchanged for 0 bits."""
    if not bits:
        return volts
    step = v_range / (2 ** (bits - 1) - 1)
    return np.clip(np.round(volts / step) * step, -v_range, v_range)


def drive(volts: Array, converters: Converters, v_range: float, rng: np.random.Generator | None) -> Array:
    """Volts at the inputs for the volts asked for: quantised, then noisy; no `rng` is no noise."""
    return _noisy(convert(volts, converters.dac_bits, v_range), converters.dac_noise, rng)


def read(volts: Array, converters: Converters, v_range: float, rng: np.random.Generator | None) -> Array:
    """What is read of the volts at the outputs: noisy, then quantised; no `rng` is no noise."""
    return convert(_noisy(volts, converters.adc_noise, rng), converters.adc_bits, v_range)


def _noisy(volts: Array, noise: float, rng: np.random.Generator | None) -> Array:
    return volts if rng is None else volts + rng.normal(0, 1, volts.shape) * noise

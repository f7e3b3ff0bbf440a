"""From the conductances asked for to those that the cells have: write error, relaxation, variation, faults, noise.

Every draw belongs to one cell. Cells take their draws in the order of growing squares (the Rosenberg-Strong
pairing), so that a position gets the same draw whatever the size of the matrix; drawing for n rows and m
columns costs max(n, m)^2 numbers.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from operator import index
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from circuits.errors import InputError, check_range
from circuits.spreads import SPREADS, TEN_YEARS

Array = NDArray[np.float64]

CEILING = 1.5
"""Largest conductance that an error can lead to, as a multiple of g_max."""


class Purpose(IntEnum):
    """What a stream of random numbers is for; the numbers are part of every result, so never renumber."""

    VARIATION = 1
    STUCK = 2
    WRITE = 3
    SPREAD = 4
    DECAY = 5
    READ = 6


@dataclass(frozen=True)
class Programming:
    """What goes wrong between a target and the conductance of its cell; everything is off by default."""

    sigma: float = 0.0
    """sigma_w [S/S], 0 to 1: standard deviation of the write error, relative to the target. A simplification: 0.02
    in our trials; by secondary accounts the iterative refinement of Nature Electronics 2025
    (10.1038/s41928-025-01477-0) converges below about 0.05. Measured errors are in `spread`."""
    spread: str = "none"
    """Name in SPREADS of a further error that was measured against conductance, or 'none'."""
    window: float = 0.0
    """w [S], 0 to 1: half-width of the write-verify window. A write error beyond it is written again, so the
    error of `sigma`, and no other, is a normal one truncated to it; 0 for writing once, without verifying.
    Half a level step keeps neighbouring levels apart: 2.46 uS for 8 levels over 0.5 to 35 uS."""
    variation: float = 0.0
    """s_d [S/S], 0 to 1: standard deviation of the factor, lognormal with mean 1, by which each device of a chip
    conducts more or less than written, whatever it holds. What verifying leaves of it is not known: sweep it."""
    stuck_on: float = 0.0
    """p_on [cells/cell], 0 to 1: share of the cells that always have g_max. Secondary sources name 0.001 to 0.05
    for both kinds of fault together."""
    stuck_off: float = 0.0
    """p_off [cells/cell], 0 to 1 - p_on: share of the cells that always have g_min."""
    read_noise: float = 0.0
    """s_r [S/S], 0 to 1: standard deviation of each cell's noise in one INV call, relative to its conductance.
    aihwkit's ReRAM models advise 0.01 for short-term read noise, of the largest weight and not of each cell's."""
    age: float = 0.0
    """t [s], 0 or 1 to 3.1536e8: time since writing, up to the oldest that the spread was published for: 1 day for
    'neurram-1s', 10 years for the 'cmo' ones, and 0 for the others. At 0 the spread is as fitted."""

    def __post_init__(self) -> None:
        check_range("Programming.sigma", self.sigma, 0.0, 1.0, "S/S")
        check_range("Programming.window", self.window, 0.0, 1.0, "S")
        check_range("Programming.variation", self.variation, 0.0, 1.0, "S/S")
        check_range("Programming.stuck_on", self.stuck_on, 0.0, 1.0, "cells/cell")
        check_range("Programming.stuck_off", self.stuck_off, 0.0, 1.0, "cells/cell")
        both = self.stuck_on + self.stuck_off
        check_range("Programming.stuck_on + Programming.stuck_off", both, 0.0, 1 + 1e-12, "cells/cell")
        check_range("Programming.read_noise", self.read_noise, 0.0, 1.0, "S/S")
        check_range("Programming.age", self.age, 0.0, TEN_YEARS, "s")
        if self.spread not in tuple(SPREADS):
            known = ", ".join(SPREADS)
            raise InputError(f"Programming.spread = {self.spread!r} is unknown: the known ones are {known}.")
        self._check_age()

    def _check_age(self) -> None:
        """Raise InputError for an age at which nothing is published about the spread."""
        oldest = SPREADS[self.spread].oldest
        if self.age and not oldest:
            aging = ", ".join(name for name, spread in SPREADS.items() if spread.oldest)
            raise InputError(
                f"Programming.age = {self.age!r} is outside 0 to 0 s: no growth with time is published for "
                f"spread {self.spread!r}; it is for {aging}."
            )
        if self.age:
            check_range(f"Programming.age, unless 0, with spread {self.spread!r}", self.age, 1.0, oldest, "s")


def program_cells(
    target: Array,
    cell_range: tuple[float, float],
    programming: Programming,
    chip_seed: int,
    write: int,
    array: int = 0,
) -> Array:
    """Conductances [S] (n_rows, n_columns) that the cells of one array have after being written once.

    `target` [S] is what was asked for, at most g_max, and 0 for no cell: it stays 0 unless it is stuck on.
    `cell_range` is (g_min, g_max) [S]; `array` numbers the arrays of the chip and `write` the times it is written.
    Variation and stuck cells depend on `chip_seed`, `array` and the position; write error and relaxation also on
    `write`. The device's factor acts on what was written, relaxation adds to that, the sum is clipped to
    0 .. 1.5 g_max, and stuck cells have exactly g_max or g_min.
    """
    g_min, g_max = cell_range
    check_range("cell_range[0]", g_min, 0.0, g_max, "S")
    if target.ndim != 2 or not ((target >= 0) & (target <= g_max * (1 + 1e-9))).all():
        raise InputError(f"Targets must be a matrix of conductances from 0 to {g_max:g} S (g_max).")
    conductance = target + _write_error(target, programming, _stream(Purpose.WRITE, chip_seed, array, write))
    if programming.variation:
        conductance *= _variation(target, programming.variation, _stream(Purpose.VARIATION, chip_seed, array, 0))
    conductance += _relaxation(target, programming, chip_seed, array, write)
    conductance = np.where(target > 0, np.clip(conductance, 0.0, CEILING * g_max), 0.0)
    return _stick(conductance, target, cell_range, programming, _stream(Purpose.STUCK, chip_seed, array, 0))


def read_cells(conductance: Array, programming: Programming, chip_seed: int, call: int, array: int = 0) -> Array:
    """Conductances [S] (n_rows, n_columns) as INV call number `call` meets them: those given, with read noise.

    The noise is normal and new at every call, and no cell falls below 0.
    """
    if not programming.read_noise:
        return conductance.copy()
    noise = _each_cell(_stream(Purpose.READ, chip_seed, array, call).standard_normal, conductance.shape)
    return conductance * np.maximum(1 + programming.read_noise * noise, 0.0)


def _stream(purpose: Purpose, chip_seed: int, array: int, count: int) -> np.random.Generator:
    """The random numbers of one purpose. Each number has two words of the seed, so no two streams share one."""
    words = [int(purpose)]
    for name, number in {"chip_seed": chip_seed, "array": array, "write or call": count}.items():
        check_range(name, index(number), 0, 2**63)
        words += [index(number) % 2**32, index(number) >> 32]
    return np.random.default_rng(np.random.SeedSequence(words))


def _each_cell(draw: Callable[[int], Array], shape: tuple[int, ...]) -> Array:
    """A draw for every cell of a matrix, in the order of growing squares (see the top of this file)."""
    row, column = np.ogrid[: shape[0], : shape[1]]
    square = np.maximum(row, column)
    return draw(max(shape) ** 2)[square * square + square + row - column]


def _write_error(target: Array, programming: Programming, stream: np.random.Generator) -> Array | float:
    """[S] what writing leaves, within the window where there is one."""
    if not programming.sigma:
        return 0.0
    scale = programming.sigma * target
    if not programming.window:
        return scale * _each_cell(stream.standard_normal, target.shape)
    limit = np.divide(programming.window, scale, out=np.full_like(target, np.inf), where=scale > 0)
    error = scale * truncated_normal(_each_cell(stream.random, target.shape), limit)
    return np.clip(error, -programming.window, programming.window)


def truncated_normal(uniform: Array, limit: Array) -> Array:
    """Standard normal values [-] truncated to -limit .. limit, from uniform ones in [0, 1), by the inverse CDF."""
    tail = np.vectorize(math.erfc, otypes=[float])(limit / math.sqrt(2)) / 2
    below = np.maximum(tail + uniform * (1 - 2 * tail), np.finfo(float).tiny)
    return np.vectorize(NormalDist().inv_cdf, otypes=[float])(below)


def _variation(target: Array, relative: float, stream: np.random.Generator) -> Array:
    """[-] the factor of each device: lognormal, mean 1, standard deviation `relative`."""
    variance = math.log1p(relative**2)
    return np.exp(math.sqrt(variance) * _each_cell(stream.standard_normal, target.shape) - variance / 2)


def _relaxation(target: Array, programming: Programming, chip_seed: int, array: int, write: int) -> Array | float:
    """[S] how far the cells have come to lie from where they were written, as the named spread has it."""
    spread, age = SPREADS[programming.spread], programming.age
    if spread.name == "none":
        return 0.0
    normal = _stream(Purpose.SPREAD, chip_seed, array, write).standard_normal
    error = spread.sigma(target, age) * _each_cell(normal, target.shape)
    mean, sigma = spread.moved(age)
    if sigma:
        normal = _stream(Purpose.DECAY, chip_seed, array, write).standard_normal
        error += mean + sigma * _each_cell(normal, target.shape)
    return error


def _stick(
    conductance: Array,
    target: Array,
    cell_range: tuple[float, float],
    programming: Programming,
    stream: np.random.Generator,
) -> Array:
    """The conductances with the chip's stuck cells put in; a cell that is left out cannot be stuck off."""
    if not programming.stuck_on and not programming.stuck_off:
        return conductance
    chance = _each_cell(stream.random, target.shape)
    conductance = np.where((chance >= 1 - programming.stuck_off) & (target > 0), cell_range[0], conductance)
    return np.where(chance < programming.stuck_on, cell_range[1], conductance)

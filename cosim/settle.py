"""From waveforms to settled volts, or to the reason why there are none."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cosim.solution import Array, Status

BAND = 1e-3
"""The settling time counts until all outputs stay this close to their end, as a part of the largest."""
GROWTH = 2.0
"""Outputs whose moves grow by more than this factor from one quarter window to the next diverge."""
RAIL = 0.95
"""An output beyond this part of the swing counts as railed."""


@dataclass(frozen=True)
class Waveforms:
    """Output volts over time."""

    times: Array
    """(points,) [s]"""
    volts: Array
    """(outputs, points) [V]"""

    def to_pandas(self, names: tuple[str, ...] | None = None) -> Any:
        """A DataFrame with a column of volts for each node (outputs,), out1 .. if None; see cosim/waveform_files.py."""
        from cosim.waveform_files import to_pandas

        return to_pandas(self, names)

    def to_xarray(self, names: tuple[str, ...] | None = None) -> Any:
        """A DataArray with the dimensions node and time; see cosim/waveform_files.py."""
        from cosim.waveform_files import to_xarray

        return to_xarray(self, names)


@dataclass(frozen=True)
class Settled:
    """What the outputs did after each edge; k right-hand sides."""

    volts: Array
    """(outputs, k) [V] at the end of each window."""
    settling_time: Array
    """(k,) [s] after the edge."""
    statuses: tuple[Status, ...]
    details: tuple[str, ...] = ()
    """For each right-hand side, which op-amp reached which limit and for how long; empty for none."""


@dataclass(frozen=True)
class Limits:
    """What the outputs are judged by."""

    tolerance: float
    """What may be still to come, as a part of the largest output."""
    floor: float = 0.0
    """[V] outputs that all stay below it, as for a right-hand side of zeros, are judged by it instead."""
    swing: float = np.inf
    """[V] output swing of the op-amps, infinite for none."""
    slew: float = np.inf
    """[V/s] slew rate of the op-amps, infinite for none."""


def settle(waveforms: Waveforms, ends: Array, limits: Limits) -> Settled:
    """Judge every window (0, ends[0]], (ends[0], ends[1]], ... on its own."""
    starts = np.concatenate([[0.0], ends[:-1]])
    windows = [_window(waveforms, start, end) for start, end in zip(starts, ends, strict=True)]
    if not _limited(waveforms, limits):
        limits = replace(limits, swing=np.inf, slew=np.inf)
    return Settled(
        volts=np.column_stack([volts[:, -1] for _, volts in windows]),
        settling_time=np.array([settling_time(times, volts, BAND, limits.floor) for times, volts in windows]),
        statuses=tuple(verdict(times, volts, limits) for times, volts in windows),
        details=tuple(limits_reached(times, volts, limits) for times, volts in windows),
    )


def _limited(waveforms: Waveforms, limits: Limits) -> bool:
    """Whether any output comes near a limit at any time: if not, no window has to be searched for it."""
    volts = waveforms.volts
    near = not np.abs(volts).max() < RAIL * limits.swing
    return near or not _slopes(waveforms.times, volts).max() < RAIL * limits.slew


def verdict(times: Array, volts: Array, limits: Limits) -> Status:
    """SETTLED, NOT_SETTLED, RAILED or UNSTABLE for outputs (outputs, points) in one window from time 0.

    What is still to come is estimated from the moves of the last two quarters: a decay by the factor r a
    quarter leaves move * r / (1 - r).
    """
    if not np.isfinite(volts).all():
        return Status.UNSTABLE
    half, three_quarters = np.searchsorted(times, [times[-1] / 2, times[-1] * 3 / 4])
    size = np.abs(volts[:, -1]).max()
    allowed = limits.tolerance * max(size, limits.floor)
    earlier = np.ptp(volts[:, half : three_quarters + 1], axis=1)
    later = np.ptp(volts[:, three_quarters:], axis=1)
    if size >= RAIL * limits.swing or _slope_at_end(times, volts) >= RAIL * limits.slew:
        return Status.RAILED
    moving = later > allowed
    if not moving.any():
        return Status.SETTLED
    ratio = later[moving] / np.maximum(earlier[moving], np.finfo(float).tiny)
    if ratio.max() > GROWTH:
        return Status.UNSTABLE
    to_come = later[moving] * ratio / np.maximum(1 - ratio, np.finfo(float).tiny)
    return Status.SETTLED if to_come.max() <= allowed else Status.NOT_SETTLED


def limits_reached(times: Array, volts: Array, limits: Limits) -> str:
    """Which outputs, counted from 1, reached the swing or the slew rate, and how long; empty for none."""
    if limits.swing == limits.slew == np.inf:
        return ""
    steps = np.diff(times, prepend=times[0])
    found = []
    for word, beyond in (
        ("output swing", np.abs(volts) >= RAIL * limits.swing),
        ("slew rate", _slopes(times, volts) >= RAIL * limits.slew),
    ):
        lasted = (beyond * steps).sum(axis=1)
        if beyond.any():
            row = int(lasted.argmax())
            others = int(beyond.any(axis=1).sum()) - 1
            found.append(f"op-amp {row + 1} at its {word} for {lasted[row]:.3g} s, {others} others less long")
    return "; ".join(found)


def _slope_at_end(times: Array, volts: Array) -> float:
    """[V/s] largest mean slope of the last step, in size."""
    return float(_slopes(times[-2:], volts[:, -2:])[:, -1].max())


def _slopes(times: Array, volts: Array) -> Array:
    """(outputs, points) [V/s] mean slope of the step that ends at each point, in size; 0 for the first."""
    steps = np.diff(times)
    slopes = np.abs(np.diff(volts, axis=1)) / np.where(steps > 0, steps, np.inf)
    return np.concatenate([np.zeros((len(volts), 1)), slopes], axis=1)


def settling_time(times: Array, volts: Array, band: float, floor: float = 0.0) -> float:
    """[s] when the last output enters its band for good; exponential decay is assumed between points."""
    if not np.isfinite(volts).all():
        return float("nan")
    distance = np.abs(volts - volts[:, -1:]).max(axis=0)
    limit = band * max(np.abs(volts[:, -1]).max(), floor)
    outside = np.flatnonzero(distance > limit)
    if not len(outside):
        return 0.0
    last = outside[-1]
    after = max(distance[last + 1], 1e-3 * limit)
    share = np.log(distance[last] / limit) / np.log(distance[last] / after)
    return float(times[last] + share * (times[last + 1] - times[last]))


def _window(waveforms: Waveforms, start: float, end: float) -> tuple[Array, Array]:
    """Times since the edge, and volts, from the first point after `start` to the point at `end`."""
    slack = 1e-9 * waveforms.times[-1]
    first, last = np.searchsorted(waveforms.times, [start + slack, end + slack])
    times = waveforms.times[max(first - 1, 0) : last]
    return times - start, waveforms.volts[:, max(first - 1, 0) : last]

"""All points of a sweep become rows: in parallel, a batch after the other, going on where a run was stopped."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from circuits import InputError
from cosim.executor import Executor, TaskError
from cosim.solution import Status
from cosim.sweep import Sweep
from cosim.sweep_part import Part
from cosim.sweep_point import EMPTY, Setting, measure

LIMIT = 10_000
"""Points [-] of a sweep that nobody has to confirm."""
FIRST = 8
"""Points [-] in the first batch."""
BATCH_SECONDS = 3.0
"""[s] that a batch should take: what is lost at the most when a run is stopped."""

Row = dict[str, Any]
Told = Callable[[int], None]
"""Hears how many points are done."""


def check_count(sweep: Sweep, executor: Executor) -> None:
    """Raise InputError, with the time that it would take, for a sweep of more than LIMIT points."""
    if sweep.count <= LIMIT:
        return
    settings = [sweep.setting(point) for point in sweep.ends()]
    executor.map(measure, settings[:1])  # whatever a worker does but once
    seconds = [row["wall_s"] for row in executor.map(measure, settings)]
    hours = sweep.count * sum(seconds) / 2 / 3600
    raise InputError(
        f"The sweep has {sweep.count:,} points, more than {LIMIT:,}: judging by the first ({seconds[0]:.2g} s) and "
        f"the last ({seconds[1]:.2g} s), it would take {_span(hours)} on one core. Add --yes to run it all the same, "
        f"or shorten its lists."
    )


def run_rows(sweep: Sweep, executor: Executor, part: Part, stamp: str, told: Told = lambda done: None) -> list[Row]:
    """A row for every point in the order of `Sweep.points`, failed ones included.

    Args:
        sweep: what is simulated.
        executor: where.
        part: rows that an earlier run has left are taken over, new ones added after every batch.
        stamp: of the sources and versions: rows of others are not taken over.
        told: hears how many points are done.
    """
    keys = [_key(sweep, point, stamp) for point in sweep.points()]
    missing = [i for i, key in enumerate(keys) if key not in part.rows]
    points = {i: point for i, point in enumerate(sweep.points()) if keys[i] not in part.rows}
    size = FIRST
    while missing:
        batch, missing = missing[:size], missing[size:]
        before, started = len(keys) - len(batch) - len(missing), time.monotonic()
        told(before)
        counting = map(told, range(before + 1, len(keys) + 1))
        rows = _batch([sweep.setting(points[i]) for i in batch], executor, partial(next, counting))
        part.add({keys[i]: row for i, row in zip(batch, rows, strict=True)})
        size = _next_size(size, time.monotonic() - started)
    told(len(keys))
    return [{**point, **part.rows[key]} for point, key in zip(sweep.points(), keys, strict=True)]


def _key(sweep: Sweep, point: Row, stamp: str) -> str:
    try:
        return sweep.setting(point).key(stamp)
    except InputError as error:
        where = ", ".join(f"{name} = {value}" for name, value in point.items() if len(sweep.axes[name]) > 1)
        raise InputError(f"{error} (at {where})") from None


def _batch(settings: Sequence[Setting], executor: Executor, progress: Callable[[], None]) -> list[Row]:
    costs = [float(setting.matrix.size) ** 1.5 for setting in settings]
    try:
        return executor.map(measure, settings, progress, costs)
    except TaskError:
        return _one_by_one(settings, executor)


def _one_by_one(settings: Sequence[Setting], executor: Executor) -> list[Row]:
    """Rows where a point has taken its process with it; TaskError where all have: then it is not their fault."""
    rows: list[Row] = []
    for setting in settings:
        try:
            rows += executor.map(measure, [setting])
        except TaskError as error:
            rows.append({**EMPTY, "message": str(error), "wall_s": float("nan")})
            last = error
    if len(rows) > 1 and all(row["status"] == Status.FAILED and row["wall_s"] != row["wall_s"] for row in rows):
        raise last
    return rows


def _next_size(size: int, seconds: float) -> int:
    """Points of the next batch, so that it takes BATCH_SECONDS; at most four times those of the last one."""
    return max(1, round(size * min(4.0, BATCH_SECONDS / max(seconds, 1e-3))))


def _span(hours: float) -> str:
    """A time as a person says it."""
    for unit, size in (("days", 24.0), ("hours", 1.0), ("minutes", 1 / 60)):
        if hours >= 2 * size:
            return f"{hours / size:,.0f} {unit}"
    return f"{hours * 3600:,.0f} s"

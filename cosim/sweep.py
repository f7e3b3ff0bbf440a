"""Circuit sweeps: a TOML file says what varies, every combination becomes a row."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from circuits import Hardware, InputError
from circuits.matrices import make_matrix
from circuits.toml_file import check_names, read_toml
from cosim.backends import BACKENDS, Backend, open_backend
from cosim.solution import Solution

BATCH = 16
"""Points that run at once, between two moves of the progress bar."""
TABLES = ("title", "backend", "matrix", "hardware", "plot")


@dataclass(frozen=True)
class Plot:
    """What the picture of a sweep shows."""

    x: str
    """Column of the horizontal axis."""
    y: list[str]
    """Columns drawn, a panel each: settling_time_s, relative_error, ..."""
    series: str | None = None
    """Column whose values get a line each."""


@dataclass(frozen=True)
class Sweep:
    """A sweep as its file describes it; lists in `matrix` and `hardware` are what varies."""

    title: str
    backend: str
    matrix: dict[str, Any]
    hardware: dict[str, Any]
    plot: Plot

    @classmethod
    def read(cls, path: Path) -> Self:
        """The sweep of a TOML file; InputError names what cannot be used."""
        table = read_toml(path)
        check_names(f"{path}", table, TABLES)
        missing = [name for name in TABLES if name not in table]
        if missing:
            raise InputError(f"{path} lacks {', '.join(missing)}.")
        if table["backend"] not in BACKENDS:
            raise InputError(f"{path}: unknown backend {table['backend']!r}, known are {', '.join(BACKENDS)}.")
        check_names(f"{path} [plot]", table["plot"], [f.name for f in fields(Plot)])
        return cls(**{**table, "plot": Plot(**table["plot"])})

    def points(self) -> list[dict[str, Any]]:
        """Every combination of the listed values: matrix keys as they are, hardware keys as 'part.field'."""
        varied = {**self.matrix, **self.hardware}
        choices = [value if isinstance(value, list) else [value] for value in varied.values()]
        if not all(choices):
            empty = next(name for name, values in zip(varied, choices, strict=True) if not values)
            raise InputError(f"The sweep's list {empty!r} is empty: give it at least one value.")
        return [dict(zip(varied, point, strict=True)) for point in itertools.product(*choices)]

    def run(self, done: Callable[[int], None] = lambda count: None) -> list[dict[str, Any]]:
        """A row for every point in the order of `points`, failed ones included; `done` hears of every batch."""
        points = self.points()
        groups: dict[Hardware, list[int]] = {}
        for i, point in enumerate(points):
            groups.setdefault(self._hardware_of(point), []).append(i)
        rows: dict[int, dict[str, Any]] = {}
        for hardware, members in groups.items():
            with open_backend(self.backend, hardware=hardware) as backend:
                for start in range(0, len(members), BATCH):
                    batch = members[start : start + BATCH]
                    rows |= zip(batch, self._rows(backend, [points[i] for i in batch]), strict=True)
                    done(len(batch))
        return [rows[i] for i in range(len(points))]

    def _rows(self, backend: Backend, points: list[dict[str, Any]]) -> list[dict[str, Any]]:
        matrices = [make_matrix(**{name: point[name] for name in self.matrix}) for point in points]
        sides = [np.random.default_rng(0).standard_normal(len(matrix)) for matrix in matrices]
        programmed = backend.program_many(matrices)
        solutions = backend.solve_many(list(zip(programmed, sides, strict=True)), throw=False)
        exact = [np.linalg.solve(matrix, rhs) for matrix, rhs in zip(matrices, sides, strict=True)]
        return [{**p, **_measured(s, x)} for p, s, x in zip(points, solutions, exact, strict=True)]

    def _hardware_of(self, point: dict[str, Any]) -> Hardware:
        hardware = Hardware.preset(point.get("preset", "default"))
        for name in self.hardware:
            if name != "preset":
                hardware = with_field(hardware, name, point[name])
        return hardware


def with_field(hardware: Hardware, name: str, value: Any) -> Hardware:
    """The hardware with one field, 'part.field' or 'field', changed; InputError with the nearest names."""
    part, _, field = name.rpartition(".")
    known = [f.name for f in fields(hardware)]
    if part:
        if part not in known:
            raise InputError(f"Unknown hardware part {part!r}: the known ones are {', '.join(known)}.")
        inner = getattr(hardware, part)
        check_names(f"hardware part {part!r}", {field: value}, [f.name for f in fields(inner)])
        return replace(hardware, **{part: replace(inner, **{field: value})})
    check_names("hardware", {field: value}, known)
    return replace(hardware, **{field: value})


def _measured(solution: Solution, exact: np.ndarray) -> dict[str, Any]:
    stats = solution.stats
    error = float(np.linalg.norm(solution.value - exact) / np.linalg.norm(exact))
    return {
        "status": str(solution.status),
        "relative_error": error,
        "settling_time_s": float(stats.settling_time[0]),
        "residual": float(stats.residual[0]),
        "margin_rad_per_s": stats.notes.get("margin", float("nan")),
        "time_points": stats.time_points,
        "wall_s": stats.seconds,
        "netlist": stats.digest,
    }

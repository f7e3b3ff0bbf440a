"""Circuit sweeps: a TOML file says what varies, every combination becomes a row."""

import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Self

from circuits import Conditioning, Hardware, InputError
from circuits.errors import check_choice, check_whole
from circuits.hardware_file import load_hardware
from circuits.matrices import make_matrix
from circuits.toml_file import check_names, read_toml
from cosim.backends import BACKENDS
from cosim.sweep_plot import Plot
from cosim.sweep_point import CIRCUITS, Setting
from cosim.sweep_values import values_of

REQUIRED = ("title", "backend", "matrix", "plot")
TABLES = ("title", "backend", "circuit", "matrix", "hardware", "corners", "conditioning", "monte_carlo", "plot")
USES = {"on": Conditioning(), "off": Conditioning.off()}
"""What `use` of [conditioning] starts from."""


@dataclass(frozen=True)
class Sweep:
    """A sweep as its TOML file describes it.

    Any value may be a list, or a range `{from = 1, to = 1000, points = 7, scale = "log"}`: every combination of them
    is a point, the last column changing fastest. The tables of a file, * for what must be there:

    - `title`* [text]: what the sweep shows.
    - `circuit`: "inverse" (default), "multiply".
    - `backend`*: "exact", "nodal" (linear parts, closed form), "spice" (ngspice).
    - `[matrix]`*: `kind` of circuits/matrices.py and its arguments: "spd" (size, condition, seed), "wishart" (size,
      samples, seed, mean), "toeplitz" (size, decay), "ones" (size, weight), "factor" (file, name; the path counts
      from the sweep's folder); for all of them `damping` [-], relative to the mean diagonal.
    - `[hardware]`: `preset` (default "default", or a .toml file beside the sweep) and "part.field" in the field's
      unit, applied in the order of the file. "a.x+b.y" gives one value to two fields.
    - `[corners]`: by name, tables of hardware fields that change together, applied last; column `corner`.
    - `[conditioning]`: `use` = "on" (default), "off", and fields of circuits.Conditioning that differ from that.
    - `[monte_carlo]`: `seeds` = N draws N chips, Hardware.seed 0 to N - 1; column `chip`.
    - `[plot]`*: what the picture shows, see cosim/sweep_plot.py.

    Every point solves (or multiplies by) one vector, standard normal from seed 0.
    """

    title: str
    matrix: dict[str, list[Any]]
    """Values of the matrix's kind and arguments, whose names are columns."""
    hardware: dict[str, list[Any]]
    """Values of the hardware's fields, whose names are columns."""
    others: dict[str, list[Any]]
    """Values by column: circuit, backend, preset, corner, conditioning and its fields, chip."""
    corners: dict[str, dict[str, Any]]
    """Hardware fields by corner, empty for none."""
    plot: Plot
    folder: Path
    """Where the paths in the file count from."""
    text: str
    """The file itself."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """The sweep of a TOML file; InputError names what cannot be used."""
        table = read_toml(path)
        check_names(f"{path}", table, TABLES)
        missing = [name for name in REQUIRED if name not in table]
        if missing:
            raise InputError(f"{path} lacks {', '.join(missing)}.")
        for name in TABLES[3:]:
            if not isinstance(table.get(name, {}), dict):
                raise InputError(f"{path}: {name} = {table[name]!r} must be a table, [{name}].")
        try:
            return cls._of(table, path)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    @classmethod
    def _of(cls, table: dict[str, Any], path: Path) -> Self:
        hardware = {name: values_of(name, value) for name, value in table.get("hardware", {}).items()}
        if "seed" in hardware:
            raise InputError("[hardware] seed draws the chip: give [monte_carlo] seeds = N, for chips 0 to N - 1.")
        preset = {"preset": hardware.pop("preset", ["default"])}
        matrix = {name: values_of(name, value) for name, value in table["matrix"].items()}
        others = preset | _others(table)
        sweep = cls(
            title=str(table["title"]),
            matrix=matrix,
            hardware=hardware,
            others=others,
            corners=_corners(table.get("corners", {})),
            plot=Plot.of(table["plot"], [*others, *matrix, *hardware]),
            folder=path.parent,
            text=path.read_text(encoding="utf-8"),
        )
        sweep._check_ends()
        return sweep

    @property
    def axes(self) -> dict[str, list[Any]]:
        """The values of every column that describes a point."""
        first = {name: self.others[name] for name in ("circuit", "backend")}
        return {**first, **self.matrix, "preset": self.others["preset"], **self.hardware, **self.others}

    @property
    def count(self) -> int:
        """How many points [-] there are."""
        return math.prod(len(values) for values in self.axes.values())

    @property
    def digest(self) -> str:
        """SHA-256 of what decides which rows there are; title and plot are free to change."""
        return hashlib.sha256(json.dumps([self.axes, self.corners]).encode()).hexdigest()

    def points(self) -> Iterator[dict[str, Any]]:
        """Every combination of the values, by column."""
        axes = self.axes
        return (dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values()))

    def ends(self) -> list[dict[str, Any]]:
        """The first and the last point."""
        return [{name: values[end] for name, values in self.axes.items()} for end in (0, -1)]

    def setting(self, point: Mapping[str, Any]) -> Setting:
        """What is simulated at a point; InputError for values out of range."""
        return Setting(
            circuit=point["circuit"],
            backend=point["backend"],
            matrix=make_matrix(folder=self.folder, **{name: point[name] for name in self.matrix}),
            hardware=self._hardware(point),
            conditioning=_conditioning(point),
        )

    def _hardware(self, point: Mapping[str, Any]) -> Hardware:
        preset = str(point["preset"])
        hardware = load_hardware(str(self.folder / preset) if preset.endswith(".toml") else preset)
        changes = {name: point[name] for name in self.hardware} | self.corners.get(point.get("corner", ""), {})
        for names, value in changes.items():
            for name in names.split("+"):
                hardware = with_field(hardware, name.strip(), value)
        return replace(hardware, seed=point.get("chip", hardware.seed))

    def _check_ends(self) -> None:
        """Refuse what is out of range in the first or last value of a list; those between wait for `setting`."""
        first = self.ends()[0]
        for name, values in self.axes.items():
            for value in values if name == "corner" else (values[0], values[-1]):
                self.setting({**first, name: value})


def with_field(hardware: Hardware, name: str, value: Any) -> Hardware:
    """The hardware with one field, 'part.field' or 'field', changed; InputError with the nearest names."""
    part, _, field = name.rpartition(".")
    known = [f.name for f in fields(hardware)]
    if part:
        if part not in known:
            raise InputError(f"Unknown hardware part {part!r}: the known ones are {', '.join(known)}.")
        inner: Any = getattr(hardware, part)
        if not _is_part(inner):
            raise InputError(f"Hardware field {part!r} has no parts: write it without '.{field}'.")
        check_names(f"hardware part {part!r}", {field: value}, [f.name for f in fields(inner)])
        return replace(hardware, **{part: replace(inner, **{field: value})})
    check_names("hardware", {field: value}, known)
    if _is_part(getattr(hardware, field)):
        example = fields(getattr(hardware, field))[0].name
        raise InputError(f"Hardware {field!r} is a part: name a field of it, as {field}.{example}.")
    return replace(hardware, **{field: value})


def _is_part(value: Any) -> bool:
    return is_dataclass(value)


def _others(table: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Columns that stand beside matrix and hardware."""
    found = {name: values_of(name, table.get(name, "inverse")) for name in ("circuit", "backend")}
    for name, known in (("circuit", CIRCUITS), ("backend", BACKENDS)):
        for value in found[name]:
            check_choice(name, value, list(known))
    if "corners" in table:
        found["corner"] = values_of("[corners]", list(table["corners"]))
    own = table.get("conditioning", {})
    check_names("[conditioning]", own, ["use", *(f.name for f in fields(Conditioning))])
    for name, value in {"use": "on", **own}.items():
        found["conditioning" if name == "use" else f"conditioning.{name}"] = values_of(name, value)
    if "monte_carlo" in table:
        check_names("[monte_carlo]", table["monte_carlo"], ["seeds"])
        seeds = table["monte_carlo"].get("seeds", 0)
        check_whole("[monte_carlo] seeds", seeds, 1, 10**9)
        found["chip"] = list(range(seeds))
    return found


def _corners(table: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    for name, changes in table.items():
        if not isinstance(changes, dict):
            raise InputError(f"[corners] {name} = {changes!r} must be a table of hardware fields.")
    return dict(table)


def _conditioning(point: Mapping[str, Any]) -> Conditioning:
    check_choice("[conditioning] use", point["conditioning"], list(USES))
    own = {name.partition(".")[2]: value for name, value in point.items() if name.startswith("conditioning.")}
    return replace(USES[point["conditioning"]], **own)

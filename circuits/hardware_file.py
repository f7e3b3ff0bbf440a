"""Hardware by name: a preset, or a TOML file that changes fields of one."""

import tomllib
from dataclasses import fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from circuits.errors import InputError
from circuits.hardware import Hardware
from circuits.vendor import Model


def load_hardware(name: str, trust: bool = False) -> Hardware:
    """The preset of this name, or the hardware that a .toml file describes.

    The file has `preset` (default "default"), fields of `Hardware`, and a table for each part with the part's
    fields; `[opamp.model]` and `[cell.model]` name a model file, its path counted from the file's folder. Raises
    InputError for an unknown preset, file or field, and for values out of range. `trust` lets model files through
    that ngspice would run as programs.
    """
    if not name.endswith(".toml"):
        return Hardware.preset(name)
    path = Path(name)
    try:
        table = tomllib.loads(path.read_text())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is no TOML: {error}.") from None
    hardware = Hardware.preset(table.pop("preset", "default"))
    for key, value in table.items():
        _check_field(f"{path}", hardware, key)
        part = _change(f"{path} [{key}]", getattr(hardware, key), value, path.parent, trust)
        hardware = replace(hardware, **{key: part})
    return hardware


def _change(where: str, part: Any, values: Any, folder: Path, trust: bool) -> Any:
    """A part with some fields changed, or the plain value itself."""
    if not isinstance(values, dict):
        return values
    changed = {}
    for key, value in values.items():
        _check_field(where, part, key)
        changed[key] = _model(where, value, folder, trust) if key == "model" else value
    return replace(part, **changed)


def _model(where: str, values: dict[str, Any], folder: Path, trust: bool) -> Model:
    missing = [key for key in ("file", "subckt", "pins") if key not in values]
    unknown = [key for key in values if key not in ("file", "subckt", "pins", "supply")]
    if missing or unknown:
        raise InputError(f"{where}: a model has file, subckt, pins and supply; check {(missing + unknown)[0]!r}.")
    path = str(folder / values["file"])
    return Model(**{**values, "file": path, "pins": tuple(values["pins"]), "trust": trust})


def _check_field(where: str, part: Any, name: str) -> None:
    known = [f.name for f in fields(part)]
    if name not in known:
        near = get_close_matches(name, known) or known
        raise InputError(f"{where}: unknown field {name!r}; did you mean {', '.join(near)}?")

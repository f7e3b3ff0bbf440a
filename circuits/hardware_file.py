"""Hardware by name: a preset, or a TOML file that changes fields of one."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from circuits.errors import InputError
from circuits.hardware import Hardware
from circuits.templates import Templates
from circuits.toml_file import check_names, read_toml
from circuits.vendor import Model


def load_hardware(name: str, trust: bool = False) -> Hardware:
    """The preset of this name, or the hardware that a .toml file describes.

    The file has `preset` (default "default"), fields of `Hardware`, and a table for each part with the part's
    fields; `[opamp.model]` and `[cell.model]` name a model file, `templates` a folder of templates that take the place
    of shipped ones, paths counted from the file's folder. Raises
    InputError for an unknown preset, file or field, and for values out of range. `trust` lets model files through
    that ngspice would run as programs.
    """
    if not name.endswith(".toml"):
        return Hardware.preset(name)
    path = Path(name)
    table = read_toml(path)
    hardware = Hardware.preset(table.pop("preset", "default"))
    folder = table.pop("templates", None)
    for key, value in table.items():
        check_names(f"{path}", [key], (f.name for f in fields(hardware)))
        part = _change(f"{path} [{key}]", getattr(hardware, key), value, path.parent, trust)
        hardware = replace(hardware, **{key: part})
    return hardware if folder is None else hardware.redrawn(Templates.read(path.parent / str(folder)))


def _change(where: str, part: Any, values: Any, folder: Path, trust: bool) -> Any:
    """A part with some fields changed, or the plain value itself."""
    if not isinstance(values, dict):
        return values
    changed = {}
    for key, value in values.items():
        check_names(where, [key], (f.name for f in fields(part)))
        changed[key] = _model(where, value, folder, trust) if key == "model" else value
    return replace(part, **changed)


def _model(where: str, values: dict[str, Any], folder: Path, trust: bool) -> Model:
    missing = [key for key in ("file", "subckt", "pins") if key not in values]
    unknown = [key for key in values if key not in ("file", "subckt", "pins", "supply")]
    if missing or unknown:
        raise InputError(f"{where}: a model has file, subckt, pins and supply; check {(missing + unknown)[0]!r}.")
    path = str(folder / values["file"])
    return Model(**{**values, "file": path, "pins": tuple(values["pins"]), "trust": trust})

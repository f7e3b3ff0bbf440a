"""The files of a finished sweep: CSV or Parquet, a plot, and metadata that say which sweep the rows are of.

The metadata stand in OUT.meta.json and not in the CSV, so that `pandas.read_csv(OUT)` needs no arguments; a Parquet
file has them as its own key-value metadata as well.
"""

import csv
import hashlib
import importlib
import json
import platform
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import circuits
import cosim
import netlist_templates
from circuits import InputError
from cosim.executor import Executor
from cosim.pool import ask_engine
from cosim.sweep import Sweep
from cosim.sweep_drawing import draw
from cosim.sweep_point import COLUMNS
from cosim.table_files import Rows, replace_files

ENDINGS = (".csv", ".parquet")
SOURCES = ((circuits, "*.py"), (cosim, "*.py"), (netlist_templates, "*.j2"))
"""Where what a row depends on is written."""


def check_files(out: Path, sweep: Sweep, parquet: bool, overwrite: bool) -> None:
    """Raise InputError, before any work, for a table that cannot be written or is another sweep's."""
    if out.suffix not in ENDINGS:
        raise InputError(f"The table {out} must end in {' or '.join(ENDINGS)}.")
    if parquet or out.suffix == ".parquet":
        _pyarrow()
    found = [path for path in _tables(out, parquet) if path.exists()]
    if not found or overwrite:
        return
    told = _metadata(out)
    if told.get("digest") != sweep.digest:
        owner = f"of another sweep, {told['title']!r}" if "title" in told else "of unknown origin"
        raise InputError(
            f"{found[0]} holds rows {owner}: choose another name with -o, or add --overwrite to replace them by those "
            f"of {sweep.title!r}."
        )


def versions(executor: Executor, ngspice: bool) -> dict[str, str]:
    """What the rows depend on besides the sweep: versions, and a digest of the sources."""
    found = {name: version(name) for name in ("ohmvert", "numpy", "scipy")}
    found["python"] = platform.python_version()
    if ngspice:
        found["ngspice"] = ask_engine(executor)[0]
    digest = hashlib.sha256()
    for package, pattern in SOURCES:
        for path in sorted(Path(package.__path__[0]).glob(pattern)):
            digest.update(path.name.encode() + path.read_bytes())
    return {**found, "sources": digest.hexdigest()}


def write_files(rows: Rows, out: Path, sweep: Sweep, metadata: Mapping[str, Any], parquet: bool) -> None:
    """Write table, plot and metadata, each whole or not at all; InputError where they cannot be written."""
    writers: dict[Path, Callable[[Path], object]] = {
        out.with_suffix(".png"): lambda path: draw(sweep, rows).savefig(path, format="png", dpi=120),
        _metadata_path(out): lambda path: path.write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8"),
    }
    # The named table last: once it is there, everything is.
    for table in reversed(_tables(out, parquet)):
        write = _write_csv if table.suffix == ".csv" else _write_parquet
        writers[table] = partial(write, rows, metadata)
    replace_files(writers)


def metadata_of(sweep: Sweep, command: str, found: Mapping[str, str]) -> dict[str, Any]:
    """What is told about the rows of a sweep."""
    return {
        "title": sweep.title,
        "command": command,
        "digest": sweep.digest,
        "versions": dict(found),
        "columns": COLUMNS,
        "sweep": sweep.text,
    }


def _tables(out: Path, parquet: bool) -> list[Path]:
    return [out, out.with_suffix(".parquet")] if parquet and out.suffix == ".csv" else [out]


def _metadata_path(out: Path) -> Path:
    return out.with_suffix(".meta.json")


def _metadata(out: Path) -> dict[str, Any]:
    """What stands beside a table; nothing where it cannot be read."""
    try:
        found = json.loads(_metadata_path(out).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_csv(rows: Rows, _: Mapping[str, Any], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _write_parquet(rows: Rows, metadata: Mapping[str, Any], path: Path) -> None:
    pyarrow, parquet = _pyarrow()
    words = {key: value if isinstance(value, str) else json.dumps(value) for key, value in metadata.items()}
    table = pyarrow.Table.from_pylist([dict(row) for row in rows])
    parquet.write_table(table.replace_schema_metadata(words), path)


def _pyarrow() -> tuple[Any, Any]:
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise InputError(
            "A Parquet file needs pyarrow, which is not installed: run `pip install 'ohmvert[tables]'`, or `pip "
            "install pyarrow`, or write CSV only."
        ) from None

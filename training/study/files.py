"""Small files that people read and scripts parse, each written in one piece."""

import csv
import json
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from circuits import InputError
from training.atomic_file import replace_file


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> None:
    """A table; `columns` are needed where it may have no rows. InputError where it cannot be written."""
    text = StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    _write(path, text.getvalue())


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """An object; it must not hold inf or nan. InputError where it cannot be written."""
    _write(path, json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """An object. InputError with the remedy where the file is missing or no JSON."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}): {remedy}.") from None
    except ValueError as error:
        raise InputError(f"{path} is no JSON ({error}): {remedy}.") from None
    return found


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path.parent} cannot be made: {error.strerror or error}.") from None
    replace_file(path, text.encode())

"""Files that are whole or not there: written beside their place, flushed to the disk, then renamed."""

import os
from pathlib import Path

from circuits import InputError

PARTIAL = ".partial"
"""What the name of a file ends in while it is written."""


def replace_file(path: Path, data: bytes) -> None:
    """Put a file of these bytes in the place of whatever is there; it is on the disk when this returns.

    Raises InputError where it cannot be written: the file is then what it was, and nothing is left beside it.
    """
    partial = path.with_name(path.name + PARTIAL)
    try:
        _write(partial, data)
        os.replace(partial, path)
        _sync(path.parent)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        partial.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """A rename is on the disk only once its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""TOML files from users: read, with errors that name the file and the nearest field."""

import tomllib
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from circuits.errors import InputError


def read_toml(path: Path) -> dict[str, Any]:
    """The table of a TOML file; InputError where it cannot be read or is no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is no TOML: {error}.") from None


def check_names(where: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise InputError, with the nearest known names, unless all given names are known."""
    names = list(known)
    for name in given:
        if name not in names:
            near = get_close_matches(name, names) or names
            raise InputError(f"{where}: unknown field {name!r}; did you mean {', '.join(near)}?")

"""Where this machine keeps ngspice's shared library.

Standard library only: `scripts/install_ngspice.sh` runs this file as a script, with nothing else imported.
"""

import ctypes.util
import os
from pathlib import Path

# ctypes does not look here by itself: Homebrew's folder on Apple silicon.
_HOMEBREW = Path("/opt/homebrew/lib/libngspice.dylib")


def find_ngspice() -> str | None:
    """Name or path of the library as `dlopen` takes it, None where there is none.

    Where NGSPICE_LIBRARY_PATH is set, only that file counts: no other library makes a wrong path good.
    """
    chosen = os.environ.get("NGSPICE_LIBRARY_PATH")
    if chosen:
        return str(Path(chosen).resolve()) if Path(chosen).is_file() else None
    if _HOMEBREW.is_file():
        return str(_HOMEBREW)
    return ctypes.util.find_library("ngspice")


def need_ngspice() -> None:
    """Raise InputError, with the way out, where ngspice's library is missing."""
    from circuits.errors import InputError

    if find_ngspice() is None:
        raise InputError(
            "ngspice's shared library was not found: install it (Debian and Ubuntu: apt-get install libngspice0; "
            "macOS: brew install libngspice) or set NGSPICE_LIBRARY_PATH to the file."
        )


if __name__ == "__main__":
    print(find_ngspice() or "not found")
    raise SystemExit(find_ngspice() is None)

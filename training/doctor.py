"""What this machine has, and the way out where something is missing."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

from rich.console import Console
from rich.table import Table

from cosim.library import find_ngspice
from cosim.pool import SpicePool, ask_engine

PACKAGES = (
    "numpy",
    "scipy",
    "torch",
    "jinja2",
    "PySpice",
    "pebble",
    "typer",
    "rich",
    "safetensors",
    "scikit-learn",
)
WAY_OUT = (
    "ngspice's shared library was not found: install it (Debian and Ubuntu: apt-get install libngspice0; "
    "macOS: brew install libngspice) or set NGSPICE_LIBRARY_PATH to the file."
)


def examine() -> int:
    """Print versions, the library and the cores; 0, or 1 with what to do where something is missing."""
    console = Console()
    table = Table(title="Ohmvert on this machine", show_header=False)
    problems = []
    table.add_row("Python", f"{platform.python_version()} on {platform.platform()}")
    table.add_row("cores", str(os.cpu_count()))
    for package in PACKAGES:
        try:
            table.add_row(package, version(package))
        except PackageNotFoundError:
            table.add_row(package, "missing")
            problems.append(f"{package} is missing: run make setup, or pip install {package}.")
    problems += _examine_ngspice(table)
    console.print(table)
    for problem in problems:
        console.print(problem, soft_wrap=True, highlight=False)
    return 1 if problems else 0


def _examine_ngspice(table: Table) -> list[str]:
    library = find_ngspice()
    table.add_row("ngspice library", library or "missing")
    if library is None:
        return [WAY_OUT]
    pool = SpicePool(workers=1, timeout=60)
    try:
        engine, klu = ask_engine(pool)
    except Exception as error:
        return [f"The library {library} does not load ({error}): install libngspice0, or set NGSPICE_LIBRARY_PATH."]
    finally:
        pool.close()
    table.add_row("ngspice version", engine)
    table.add_row(
        "KLU solver",
        "yes" if klu else "no (ngspice 42 and later have it; larger circuits run 2 to 13x faster)",
    )
    return []

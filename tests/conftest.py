"""Options, markers and fixtures for every test file."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.library import find_ngspice

# Beside the checkout and not in it: where it is absent, the tests on real factors are skipped.
FACTORS = Path(__file__).resolve().parents[2] / "shared" / "data" / "kfac_factors.npz"


def find_simulators() -> dict[str, str | None]:
    """Marker name -> what serves the tests that carry it, None where this machine lacks it."""
    return {
        "ngspice": find_ngspice(),
        "ngspice_cli": shutil.which("ngspice"),
        "gnucap": shutil.which("gnucap"),
    }


def find_browser() -> str | None:
    """The chromium that serves the tests marked `browser`, None without it or without playwright to drive it."""
    return shutil.which("chromium") if find_spec("playwright") else None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--ngspice",
        choices=("required", "auto", "off"),
        default="auto",
        help="tests that need a simulator: fail without it, skip without it, or skip always (default: auto)",
    )
    parser.addoption(
        "--update-golden", action="store_true", help="write tests/golden, docs/images anew; compare nothing"
    )


def pytest_configure(config: pytest.Config) -> None:
    absent = [name for name, found in find_simulators().items() if found is None]
    if absent and config.getoption("ngspice") == "required":
        raise pytest.UsageError(
            f"--ngspice=required, and this machine has nothing for the tests marked {', '.join(absent)}: "
            "run OHMVERT_EXTRA_SIMULATORS=1 scripts/install_ngspice.sh"
        )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    simulators = find_simulators()
    off = config.getoption("ngspice") == "off"
    for item in items:
        for marker, found in simulators.items():
            if item.get_closest_marker(marker) and (off or found is None):
                reason = "--ngspice=off" if off else f"{marker}: not found on this machine"
                item.add_marker(pytest.mark.skip(reason=reason))
        if item.get_closest_marker("browser") and find_browser() is None:
            item.add_marker(pytest.mark.skip(reason="browser: no chromium, or no playwright, on this machine"))


@pytest.fixture(scope="session")
def shared_factors() -> dict[str, NDArray[np.float64]]:
    """Real K-FAC factors by name, such as `step020/conv2/A`; each (n, n)."""
    if not FACTORS.is_file():
        pytest.skip("shared/data/kfac_factors.npz is not beside this checkout")
    with np.load(FACTORS) as archive:
        return {name: archive[name] for name in archive.files if name.endswith(("/A", "/G"))}

"""The import names are generic: what is imported must be this checkout, and all of it."""

import importlib
import importlib.resources
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = sorted(init.parent.name for init in ROOT.glob("*/__init__.py"))
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]


@pytest.mark.parametrize("name", PACKAGES)
def test_package_comes_from_this_checkout(name: str) -> None:
    assert Path(importlib.import_module(name).__file__).resolve().parent == ROOT / name


def test_every_template_is_package_data() -> None:
    templates = sorted((ROOT / "netlist_templates").rglob("*.j2"))
    assert templates
    data = importlib.resources.files("netlist_templates")
    for template in templates:
        resource = data.joinpath(*template.relative_to(ROOT / "netlist_templates").parts)
        assert resource.read_bytes() == template.read_bytes()


@pytest.mark.parametrize(
    "listed",
    [
        SETTINGS["hatch"]["build"]["targets"]["wheel"]["packages"],
        SETTINGS["mypy"]["packages"],
        SETTINGS["importlinter"]["root_packages"],
    ],
    ids=["wheel", "mypy", "import-linter"],
)
def test_settings_list_every_package(listed: list[str]) -> None:
    assert sorted(listed) == PACKAGES == ["circuits", "cosim", "netlist_templates", "training"]


def test_tests_are_no_package() -> None:
    # An __init__.py below tests/ lets pytest import a test folder in a package's place.
    assert not list((ROOT / "tests").rglob("__init__.py"))

"""The methods that are compared: what each one is, which belong together, and how figures show them."""

from dataclasses import dataclass
from typing import Any

from training.study.plan import METHODS

COLOURS = {
    "sgd": "#8b8b8b",
    "adam": "#b8860b",
    "exact": "#2a9d63",
    "lp:3": "#3d85c8",
    "lp:4": "#8f6fd6",
    "hp:1e-3": "#d2517c",
    "bare": "#e07a1f",
}
"""Mid tones, which can be read on white and on black."""
OPTIMIZERS = {"sgd": "SGD with momentum", "adam": "Adam", "kfac": "K-FAC"}
BASELINES = ("sgd", "adam")
MAIN = ("nodal lp:3", "spice lp:3 explicit", "exact")
"""Whose saving is held against the paper's: the first of them that was measured."""


@dataclass(frozen=True)
class Look:
    """A line of a figure."""

    colour: str
    style: str


def look(method: str) -> Look:
    """The same in every figure: colours tell precisions apart, dashes ngspice from the nodal engine."""
    word = next((word for word in reversed(COLOURS) if word in method), "sgd")
    if "explicit" in method:
        return Look(COLOURS[word], ":")
    return Look(COLOURS[word], "--" if method.startswith("spice") else "-")


def describe(method: str) -> str:
    """What it is, in words."""
    if method not in METHODS:
        return "not of this version's plan"
    one = METHODS[method]
    if one.optimizer != "kfac":
        return OPTIMIZERS[one.optimizer]
    return ", ".join(["K-FAC", _engine(one.fields), *_choices(one.fields)])


def _engine(fields: Any) -> str:
    words = {"exact": "float64 linear algebra", "nodal": "circuits by the nodal engine", "spice": "circuits in ngspice"}
    return words[fields["backend"]]


def _choices(fields: Any) -> list[str]:
    kind, _, value = fields.get("precision", "").partition(":")
    words = {"lp": f"one solve on {value}-bit cells", "hp": f"3-bit solves refined to {value}"}
    found = [words[kind]] if kind in words else []
    if fields.get("apply") == "explicit":
        found.append("inverses read once a refresh")
    if fields.get("conditioning") is False:
        found.append("without conditioning")
    return found


def pairs() -> list[tuple[str, str]]:
    """(in ngspice, in the nodal engine) of methods that are alike but for the engine."""

    def rest(name: str) -> dict[str, Any]:
        return {key: value for key, value in METHODS[name].fields.items() if key != "backend"}

    spice = [name for name, one in METHODS.items() if one.fields.get("backend") == "spice"]
    nodal = [name for name, one in METHODS.items() if one.fields.get("backend") == "nodal"]
    return [(one, other) for one in spice for other in nodal if rest(one) == rest(other)]


def is_bare(method: str) -> bool:
    """Whether it is without conditioning."""
    return "bare" in method


def is_baseline(method: str) -> bool:
    """Whether it is an optimizer of the first order."""
    return method in BASELINES

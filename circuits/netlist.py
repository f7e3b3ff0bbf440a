"""Netlist text and its digest. The one file that knows Jinja."""

import hashlib
import math
import traceback
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from jinja2 import PackageLoader, StrictUndefined, TemplateSyntaxError, UndefinedError
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from circuits.errors import InputError
from circuits.stimulus import Stimulus

TITLE = "* Ohmvert: an analog matrix circuit"


@dataclass(frozen=True)
class Netlist:
    """A circuit as text, without what drives it, and the nodes where it is driven and read."""

    circuit: str
    """The lines of the circuit."""
    inputs: tuple[str, ...]
    """Node names of the inputs, one a row."""
    outputs: tuple[str, ...]
    """Node names of the outputs, one a column."""

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the circuit's text."""
        return hashlib.sha256(self.circuit.encode()).hexdigest()

    def deck(self, stimulus: Stimulus, header: str = "", measures: str = "") -> str:
        """Complete netlist text: title, header comments, circuit, stimulus, analysis."""
        comments = "".join(f"* {line}\n".replace("*  ", "*   ") for line in header.splitlines())
        driven = render("stimulus.cir.j2", probes=self.outputs, **stimulus.variables())
        return f"{TITLE}\n{comments}{self.circuit}\n{driven}{measures}.end\n"


def number(value: float) -> str:
    """A SPICE number of twelve digits, so that rounding stays below 1e-11 and lines stay readable."""
    return f"{value:.12g}"


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        loader=PackageLoader("netlist_templates", "."),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["num"] = number
    environment.tests["infinite"] = math.isinf
    return environment


_ENVIRONMENT = _environment()


def render(template: str, **variables: object) -> str:
    """Text of a template of `netlist_templates`.

    Raises InputError, naming the template and the line, for a variable that is not given and for bad syntax.
    """
    try:
        return _ENVIRONMENT.get_template(template).render(**variables)
    except (UndefinedError, SecurityError) as error:
        raise InputError(f"Template {_place(error, template)}: {error}.") from None
    except TemplateSyntaxError as error:
        raise InputError(f"Template {error.name} line {error.lineno}: {error.message}.") from None


def _place(error: Exception, template: str) -> str:
    """The template and line where rendering stopped, which may be one that `template` includes."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.endswith(".j2")]
    return f"{Path(frames[-1].filename).name} line {frames[-1].lineno}" if frames else template

"""Netlist text and its digest. The one file that knows Jinja."""

import hashlib
import math
import traceback
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    FunctionLoader,
    PackageLoader,
    PrefixLoader,
    StrictUndefined,
    TemplateNotFound,
    TemplateSyntaxError,
    UndefinedError,
)
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from circuits.errors import InputError
from circuits.stimulus import Stimulus
from circuits.templates import SHIPPED, Templates

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
    templates: Templates = SHIPPED
    """What the stimulus is drawn by."""

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the circuit's text."""
        return hashlib.sha256(self.circuit.encode()).hexdigest()

    def deck(self, stimulus: Stimulus, header: str = "", measures: str = "") -> str:
        """Complete netlist text: title, header comments, circuit, stimulus, analysis."""
        comments = "".join(f"* {line}\n".replace("*  ", "*   ") for line in header.splitlines())
        driven = render("stimulus.cir.j2", self.templates, probes=self.outputs, **stimulus.variables())
        return f"{TITLE}\n{comments}{self.circuit}\n{driven}{measures}.end\n"


def number(value: float) -> str:
    """A SPICE number of twelve digits, so that rounding stays below 1e-11 and lines stay readable."""
    return f"{value:.12g}"


def _environment(loader: BaseLoader) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        loader=loader,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["num"] = lambda value: number(float(value))  # float() names a variable that is not given
    environment.tests["infinite"] = math.isinf
    return environment


_SHIPPED_LOADER = PackageLoader("netlist_templates", ".")
_ENVIRONMENT = _environment(_SHIPPED_LOADER)


@lru_cache(maxsize=8)
def _replaced(templates: Templates) -> ImmutableSandboxedEnvironment:
    """An environment that looks for a template among the replaced ones first."""
    texts = templates.replaced

    def load(name: str) -> tuple[str, str, None] | None:
        return (texts[name], templates.origin(name), None) if name in texts else None

    # A template that takes another's place can still draw by it: as shipped/NAME.
    again = PrefixLoader({"shipped": _SHIPPED_LOADER})
    return _environment(ChoiceLoader([FunctionLoader(load), _SHIPPED_LOADER, again]))


def render(template: str, templates: Templates = SHIPPED, **variables: object) -> str:
    """Text of a template of `netlist_templates`, or of the one that takes its place.

    Raises InputError, naming the template and the line, for a variable that is not given and for bad syntax.
    """
    environment = _replaced(templates) if templates.texts else _ENVIRONMENT
    try:
        return environment.get_template(template).render(**variables)
    except (UndefinedError, SecurityError) as error:
        raise InputError(f"Template {_place(error, templates.origin(template), templates)}: {error}.") from None
    except TemplateSyntaxError as error:
        place = templates.origin(error.name) if error.name in templates.replaced else error.name
        raise InputError(f"Template {place} line {error.lineno}: {error.message}.") from None
    except InputError:
        raise
    except (TypeError, ValueError, ArithmeticError) as error:
        place = _place(error, templates.origin(template), templates)
        raise InputError(f"Template {place} cannot be drawn: {error}.") from None
    except TemplateNotFound as error:
        raise InputError(f"Template {templates.origin(template)} includes {error}, which there is not.") from None


def _place(error: Exception, template: str, templates: Templates) -> str:
    """The template and line where rendering stopped, which may be one that `template` includes."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.endswith(".j2")]
    if not frames:
        return template
    name = Path(frames[-1].filename).name
    return f"{templates.origin(name) if name in templates.replaced else name} line {frames[-1].lineno}"

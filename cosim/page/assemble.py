"""From inspections and a run's INV calls to one HTML file that needs nothing else.

The parts of the page are files: inspector.html, and the style sheets and scripts in inspector/. A content security
policy names the joined style sheets and scripts by their hashes and forbids every connection.
"""

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from html import escape
from importlib.resources import files
from string import Template

from cosim.inspection import Inspection
from cosim.page.calls import CallTable
from cosim.page.pack import pack
from cosim.page.view import packed_view
from cosim.solution import Status


@dataclass(frozen=True)
class View:
    """One circuit of the page."""

    inspection: Inspection
    call: tuple[int, str, str] | None = None
    """Step, layer and factor in the run; None for a circuit of its own."""
    columns: tuple[int, ...] = ()
    """The numbers of its right-hand sides in the solve, counted from 0; empty for all of them."""
    reason: str = ""
    """Why the page carries it."""

    @cached_property
    def block(self) -> str:
        """The circuit as the page holds it."""
        return pack(packed_view(self.inspection))


@dataclass(frozen=True)
class Page:
    """What a page shows."""

    title: str
    views: tuple[View, ...] = ()
    calls: CallTable | None = None
    """The INV calls of a run."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Of the run, by name."""
    notes: tuple[str, ...] = ()
    """Sentences on what was left out."""
    command: tuple[str, ...] = ()
    """Words of the command that inspects the run, without the call; `{column}` stands for that of the call."""


def assemble(page: Page) -> str:
    """The page as HTML text."""
    style, script = _joined(".css"), _joined(".js")
    blocks = [_block("page", pack(_about(page)))]
    if page.calls is not None:
        blocks.append(_block("calls", pack(page.calls.packed())))
    blocks += [_block(f"view{i}", view.block) for i, view in enumerate(page.views)]
    return Template(_part("inspector.html")).substitute(
        policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'",
        title=escape(page.title),
        style=style,
        script=script,
        blocks="\n".join(blocks),
    )


def _about(page: Page) -> dict[str, object]:
    return {
        "title": page.title,
        "facts": page.facts,
        "notes": page.notes,
        "command": page.command,
        "statuses": {str(status): {"text": status.text, "severity": status.severity} for status in Status},
        "views": [{"call": view.call, "columns": view.columns, "reason": view.reason} for view in page.views],
    }


def _block(name: str, packed: str) -> str:
    """A script of a type that no browser runs."""
    return f'<script type="application/octet-stream" id="data-{name}">{packed}</script>'


@cache
def _part(name: str) -> str:
    return (files("cosim.page") / name).read_text(encoding="utf-8")


@cache
def _joined(suffix: str) -> str:
    """The style sheets or the scripts, one after the other. Each has its own subject: their order says nothing."""
    names = sorted(path.name for path in (files("cosim.page") / "inspector").iterdir() if path.name.endswith(suffix))
    return "\n".join(_part(f"inspector/{name}") for name in names)


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

"""Docstrings are plain text with `code` in single backticks: this turns them into what Sphinx reads."""

import re
from typing import Any

from docutils import nodes
from sphinx.addnodes import desc_annotation
from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config, GoogleDocstring

WITHOUT_SECTIONS = ("attribute", "data", "property")
"""What has a docstring of sentences only, where a colon starts no section."""
_PATH = r"~?(?:\w+\.)*"
SHORT = {
    # Sphinx spells type aliases out; the sources call these Array and ArrayLike.
    rf"{_PATH}ndarray\[tuple\[{_PATH}Any, \.\.\.\], {_PATH}dtype\[{_PATH}float64\]\]": "Array",
    rf"{_PATH}_Buffer \| {_PATH}_SupportsArray\[.*?_NestedSequence\[complex \| bytes \| str\]": "ArrayLike",
}


def escape(text: str) -> str:
    """The text in reStructuredText: bars, stars and trailing underscores mean themselves, backticks mark code."""
    return "".join(_code(part) if part.startswith("`") else _plain(part) for part in re.split(r"(`[^`]+`)", text))


def _code(span: str) -> str:
    # A span may cross a line's end, whose indentation is none of its own.
    return "\\ `" + re.sub(r"\s*\n\s*", " ", span) + "`\\ "


def _plain(text: str) -> str:
    return re.sub(r"_(?!\w)", r"\\_", re.sub(r"([\\*|])", r"\\\1", text))


def _shortened(text: str | None) -> str | None:
    for pattern, word in SHORT.items():
        text = re.sub(pattern, word, text) if text else text
    return text


def _docstring(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    escaped = escape("\n".join(lines)).split("\n")
    plain = what in WITHOUT_SECTIONS
    lines[:] = escaped if plain else GoogleDocstring(escaped, Config(), app, what, name, obj, options).lines()


def _signature(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    return _shortened(signature), _shortened(returns)


def _annotations(app: Sphinx, document: nodes.document, page: str) -> None:
    """Types of attributes, which no signature carries."""
    for node in document.findall(desc_annotation):
        short = _shortened(node.astext())
        if short and short != node.astext():
            node[:] = [nodes.Text(short)]


def setup(app: Sphinx) -> dict[str, bool]:
    """Join in where autodoc asks."""
    app.connect("autodoc-process-docstring", _docstring)
    app.connect("autodoc-process-signature", _signature)
    app.connect("doctree-resolved", _annotations)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

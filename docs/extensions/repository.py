"""Pages are also read beside the sources: what means something there becomes what Sphinx knows."""

import re

from sphinx.application import Sphinx

PAGES = {"netlist_templates/README.md": "/reference/templates.md", "README.md": "/index.md"}
"""Files of the repository, from its root, and the pages that stand for them."""
LEXERS = {"spice": "text"}
"""Languages that the highlighter lacks, or takes for others of the same name."""


def _links(text: str) -> str:
    text = re.sub(r"\]\((?:\.\./)+docs/", "](/", text)
    for file, page in PAGES.items():
        text = re.sub(rf"\]\((?:\.\./)+{re.escape(file)}", f"]({page}", text)
    return text


def _fence(match: re.Match[str]) -> str:
    """A fence that names a file shows the name; `exit=` is for the tests."""
    language, word = match["language"], match["word"]
    if "=" in word:
        return f"```{language}"
    return f"```{{code-block}} {LEXERS.get(language, language)}\n:caption: {word}\n"


def _read(app: Sphinx, name: str, content: list[str]) -> None:
    content[0] = re.sub(r"^```(?P<language>\w+) (?P<word>\S+)$", _fence, _links(content[0]), flags=re.MULTILINE)


def _included(app: Sphinx, path: object, name: str, content: list[str]) -> None:
    content[0] = _links(content[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """Change the text of a page before it is parsed."""
    app.connect("source-read", _read)
    app.connect("include-read", _included)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""How Sphinx builds the site: `make docs`, with warnings as errors and without a network."""

import sys
from importlib.metadata import version as installed
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "Ohmvert"
author = "the Ohmvert contributors"
version = release = installed("ohmvert")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "mathml",
    "plain_docstrings",
    "docstrings",
    "overviews",
    "repository",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["extensions", "images"]

html_theme = "furo"
html_title = "Ohmvert"
html_static_path = ["_static"]
html_css_files = ["ohmvert.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_math_renderer = "mathml"
math_eqref_format = "({number})"

myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
highlight_language = "none"

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100

"""Sphinx's configuration: python -m sphinx -W --keep-going -b html docs runs/docs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS.parent), str(DOCS)]
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from sphinx.application import Sphinx  # noqa: E402

import aec_ofa_tf  # noqa: E402 - found by the lines above

project = "aec-ofa-tf"
version = release = aec_ofa_tf.__version__
html_title = f"{project} {version}"
html_show_copyright = False
html_theme = "furo"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "program_flags"]
exclude_patterns = ["results", "images/*.py"]
myst_heading_anchors = 3

# Docstrings are in Google's style; names in single backticks are code.
default_role = "code"
smartquotes = False  # --flag is two hyphens
napoleon_numpy_docstring = False
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"


def setup(app: Sphinx) -> None:
    """Lets links to files beside this folder, which are right in the repository, reach pages."""
    app.connect("source-read", _link_pages)


def _link_pages(_: Sphinx, __: str, source: list[str]) -> None:
    for name in ("BUILD", "SECURITY"):
        source[0] = source[0].replace(f"(../{name}.md", f"({name.lower()}.md")

# ruff: noqa: INP001 -- a folder of pages, not a package
"""How the documentation is built: `make docs`. Pages of reference are written from the program first."""

from __future__ import annotations

import re
import sys
from importlib.metadata import version as installed
from pathlib import Path

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))

import reference

project = "Openbell"
author = "The Openbell authors"
project_copyright = author
release = version = installed("openbell")
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "index"
exclude_patterns = ["_build"]
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "deflist"]
html_theme = "furo"
html_title = f"Openbell {release}"
html_show_sphinx = False
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["openbell.css"]
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5cad", "color-brand-content": "#0b5cad"},
    "dark_css_variables": {"color-brand-primary": "#7cb7ff", "color-brand-content": "#7cb7ff"},
}
pygments_style = "friendly"
pygments_dark_style = "github-dark"


def add_others(_app: Sphinx, page: str, source: list[str]) -> None:
    """Pages of this folder that the contents do not name stand behind the operator's."""
    if page == root_doc:
        names = {path.stem for path in Path(__file__).parent.glob("*.md")} - {root_doc}
        others = (name for name in sorted(names) if not re.search(rf"^{name}$", source[0], re.MULTILINE))
        kept = (name for name in others if not name.endswith(("corpus", "acceptance")))
        source[0] = source[0].replace("(others)\n", "".join(f"{name}\n" for name in kept))


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", add_others)


reference.write(Path(__file__).parent / "reference")

"""Sphinx configuration: Markdown pages, no network."""

from __future__ import annotations

import seq_gym

project = "seq_gym"
author = "seq_gym contributors"
copyright = f"2026, {author}"
version = release = seq_gym.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
autodoc_typehints = "none"  # the signatures carry the types

html_theme = "furo"
html_title = f"seq_gym {version}"

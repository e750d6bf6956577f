"""Sphinx configuration: Markdown pages, no network; env_pages fills in what docstrings say."""

from __future__ import annotations

import sys
from pathlib import Path

import seq_gym

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "seq_gym"
author = "seq_gym contributors"
copyright = f"2026, {author}"
version = release = seq_gym.__version__

extensions = ["myst_parser", "env_pages"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"seq_gym {version}"

"""How the documentation is built: ``make docs``."""

import importlib.metadata

project = "Umbel"
author = "The Umbel project"
copyright = "2026, The Umbel project"
release = version = importlib.metadata.version("umbel")

extensions = ["myst_parser"]
html_theme = "furo"
html_title = f"Umbel {release}"
exclude_patterns = ["_build"]
myst_heading_anchors = 3

"""How Sphinx makes the pages: `nox -s docs`, without the network, every warning an error."""

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from docs.site import docstrings, http_pages, outside  # noqa: E402  # the path above makes them importable

project = "Non-custodial bitcoin CFDs"
author = "the authors"
html_title = "Bitcoin CFDs"
root_doc = "index"
exclude_patterns = [outside.FORMS]

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["attrs_inline"]
myst_heading_anchors = 4
myst_links_external_new_tab = False

html_theme = "furo"
html_static_path = ["site/static"]
html_css_files = ["pages.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"
pygments_dark_style = "monokai"

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "undoc-members": True}
python_use_unqualified_type_names = True
maximum_signature_line_length = 88


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", docstrings.as_rst)
    app.connect("source-read", http_pages.fill_in)
    app.connect("source-read", outside.unlink)

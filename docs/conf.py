"""The site: `make docs`. Everything from stored outputs, without network; a warning fails the build."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "agg")
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from prepare import prepare, rewritten

import vaehelpers

prepare()

project = "vaehelpers"
author = "The vaehelpers maintainers"
project_copyright = "the vaehelpers maintainers, MIT licence"
version = release = vaehelpers.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "mathml",
]
exclude_patterns = ["results", "generated", "figures"]
templates_path: list[str] = []
html_theme = "furo"
html_title = f"vaehelpers {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_math_renderer = "mathml"  # MathML in the page: no script, no font, no request

# notebooks as they are committed
nb_execution_mode = "off"
nb_output_stderr = "remove"
nb_ipywidgets_js: dict[str, Any] = {}
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "amsmath", "deflist", "colon_fence", "attrs_inline"]
myst_dmath_double_inline = True
myst_heading_anchors = 3
suppress_warnings = ["mystnb.unknown_mime_type"]

# docstrings are numpydoc; single backticks name objects
default_role = "py:obj"
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autosummary_generate = False
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
add_module_names = False
python_use_unqualified_type_names = True


def setup(app: Any) -> None:
    """Turn links between files of the repository into links between pages."""

    def read(app: Any, name: str, source: list[str]) -> None:
        if not name.startswith(("lessons/", "api/")):
            source[0] = rewritten(source[0])

    app.connect("source-read", read)

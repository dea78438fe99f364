"""A Sphinx extension: formulas as MathML, which browsers draw themselves, without a script or a request."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging

_LOG = logging.getLogger(__name__)


def _mathml(translator: Any, node: Any, display: str) -> None:
    try:
        drawn = convert(node.astext().strip(), display=display)
        # a thin space after the names of functions, which the library leaves out
        translator.body.append(
            re.sub(r"(<mi>(?:log|ln|exp|max|min)</mi>)(?=<m[in])", r'\1<mspace width="0.17em" />', drawn)
        )
    except Exception as error:  # the library raises a class for each fault of a formula
        _LOG.warning("formula %r: %s", node.astext(), error, location=node)
    raise nodes.SkipNode


def _inline(translator: Any, node: Any) -> None:
    _mathml(translator, node, "inline")


def _block(translator: Any, node: Any) -> None:
    _mathml(translator, node, "block")


def setup(app: Any) -> dict[str, bool]:
    """Register the renderer under the name that html_math_renderer takes."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}

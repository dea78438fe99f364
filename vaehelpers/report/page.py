"""From an executed notebook to one HTML page."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any


def to_html(notebook: Any, *, title: str) -> str:
    """Turn an executed notebook into one HTML page: no script, nothing loaded from anywhere, formulas as MathML.

    Code is folded away and can be opened cell by cell. Pictures carry their alternative text. HTML in Markdown is
    shown as text, so that a column name out of a file cannot bring markup into the page.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        With outputs.
    title : str

    Returns
    -------
    str

    Examples
    --------
    >>> import nbformat
    >>> cell = nbformat.v4.new_markdown_cell("# Pump\\n$\\\\sigma^2$ <script>alert(1)</script>")
    >>> page = to_html(nbformat.v4.new_notebook(cells=[cell]), title="Pump")
    >>> "<math" in page, "<script" in page, "<title>Pump</title>" in page
    (True, False, True)
    """
    from mistune.plugins import import_plugin
    from nbconvert.exporters.html import HTMLExporter
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    class Renderer(IPythonRenderer):
        def inline_math(self, body: str) -> str:
            return _mathml(body, "inline")

        def block_math(self, body: str) -> str:
            return _mathml(body, "block")

        def latex_environment(self, name: str, body: str) -> str:
            return _mathml(f"\\begin{{{name}}}{body}\\end{{{name}}}", "block")

    class Exporter(HTMLExporter):
        def markdown2html(self, context: Any = None, source: str = "") -> str:
            renderer = Renderer(escape=True, allow_harmful_protocols=False, anchor_link_text="#")
            return MarkdownWithMath(renderer=renderer, plugins=[import_plugin("table")]).render(source)

        def default_filters(self) -> Any:
            yield from super().default_filters()
            yield ("markdown2html", lambda source: self.markdown2html(None, source))

    base = Path(str(resources.files("vaehelpers.report")))
    exporter = Exporter(template_name="html_template", extra_template_basedirs=[str(base)])
    notebook.metadata["title"] = title
    page, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"name": title}})
    return page


def _mathml(body: str, display: str) -> str:
    from html import escape

    from latex2mathml.converter import convert

    try:
        return convert(body, display=display)
    except Exception:  # whatever it cannot read is shown as it was written
        return f"<code>{escape(body)}</code>"

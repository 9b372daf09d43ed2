"""The text of the course's pages."""

import nbformat


def text_of(path):
    """The Markdown of a notebook, or the whole text of another file."""
    if path.suffix == ".ipynb":
        cells = nbformat.read(path, as_version=4).cells
        return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return path.read_text(encoding="utf-8")
